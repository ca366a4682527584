#include "geometry/surface/solid_cells.h"

#include <algorithm>
#include <array>
#include <boost/graph/boykov_kolmogorov_max_flow.hpp>
#include <boost/graph/compressed_sparse_row_graph.hpp>

#include "base/error.h"
#include "geometry/surface/solid_steps.h"

namespace espalier::surface {

namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

using Place = std::array<int, 3>;

// One cell of the grid, by index and place.
class Grid {
 public:
  explicit Grid(int side) : side_(side) {}
  [[nodiscard]] std::int32_t count() const { return side_ * side_ * side_; }
  [[nodiscard]] bool has(const Place& p) const {
    return std::all_of(p.begin(), p.end(), [&](int x) { return x >= 0 && x < side_; });
  }
  [[nodiscard]] std::int32_t index(const Place& p) const { return (p[0] * side_ + p[1]) * side_ + p[2]; }
  [[nodiscard]] Place place(std::int32_t i) const { return {i / (side_ * side_), i / side_ % side_, i % side_}; }
  // The cell beyond a side (2 axis + upper), or -1 outside the grid.
  [[nodiscard]] std::int32_t beyond(std::int32_t cell, int side) const {
    Place p = place(cell);
    p[at(side / 2)] += side % 2 == 0 ? -1 : 1;
    return has(p) ? index(p) : -1;
  }

 private:
  int side_;
};

// A flow network whose links are added one by one.
class Network {
 public:
  // Nodes 0 (inside) and 1 (outside) are the terminals.
  explicit Network(std::int32_t nodes) : nodes_(nodes), source_(at(nodes), 0), sink_(at(nodes), 0) {}
  void link(std::int32_t a, std::int32_t b, std::int32_t capacity) {
    arcs_.push_back({a, b, capacity});
    arcs_.push_back({b, a, capacity});
  }
  void pull_inside(std::int32_t a, std::int32_t capacity) { source_[at(a)] += capacity; }
  void pull_outside(std::int32_t a, std::int32_t capacity) { sink_[at(a)] += capacity; }

  // Per node: on the side of the source. What hangs on neither is not.
  [[nodiscard]] std::vector<std::uint8_t> solve();

 private:
  struct Arc {
    std::int32_t from, to, capacity;
  };
  std::int32_t nodes_;
  std::vector<Arc> arcs_;  // every link is two, one after the other
  std::vector<std::int32_t> source_, sink_;
};

std::vector<std::uint8_t> Network::solve() {
  using Graph =
      boost::compressed_sparse_row_graph<boost::directedS, boost::no_property, boost::no_property, std::int32_t, std::int32_t>;
  using Edge = boost::graph_traits<Graph>::edge_descriptor;
  for (std::int32_t n = 2; n < nodes_; ++n) {
    // What both terminals pull at cancels out.
    const std::int32_t both = std::min(source_[at(n)], sink_[at(n)]);
    if (source_[at(n)] > both) arcs_.insert(arcs_.end(), {Arc{0, n, source_[at(n)] - both}, Arc{n, 0, 0}});
    if (sink_[at(n)] > both) arcs_.insert(arcs_.end(), {Arc{n, 1, sink_[at(n)] - both}, Arc{1, n, 0}});
  }
  // Sorted by the node they leave from, by counting.
  std::vector<std::int32_t> first(at(nodes_) + 1, 0);
  for (const Arc& arc : arcs_) ++first[at(arc.from) + 1];
  for (std::size_t n = 1; n < first.size(); ++n) first[n] += first[n - 1];
  std::vector<std::int32_t> place(arcs_.size());
  std::vector<std::pair<std::int32_t, std::int32_t>> ends(arcs_.size());
  std::vector<std::int32_t> capacity(arcs_.size());
  for (std::size_t i = 0; i < arcs_.size(); ++i) {
    const std::int32_t to = first[at(arcs_[i].from)]++;
    place[i] = to;
    ends[at(to)] = {arcs_[i].from, arcs_[i].to};
    capacity[at(to)] = arcs_[i].capacity;
  }
  const Graph graph(boost::edges_are_sorted, ends.begin(), ends.end(), nodes_);
  std::vector<Edge> reverse(arcs_.size());
  for (std::size_t i = 0; i < arcs_.size(); ++i) {
    const std::int32_t partner = place[i ^ 1U];
    reverse[at(place[i])] = Edge(ends[at(partner)].first, partner);
  }
  std::vector<std::int32_t> residual(arcs_.size());
  std::vector<boost::default_color_type> colour(at(nodes_));
  std::vector<std::int32_t> distance(at(nodes_));
  std::vector<Edge> predecessor(at(nodes_));
  const auto edge_index = get(boost::edge_index, graph);
  const auto vertex_index = get(boost::vertex_index, graph);
  boost::boykov_kolmogorov_max_flow(graph, boost::make_iterator_property_map(capacity.begin(), edge_index),
                                    boost::make_iterator_property_map(residual.begin(), edge_index),
                                    boost::make_iterator_property_map(reverse.begin(), edge_index),
                                    boost::make_iterator_property_map(predecessor.begin(), vertex_index),
                                    boost::make_iterator_property_map(colour.begin(), vertex_index),
                                    boost::make_iterator_property_map(distance.begin(), vertex_index), vertex_index, 0, 1);
  std::vector<std::uint8_t> inside(at(nodes_));
  std::transform(colour.begin(), colour.end(), inside.begin(), [](auto c) { return c == boost::black_color ? 1 : 0; });
  return inside;
}

class Decision {
 public:
  Decision(const CellVotes& votes, const Monitor* monitor)
      : grid_(votes.side), votes_(votes), monitor_(monitor), whole_(votes.block * votes.block * 4) {}

