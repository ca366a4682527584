#include "bake/image_layer.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "parallel/parallel_for.h"

namespace espalier {

namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

float smooth_step(float low, float high, float v) {
  const float t = std::clamp((v - low) / (high - low), 0.0F, 1.0F);
  return t * t * (3.0F - 2.0F * t);
}

// Mean over a box of 2 radius + 1 pixels along rows, written transposed: two passes filter both directions.
void box_pass(const std::vector<float>& from, std::vector<float>& to, int size, int radius) {
  const double share = 1.0 / (2 * radius + 1);
  parallel_for(size, 8, [&](std::int64_t row) {
    const float* line = &from[at(row * size)];
    const auto value = [&](int x) { return x >= 0 && x < size ? static_cast<double>(line[x]) : 0.0; };
    double sum = 0.0;
    for (int x = -radius; x < radius; ++x) sum += value(x);
    for (int x = 0; x < size; ++x) {
      sum += value(x + radius);
      to[at(std::int64_t{x} * size + row)] = static_cast<float>(sum * share);
      sum -= value(x - radius);
    }
  });
}

// Nearly a Gaussian of the deviation: three box filters (outside is 0).
void blur(std::vector<float>& plane, int size, double deviation) {
  const int radius = std::max(1, static_cast<int>(std::lround(deviation)));  // 3 boxes of r have the variance r (r + 1)
  std::vector<float> other(plane.size());
  for (int pass = 0; pass < 3; ++pass) {
    box_pass(plane, other, size, radius);
    box_pass(other, plane, size, radius);
  }
}

// Distance in pixels to the nearest pixel that is 0, by chamfers of 3 and 4 thirds (Borgefors 1986); the rim counts as 0.
std::vector<float> distance_inside(const std::vector<std::uint8_t>& mask, int size) {
  std::vector<float> distance(mask.size());
  const auto get = [&](int x, int y) {
    return x < 0 || y < 0 || x >= size || y >= size ? 0.0F : distance[at(std::int64_t{y} * size + x)];
  };
  constexpr float kStraight = 1.0F, kSlanted = 4.0F / 3.0F;
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const std::size_t i = at(std::int64_t{y} * size + x);
      if (mask[i] == 0) continue;
      distance[i] = std::min(
          {get(x - 1, y) + kStraight, get(x, y - 1) + kStraight, get(x - 1, y - 1) + kSlanted, get(x + 1, y - 1) + kSlanted});
    }
  }
  for (int y = size - 1; y >= 0; --y) {
    for (int x = size - 1; x >= 0; --x) {
      const std::size_t i = at(std::int64_t{y} * size + x);
      if (mask[i] == 0) continue;
      distance[i] = std::min({distance[i], get(x + 1, y) + kStraight, get(x, y + 1) + kStraight, get(x + 1, y + 1) + kSlanted,
                              get(x - 1, y + 1) + kSlanted});
    }
  }
  return distance;
}

// Pixels that both show whole, away from steps of the mesh's depth.
std::vector<std::uint8_t> common_pixels(const Image& image, const BakedView& view) {
  constexpr int kWhole = 250;
  constexpr float kStep = 0.02F;  // relative
  const int s = view.size;
  std::vector<std::uint8_t> mask(view.face.size());
  for (int y = 0; y < s; ++y) {
    for (int x = 0; x < s; ++x) {
      const std::size_t i = at(std::int64_t{y} * s + x);
      if (view.face[i] == 0 || image.at(x, y)[3] < kWhole) continue;
      const auto near = [&](int dx, int dy) {
        const int nx = std::clamp(x + dx, 0, s - 1), ny = std::clamp(y + dy, 0, s - 1);
        const std::size_t j = at(std::int64_t{ny} * s + nx);
        return view.face[j] != 0 && std::abs(view.depth[j] - view.depth[i]) < kStep * view.depth[i];
      };
      mask[i] = near(1, 0) && near(-1, 0) && near(0, 1) && near(0, -1) ? 1 : 0;
    }
  }
  return mask;
}

// The mean of `values` over the mask around each pixel.
std::vector<float> masked_mean(const std::vector<float>& values, const std::vector<std::uint8_t>& mask,
                               const std::vector<float>& share, int size, double deviation) {
  std::vector<float> mean(values.size());
  for (std::size_t i = 0; i < mean.size(); ++i) mean[i] = mask[i] != 0 ? values[i] : 0.0F;
  blur(mean, size, deviation);
  for (std::size_t i = 0; i < mean.size(); ++i) mean[i] = share[i] > 1e-5F ? mean[i] / share[i] : 0.0F;
  return mean;
}

std::vector<float> share_of(const std::vector<std::uint8_t>& mask, int size, double deviation) {
  std::vector<float> share(mask.begin(), mask.end());
  blur(share, size, deviation);
  return share;
}

}  // namespace

ImageLayer image_layer(const Image& image, const BakedView& view) {
  const int s = view.size;
  const auto count = at(std::int64_t{s} * s);
  require(image.channels == 4 && image.width == s && image.height == s && view.face.size() == count &&
              view.depth.size() == count && view.colour.size() == 3 * count,
          "image_layer", "image and view are of different sizes");
  constexpr double kSlow = 0.04, kFew = 0.008;     // deviations, in sides of the image
  constexpr float kRim = 0.004F, kInside = 0.03F;  // where pixels begin to count, and count whole
  constexpr float kTolerated = 0.2F;               // difference of colours over a few pixels
  const std::vector<std::uint8_t> mask = common_pixels(image, view);
  const std::vector<float> slow_share = share_of(mask, s, kSlow * s), few_share = share_of(mask, s, kFew * s);
  ImageLayer layer;
  layer.colour.resize(3 * count);
  std::vector<float> difference(count), squared(count, 0.0F);
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = 0; i < count; ++i) {
      difference[i] = view.colour[3 * i + c] - static_cast<float>(image.pixels[4 * i + c]) / 255.0F;
    }
    const std::vector<float> slow = masked_mean(difference, mask, slow_share, s, kSlow * s);
    for (std::size_t i = 0; i < count; ++i) {
      difference[i] -= slow[i];
      layer.colour[3 * i + c] = std::clamp(static_cast<float>(image.pixels[4 * i + c]) / 255.0F + slow[i], 0.0F, 1.0F);
    }
    const std::vector<float> few = masked_mean(difference, mask, few_share, s, kFew * s);
    for (std::size_t i = 0; i < count; ++i) squared[i] += few[i] * few[i] / 3.0F;
  }
  layer.weight = distance_inside(mask, s);
  const auto side = static_cast<float>(s);
  for (std::size_t i = 0; i < count; ++i) {
    layer.weight[i] =
        smooth_step(kRim * side, kInside * side, layer.weight[i]) * std::exp(-squared[i] / (kTolerated * kTolerated));
  }
  return layer;
}

}  // namespace espalier
