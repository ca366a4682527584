// How much of a finished mesh goes into a file: all of it, or what a number of bytes holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "assets/mesh.h"
#include "image/codec.h"
#include "io/formats/named_file.h"

namespace espalier {

// What there is to write; texture null or empty without one.
struct MeshSource {
  const Mesh* mesh = nullptr;
  const Picture* texture = nullptr;
  [[nodiscard]] bool textured() const { return texture != nullptr && texture->width > 0; }
};

// How a texture becomes a file.
struct TextureChoice {
  PictureFormat format = PictureFormat::png;
  int quality = 0;  // of what is lossy
  int divide = 1;   // of its sides
};

// What is written.
struct ShownMesh {
  const Mesh* mesh = nullptr;
  std::vector<Mesh> levels;  // of detail, beyond the first
  std::vector<std::byte> texture;
};

// Levels of detail with a quarter of the faces of the one before each, down to 32.
[[nodiscard]] std::vector<Mesh> levels_of(const Mesh& mesh, int lods);
[[nodiscard]] std::vector<std::byte> encoded_texture(const MeshSource& source, const TextureChoice& choice);

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
