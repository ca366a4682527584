#include <array>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "io/formats/byte_writer.h"
#include "io/formats/checks.h"
#include "io/formats/mesh_files.h"
#include "io/formats/placement.h"

namespace espalier {

namespace {

constexpr const char* kFormat = "STL";

// Unit normal of a facet, or zero when it has no area (readers then compute their own).
Vec3d facet_normal(const std::array<Vec3d, 3>& p) {
  Vec3d u, v;
  for (std::size_t k = 0; k < 3; ++k) {
    u[k] = p[1][k] - p[0][k];
    v[k] = p[2][k] - p[0][k];
  }
  Vec3d n = {u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]};
  const double length = std::hypot(n[0], n[1], n[2]);
  for (double& x : n) x = length > 0.0 ? x / length : 0.0;
  return n;
}

}  // namespace

std::vector<std::byte> encode_stl(const Mesh& mesh, double largest_side_mm, const std::string& comment) {
  check_writable_mesh(mesh, kFormat);
  return encode_stl(mesh, placement_of(mesh, largest_side_mm, kFormat),
                    "Espalier, mm, Z up" + (comment.empty() ? "" : "; " + comment));
}

std::vector<std::byte> encode_stl(const Mesh& mesh, const Placement& placement, std::string title) {
  check_writable_mesh(mesh, kFormat);
  check_comment(title, kFormat);
  if (title.starts_with("solid"))
    fail(ErrorCode::invalid_argument, kFormat, ": readers take a title of \"solid\" for a text file");

  constexpr std::size_t kHeader = 80, kFacet = 50;
  ByteWriter out(kHeader + 4 + static_cast<std::size_t>(mesh.face_count()) * kFacet);
  title.resize(kHeader, ' ');
  out.text(title);
  out.put(static_cast<std::uint32_t>(mesh.face_count()));
  for (std::size_t f = 0; f < mesh.faces.size(); f += 3) {
    std::array<Vec3d, 3> corners;
    for (std::size_t c = 0; c < 3; ++c) corners[c] = placement(&mesh.vertices[static_cast<std::size_t>(mesh.faces[f + c]) * 3]);
    const auto put_vector = [&](const Vec3d& v) {
      for (const double x : v) out.put(static_cast<float>(x));
    };
    put_vector(facet_normal(corners));
    for (const Vec3d& corner : corners) put_vector(corner);
    out.put(std::uint16_t{0});
  }
  return out.take();
}

}  // namespace espalier
