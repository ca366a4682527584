// A mesh with texture coordinates.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "assets/mesh.h"

namespace espalier::test {

// A ball of six square charts (a cube blown up), laid out in 3 x 2 cells of the texture with a wide gap.
inline Mesh chart_ball(int n, float radius = 0.45F) {
  constexpr std::array<std::array<std::array<float, 3>, 3>, 6> sides{{{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}},
                                                                      {{{-1, 0, 0}, {0, 0, 1}, {0, 1, 0}}},
                                                                      {{{0, 1, 0}, {0, 0, 1}, {1, 0, 0}}},
                                                                      {{{0, -1, 0}, {1, 0, 0}, {0, 0, 1}}},
                                                                      {{{0, 0, 1}, {1, 0, 0}, {0, 1, 0}}},
                                                                      {{{0, 0, -1}, {0, 1, 0}, {1, 0, 0}}}}};
  Mesh mesh;
  for (int side = 0; side < 6; ++side) {
    const auto& [out, right, up] = sides[static_cast<std::size_t>(side)];
    const auto first = static_cast<std::int32_t>(mesh.vertex_count());
    for (int row = 0; row <= n; ++row) {
      for (int column = 0; column <= n; ++column) {
        const float s = static_cast<float>(column) / static_cast<float>(n), t = static_cast<float>(row) / static_cast<float>(n);
        std::array<float, 3> p{};
        float length = 0.0F;
        for (std::size_t c = 0; c < 3; ++c) {
          p[c] = out[c] + (2 * s - 1) * right[c] + (2 * t - 1) * up[c];
          length += p[c] * p[c];
        }
        for (const float v : p) {
          mesh.vertices.push_back(radius * v / std::sqrt(length));
          mesh.normals.push_back(v / std::sqrt(length));
        }
        mesh.uvs.push_back((static_cast<float>(side % 3) + 0.04F + 0.92F * s) / 3.0F);
        mesh.uvs.push_back((static_cast<float>(side / 3) + 0.04F + 0.92F * t) / 2.0F);
      }
    }
    for (int row = 0; row < n; ++row) {
      for (int column = 0; column < n; ++column) {
        const std::int32_t a = first + row * (n + 1) + column, b = a + n + 1;
        for (const std::int32_t v : {a, a + 1, b, b, a + 1, b + 1}) mesh.faces.push_back(v);
      }
    }
  }
  return mesh;
}

}  // namespace espalier::test
