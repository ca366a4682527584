// Colour arithmetic.
#pragma once

#include <cmath>

namespace espalier {

// The transfer function of sRGB (IEC 61966-2-1), values in [0, 1].
[[nodiscard]] inline float linear_of_srgb(float v) {
  return v <= 0.04045F ? v / 12.92F : std::pow((v + 0.055F) / 1.055F, 2.4F);
}
[[nodiscard]] inline float srgb_of_linear(float v) {
  if (v >= 1.0F) return 1.0F;  // which the formula misses by its rounding
  return v <= 0.0031308F ? v * 12.92F : 1.055F * std::pow(v, 1.0F / 2.4F) - 0.055F;
}

}  // namespace espalier
