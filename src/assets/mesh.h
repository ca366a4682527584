// A triangle mesh on the host.
#pragma once

#include <cstdint>
#include <vector>

namespace espalier {

// Triangles in the coordinate system of TRELLIS (Z up, unit cube centred at the origin).
struct Mesh {
  std::vector<float> vertices;      // [V * 3]
  std::vector<std::int32_t> faces;  // [F * 3], counter-clockwise seen from outside
  std::vector<float> colours;       // [V * 3] sRGB in [0, 1], or empty
  std::vector<float> normals;       // [V * 3], or empty
  std::vector<float> uvs;           // [V * 2], or empty; (0, 0) is the outer corner of the texture's first texel, v goes down
  [[nodiscard]] std::int64_t vertex_count() const { return static_cast<std::int64_t>(vertices.size() / 3); }
  [[nodiscard]] std::int64_t face_count() const { return static_cast<std::int64_t>(faces.size() / 3); }
};

}  // namespace espalier
