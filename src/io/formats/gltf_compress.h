// What compresses the arrays of a glTF file. The same mesh gives the same bytes.
#pragma once

#include <cstddef>
#include <vector>

#include "io/formats/gltf_geometry.h"

namespace espalier {

// The mesh in the order that EXT_meshopt_compression packs well: faces along strips, vertices as faces first name them.
// Vertices that no face names are left out.
[[nodiscard]] Mesh meshopt_ordered(const Mesh& mesh);
// One array as EXT_meshopt_compression has it: mode ATTRIBUTES, version 0, or mode TRIANGLES, version 1.
[[nodiscard]] std::vector<std::byte> meshopt_packed(const GltfArray& array);

// Positions in 14 bits of the box, normals in 8, texture coordinates in 13 of the range in use, colours in 12.
struct DracoPacked {
  std::vector<std::byte> bytes;
  // What a decoder gets, which orders and splits vertices in its own way: arrays without bytes, floats and 32-bit indices.
  std::vector<GltfArray> attributes;
  GltfArray indices;
};
// KHR_draco_mesh_compression: the attributes' number in the list is their id in the bytes. The geometry is in floats, with wide
// indices. Throws unsupported when Draco cannot hold it.
[[nodiscard]] DracoPacked draco_packed(const GltfGeometry& geometry);

}  // namespace espalier
