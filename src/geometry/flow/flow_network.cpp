#include "geometry/flow/flow_network.h"

#include <algorithm>
#include <boost/graph/boykov_kolmogorov_max_flow.hpp>
#include <boost/graph/compressed_sparse_row_graph.hpp>
#include <boost/property_map/property_map.hpp>
#include <utility>

namespace espalier {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

FlowTree tree_of(boost::default_color_type colour) {
  switch (colour) {
    case boost::black_color: return FlowTree::source;
    case boost::white_color: return FlowTree::sink;
    default: return FlowTree::neither;
  }
}

}  // namespace

template <class Capacity>
FlowNetwork<Capacity>::FlowNetwork(std::int32_t nodes) : nodes_(nodes), source_(at(nodes), 0), sink_(at(nodes), 0) {}

template <class Capacity>
std::vector<FlowTree> FlowNetwork<Capacity>::solve(const Monitor* monitor) {
  using Graph =
      boost::compressed_sparse_row_graph<boost::directedS, boost::no_property, boost::no_property, std::int32_t, Capacity>;
  using Edge = typename boost::graph_traits<Graph>::edge_descriptor;
  for (std::int32_t n = 2; n < nodes_; ++n) {
    if (source_[at(n)] > 0) arcs_.insert(arcs_.end(), {Arc{kSource, n, source_[at(n)]}, Arc{n, kSource, 0}});
    if (sink_[at(n)] > 0) arcs_.insert(arcs_.end(), {Arc{n, kSink, sink_[at(n)]}, Arc{kSink, n, 0}});
  }
  // Sorted by the node they leave from, by counting.
  std::vector<Capacity> first(at(nodes_) + 1, 0);
  for (const Arc& arc : arcs_) ++first[at(arc.from) + 1];
  for (std::size_t n = 1; n < first.size(); ++n) first[n] += first[n - 1];
  std::vector<Capacity> place(arcs_.size());
  std::vector<std::pair<std::int32_t, std::int32_t>> ends(arcs_.size());
  std::vector<Capacity> capacity(arcs_.size());
  for (std::size_t i = 0; i < arcs_.size(); ++i) {
    const Capacity to = first[at(arcs_[i].from)]++;
    place[i] = to;
    ends[at(to)] = {arcs_[i].from, arcs_[i].to};
    capacity[at(to)] = arcs_[i].capacity;
  }
  const Graph graph(boost::edges_are_sorted, ends.begin(), ends.end(), nodes_);
  std::vector<Edge> reverse(arcs_.size());
  for (std::size_t i = 0; i < arcs_.size(); ++i) {
    const Capacity partner = place[i ^ 1U];
    reverse[at(place[i])] = Edge(ends[at(partner)].first, partner);
  }
  if (monitor != nullptr) monitor->check();
  std::vector<Capacity> residual(arcs_.size());
  std::vector<boost::default_color_type> colour(at(nodes_));
  std::vector<Capacity> distance(at(nodes_));
  std::vector<Edge> predecessor(at(nodes_));
  const auto edge_index = get(boost::edge_index, graph);
  const auto vertex_index = get(boost::vertex_index, graph);
  boost::boykov_kolmogorov_max_flow(graph, boost::make_iterator_property_map(capacity.begin(), edge_index),
                                    boost::make_iterator_property_map(residual.begin(), edge_index),
                                    boost::make_iterator_property_map(reverse.begin(), edge_index),
                                    boost::make_iterator_property_map(predecessor.begin(), vertex_index),
                                    boost::make_iterator_property_map(colour.begin(), vertex_index),
                                    boost::make_iterator_property_map(distance.begin(), vertex_index), vertex_index, kSource,
                                    kSink);
  std::vector<FlowTree> trees(at(nodes_));
  std::transform(colour.begin(), colour.end(), trees.begin(), tree_of);
  return trees;
}

template class FlowNetwork<std::int32_t>;
template class FlowNetwork<std::int64_t>;

}  // namespace espalier
