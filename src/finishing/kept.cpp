#include "finishing/kept.h"

#include <algorithm>

#include "base/error.h"
#include "geometry/mesh/normals.h"

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
