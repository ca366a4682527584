#include "geometry/surface/solid_cells.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "base/error.h"
#include "geometry/flow/flow_network.h"
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

// The network of the cells that are decided. Nodes 0 (inside) and 1 (outside) are the terminals.
class Network {
 public:
  explicit Network(std::int32_t nodes) : flow_(nodes), inside_(at(nodes), 0), outside_(at(nodes), 0) {}
  void link(std::int32_t a, std::int32_t b, std::int32_t capacity) { flow_.link(a, b, capacity); }
  void pull_inside(std::int32_t a, std::int32_t capacity) { inside_[at(a)] += capacity; }
  void pull_outside(std::int32_t a, std::int32_t capacity) { outside_[at(a)] += capacity; }

  // Per node: on the side of the source. What hangs on neither is not.
  [[nodiscard]] std::vector<std::uint8_t> solve() {
    for (std::size_t n = 2; n < inside_.size(); ++n) {
      // What both terminals pull at cancels out.
      const std::int32_t both = std::min(inside_[n], outside_[n]);
      flow_.link_source(static_cast<std::int32_t>(n), inside_[n] - both);
      flow_.link_sink(static_cast<std::int32_t>(n), outside_[n] - both);
    }
    const std::vector<FlowTree> trees = flow_.solve();
    std::vector<std::uint8_t> inside(trees.size());
    std::transform(trees.begin(), trees.end(), inside.begin(), [](FlowTree t) { return t == FlowTree::source ? 1 : 0; });
    return inside;
  }

 private:
  FlowNetwork<std::int32_t> flow_;
  std::vector<std::int32_t> inside_, outside_;
};

class Decision {
 public:
  Decision(const CellVotes& votes, const Monitor* monitor, const HeldCells* held)
      : grid_(votes.side), votes_(votes), monitor_(monitor), held_(held), whole_(votes.block * votes.block * 4) {}

  SolidCells run(std::int64_t most_band) {
    SolidCells cells;
    cells.flags.assign(at(grid_.count()), 0);
    if (!all_whole()) return cells;
    decide(cells);
    std::vector<std::int32_t> held_band;
    if (held_ != nullptr) {
      std::copy_if(held_->band.begin(), held_->band.end(), std::back_inserter(held_band),
                   [&](std::int32_t c) { return held(c); });
    }
    if (cells.inside == 0 && held_band.empty()) return cells;
    if (find_band(cells, held_band, most_band)) {
      cells.held = held_ != nullptr;
      return cells;
    }
    if (held_ != nullptr) return Decision(votes_, monitor_, nullptr).run(most_band);
    cells = {};
    cells.flags.assign(at(grid_.count()), 0);
    return cells;
  }

 private:
  [[nodiscard]] std::uint64_t field(std::int32_t cell, int number) const {
    return votes_.sums[at(cell)] >> (number * kVoteBits) & ((1U << kVoteBits) - 1);
  }
  [[nodiscard]] bool active(std::int32_t cell) const { return votes_.sums[at(cell)] != 0; }
  // A cell without cubes that lies where it lay.
  [[nodiscard]] bool held(std::int32_t cell) const { return held_ != nullptr && held_->kept[at(cell)] != 0 && !active(cell); }
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
      if (held(c)) {
        const bool inside = (held_->flags[at(c)] & kCellInside) != 0;
        inside ? network.pull_inside(node[at(c)], kCertain) : network.pull_outside(node[at(c)], kCertain);
      }
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

  // False where there is no room for the cells that the surface runs through, of which `held` are some. Ascending.
  [[nodiscard]] bool find_band(SolidCells& cells, const std::vector<std::int32_t>& held, std::int64_t most) const {
    for (std::int32_t c = 0; c < grid_.count(); ++c) {
      if (!active(c) && (std::binary_search(held.begin(), held.end(), c) || is_seed(cells, c))) cells.band.push_back(c);
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
  const HeldCells* held_;
  std::int32_t whole_;  // corners on a side
};

}  // namespace

SolidCells solid_cells(const CellVotes& votes, std::int64_t most_band, const Monitor* monitor, const HeldCells* held) {
  require(votes.side >= 1 && votes.side <= 128 && votes.block >= 1 && votes.block <= kMostBlock &&
              votes.sums.size() == at(std::int64_t{votes.side} * votes.side * votes.side),
          "solid_cells", "grid of ", votes.side, "^3 cells of ", votes.block, "^3 cubes with ", votes.sums.size(), " sums");
  require(held == nullptr || (held->kept.size() == votes.sums.size() && held->flags.size() == votes.sums.size()), "solid_cells",
          "cells of another grid are held");
  return Decision(votes, monitor, held).run(most_band);
}

}  // namespace espalier::surface
