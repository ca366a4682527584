// Minimum cuts of large graphs between two terminals, with whole capacities.
#pragma once

#include <cstdint>
#include <vector>

#include "base/monitor.h"

namespace espalier {

// The search tree that a node hangs on once the flow is largest (Boykov and Kolmogorov 2004): that of its side of the cut, or
// neither, for nodes that could lie on both.
enum class FlowTree : std::uint8_t { source, sink, neither };

// Links are added one by one. Capacity: std::int32_t or std::int64_t, which also bounds the number of links.
template <class Capacity>
class FlowNetwork {
 public:
  static constexpr std::int32_t kSource = 0, kSink = 1;
  // `nodes` counts the terminals.
  explicit FlowNetwork(std::int32_t nodes);

  // Capacity both ways, between nodes that are not terminals.
  void link(std::int32_t a, std::int32_t b, Capacity capacity) {
    arcs_.push_back({a, b, capacity});
    arcs_.push_back({b, a, capacity});
  }
  // From the source to the node, and from the node to the sink. Repeated calls add up.
  void link_source(std::int32_t node, Capacity capacity) { source_[static_cast<std::size_t>(node)] += capacity; }
  void link_sink(std::int32_t node, Capacity capacity) { sink_[static_cast<std::size_t>(node)] += capacity; }

  // Per node. Called once; the monitor may be null and is asked before the flow is searched.
  [[nodiscard]] std::vector<FlowTree> solve(const Monitor* monitor = nullptr);

 private:
  struct Arc {
    std::int32_t from, to;
    Capacity capacity;
  };
  std::int32_t nodes_;
  std::vector<Arc> arcs_;  // every link is two, one after the other
  std::vector<Capacity> source_, sink_;
};

}  // namespace espalier
