// A mesh with its materials, and its images as files: what the writers of scenes (USDZ, FBX) have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "assets/appearance.h"
#include "assets/mesh.h"
#include "io/formats/appearance_files.h"
#include "io/formats/named_file.h"

namespace espalier {

struct SceneOptions {
  std::string generator = "Espalier";
  std::string title = "asset";             // of what is in the file, and of its images; valid UTF-8
  std::vector<std::string> comments = {};  // single lines of ASCII
  // Beside a texture, for its coordinates: the bytes of PNG or JPEG files, or empty.
  std::span<const std::byte> normal_map = {}, occlusion_map = {};
  bool double_sided = true;
};

// The mesh must outlive it.
struct MeshScene {
  const Mesh* mesh = nullptr;
  std::vector<Material> materials;    // one at least; each has a name of its own, and faces; images are those of `images`
  std::vector<std::int32_t> of_face;  // [F] index into materials; empty: all have the first
  std::vector<NamedFile> images;      // PNG or JPEG; names of letters, digits and -._ without folders
  std::vector<bool> transparent;      // of each image, whether it has alpha
  std::vector<float> emission_uvs;    // as Appearance has them
  std::int32_t normal_map = -1, occlusion_map = -1;  // of all materials, among the images; negative: none

  [[nodiscard]] bool shows_vertex_colours(const Material& material) const {
    return !mesh->colours.empty() && !material.texture.used();
  }
  [[nodiscard]] bool any_vertex_colours() const;
  // The faces of one material.
  [[nodiscard]] std::vector<std::int32_t> faces_of(std::size_t material) const;
};

// One material with that texture, the bytes of a PNG or JPEG file, or with the colours of vertices where it is empty. `format`
// is for messages. Throws invalid_argument for what mesh_files.h names, and for comments of several lines.
[[nodiscard]] MeshScene scene_of(const Mesh& mesh, std::span<const std::byte> texture, const SceneOptions& options,
                                 const char* format);
// The materials of an appearance, without those that no face has.
[[nodiscard]] MeshScene scene_of(const Mesh& mesh, const Appearance& look, ImageKind images, const SceneOptions& options,
                                 const char* format);

}  // namespace espalier
