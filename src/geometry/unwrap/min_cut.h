// Minimum cuts of small graphs.
#pragma once

#include <cstdint>
#include <vector>

#include "base/monitor.h"

namespace espalier {

// A graph with terminals; capacities are not negative. Shortest augmenting paths, level by level (Dinic 1970): quick where
// the terminals are near, as in bands around a border. The cut found is the one closest to the source.
class MinCut {
 public:
  explicit MinCut(std::int32_t nodes);
  // Capacity both ways.
  void link(std::int32_t a, std::int32_t b, double capacity) { add(a, b, capacity, capacity); }
  void link_source(std::int32_t a, double capacity) { add(source_, a, capacity, 0); }
  void link_sink(std::int32_t a, double capacity) { add(a, sink_, capacity, 0); }
  void solve(const Monitor* monitor = nullptr);
  // After solve: on the side of the source.
  [[nodiscard]] bool with_source(std::int32_t a) const { return level_[static_cast<std::size_t>(a)] >= 0; }

 private:
  struct Arc {
    std::int32_t to, next;
    double left;  // the arc back is at index ^ 1
  };
  void add(std::int32_t a, std::int32_t b, double forth, double back);
  bool find_levels();
  void augment();

  std::int32_t source_, sink_;
  double smallest_ = 0;  // less is rounding
  std::vector<Arc> arcs_;
  std::vector<std::int32_t> first_, current_, level_, queue_;
};

}  // namespace espalier