  SolidCells run(std::int64_t most_band) {
    SolidCells cells;
    cells.flags.assign(at(grid_.count()), 0);
    if (!all_whole()) return cells;
    decide(cells);
    if (cells.inside == 0) return cells;
    if (find_band(cells, most_band)) return cells;
    cells = {};
    cells.flags.assign(at(grid_.count()), 0);
    return cells;
  }

 private:
  [[nodiscard]] std::uint64_t field(std::int32_t cell, int number) const {
    return votes_.sums[at(cell)] >> (number * kVoteBits) & ((1U << kVoteBits) - 1);
  }
  [[nodiscard]] bool active(std::int32_t cell) const { return votes_.sums[at(cell)] != 0; }
  // Corners with a negative distance on a side of an active cell, of `whole_`.
  [[nodiscard]] std::int32_t negative(std::int32_t cell, int side) const {
    return std::min(static_cast<std::int32_t>(field(cell, side)), whole_);
  }
  [[nodiscard]] bool all_whole() const {
    const auto cubes = static_cast<std::uint64_t>(votes_.block) * votes_.block * votes_.block;
    for (std::int32_t c = 0; c < grid_.count(); ++c) {
      if (active(c) && field(c, 6) != cubes) return false;
    }
    return true;
  }

  void decide(SolidCells& cells) const {
    std::vector<std::int32_t> node(at(grid_.count()), -1);
    std::int32_t nodes = 2;
    for (std::int32_t c = 0; c < grid_.count(); ++c) {
      if (!active(c)) node[at(c)] = nodes++;
    }
    if (monitor_ != nullptr) monitor_->check();
    Network network(nodes);
    for (std::int32_t c = 0; c < grid_.count(); ++c) {
      if (active(c)) continue;
      for (int side = 0; side < 6; ++side) {
        const std::int32_t next = grid_.beyond(c, side);
        if (next < 0) {
          network.pull_outside(node[at(c)], kCertain);
        } else if (active(next)) {
          const std::int32_t in = negative(next, side ^ 1);
          network.pull_inside(node[at(c)], kSideVote * in);
          network.pull_outside(node[at(c)], kSideVote * (whole_ - in));
        } else if (side % 2 == 1) {
          network.link(node[at(c)], node[at(next)], kLinkVote * whole_);
        }
      }
    }
    const std::vector<std::uint8_t> inside = network.solve();
    for (std::int32_t c = 0; c < grid_.count(); ++c) {
      if (active(c) || inside[at(node[at(c)])] == 0) continue;
      cells.flags[at(c)] = kCellInside;
      ++cells.inside;
    }
    for (std::int32_t c = 0; c < grid_.count(); ++c) {
      if (cells.flags[at(c)] == 0) continue;
      for (int side = 0; side < 6; ++side) {
        const std::int32_t next = grid_.beyond(c, side);
        if (next >= 0 && !active(next) && cells.flags[at(next)] == 0) ++cells.membrane;
      }
    }
  }

