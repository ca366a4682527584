// A mesh as the arrays of glTF: Y up, colours linear, in floats or quantised. Which buffer they lie in, and whether compressed,
// is up to the writer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "assets/mesh.h"

namespace espalier {

// glTF component types.
inline constexpr int kGltfByte = 5120, kGltfUnsignedShort = 5123, kGltfUnsignedInt = 5125, kGltfFloat = 5126;

struct GltfArray {
  const char* attribute = nullptr;  // "POSITION", ...; null: the indices
  const char* type = "SCALAR";      // or VEC2, VEC3, VEC4
  int component = kGltfFloat;
  bool normalized = false;
  std::size_t count = 0, stride = 0;           // elements, and bytes from one to the next
  std::vector<std::byte> bytes = {};           // [count * stride]
  nlohmann::ordered_json low = {}, high = {};  // of POSITION: as stored

  [[nodiscard]] std::size_t packed_bytes() const;  // of an element without what fills its stride up
};

struct GltfGeometry {
  std::vector<GltfArray> attributes;
  GltfArray indices;
  // A vertex lies at offset + scale * what POSITION holds.
  bool quantised = false;
  std::array<float, 3> offset{};
  float scale = 1.0F;
};

struct GltfNumbers {
  bool colours = false;       // COLOR_0 from Mesh::colours
  bool tangents = false;      // TANGENT from tangents_of()
  bool quantised = false;     // GlbOptions::quantised; a mesh whose box no float holds stays in floats
  bool wide_indices = false;  // 32 bits even where 16 suffice
};
// The mesh passed check_writable_mesh.
[[nodiscard]] GltfGeometry gltf_geometry(const Mesh& mesh, const GltfNumbers& numbers);
// Parts of it, in floats: positions, normals and texture coordinates; indices in 32 bits.
[[nodiscard]] std::vector<GltfArray> gltf_attributes(const Mesh& mesh);
[[nodiscard]] GltfArray gltf_indices(const std::vector<std::int32_t>& corners);

// Z up to Y up, the right-handed turn that the reference applies on export.
[[nodiscard]] inline std::array<float, 3> gltf_turned(const float* v) { return {v[0], v[2], -v[1]}; }
// Turned, of length 1; a vertex without direction gets the one towards the sky.
[[nodiscard]] std::array<float, 3> gltf_normal(const Mesh& mesh, std::size_t vertex);

}  // namespace espalier
