// An image as a texture: bilinear within a level, linear between levels (Williams 1983).
#pragma once

#include <vector>

#include "image/picture.h"
#include "render/raster/vector.h"

namespace espalier {

class TextureSampler {
 public:
  // Keeps the image's address. Levels halve until one pixel is left, each the mean of 2 x 2 of the one before.
  explicit TextureSampler(const Picture& image);

  // Colour in [0, 1] as stored (sRGB) at (u, v), (0, 0) being the outer corner of the first texel, clamped to the image.
  // `footprint`: the side of the square that a sample stands for, in units of uv times the image's larger side.
  [[nodiscard]] Vec3 at(float u, float v, float footprint) const;
  [[nodiscard]] int larger_side() const {
    return levels_[0]->width > levels_[0]->height ? levels_[0]->width : levels_[0]->height;
  }

 private:
  std::vector<Picture> smaller_;
  std::vector<const Picture*> levels_;
};

}  // namespace espalier
