#include "finishing/kept.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "geometry/mesh/mesh_edit.h"

namespace espalier {
namespace {

void check_uvs(const Mesh& mesh) {
  if (mesh.uvs.empty()) {
    fail(ErrorCode::invalid_argument, "the mesh has no texture coordinates that could be kept",
         hint("let it be unwrapped: leave keep-uvs out"));
  }
  constexpr float kBeyond = 1e-3F;
  const bool inside =
      std::all_of(mesh.uvs.begin(), mesh.uvs.end(), [](float x) { return x >= -kBeyond && x <= 1.0F + kBeyond; });
  if (!inside) {
    fail(ErrorCode::invalid_argument, "the texture coordinates of the mesh leave the unit square, as for a tiled texture",
         hint("let it be unwrapped: leave keep-uvs out"));
  }
}

// Area-weighted, and the same for all vertices at one place.
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

}  // namespace

Mesh placed(const Mesh& mesh, const KeptMesh& how) {
  Mesh out = mesh;
  for (std::size_t i = 0; i < out.vertices.size(); ++i)
    out.vertices[i] = static_cast<float>(how.placement.place(double{mesh.vertices[i]}, i % 3));
  if (!how.uvs) return out;
  check_uvs(mesh);
  for (float& x : out.uvs) x = std::clamp(x, 0.0F, 1.0F);
  if (out.normals.size() != out.vertices.size()) out.normals = smooth_normals(out);
  return out;
}

void move_back(const Mesh& original, const std::vector<std::int32_t>& source, Mesh& mesh) {
  for (std::size_t v = 0; v < mesh.vertices.size() / 3; ++v) {
    const std::size_t from = source.empty() ? v : static_cast<std::size_t>(source[v]);
    std::copy_n(original.vertices.begin() + static_cast<std::ptrdiff_t>(3 * from), 3,
                mesh.vertices.begin() + static_cast<std::ptrdiff_t>(3 * v));
  }
}

}  // namespace espalier
