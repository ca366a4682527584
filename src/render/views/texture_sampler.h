// An image as a texture: bilinear within a level, linear between levels (Williams 1983).
#pragma once

#include <vector>

#include "assets/appearance.h"
#include "image/image.h"
#include "render/raster/vector.h"

namespace espalier {

// What a sampler shows beyond the image and between its texels.
struct TextureMode {
  Wrap u = Wrap::clamp, v = Wrap::clamp;
  bool nearest = false;  // of texels that are larger than a sample
};

class TextureSampler {
 public:
  // Keeps the image's address. Levels halve until one pixel is left, each the mean of 2 x 2 of the one before. With
  // `by_alpha` texels count as much as they are opaque, so that the colours of holes do not show at their rims.
  explicit TextureSampler(const Image& image, bool by_alpha = false);

  struct Sample {
    Vec3 colour;  // in [0, 1] as stored (sRGB)
    float alpha;  // 1 for images without
  };
  // At (u, v), (0, 0) being the outer corner of the first texel. `footprint`: the side of the square that a sample stands
  // for, in units of uv times the image's larger side.
  [[nodiscard]] Sample sample(float u, float v, float footprint, const TextureMode& mode = {}) const;
  // Its colour, clamped to the image.
  [[nodiscard]] Vec3 at(float u, float v, float footprint) const { return sample(u, v, footprint).colour; }
  [[nodiscard]] int larger_side() const {
    return levels_[0]->width > levels_[0]->height ? levels_[0]->width : levels_[0]->height;
  }

 private:
  std::vector<Image> smaller_;
  std::vector<const Image*> levels_;
};

}  // namespace espalier
