#include "render/views/texture_sampler.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace espalier {

namespace {

using Sample = TextureSampler::Sample;

Image halved(const Image& p, bool by_alpha) {
  Image half(std::max(p.width / 2, 1), std::max(p.height / 2, 1), p.channels);
  for (int y = 0; y < half.height; ++y) {
    for (int x = 0; x < half.width; ++x) {
      const int x0 = std::min(2 * x, p.width - 1), x1 = std::min(2 * x + 1, p.width - 1);
      const int y0 = std::min(2 * y, p.height - 1), y1 = std::min(2 * y + 1, p.height - 1);
      const std::uint8_t* four[] = {p.at(x0, y0), p.at(x1, y0), p.at(x0, y1), p.at(x1, y1)};
      int opaque = 0;
      for (const std::uint8_t* t : four) opaque += p.channels == 4 ? t[3] : 0;
      const bool weighed = by_alpha && opaque > 0;
      for (int c = 0; c < p.channels; ++c) {
        int sum = 0;
        for (const std::uint8_t* t : four) sum += weighed && c < 3 ? t[c] * t[3] : t[c];
        half.at(x, y)[c] = static_cast<std::uint8_t>(weighed && c < 3 ? (sum + opaque / 2) / opaque : (sum + 2) / 4);
      }
    }
  }
  return half;
}

// Into the image, as far as the way of wrapping goes on from it.
int wrapped(int x, int size, Wrap wrap) {
  if (wrap == Wrap::clamp) return std::clamp(x, 0, size - 1);
  const int period = wrap == Wrap::repeat ? size : 2 * size;
  const int in = (x % period + period) % period;
  return in < size ? in : period - 1 - in;
}

// Coordinates near the image, so that they count texels exactly.
float reduced(float u, Wrap wrap) {
  if (wrap == Wrap::clamp) return unit_range(u);
  return wrap == Wrap::repeat ? u - std::floor(u) : u - 2.0F * std::floor(0.5F * u);
}

struct Texel {
  float v[4];
};

Texel texel(const Image& p, int x, int y, const TextureMode& mode) {
  const std::uint8_t* at = p.at(wrapped(x, p.width, mode.u), wrapped(y, p.height, mode.v));
  return {{static_cast<float>(at[0]), static_cast<float>(at[1]), static_cast<float>(at[2]),
           p.channels == 4 ? static_cast<float>(at[3]) : 255.0F}};
}

Sample made(const Texel& t) {
  constexpr float kByte = 1.0F / 255.0F;
  return {{{t.v[0] * kByte, t.v[1] * kByte, t.v[2] * kByte}}, t.v[3] * kByte};
}

Sample bilinear(const Image& p, float u, float v, const TextureMode& mode) {
  const float x = reduced(u, mode.u) * static_cast<float>(p.width) - 0.5F;
  const float y = reduced(v, mode.v) * static_cast<float>(p.height) - 0.5F;
  const float left = std::floor(x), top = std::floor(y);
  const int x0 = static_cast<int>(left), y0 = static_cast<int>(top);
  const float right = x - left, below = y - top;
  const Texel a = texel(p, x0, y0, mode), b = texel(p, x0 + 1, y0, mode);
  const Texel c = texel(p, x0, y0 + 1, mode), d = texel(p, x0 + 1, y0 + 1, mode);
  Texel mean;
  for (int k = 0; k < 4; ++k) {
    const float upper = a.v[k] * (1.0F - right) + b.v[k] * right, lower = c.v[k] * (1.0F - right) + d.v[k] * right;
    mean.v[k] = upper * (1.0F - below) + lower * below;
  }
  return made(mean);
}

Sample nearest(const Image& p, float u, float v, const TextureMode& mode) {
  const auto x = static_cast<int>(std::floor(reduced(u, mode.u) * static_cast<float>(p.width)));
  const auto y = static_cast<int>(std::floor(reduced(v, mode.v) * static_cast<float>(p.height)));
  return made(texel(p, x, y, mode));
}

}  // namespace

TextureSampler::TextureSampler(const Image& image, bool by_alpha) {
  require(image.width > 0 && image.height > 0 && (image.channels == 3 || image.channels == 4), "TextureSampler",
          "a texture of ", image.width, " x ", image.height, " texels with ", image.channels, " channels");
  constexpr std::size_t kMostLevels = 32;
  smaller_.reserve(kMostLevels);  // so that addresses stay
  levels_.push_back(&image);
  while (levels_.back()->width > 1 || levels_.back()->height > 1) {
    smaller_.push_back(halved(*levels_.back(), by_alpha));
    levels_.push_back(&smaller_.back());
  }
}

Sample TextureSampler::sample(float u, float v, float footprint, const TextureMode& mode) const {
  const auto last = static_cast<float>(levels_.size() - 1);
  if (mode.nearest && !(footprint > 1.0F)) return nearest(*levels_.front(), u, v, mode);
  const float level = footprint > 1.0F ? std::min(std::log2(footprint), last) : 0.0F;
  const auto fine = static_cast<std::size_t>(level);
  const float between = level - static_cast<float>(fine);
  const Sample colour = bilinear(*levels_[fine], u, v, mode);
  if (between <= 0.0F) return colour;
  const Sample coarse = bilinear(*levels_[fine + 1], u, v, mode);
  return {colour.colour * (1.0F - between) + coarse.colour * between, colour.alpha * (1.0F - between) + coarse.alpha * between};
}

}  // namespace espalier
