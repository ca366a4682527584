// The steps around a background network, byte for byte as rembg 2.0 takes them (its default "naive" compositing).
#pragma once

#include <array>
#include <vector>

#include "image/image.h"
#include "image/plane.h"

namespace espalier {

// How a network wants its image.
struct MatteInput {
  int width = 320, height = 320;
  std::array<double, 3> mean{0.485, 0.456, 0.406};
  std::array<double, 3> deviation{0.229, 0.224, 0.225};
};

// The image squashed to the network's size (its proportions are not kept), divided by its own largest byte, less the mean and
// divided by the deviation: [3, height, width]. rgb has 3 channels.
[[nodiscard]] std::vector<float> matte_input(const Image& rgb, const MatteInput& form);

// The first output of the network [height, width] -> bytes: its smallest value becomes 0, its largest 255, in between
// truncated. A map of one value has no object: zeros. Throws invalid_argument when a value is not finite.
[[nodiscard]] Plane<std::uint8_t> matte_of(const std::vector<float>& output, int width, int height);

// The matte resized to the image and put in front of transparent black. Colours come out multiplied by alpha, as rembg's do,
// and alpha is the matte.
[[nodiscard]] Image cut_by_matte(const Image& rgb, const Plane<std::uint8_t>& matte);

}  // namespace espalier
