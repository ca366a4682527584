// From values to the bytes of images.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <optional>

#include "render/raster/vector.h"

namespace espalier {

[[nodiscard]] inline std::uint8_t byte_of(float v) { return static_cast<std::uint8_t>(std::lround(unit_range(v) * 255.0F)); }

// A colour (sRGB, not multiplied by coverage) over the background as 3 bytes, or with its coverage as 4.
inline void write_pixel(const Vec3& srgb, float coverage, const std::optional<std::array<std::uint8_t, 3>>& background,
                        std::uint8_t* pixel) {
  for (int c = 0; c < 3; ++c) {
    const float behind = background ? static_cast<float>((*background)[static_cast<std::size_t>(c)]) / 255.0F : srgb[c];
    pixel[c] = byte_of(srgb[c] * coverage + behind * (1.0F - coverage));
  }
  if (!background) pixel[3] = byte_of(coverage);
}

}  // namespace espalier
