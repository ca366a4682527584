// Meshes with several materials and textures as files; the rules of mesh_files.h. `appearance` belongs to the mesh.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "assets/appearance.h"
#include "assets/mesh.h"
#include "io/formats/mesh_files.h"

namespace espalier {

enum class ImageKind {
  png,
  jpeg,
  webp,
  as_found,  // the file that the image came as, else PNG
};

struct AppearanceOptions {
  std::string generator = "Espalier";
  std::string extras_json = {};       // glTF: the text of a JSON object, or empty
  bool unlit = false;                 // glTF: all materials as they are, without light
  ImageKind images = ImageKind::png;  // opaque ones; with alpha PNG takes the place of JPEG
  std::string title = "asset";        // glTF: of node and mesh; valid UTF-8
};

// glTF 2.0 binary: one primitive for each material, with all that Appearance holds.
[[nodiscard]] std::vector<std::byte> encode_glb(const Mesh& mesh, const Appearance& appearance,
                                                const AppearanceOptions& options);
// The same as files: images, STEM.bin and, last, STEM.gltf.
[[nodiscard]] std::vector<NamedFile> encode_gltf(const Mesh& mesh, const Appearance& appearance,
                                                 const AppearanceOptions& options, const std::string& stem);
// OBJ: images, STEM.mtl and, last, STEM.obj. Colours of vertices that multiply a texture, mirrored textures and emission
// textures with coordinates of their own have no place there.
[[nodiscard]] std::vector<NamedFile> encode_obj_files(const Mesh& mesh, const Appearance& appearance,
                                                      std::span<const std::string> comments, const AppearanceOptions& options,
                                                      const std::string& stem);
// For formats that know no materials: the mesh with what its vertices show of them as colours (factors, and textures at one
// place for each vertex). Where several materials meet at a vertex the last face decides.
[[nodiscard]] Mesh with_vertex_colours(const Mesh& mesh, const Appearance& appearance);

// An image of an appearance as a file: its bytes and the ending of its name.
struct EncodedImage {
  std::vector<std::byte> bytes;
  const char* ending;  // ".png"
  const char* mime;
};
[[nodiscard]] EncodedImage encoded_image(const Image& image, ImageKind kind);
// Of an image of an appearance; the bytes of the file that it came as where that is of the kind. Without `webp` PNG takes the
// place of WebP.
[[nodiscard]] EncodedImage encoded_image(const Appearance& look, std::size_t image, ImageKind kind, bool webp);

}  // namespace espalier
