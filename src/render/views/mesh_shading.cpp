#include "render/views/mesh_shading.h"

#include <algorithm>
#include <array>

#include "image/colour.h"

namespace espalier {

float soft_light(const Vec3& normal) {
  constexpr Vec3 kKey = {{-0.45F, -0.62F, -0.64F}};
  constexpr Vec3 kFill = {{0.75F, -0.1F, -0.65F}};
  const auto wrapped = [&](const Vec3& light) {
    const float v = std::max((dot(normal, light) + 0.35F) / 1.35F, 0.0F);
    return v * v;
  };
  const float sky = 0.5F - 0.5F * normal[1];
  return 0.22F + 0.24F * sky + 0.66F * wrapped(kKey) + 0.14F * wrapped(kFill);
}

Vec3 checker(float u, float v, float footprint) {
  constexpr float kCells = 32.0F;
  const float x = unit_range(u) * kCells, y = unit_range(v) * kCells;
  const bool dark = (static_cast<int>(x) + static_cast<int>(y)) % 2 != 0;
  const Vec3 tint = {{0.35F + 0.6F * u, 0.42F + 0.4F * (1.0F - std::abs(u - v)), 0.35F + 0.6F * v}};
  const float fine = std::clamp(2.0F - 2.0F * footprint * kCells, 0.0F, 1.0F);  // 1 while a sample is below half a cell
  const float shade = 0.75F + (dark ? -0.25F : 0.25F) * fine;
  return {{std::min(tint[0], 1.0F) * shade, std::min(tint[1], 1.0F) * shade, std::min(tint[2], 1.0F) * shade}};
}

float line_share(const float distances[3], const float heights[3], float line_width) {
  const float nearest = std::min({distances[0], distances[1], distances[2]});
  const float height = std::min({heights[0], heights[1], heights[2]});
  if (!(nearest < 0.5F * line_width)) return 0.0F;
  // Where faces are hardly wider than lines, all would be line: the lines give way.
  return std::clamp(height / (6.0F * line_width), 0.12F, 1.0F);
}

Vec3 linear_by_table(const Vec3& srgb) {
  constexpr int kSteps = 2048;
  static const auto kTable = [] {
    std::array<float, kSteps + 2> table{};
    for (std::size_t i = 0; i < table.size(); ++i) table[i] = linear_of_srgb(static_cast<float>(i) / kSteps);
    return table;
  }();
  Vec3 linear{};
  for (int c = 0; c < 3; ++c) {
    const float at = (srgb[c] > 0.0F ? std::min(srgb[c], 1.0F) : 0.0F) * kSteps;
    const auto i = static_cast<std::size_t>(at);
    linear[c] = kTable[i] + (at - static_cast<float>(i)) * (kTable[i + 1] - kTable[i]);
  }
  return linear;
}

}  // namespace espalier
