// Meshes with looks for the tests of maps, and how their textures are read.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "assets/appearance.h"
#include "assets/mesh.h"
#include "bake/texels.h"
#include "geometry/unwrap/unwrap.h"

namespace espalier::test {

using Colour3 = std::array<double, 3>;

// An image of `shown(column, row)`.
inline Image painted(int width, int height, int channels, const std::function<std::array<std::uint8_t, 4>(int, int)>& shown) {
  Image image(width, height, channels);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const auto colour = shown(x, y);
      for (int k = 0; k < channels; ++k) image.at(x, y)[k] = colour[static_cast<std::size_t>(k)];
    }
  }
  return image;
}

// One material for all faces.
inline Appearance look_of(const Mesh& mesh, const Material& material, std::vector<Image> images = {}) {
  Appearance look;
  look.materials = {material};
  look.of_face.assign(mesh.faces.size() / 3, 0);
  look.images = std::move(images);
  return look;
}

inline Mesh unwrapped(const Mesh& mesh, int size) { return unwrap(mesh, {.texture_size = size}).mesh; }

// What a texture shows at weights of a face's corners, in bytes: the mean of the four texels around the place.
inline std::array<double, 4> shown_at(const Mesh& mesh, const Image& texture, std::int64_t face,
                                      const std::array<double, 3>& weights) {
  const auto uv = value_at<2>(mesh, mesh.uvs, face, weights);
  const double x = uv[0] * texture.width - 0.5, y = uv[1] * texture.height - 0.5;
  std::array<double, 4> sum{};
  for (int dy = 0; dy < 2; ++dy) {
    for (int dx = 0; dx < 2; ++dx) {
      const double fx = x - std::floor(x), fy = y - std::floor(y), w = (dx == 1 ? fx : 1 - fx) * (dy == 1 ? fy : 1 - fy);
      const int column = std::clamp(static_cast<int>(std::floor(x)) + dx, 0, texture.width - 1);
      const int row = std::clamp(static_cast<int>(std::floor(y)) + dy, 0, texture.height - 1);
      for (int k = 0; k < texture.channels; ++k) sum.at(static_cast<std::size_t>(k)) += w * texture.at(column, row)[k];
    }
  }
  return sum;
}

// Calls visit(face, weights) for about `count` places all over the mesh.
inline void for_places(const Mesh& mesh, int count,
                       const std::function<void(std::int64_t, const std::array<double, 3>&)>& visit) {
  for (int i = 0; i < count; ++i) {
    const auto face =
        static_cast<std::int64_t>(std::fmod(0.5 + 0.6180339887 * i, 1.0) * static_cast<double>(mesh.face_count()));
    const double a = std::fmod(0.31 + 0.7548776662 * i, 1.0), b = std::fmod(0.17 + 0.5698402910 * i, 1.0);
    const double s = std::sqrt(a);
    visit(face, {1 - s, s * (1 - b), s * b});
  }
}

}  // namespace espalier::test
