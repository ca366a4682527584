// How much of a finished mesh goes into a file: all of it, or what a number of bytes holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "assets/appearance.h"
#include "assets/mesh.h"
#include "image/codec.h"
#include "io/formats/named_file.h"

namespace espalier {

// What there is to write; texture null or empty without one.
struct MeshSource {
  const Mesh* mesh = nullptr;
  const Image* texture = nullptr;
  ImageFile file{};                                             // that the texture came as; null where it was made here
  const Image *normal_map = nullptr, *occlusion_map = nullptr;  // beside a texture; null: none
  [[nodiscard]] bool textured() const { return texture != nullptr && texture->width > 0; }
};

// How a texture becomes a file.
struct TextureChoice {
  ImageFormat format = ImageFormat::png;
  int quality = 0;          // of what is lossy
  int divide = 1;           // of its sides
  bool as_found = false;    // the bytes of MeshSource::file
  bool lossy_maps = false;  // normal and occlusion maps as JPEG; else as PNG
};

// What is written.
struct ShownMesh {
  const Mesh* mesh = nullptr;
  std::vector<Mesh> levels;  // of detail, beyond the first
  std::vector<std::byte> texture;
  std::vector<std::byte> normal_map{}, occlusion_map{};
};

// Levels of detail with a quarter of the faces of the one before each, down to 32.
[[nodiscard]] std::vector<Mesh> levels_of(const Mesh& mesh, int lods);
// A texture and its maps as files; what the source lacks is empty.
struct EncodedLook {
  std::vector<std::byte> texture, normal_map, occlusion_map;
  [[nodiscard]] std::size_t size() const { return texture.size() + normal_map.size() + occlusion_map.size(); }
};
[[nodiscard]] EncodedLook encoded_look(const MeshSource& source, const TextureChoice& choice);

struct FitRequest {
  std::uint64_t max_bytes = 0;
  int lods = 1;
  std::span<const TextureChoice> textures;  // what may be written, from best to smallest; one at least
  std::string label, name;                  // what errors and messages call the files
};
// The files that `encode` makes of as much of the mesh as max_bytes allow: the first texture with which all faces fit, unless
// it comes after the first one that takes 0.4 of the bytes; then that one, and as many faces as fit beside it. What was left
// away is said in `message` unless that is empty. Throws invalid_argument where 1/200 of the faces (and 64) with the smallest
// texture are too much.
[[nodiscard]] std::vector<NamedFile> fitted(const MeshSource& source, const FitRequest& request,
                                            const std::function<std::vector<NamedFile>(const ShownMesh&)>& encode,
                                            const std::function<void(const std::string&)>& message);

}  // namespace espalier
