// Resampling, byte for byte as Pillow does it.
#pragma once

#include "image/image.h"

namespace espalier {

// Image.crop(box).resize((width, height), LANCZOS). The box may reach beyond the image: outside everything is zero
// (transparent black). Colours of an image with alpha are multiplied by alpha before filtering and divided afterwards;
// a box that has the wanted size already is only copied. The box must not be empty.
[[nodiscard]] Image resize_lanczos(const Image& image, const Box& box, int width, int height);

// The whole image.
[[nodiscard]] inline Image resize_lanczos(const Image& image, int width, int height) {
  return resize_lanczos(image, {0, 0, image.width, image.height}, width, height);
}

}  // namespace espalier
