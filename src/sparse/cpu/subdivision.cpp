#include "sparse/subdivision.h"

#include <algorithm>
#include <array>

#include "parallel/parallel_for.h"

namespace espalier {
namespace {

constexpr std::int64_t kTaps = 27;

// Where the 27 neighbours of the 8 children of a voxel are: in the parent's neighbour at tap `parent`, as its child
// `child`. Along an axis, the neighbour of child half h at offset k - 1 lies in the parent's neighbour at offset
// floor((h + k - 1) / 2), in the half (h + k - 1) mod 2.
struct ChildNeighbour {
  std::int32_t parent = 0, child = 0;
};
using ChildNeighbours = std::array<std::array<ChildNeighbour, kTaps>, 8>;

constexpr ChildNeighbours child_neighbours() {
  ChildNeighbours table{};
  for (std::int32_t child = 0; child < 8; ++child) {
    for (std::int32_t tap = 0; tap < kTaps; ++tap) {
      ChildNeighbour& at = table[static_cast<std::size_t>(child)][static_cast<std::size_t>(tap)];
      for (const std::int32_t moved : {child / 4 + tap / 9, child / 2 % 2 + tap / 3 % 3, child % 2 + tap % 3}) {  // h + k
        at.parent = 3 * at.parent + (moved + 1) / 2;
        at.child = 2 * at.child + (moved + 1) % 2;
      }
    }
  }
  return table;
}

}  // namespace

template <class Dev>
void subdivide_neighbours(Queue<Dev>& queue, In<Dev, std::int32_t, 2> parents, View<Dev, std::int32_t, 2> out) {
  require(parents.extent(1) == kTaps && out.extents() == Extents<2>{8 * parents.extent(0), kTaps}, "subdivide_neighbours",
          "parents are ", parents.extent(0), " x ", parents.extent(1), ", out ", out.extent(0), " x ", out.extent(1));
  if (queue.metering()) return;
  static constexpr ChildNeighbours kTable = child_neighbours();
  parallel_for(out.extent(0), grain_for(kTaps), [&](std::int64_t r) {
    for (std::int64_t tap = 0; tap < kTaps; ++tap) {
      const ChildNeighbour& at = kTable[static_cast<std::size_t>(r % 8)][static_cast<std::size_t>(tap)];
      const std::int32_t row = parents(r / 8, at.parent);
      out(r, tap) = row < 0 ? -1 : 8 * row + at.child;
    }
  });
}
template void subdivide_neighbours<Cpu>(Queue<Cpu>&, In<Cpu, std::int32_t, 2>, View<Cpu, std::int32_t, 2>);

template <class Dev>
void subdivide_coords(Queue<Dev>& queue, In<Dev, std::int32_t, 2> parents, View<Dev, std::int32_t, 2> out) {
  require(parents.extent(1) == 4 && out.extents() == Extents<2>{8 * parents.extent(0), 4}, "subdivide_coords", "parents are ",
          parents.extent(0), " x ", parents.extent(1), ", out ", out.extent(0), " x ", out.extent(1));
  if (queue.metering()) return;
  parallel_for(out.extent(0), grain_for(4), [&](std::int64_t r) {
    const auto child = static_cast<std::int32_t>(r % 8);
    out(r, 0) = parents(r / 8, 0);
    out(r, 1) = 2 * parents(r / 8, 1) + child / 4;
    out(r, 2) = 2 * parents(r / 8, 2) + child / 2 % 2;
    out(r, 3) = 2 * parents(r / 8, 3) + child % 2;
  });
}
template void subdivide_coords<Cpu>(Queue<Cpu>&, In<Cpu, std::int32_t, 2>, View<Cpu, std::int32_t, 2>);

template <class Dev, class T>
void repeat_children(Queue<Dev>& queue, In<Dev, T, 2> x, View<Dev, T, 2> out) {
  const std::int64_t channels = x.extent(1);
  require(out.extents() == Extents<2>{8 * x.extent(0), channels}, "repeat_children", "x is ", x.extent(0), " x ", channels,
          ", out ", out.extent(0), " x ", out.extent(1));
  if (queue.metering()) return;
  parallel_for(out.extent(0), grain_for(channels), [&](std::int64_t r) { std::copy_n(&x(r / 8, 0), channels, &out(r, 0)); });
}
template void repeat_children<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 2>, View<Cpu, float, 2>);

}  // namespace espalier
