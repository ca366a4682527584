// How the surface of a mesh looks: materials, their textures, and which face has which.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "assets/mesh.h"
#include "image/image.h"

namespace espalier {

// What a texture shows beyond its borders.
enum class Wrap : std::uint8_t { repeat, mirror, clamp };
// What alpha does: nothing; hide what is below the cutoff; mix with what lies behind.
enum class AlphaMode : std::uint8_t { opaque, mask, blend };

struct TextureUse {
  std::int32_t image = -1;  // index into Appearance::images; negative: no texture
  Wrap u = Wrap::repeat, v = Wrap::repeat;
  bool nearest = false;  // texels keep their edges
  [[nodiscard]] bool used() const { return image >= 0; }
  bool operator==(const TextureUse&) const = default;
};

// The colour of a spot is factor * texture * colour of the vertex, in linear light; emission comes on top.
struct Material {
  std::string name{};
  std::array<float, 4> factor = {1, 1, 1, 1};  // linear colour, and alpha
  TextureUse texture{};
  std::array<float, 3> emission = {0, 0, 0};  // linear; times its texture where there is one
  TextureUse emission_texture{};
  AlphaMode alpha = AlphaMode::opaque;
  float alpha_cutoff = 0.5F;
  bool double_sided = true;    // false: seen from its front alone
  bool unlit = false;          // shown as it is, without light
  bool vertex_colours = true;  // the colours of vertices multiply the texture; false: they show only where there is none
  [[nodiscard]] bool emits() const { return emission[0] > 0.0F || emission[1] > 0.0F || emission[2] > 0.0F; }
};

// The PNG, JPEG or WebP file that an image was decoded from, where its bytes show the same pixels in every program; null for
// all others. Shared by the copies of an image, and dropped with the first change of its pixels.
using ImageFile = std::shared_ptr<const std::vector<std::byte>>;

// Of a mesh, to whose arrays it belongs.
struct Appearance {
  std::vector<Material> materials;
  std::vector<std::int32_t> of_face;  // [F] index into materials; every index is one
  std::vector<Image> images;          // RGB or RGBA, sRGB
  std::vector<float> alpha{};         // [V] of the vertices' colours, or empty: 1
  std::vector<float> emission_uvs{};  // [V * 2] where emission textures have coordinates of their own, or empty
  std::vector<ImageFile> files{};     // of `images`, as many or fewer
  [[nodiscard]] ImageFile file(std::size_t image) const { return image < files.size() ? files[image] : nullptr; }
  [[nodiscard]] bool textured() const {
    for (const Material& m : materials) {
      if (m.texture.used() || m.emission_texture.used()) return true;
    }
    return false;
  }
};

// The one texture of a mesh that needs nothing else than it: one material, opaque, white, seen from both sides, without
// emission, vertex colours that multiply, and coordinates that stay inside the image; null for every other. With
// `any_sides` it may be seen from one side alone, which formats without materials cannot say anyway.
[[nodiscard]] const Image* plain_texture(const Appearance& appearance, const std::vector<float>& uvs,
                                         const std::vector<float>& colours, bool any_sides = false);

// For programs that look at materials and not at the colours of vertices: a mesh each face of which has one colour, of at most
// 256 materials and colours in all, with these colours in its materials and none at its vertices. Nothing for a mesh without
// colours, with transparent vertices, or with a colour that changes within a face. `look` may be null: all is one white
// material.
struct FlatlyColoured {
  Mesh mesh;
  Appearance look;
};
[[nodiscard]] std::optional<FlatlyColoured> flatly_coloured(const Mesh& mesh, const Appearance* look);

}  // namespace espalier
