// Materials of glTF, and where their textures' coordinates come from.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <vector>

#include "assets/appearance.h"
#include "io/formats/gltf_document.h"

namespace espalier::reader {

// Which coordinates a texture takes, and what KHR_texture_transform makes of them.
struct GltfCoordinates {
  std::uint64_t set = 0;
  std::array<double, 2> offset = {0, 0}, scale = {1, 1};
  double rotation = 0.0;
  [[nodiscard]] std::array<float, 2> operator()(double u, double v) const;
  bool operator==(const GltfCoordinates&) const = default;
};

struct GltfMaterial {
  Material material;
  GltfCoordinates base, emission;
};

// Materials by their number in the file, each looked at once; its images are decoded when they are asked for.
class GltfMaterials {
 public:
  explicit GltfMaterials(GltfDocument& document) : document_(document) {}
  // Index into the list of what a primitive is made of.
  [[nodiscard]] std::int32_t of(const GltfJson& primitive);
  [[nodiscard]] const GltfMaterial& at(std::int32_t index) const { return list_[static_cast<std::size_t>(index)]; }
  // The list; images of the file only where they are wanted. Textures that cannot be had are left out, with a notice.
  [[nodiscard]] std::vector<Material> materials() const;
  [[nodiscard]] std::vector<Picture> take_images() { return std::move(images_); }
  [[nodiscard]] std::vector<ImageFile> take_files() { return std::move(files_); }

 private:
  GltfMaterial read(const GltfJson& json, std::uint64_t index);
  void read_base(const GltfJson& json, GltfMaterial& out);
  void read_emission(const GltfJson& json, GltfMaterial& out);
  void mention_rest(const GltfJson& json) const;
  TextureUse texture(const GltfJson& use, GltfCoordinates& coordinates);
  [[nodiscard]] std::optional<std::uint64_t> image_of(const GltfJson& texture) const;
  std::int32_t load(std::uint64_t image);

  GltfDocument& document_;
  std::vector<GltfMaterial> list_;
  std::map<std::uint64_t, std::int32_t> known_;      // material of the file -> list; the largest number stands for none
  std::map<std::uint64_t, std::int32_t> images_by_;  // image of the file -> images; -1: left out
  std::vector<Picture> images_;
  std::vector<ImageFile> files_;
};

}  // namespace espalier::reader
