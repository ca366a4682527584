// What the surface of a mesh with materials shows at any of its places, as viewers of its file would look it up.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "assets/appearance.h"
#include "assets/mesh.h"

namespace espalier {

// Mesh and appearance must outlive it. Read by any number of threads.
class SurfaceLook {
 public:
  // Throws invalid_argument for an appearance of another mesh, or with textures that are not there.
  SurfaceLook(const Mesh& mesh, const Appearance& look);

  struct Shade {
    std::array<double, 3> colour{};    // linear light
    double alpha = 1;                  // 0 or 1 where a material hides what is below its cutoff; 1 where it is opaque
    std::array<double, 3> emission{};  // linear light
  };
  // At weights of a face's corners: factor, texture (with its wrapping and filter, without mip levels) and vertex colours.
  [[nodiscard]] Shade at(std::int64_t face, const std::array<double, 3>& weights) const;

  // Texels of the face's texture in a unit of length; 0 without a texture.
  [[nodiscard]] double density(std::int64_t face) const;

 private:
  struct Colour {
    std::array<double, 4> rgba;
  };
  [[nodiscard]] const Material& material(std::int64_t face) const {
    return look_.materials[static_cast<std::size_t>(look_.of_face[static_cast<std::size_t>(face)])];
  }
  [[nodiscard]] Colour texel(const Image& image, const TextureUse& use, std::int64_t x, std::int64_t y) const;
  [[nodiscard]] Colour looked_up(const TextureUse& use, double u, double v) const;

  const Mesh& mesh_;
  const Appearance& look_;
  std::array<double, 256> linear_{};  // of sRGB bytes
};

}  // namespace espalier
