// Which place of a mesh each texel of its texture shows, on the host: what maps are baked from.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "assets/mesh.h"
#include "base/monitor.h"
#include "image/image.h"
#include "parallel/parallel_for.h"

namespace espalier {

struct Texels {
  int size = 0;                    // on a side
  std::vector<std::int32_t> face;  // [S * S] index + 1; 0: outside of charts and their gutters
  std::vector<float> barycentric;  // [S * S * 2] weights of the face's first two corners

  [[nodiscard]] std::array<double, 3> weights(std::size_t texel) const {
    const double a = barycentric[2 * texel], b = barycentric[2 * texel + 1];
    return {a, b, 1.0 - a - b};
  }
};
inline constexpr int kSmallestMap = 16, kLargestMap = 8192;  // texels on a side

// The mesh needs uvs. Gutters show the nearest face at its nearest point. Throws invalid_argument for a mesh without uvs or
// faces, and for a size outside of kSmallestMap to kLargestMap.
[[nodiscard]] Texels texels_of(const Mesh& mesh, int size);

// A value of `mesh`, `width` floats for each vertex, at a place of a face.
template <std::size_t width>
[[nodiscard]] std::array<double, width> value_at(const Mesh& mesh, const std::vector<float>& values, std::int64_t face,
                                                 const std::array<double, 3>& weights) {
  std::array<double, width> sum{};
  for (std::size_t c = 0; c < 3; ++c) {
    const auto v = static_cast<std::size_t>(mesh.faces[3 * static_cast<std::size_t>(face) + c]);
    for (std::size_t k = 0; k < width; ++k) sum[k] += weights[c] * double{values[width * v + k]};
  }
  return sum;
}

// Calls body(row) for every row of a map, on all cores. The monitor, which may be null, is asked between bands of rows. Throws
// cancelled.
template <class Body>
void for_rows(int size, const Monitor* monitor, Body&& body) {
  constexpr int kBand = 64;
  for (int begin = 0; begin < size; begin += kBand) {
    if (monitor != nullptr) monitor->check();
    const int rows = std::min(kBand, size - begin);
    parallel_for(rows, 1, [&](std::int64_t row) { body(begin + static_cast<int>(row)); });
  }
}

// Values in [0, 1], [S * S * 3], as bytes.
[[nodiscard]] Image image_of(const std::vector<float>& values, int size);

}  // namespace espalier