  // Whether a neighbour in any of 26 directions contradicts what cell c is: a cell without cubes by its own decision, one
  // with cubes by the signs on all its sides that meet in what the two share.
  [[nodiscard]] bool contradicts(const SolidCells& cells, std::int32_t c, const std::array<int, 3>& step) const {
    Place p = grid_.place(c);
    for (std::size_t k = 0; k < 3; ++k) p[k] += step[k];
    if (!grid_.has(p)) return false;
    const std::int32_t next = grid_.index(p);
    const bool inside = (cells.flags[at(c)] & kCellInside) != 0;
    if (!active(next)) return inside != ((cells.flags[at(next)] & kCellInside) != 0);
    for (std::size_t k = 0; k < 3; ++k) {
      if (step[k] == 0) continue;
      const std::int32_t n = negative(next, static_cast<int>(2 * k) + (step[k] < 0 ? 1 : 0));
      if ((inside ? whole_ - n : n) == 0) return false;
    }
    return true;
  }
  [[nodiscard]] bool is_seed(const SolidCells& cells, std::int32_t c) const {
    for (int x = -1; x <= 1; ++x) {
      for (int y = -1; y <= 1; ++y) {
        for (int z = -1; z <= 1; ++z) {
          if ((x != 0 || y != 0 || z != 0) && contradicts(cells, c, {x, y, z})) return true;
        }
      }
    }
    return false;
  }

  // False where there is no room for the cells that the surface runs through.
  [[nodiscard]] bool find_band(SolidCells& cells, std::int64_t most) const {
    for (std::int32_t c = 0; c < grid_.count(); ++c) {
      if (!active(c) && is_seed(cells, c)) cells.band.push_back(c);
    }
    if (static_cast<std::int64_t>(cells.band.size()) > most) return false;
    for (const std::int32_t c : cells.band) cells.flags[at(c)] |= kCellBand;
    // Where a few signs contradict, the cell itself is room enough; where skin is missing it is not.
    std::vector<std::int32_t> around;
    std::copy_if(cells.band.begin(), cells.band.end(), std::back_inserter(around),
                 [&](std::int32_t c) { return is_membrane(cells, c); });
    for (int ring = 0; ring < kBandWidth; ++ring) around = grow(cells, around, most);
    std::sort(cells.band.begin(), cells.band.end());
    return true;
  }
  // A side of the cell is one between inside and outside.
  [[nodiscard]] bool is_membrane(const SolidCells& cells, std::int32_t c) const {
    for (int side = 0; side < 6; ++side) {
      const std::int32_t next = grid_.beyond(c, side);
      if (next >= 0 && !active(next) && ((cells.flags[at(next)] ^ cells.flags[at(c)]) & kCellInside) != 0) return true;
    }
    return false;
  }
  // Adds the neighbours of cells to the band, as far as there is room; returns those added.
  std::vector<std::int32_t> grow(SolidCells& cells, const std::vector<std::int32_t>& from, std::int64_t most) const {
    std::vector<std::int32_t> added;
    for (const std::int32_t c : from) {
      for (int side = 0; side < 6; ++side) {
        const std::int32_t next = grid_.beyond(c, side);
        if (next < 0 || active(next) || (cells.flags[at(next)] & kCellBand) != 0) continue;
        if (static_cast<std::int64_t>(cells.band.size()) == most) return added;
        cells.flags[at(next)] |= kCellBand;
        cells.band.push_back(next);
        added.push_back(next);
      }
    }
    return added;
  }

  static constexpr std::int32_t kCertain = 1 << 24;

  Grid grid_;
  const CellVotes& votes_;
  const Monitor* monitor_;
  std::int32_t whole_;  // corners on a side
};

}  // namespace

SolidCells solid_cells(const CellVotes& votes, std::int64_t most_band, const Monitor* monitor) {
  require(votes.side >= 1 && votes.side <= 128 && votes.block >= 1 && votes.block <= kMostBlock &&
              votes.sums.size() == at(std::int64_t{votes.side} * votes.side * votes.side),
          "solid_cells", "grid of ", votes.side, "^3 cells of ", votes.block, "^3 cubes with ", votes.sums.size(), " sums");
  return Decision(votes, monitor).run(most_band);
}

}  // namespace espalier::surface
