// Meshes as files. Every function returns the bytes of a whole file (base/file.h writes them); docs/formats.md says
// which axes, units and colours each format gets and why.
//
// All throw invalid_argument for a mesh that no file should hold: no faces, arrays of the wrong length, coordinates,
// colours or normals that are not finite, faces that name missing vertices, or more than the format can count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "assets/mesh.h"
#include "io/formats/named_file.h"
#include "io/formats/placement.h"

namespace espalier {

enum class GltfCompression {
  none,
  meshopt,  // EXT_meshopt_compression
  draco,    // KHR_draco_mesh_compression, which quantises by itself: positions in 14 bits
};
struct GlbOptions {
  std::string generator = "Espalier";  // asset.generator
  std::string extras_json = {};        // asset.extras: the text of a JSON object, or empty
  std::string title = "asset";         // of node, mesh, material and texture; valid UTF-8
  bool unlit = false;                  // KHR_materials_unlit: colours as they are, where viewers know it
  // KHR_mesh_quantization: positions and texture coordinates in 16 bits (steps of 1/65535 of the largest side of the box, and
  // of the texture), normals in 8. Half the size; the extension is then required to read the file.
  bool quantised = false;
  // Files that only programs with the extension read. Draco orders faces and vertices in its own way, meshopt along strips.
  GltfCompression compression = GltfCompression::none;
  // The mesh again with fewer and fewer faces (MSFT_lod), for the same texture. Programs that do not know the extension show
  // the mesh alone.
  std::span<const Mesh> levels = {};
  // Base colour: the bytes of a PNG, JPEG or WebP file, or empty. Needs Mesh::uvs. Vertex colours are then left out.
  std::span<const std::byte> texture = {};
  // The same image as PNG or JPEG, for programs that cannot read a WebP texture. Without it a WebP texture makes
  // EXT_texture_webp a required extension.
  std::span<const std::byte> texture_fallback = {};
  // Beside a texture, for its coordinates: the bytes of image files, or empty. A normal map is in the tangent space of
  // tangents_of(), and the tangents are written as TANGENT: programs then need not derive their own, which might differ from
  // those that the map was baked for. Of an occlusion map the first channel counts.
  std::span<const std::byte> normal_map = {};
  std::span<const std::byte> occlusion_map = {};
  bool double_sided = true;
};

// glTF 2.0 binary: Y up, metres, linear vertex colours as COLOR_0 or a base colour texture, one rough double-sided material.
[[nodiscard]] std::vector<std::byte> encode_glb(const Mesh& mesh, const GlbOptions& options);
// The same as files: images, STEM.bin and, last, STEM.gltf, which names them.
[[nodiscard]] std::vector<NamedFile> encode_gltf(const Mesh& mesh, const GlbOptions& options, const std::string& stem);

// Wavefront OBJ: Y up, metres, sRGB colours behind the coordinates of a vertex, texture coordinates if there are any.
// Comments are single lines of ASCII. `title`: of object and material; spaces and the like become _.
[[nodiscard]] std::vector<std::byte> encode_obj(const Mesh& mesh, std::span<const std::string> comments,
                                                const std::string& title = "asset");
// The same with a texture, the bytes of a PNG or JPEG file: the image, the MTL file and, last, STEM.obj, which names it.
// The names of the first two keep only those characters of the stem that all readers take. A normal map (a PNG or JPEG file, or
// empty) becomes a file of its own, which the MTL names as `norm` and, as Blender does, as map_Bump.
[[nodiscard]] std::vector<NamedFile> encode_obj_files(const Mesh& mesh, std::span<const std::string> comments,
                                                      std::span<const std::byte> texture, const std::string& stem,
                                                      const std::string& title = "asset",
                                                      std::span<const std::byte> normal_map = {});

// Binary STL: Z up, millimetres, scaled so that the largest side of the bounding box is `largest_side_mm` (> 0),
// standing on z = 0 with the centre of its box over the origin. The 80 bytes of the title hold as much of the comment (one
// line of ASCII) as fits.
[[nodiscard]] std::vector<std::byte> encode_stl(const Mesh& mesh, double largest_side_mm, const std::string& comment = {});
// The same with a placement and a whole title of the caller's, which must not begin with "solid".
[[nodiscard]] std::vector<std::byte> encode_stl(const Mesh& mesh, const Placement& placement, std::string title);

// 3MF (core specification 1.3, materials extension 1.2): Z up, millimetres, sized as an STL, standing on z = 0 in the
// positive octant. The texture is the bytes of a PNG or JPEG file or empty; without one the vertex colours are written.
// Vertices in one place become one, faces with two corners in one place are left out. Comments are single lines of ASCII.
[[nodiscard]] std::vector<std::byte> encode_3mf(const Mesh& mesh, double largest_side_mm, std::span<const std::string> comments,
                                                std::span<const std::byte> texture = {});
// The same with a placement of the caller's; `title` is the name of the object, valid UTF-8 without control characters. The
// build item stands in the positive octant, wherever the object's own origin is.
[[nodiscard]] std::vector<std::byte> encode_3mf(const Mesh& mesh, const Placement& placement,
                                                std::span<const std::string> comments, std::span<const std::byte> texture,
                                                const std::string& title);

// Stanford PLY, binary little endian: Z up, metres, sRGB colours as bytes, texture coordinates s t. Comments are single
// lines of ASCII; "TextureFile NAME" is the one by which programs find an image.
[[nodiscard]] std::vector<std::byte> encode_mesh_ply(const Mesh& mesh, std::span<const std::string> comments);

}  // namespace espalier
