#include "image/matte.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "image/resize.h"

namespace espalier {

std::vector<float> matte_input(const Image& rgb, const MatteInput& form) {
  require(rgb.channels == 3 && rgb.width > 0 && rgb.height > 0, "matte_input", "an image of ", rgb.width, " x ", rgb.height,
          " x ", rgb.channels);
  const Image small = resize_lanczos(rgb, form.width, form.height);
  const double largest = std::max<double>(*std::max_element(small.pixels.begin(), small.pixels.end()), 1e-6);
  const std::size_t plane = small.pixel_count();
  std::vector<float> out(plane * 3);
  for (std::size_t i = 0; i < plane; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      out[c * plane + i] = static_cast<float>((small.pixels[i * 3 + c] / largest - form.mean[c]) / form.deviation[c]);
    }
  }
  return out;
}

Plane<std::uint8_t> matte_of(const std::vector<float>& output, int width, int height) {
  Plane<std::uint8_t> matte(width, height);
  require(output.size() == matte.values.size() && !output.empty(), "matte_of", output.size(), " values for ", width, " x ",
          height);
  if (!std::all_of(output.begin(), output.end(), [](float v) { return std::isfinite(v); })) {
    fail(ErrorCode::invalid_argument, "the network for background removal gave values that are not numbers",
         hint("its file is damaged: fetch it again, or use another network"));
  }
  const auto [low, high] = std::minmax_element(output.begin(), output.end());
  const float smallest = *low, range = *high - *low;
  if (!(range > 0.0F)) return matte;
  for (std::size_t i = 0; i < output.size(); ++i) {
    const float share = std::clamp((output[i] - smallest) / range, 0.0F, 1.0F);
    matte.values[i] = static_cast<std::uint8_t>(share * 255.0F);
  }
  return matte;
}

Image cut_by_matte(const Image& rgb, const Plane<std::uint8_t>& matte) {
  require(rgb.channels == 3, "cut_by_matte", rgb.channels, " channels");
  Image grey(matte.width, matte.height, 1);
  grey.pixels = matte.values;
  const Image alpha = resize_lanczos(grey, rgb.width, rgb.height);
  Image out(rgb.width, rgb.height, 4);
  for (std::size_t i = 0; i < rgb.pixel_count(); ++i) {
    const std::uint8_t a = alpha.pixels[i];
    for (std::size_t c = 0; c < 3; ++c) {
      // Pillow's division by 255, rounded.
      const unsigned product = rgb.pixels[i * 3 + c] * a + 128U;
      out.pixels[i * 4 + c] = static_cast<std::uint8_t>((product + (product >> 8U)) >> 8U);
    }
    out.pixels[i * 4 + 3] = a;
  }
  return out;
}

}  // namespace espalier
