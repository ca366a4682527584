#include "io/mesh_files.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "io/byte_writer.h"
#include "io/checks.h"

namespace espalier {

namespace {

std::uint8_t byte_of(float colour) { return static_cast<std::uint8_t>(std::lround(std::clamp(colour, 0.0F, 1.0F) * 255.0F)); }

// A space and the shortest decimal that reads back as the same float, without exponent (some OBJ readers know none).
void put_decimal(ByteWriter& out, float value) {
  std::array<char, 80> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed).ptr;
  out.put(' ');
  out.raw(text.data(), static_cast<std::size_t>(end - text.data()));
}

using Vec3 = std::array<double, 3>;

struct Bounds {
  Vec3 low, high;
};

Bounds bounds_of(const Mesh& mesh) {
  Bounds b;
  b.low.fill(std::numeric_limits<double>::max());
  b.high.fill(std::numeric_limits<double>::lowest());
  for (std::size_t i = 0; i < mesh.vertices.size(); ++i) {
    b.low[i % 3] = std::min(b.low[i % 3], double{mesh.vertices[i]});
    b.high[i % 3] = std::max(b.high[i % 3], double{mesh.vertices[i]});
  }
  return b;
}

// Unit normal of a facet, or zero when it has no area (readers then compute their own).
Vec3 facet_normal(const std::array<Vec3, 3>& p) {
  Vec3 u, v;
  for (std::size_t k = 0; k < 3; ++k) {
    u[k] = p[1][k] - p[0][k];
    v[k] = p[2][k] - p[0][k];
  }
  Vec3 n = {u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]};
  const double length = std::hypot(n[0], n[1], n[2]);
  for (double& x : n) x = length > 0.0 ? x / length : 0.0;
  return n;
}

}  // namespace

std::vector<std::byte> encode_obj(const Mesh& mesh, std::span<const std::string> comments) {
  constexpr const char* kFormat = "OBJ";
  check_mesh(mesh, kFormat);
  check_comments(comments, kFormat);
  ByteWriter out(static_cast<std::size_t>(mesh.vertex_count()) * 64 + static_cast<std::size_t>(mesh.face_count()) * 32);
  for (const std::string& comment : comments) out.text("# " + comment + "\n");
  out.text("o asset\n");
  const auto put_y_up = [&](const float* v) {
    put_decimal(out, v[0]);
    put_decimal(out, v[2]);
    put_decimal(out, -v[1]);
  };
  for (std::size_t i = 0; i < mesh.vertices.size(); i += 3) {
    out.put('v');
    put_y_up(&mesh.vertices[i]);
    for (std::size_t k = 0; k < 3 && !mesh.colours.empty(); ++k) put_decimal(out, std::clamp(mesh.colours[i + k], 0.0F, 1.0F));
    out.put('\n');
  }
  for (std::size_t i = 0; i < mesh.normals.size(); i += 3) {
    out.text("vn");
    put_y_up(&mesh.normals[i]);
    out.put('\n');
  }
  for (std::size_t i = 0; i < mesh.faces.size(); i += 3) {
    out.put('f');
    for (std::size_t k = 0; k < 3; ++k) {
      const std::string index = std::to_string(std::int64_t{mesh.faces[i + k]} + 1);
      out.put(' ');
      out.text(index);
      if (mesh.normals.empty()) continue;
      out.text("//");
      out.text(index);
    }
    out.put('\n');
  }
  return out.take();
}

std::vector<std::byte> encode_stl(const Mesh& mesh, double largest_side_mm) {
  constexpr const char* kFormat = "STL";
  check_mesh(mesh, kFormat);
  if (!(largest_side_mm > 0.0) || !std::isfinite(largest_side_mm)) {
    fail(ErrorCode::invalid_argument, kFormat, ": the size must be a positive number of millimetres, not ", largest_side_mm);
  }
  const Bounds b = bounds_of(mesh);
  const double side = std::max({b.high[0] - b.low[0], b.high[1] - b.low[1], b.high[2] - b.low[2]});
  if (side <= 0.0) fail(ErrorCode::invalid_argument, kFormat, ": the mesh is a single point, so it cannot be scaled to a size");
  const double scale = largest_side_mm / side;
  const Vec3 origin = {(b.low[0] + b.high[0]) / 2, (b.low[1] + b.high[1]) / 2, b.low[2]};

  constexpr std::size_t kHeader = 80, kFacet = 50;
  ByteWriter out(kHeader + 4 + static_cast<std::size_t>(mesh.face_count()) * kFacet);
  // Readers take a file that begins with "solid" for the text variant.
  std::string title = "Binary STL by Espalier, millimetres, Z up";
  title.resize(kHeader, ' ');
  out.text(title);
  out.put(static_cast<std::uint32_t>(mesh.face_count()));
  for (std::size_t f = 0; f < mesh.faces.size(); f += 3) {
    std::array<Vec3, 3> corners;
    for (std::size_t c = 0; c < 3; ++c) {
      const float* v = &mesh.vertices[static_cast<std::size_t>(mesh.faces[f + c]) * 3];
      for (std::size_t k = 0; k < 3; ++k) corners[c][k] = (v[k] - origin[k]) * scale;
    }
    const auto put_vector = [&](const Vec3& v) {
      for (const double x : v) out.put(static_cast<float>(x));
    };
    put_vector(facet_normal(corners));
    for (const Vec3& corner : corners) put_vector(corner);
    out.put(std::uint16_t{0});
  }
  return out.take();
}

std::vector<std::byte> encode_mesh_ply(const Mesh& mesh, std::span<const std::string> comments) {
  constexpr const char* kFormat = "PLY";
  check_mesh(mesh, kFormat);
  check_comments(comments, kFormat);
  std::string head = "ply\nformat binary_little_endian 1.0\n";
  for (const std::string& comment : comments) head += "comment " + comment + "\n";
  head += "element vertex " + std::to_string(mesh.vertex_count()) + "\nproperty float x\nproperty float y\nproperty float z\n";
  if (!mesh.normals.empty()) head += "property float nx\nproperty float ny\nproperty float nz\n";
  if (!mesh.colours.empty()) head += "property uchar red\nproperty uchar green\nproperty uchar blue\n";
  head += "element face " + std::to_string(mesh.face_count()) + "\nproperty list uchar int vertex_indices\nend_header\n";
  ByteWriter out(head.size() + static_cast<std::size_t>(mesh.vertex_count()) * 27 +
                 static_cast<std::size_t>(mesh.face_count()) * 13);
  out.text(head);
  for (std::size_t i = 0; i < mesh.vertices.size(); i += 3) {
    out.raw(&mesh.vertices[i], 3 * sizeof(float));
    if (!mesh.normals.empty()) out.raw(&mesh.normals[i], 3 * sizeof(float));
    for (std::size_t k = 0; k < 3 && !mesh.colours.empty(); ++k) out.put(byte_of(mesh.colours[i + k]));
  }
  for (std::size_t i = 0; i < mesh.faces.size(); i += 3) {
    out.put(std::uint8_t{3});
    out.raw(&mesh.faces[i], 3 * sizeof(std::int32_t));
  }
  return out.take();
}

}  // namespace espalier
