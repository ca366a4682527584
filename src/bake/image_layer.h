// What an image adds to a texture: its colours, brought near to those that are baked, and how much each of its pixels counts.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "image/image.h"

namespace espalier {

// A view of the textured mesh, from the place where the image was taken; size x size pixels.
struct BakedView {
  int size = 0;
  std::span<const std::int32_t> face;  // [S * S] 0 = nothing
  std::span<const float> depth;        // [S * S]
  std::span<const float> colour;       // [S * S * 3]
};

struct ImageLayer {
  std::vector<float> colour;  // [S * S * 3]
  std::vector<float> weight;  // [S * S] in [0, 1]
};

// `image` is RGBA of the view's size. Its light and its exposure are not those of the baked texture: what differs slowly over
// the image (a mean over about a tenth of its side, of the pixels that both show) is taken from the texture, so that the
// image gives what is finer. Pixels count less near outlines and steps of depth, and where image and texture differ even
// after that over more than a few pixels: there the object's shape is another than the image's.
[[nodiscard]] ImageLayer image_layer(const Image& image, const BakedView& view);

}  // namespace espalier
