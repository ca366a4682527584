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
  bool coloured = false;  // the file says which colour it has
};

// Materials by their number in the file, each looked at once; its images are decoded when they are asked for.
class GltfMaterials {
 public:
  explicit GltfMaterials(GltfDocument& document);
  // Index into the list of what a primitive is made of.
  [[nodiscard]] std::int32_t of(const GltfJson& primitive);
  [[nodiscard]] const GltfMaterial& at(std::int32_t index) const { return list_[static_cast<std::size_t>(index)]; }
  // The list; images of the file only where they are wanted. Textures that cannot be had are left out, with a notice.
  [[nodiscard]] std::vector<Material> materials() const;
  // Whether one of them has a colour that the file states.
  [[nodiscard]] bool coloured() const;
  [[nodiscard]] std::vector<Image> take_images() { return std::move(images_); }
  [[nodiscard]] std::vector<ImageFile> take_files() { return std::move(files_); }

 private:
  GltfMaterial read(const GltfJson& json, std::uint64_t index);
  void read_base(const GltfJson& json, GltfMaterial& out);
  void read_emission(const GltfJson& json, GltfMaterial& out);
  void mention_rest(const GltfJson& json) const;
  TextureUse texture(const GltfJson& use, GltfCoordinates& coordinates);
  // The image of a texture, or -1 and a notice.
  std::int32_t image_of(const GltfJson& texture);
  std::int32_t load(std::uint64_t image);
  [[nodiscard]] std::optional<Image> decoded(std::uint64_t image, ImageFile& file);

  GltfDocument& document_;
  std::vector<GltfMaterial> list_;
  std::map<std::uint64_t, std::int32_t> known_;      // material of the file -> list; the largest number stands for none
  std::map<std::uint64_t, std::int32_t> images_by_;  // image of the file -> images; -1: left out
  std::vector<Image> images_;
  std::vector<ImageFile> files_;
  int damaged_ = 0;   // images whose bytes cannot be had
  bool own_ = false;  // written by this program
};

}  // namespace espalier::reader
