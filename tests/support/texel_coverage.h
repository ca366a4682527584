// Which triangle covers which texel of a mesh's texture, decided exactly.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "assets/mesh.h"

namespace espalier::test {

struct TexelCoverage {
  std::vector<std::int32_t> face;  // [size * size] rows from v = 0; -1 where nothing is
  std::int64_t covered = 0;        // texels
  std::int64_t covered_twice = 0;  // texel centres strictly inside two triangles
};

// Texture coordinates are rounded to 1 / 2^24, centres of texels are whole multiples of it for a size that is a power of
// two up to 8192, and the side of an edge that a centre lies on is found in integers.
inline TexelCoverage faces_of_texels(const Mesh& mesh, int size) {
  constexpr std::int64_t kOne = std::int64_t{1} << 24;
  const std::int64_t step = kOne / size;
  TexelCoverage out;
  out.face.assign(static_cast<std::size_t>(size) * static_cast<std::size_t>(size), -1);
  for (std::int64_t f = 0; f < mesh.face_count(); ++f) {
    std::array<std::int64_t, 3> x{};
    std::array<std::int64_t, 3> y{};
    for (std::size_t k = 0; k < 3; ++k) {
      const auto v = static_cast<std::size_t>(mesh.faces[static_cast<std::size_t>(3 * f) + k]);
      x[k] = std::llround(static_cast<double>(mesh.uvs[2 * v]) * kOne);
      y[k] = std::llround(static_cast<double>(mesh.uvs[2 * v + 1]) * kOne);
    }
    const auto [left, right] = std::minmax({x[0], x[1], x[2]});
    const auto [top, bottom] = std::minmax({y[0], y[1], y[2]});
    for (std::int64_t row = std::max<std::int64_t>(0, top / step - 1); row < size && row * step <= bottom; ++row) {
      for (std::int64_t column = std::max<std::int64_t>(0, left / step - 1); column < size && column * step <= right;
           ++column) {
        const std::int64_t px = column * step + step / 2;
        const std::int64_t py = row * step + step / 2;
        int positive = 0;
        int negative = 0;
        for (std::size_t k = 0; k < 3; ++k) {
          const std::size_t n = (k + 1) % 3;
          const std::int64_t side = (x[n] - x[k]) * (py - y[k]) - (y[n] - y[k]) * (px - x[k]);
          positive += side > 0 ? 1 : 0;
          negative += side < 0 ? 1 : 0;
        }
        if (positive != 3 && negative != 3) continue;
        std::int32_t& face = out.face[static_cast<std::size_t>(row * size + column)];
        face >= 0 ? ++out.covered_twice : ++out.covered;
        face = static_cast<std::int32_t>(f);
      }
    }
  }
  return out;
}

}  // namespace espalier::test
