// Packing of flat charts into a square texture. Internal to unwrapping.
#pragma once

#include <Eigen/Core>
#include <array>
#include <cstdint>
#include <vector>

#include "base/monitor.h"

namespace espalier {

// A chart in the plane: points, and the segments of its borders, which cross nowhere. All charts are in one unit of length.
struct FlatChart {
  std::vector<Eigen::Vector2d> uv;
  std::vector<std::array<std::int32_t, 2>> border;
};

// Moves, turns and scales the charts, all by the same factor, so that they lie in the unit square and no two are closer
// than `padding` of `size` texels per side, counted in rows or columns of free texels. The padding is given up step by
// step if the charts do not fit otherwise. Turns and scales; mirrors nothing.
//
// Charts are turned to their smallest box and drawn as masks of texels, each texel that they touch. From large to small,
// each goes to the lowest free place in one of four or eight directions; free places of a row are found for all columns at
// once in words of 64 texels. The scale is searched for, then a better order.
void pack(std::vector<FlatChart>& charts, int size, int padding, const Monitor* monitor);

}  // namespace espalier
