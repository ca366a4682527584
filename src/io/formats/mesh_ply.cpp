#include <algorithm>
#include <cmath>

#include "io/formats/byte_writer.h"
#include "io/formats/checks.h"
#include "io/formats/mesh_files.h"

namespace espalier {

namespace {

std::uint8_t byte_of(float colour) { return static_cast<std::uint8_t>(std::lround(std::clamp(colour, 0.0F, 1.0F) * 255.0F)); }

}  // namespace

std::vector<std::byte> encode_mesh_ply(const Mesh& mesh, std::span<const std::string> comments) {
  constexpr const char* kFormat = "PLY";
  check_writable_mesh(mesh, kFormat);
  check_comments(comments, kFormat);
  std::string head = "ply\nformat binary_little_endian 1.0\n";
  for (const std::string& comment : comments) head += "comment " + comment + "\n";
  head += "element vertex " + std::to_string(mesh.vertex_count()) + "\nproperty float x\nproperty float y\nproperty float z\n";
  if (!mesh.normals.empty()) head += "property float nx\nproperty float ny\nproperty float nz\n";
  // The names that most readers know, origin at the lower left corner of the image.
  if (!mesh.uvs.empty()) head += "property float s\nproperty float t\n";
  if (!mesh.colours.empty()) head += "property uchar red\nproperty uchar green\nproperty uchar blue\n";
  head += "element face " + std::to_string(mesh.face_count()) + "\nproperty list uchar int vertex_indices\nend_header\n";
  ByteWriter out(head.size() + static_cast<std::size_t>(mesh.vertex_count()) * 35 +
                 static_cast<std::size_t>(mesh.face_count()) * 13);
  out.text(head);
  for (std::size_t i = 0; i < mesh.vertices.size(); i += 3) {
    out.raw(&mesh.vertices[i], 3 * sizeof(float));
    if (!mesh.normals.empty()) out.raw(&mesh.normals[i], 3 * sizeof(float));
    if (!mesh.uvs.empty()) {
      out.put(mesh.uvs[i / 3 * 2]);
      out.put(1.0F - mesh.uvs[i / 3 * 2 + 1]);
    }
    for (std::size_t k = 0; k < 3 && !mesh.colours.empty(); ++k) out.put(byte_of(mesh.colours[i + k]));
  }
  for (std::size_t i = 0; i < mesh.faces.size(); i += 3) {
    out.put(std::uint8_t{3});
    out.raw(&mesh.faces[i], 3 * sizeof(std::int32_t));
  }
  return out.take();
}

}  // namespace espalier
