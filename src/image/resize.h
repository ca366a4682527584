// Resampling, byte for byte as Pillow does it.
#pragma once

#include "image/picture.h"

namespace espalier {

// Image.crop(box).resize((width, height), LANCZOS). The box may reach beyond the image: outside everything is zero
// (transparent black). Colours of an image with alpha are multiplied by alpha before filtering and divided afterwards;
// a box that has the wanted size already is only copied. The box must not be empty.
[[nodiscard]] Picture resize_lanczos(const Picture& picture, const Box& box, int width, int height);

// The whole image.
[[nodiscard]] inline Picture resize_lanczos(const Picture& picture, int width, int height) {
  return resize_lanczos(picture, {0, 0, picture.width, picture.height}, width, height);
}

}  // namespace espalier
