#include "geometry/unwrap/min_cut.h"

#include <algorithm>

namespace espalier {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

}  // namespace

MinCut::MinCut(std::int32_t nodes) : source_(nodes), sink_(nodes + 1), first_(at(nodes) + 2, -1), level_(at(nodes) + 2, -1) {}

void MinCut::add(std::int32_t a, std::int32_t b, double forth, double back) {
  arcs_.push_back({b, first_[at(a)], forth});
  first_[at(a)] = static_cast<std::int32_t>(arcs_.size() - 1);
  arcs_.push_back({a, first_[at(b)], back});
  first_[at(b)] = static_cast<std::int32_t>(arcs_.size() - 1);
}

void MinCut::solve(const Monitor* monitor) {
  double largest = 0;
  for (const Arc& arc : arcs_) largest = std::max(largest, arc.left);
  smallest_ = 1e-14 * largest;
  while (find_levels()) {
    if (monitor != nullptr) monitor->check();
    augment();
  }
}

// Distances from the source over arcs with capacity left, of nodes nearer than the sink; false once it is out of reach.
bool MinCut::find_levels() {
  std::fill(level_.begin(), level_.end(), -1);
  std::vector<std::int32_t>& queue = queue_;
  queue.assign(1, source_);
  level_[at(source_)] = 0;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    if (level_[at(sink_)] >= 0 && level_[at(queue[i])] + 1 >= level_[at(sink_)]) break;
    for (std::int32_t arc = first_[at(queue[i])]; arc >= 0; arc = arcs_[at(arc)].next) {
      const std::int32_t to = arcs_[at(arc)].to;
      if (level_[at(to)] >= 0 || arcs_[at(arc)].left <= smallest_) continue;
      level_[at(to)] = level_[at(queue[i])] + 1;
      queue.push_back(to);
    }
  }
  return level_[at(sink_)] >= 0;
}

// Fills paths that go up one level per arc until there is none; without recursion, because paths can be long.
void MinCut::augment() {
  current_ = first_;
  std::vector<std::int32_t> path;  // arcs from the source
  std::int32_t node = source_;
  while (true) {
    if (node == sink_) {
      double flow = arcs_[at(path.front())].left;
      for (const std::int32_t arc : path) flow = std::min(flow, arcs_[at(arc)].left);
      std::size_t keep = path.size();
      for (std::size_t i = path.size(); i-- > 0;) {
        arcs_[at(path[i])].left -= flow;
        arcs_[at(path[i] ^ 1)].left += flow;
        if (arcs_[at(path[i])].left <= smallest_) keep = i;
      }
      node = arcs_[at(path[keep] ^ 1)].to;
      path.resize(keep);
      continue;
    }
    std::int32_t& arc = current_[at(node)];
    while (arc >= 0 && (arcs_[at(arc)].left <= smallest_ || level_[at(arcs_[at(arc)].to)] != level_[at(node)] + 1)) {
      arc = arcs_[at(arc)].next;
    }
    if (arc >= 0) {
      path.push_back(arc);
      node = arcs_[at(arc)].to;
      continue;
    }
    if (path.empty()) return;
    level_[at(node)] = -1;  // leads nowhere
    node = arcs_[at(path.back() ^ 1)].to;
    path.pop_back();
  }
}

}  // namespace espalier
