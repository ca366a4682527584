#include "io/formats/checks.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace espalier {

namespace {

// `width` values for each of `vertices`, or none.
void check_optional(std::span<const float> values, std::size_t width, std::size_t vertices, const char* format,
                    const char* what) {
  if (!values.empty() && values.size() != vertices * width) {
    fail(ErrorCode::invalid_argument, format, ": ", values.size() / width, " ", what, " for ", vertices, " vertices",
         hint("give one each or none"));
  }
}

}  // namespace

void check_finite(std::span<const float> values, int width, const char* format, const char* what) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      fail(ErrorCode::invalid_argument, format, ": ", what, " ", i / static_cast<std::size_t>(width), " is not finite (",
           values[i], "), so the asset cannot be written", hint("the numbers went wrong before, try full precision"));
    }
  }
}

void check_writable_mesh(const Mesh& mesh, const char* format) {
  if (mesh.faces.empty()) {
    fail(ErrorCode::invalid_argument, format, ": the mesh has no faces, so there is nothing to write",
         hint("try another seed or image"));
  }
  if (mesh.vertices.size() % 3 != 0 || mesh.faces.size() % 3 != 0) {
    fail(ErrorCode::invalid_argument, format, ": ", mesh.vertices.size(), " coordinates and ", mesh.faces.size(),
         " indices are not multiples of three");
  }
  const std::size_t vertices = mesh.vertices.size() / 3;
  check_optional(mesh.colours, 3, vertices, format, "colours");
  check_optional(mesh.normals, 3, vertices, format, "normals");
  check_optional(mesh.uvs, 2, vertices, format, "texture coordinates");
  if (mesh.vertex_count() > std::numeric_limits<std::int32_t>::max() ||
      mesh.face_count() > std::numeric_limits<std::int32_t>::max()) {
    fail(ErrorCode::invalid_argument, format, ": ", mesh.vertex_count(), " vertices and ", mesh.face_count(),
         " faces are more than the format can number", hint("simplify the mesh"));
  }
  check_finite(mesh.vertices, 3, format, "vertex");
  check_finite(mesh.colours, 3, format, "the colour of vertex");
  check_finite(mesh.normals, 3, format, "the normal of vertex");
  check_finite(mesh.uvs, 2, format, "the texture coordinate of vertex");
  for (std::size_t i = 0; i < mesh.faces.size(); ++i) {
    if (mesh.faces[i] < 0 || mesh.faces[i] >= mesh.vertex_count()) {
      fail(ErrorCode::invalid_argument, format, ": face ", i / 3, " names vertex ", mesh.faces[i], " of ", mesh.vertex_count());
    }
  }
}

void check_gaussians(const Gaussians& g, const char* format) {
  const auto n = static_cast<std::size_t>(g.count());
  if (n == 0) fail(ErrorCode::invalid_argument, format, ": there are no Gaussians to write", hint("try another seed or image"));
  if (g.xyz.size() != 3 * n || g.dc.size() != 3 * n || g.scale.size() != 3 * n || g.rotation.size() != 4 * n) {
    fail(ErrorCode::invalid_argument, format, ": the arrays of ", n, " Gaussians differ in length");
  }
  const std::size_t harmonics = g.sh.size() / (3 * n);
  if (g.sh.size() != 3 * n * harmonics || (harmonics != 0 && harmonics != 3 && harmonics != 8 && harmonics != 15)) {
    fail(ErrorCode::invalid_argument, format, ": ", g.sh.size(), " values of harmonics beyond degree 0 for ", n, " Gaussians",
         hint("0, 9, 24 or 45 each are possible"));
  }
  check_finite(g.sh, static_cast<int>(std::max<std::size_t>(3 * harmonics, 1)), format, "a harmonic of Gaussian");
  check_finite(g.xyz, 3, format, "the position of Gaussian");
  check_finite(g.dc, 3, format, "the colour of Gaussian");
  check_finite(g.scale, 3, format, "the scale of Gaussian");
  check_finite(g.rotation, 4, format, "the rotation of Gaussian");
  check_finite(g.opacity, 1, format, "the opacity of Gaussian");
  for (std::size_t i = 0; i < g.scale.size(); ++i) {
    if (g.scale[i] <= 0.0F)
      fail(ErrorCode::invalid_argument, format, ": the scale of Gaussian ", i / 3, " is ", g.scale[i], ", not positive");
  }
  for (std::size_t i = 0; i < n; ++i) {
    const float* r = &g.rotation[i * 4];
    if (r[0] == 0.0F && r[1] == 0.0F && r[2] == 0.0F && r[3] == 0.0F)
      fail(ErrorCode::invalid_argument, format, ": the rotation of Gaussian ", i, " is a zero quaternion");
  }
}

void check_glb_size(std::uint64_t bytes) {
  if (bytes > std::numeric_limits<std::uint32_t>::max()) {
    fail(ErrorCode::invalid_argument, "GLB: the file would have ", bytes, " bytes, but the format counts to 4 GiB",
         hint("simplify the mesh"));
  }
}

void check_comment(const std::string& comment, const char* format) {
  for (const char c : comment) {
    if (c < ' ' || c > '~') {
      fail(ErrorCode::invalid_argument, format, ": a comment must be one line of ASCII, not \"", comment, "\"");
    }
  }
}

void check_comments(std::span<const std::string> comments, const char* format) {
  for (const std::string& comment : comments) check_comment(comment, format);
}

}  // namespace espalier
