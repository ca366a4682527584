#include "geometry/mesh/normals.h"

#include <array>
#include <cmath>
#include <cstdint>

#include "geometry/mesh/mesh_edit.h"

namespace espalier {

std::vector<float> smooth_normals(const Mesh& mesh) {
  std::int32_t count = 0;
  const std::vector<std::int32_t> point = distinct_positions(mesh, count);
  std::vector<std::array<double, 3>> sums(static_cast<std::size_t>(count));
  const auto at = [&](std::size_t face, std::size_t corner) { return static_cast<std::size_t>(mesh.faces[3 * face + corner]); };
  const auto edge = [&](std::size_t face, std::size_t to) {
    std::array<double, 3> e{};
    for (std::size_t k = 0; k < 3; ++k)
      e.at(k) = double{mesh.vertices[3 * at(face, to) + k]} - double{mesh.vertices[3 * at(face, 0) + k]};
    return e;
  };
  for (std::size_t f = 0; f < mesh.faces.size() / 3; ++f) {
    const auto a = edge(f, 1);
    const auto b = edge(f, 2);
    const std::array<double, 3> n{a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
    for (std::size_t corner = 0; corner < 3; ++corner) {
      auto& sum = sums[static_cast<std::size_t>(point[at(f, corner)])];
      for (std::size_t k = 0; k < 3; ++k) sum.at(k) += n.at(k);
    }
  }
  std::vector<float> normals;
  normals.reserve(mesh.vertices.size());
  for (const std::int32_t p : point) {
    const auto& n = sums[static_cast<std::size_t>(p)];
    const double length = std::sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
    for (std::size_t k = 0; k < 3; ++k)
      normals.push_back(length > 0.0 ? static_cast<float>(n.at(k) / length) : k == 2 ? 1.0F : 0.0F);
  }
  return normals;
}

}  // namespace espalier
