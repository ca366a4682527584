#include "render/pictures/texture_sampler.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace espalier {

namespace {

Picture halved(const Picture& p) {
  Picture half(std::max(p.width / 2, 1), std::max(p.height / 2, 1), 3);
  for (int y = 0; y < half.height; ++y) {
    for (int x = 0; x < half.width; ++x) {
      const int x0 = std::min(2 * x, p.width - 1), x1 = std::min(2 * x + 1, p.width - 1);
      const int y0 = std::min(2 * y, p.height - 1), y1 = std::min(2 * y + 1, p.height - 1);
      for (int c = 0; c < 3; ++c) {
        const int sum = p.at(x0, y0)[c] + p.at(x1, y0)[c] + p.at(x0, y1)[c] + p.at(x1, y1)[c];
        half.at(x, y)[c] = static_cast<std::uint8_t>((sum + 2) / 4);
      }
    }
  }
  return half;
}

Vec3 texel(const Picture& p, int x, int y) {
  const std::uint8_t* at = p.at(std::clamp(x, 0, p.width - 1), std::clamp(y, 0, p.height - 1));
  return {{static_cast<float>(at[0]), static_cast<float>(at[1]), static_cast<float>(at[2])}};
}

Vec3 bilinear(const Picture& p, float u, float v) {
  const float x = unit_range(u) * static_cast<float>(p.width) - 0.5F;
  const float y = unit_range(v) * static_cast<float>(p.height) - 0.5F;
  const float left = std::floor(x), top = std::floor(y);
  const int x0 = static_cast<int>(left), y0 = static_cast<int>(top);
  const float right = x - left, below = y - top;
  const Vec3 upper = texel(p, x0, y0) * (1.0F - right) + texel(p, x0 + 1, y0) * right;
  const Vec3 lower = texel(p, x0, y0 + 1) * (1.0F - right) + texel(p, x0 + 1, y0 + 1) * right;
  return (upper * (1.0F - below) + lower * below) * (1.0F / 255.0F);
}

}  // namespace

TextureSampler::TextureSampler(const Picture& image) {
  require(image.width > 0 && image.height > 0 && (image.channels == 3 || image.channels == 4), "TextureSampler",
          "a texture of ", image.width, " x ", image.height, " texels with ", image.channels, " channels");
  constexpr std::size_t kMostLevels = 32;
  smaller_.reserve(kMostLevels);  // so that addresses stay
  levels_.push_back(&image);
  while (levels_.back()->width > 1 || levels_.back()->height > 1) {
    smaller_.push_back(halved(*levels_.back()));
    levels_.push_back(&smaller_.back());
  }
}

Vec3 TextureSampler::at(float u, float v, float footprint) const {
  const auto last = static_cast<float>(levels_.size() - 1);
  const float level = footprint > 1.0F ? std::min(std::log2(footprint), last) : 0.0F;
  const auto fine = static_cast<std::size_t>(level);
  const float between = level - static_cast<float>(fine);
  const Vec3 colour = bilinear(*levels_[fine], u, v);
  if (between <= 0.0F) return colour;
  return colour * (1.0F - between) + bilinear(*levels_[fine + 1], u, v) * between;
}

}  // namespace espalier
