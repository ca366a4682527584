// Inside or outside: what the coarse cells are for which the network made no voxel.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/monitor.h"

namespace espalier::surface {

// The coarse grid as the device counted it: solid_steps.h.
struct CellVotes {
  int side = 0;                         // cells along an axis
  int block = 1;                        // cubes along an axis of a cell
  std::span<const std::uint64_t> sums;  // [side^3] fields of votes, index (x * side + y) * side + z
};

struct SolidCells {
  std::vector<std::uint8_t> flags;  // [side^3] kCellInside and kCellBand of cells without cubes
  std::vector<std::int32_t> band;   // the cells with kCellBand, ascending
  std::int64_t inside = 0;          // cells without cubes that lie inside
  std::int64_t membrane = 0;        // faces between these and cells outside: where skin is missing
  bool held = false;                // what was to be held is
};

// Cells of a solid that are to be what they are of another one, which was extracted before.
struct HeldCells {
  std::span<const std::uint8_t> kept;   // [side^3] not 0: kept; such a cell has cubes in both or in neither
  std::span<const std::uint8_t> flags;  // [side^3] of the other one
  std::span<const std::int32_t> band;   // of the other one
};

// Decides for every cell without cubes whether it lies inside, by a minimum cut (Boykov and Kolmogorov 2004): the sides that
// it shares with cells of cubes vote with the signs predicted there, faces between cells without cubes cost their area
// (kLinkVote of kSideVote), and what touches the border of the grid is outside. So a hole in a shell is closed with the least
// area, however it is shaped, unless opening it is what the signs speak for: a vessel keeps its mouth.
//
// The band are the cells around which the surface may run although no cube is there: where inside meets outside, or where a
// predicted sign contradicts the decision; with kBandWidth rings of further cells where inside meets outside, as far as there
// is room for them in `most_band`. Where even the first of these find no room (noise instead of a shell) nothing is inside and
// there is no band.
//
// With `held`, cells that are kept lie where they lay, and those of them that were in the band are in it. Where there is no
// room for these nothing is held.
//
// Every cell with cubes must have all of them, else the decision is that nothing is inside. Deterministic.
[[nodiscard]] SolidCells solid_cells(const CellVotes& votes, std::int64_t most_band, const Monitor* monitor = nullptr,
                                     const HeldCells* held = nullptr);

inline constexpr int kSideVote = 25, kLinkVote = 10, kBandWidth = 2;

}  // namespace espalier::surface
