// What the writer and the reader of PlayCanvas' compressed PLY share.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace espalier::packed_ply {

inline constexpr std::size_t kChunk = 256;  // Gaussians with common ranges
// Columns of a chunk: the least and the greatest values of positions, logarithms of scales, and colours.
inline constexpr std::array<std::string_view, 18> kRanges = {
    "min_x",       "min_y",       "min_z",       "max_x", "max_y", "max_z", "min_scale_x", "min_scale_y", "min_scale_z",
    "max_scale_x", "max_scale_y", "max_scale_z", "min_r", "min_g", "min_b", "max_r",       "max_g",       "max_b"};

}  // namespace espalier::packed_ply
