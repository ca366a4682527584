// Light that was painted into a texture is found and taken out.
#include "bake/delight.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "image/colour.h"
#include "looks.h"
#include "support/chart_ball.h"
#include "support/errors.h"

namespace espalier {
namespace {

using Albedo = std::function<std::array<double, 3>(const std::array<double, 3>&)>;

// A ball under one lamp and an even light, as a texture of its charts.
Image lit(const Mesh& mesh, int size, const Albedo& albedo, double even, double lamp) {
  const Texels texels = texels_of(mesh, size);
  const std::array<double, 3> to_lamp{0.36, -0.48, 0.8};
  std::vector<float> values(3 * texels.face.size(), 0.0F);
  for (std::size_t i = 0; i < texels.face.size(); ++i) {
    if (texels.face[i] == 0) continue;
    const auto n = value_at<3>(mesh, mesh.normals, texels.face[i] - 1, texels.weights(i));
    const double facing = n[0] * to_lamp[0] + n[1] * to_lamp[1] + n[2] * to_lamp[2];
    const auto own = albedo(value_at<3>(mesh, mesh.vertices, texels.face[i] - 1, texels.weights(i)));
    for (std::size_t k = 0; k < 3; ++k)
      values[3 * i + k] = srgb_of_linear(static_cast<float>(own[k] * (even + lamp * std::max(facing, 0.0))));
  }
  return image_of(values, size);
}

// Standard deviation over mean of the linear green of all texels inside charts for which `where` holds.
double spread(const Mesh& mesh, const Image& texture, const std::function<bool(const std::array<double, 3>&)>& where) {
  const Texels texels = texels_of(mesh, texture.width);
  double sum = 0, squares = 0, count = 0;
  for (std::size_t i = 0; i < texels.face.size(); ++i) {
    if (texels.face[i] == 0 || !where(value_at<3>(mesh, mesh.vertices, texels.face[i] - 1, texels.weights(i)))) continue;
    const double v = double{linear_of_srgb(static_cast<float>(texture.pixels[3 * i + 1]) / 255)};
    sum += v;
    squares += v * v;
    count += 1;
  }
  const double mean = sum / count;
  return std::sqrt(std::max(squares / count - mean * mean, 0.0)) / mean;
}
const auto kEverywhere = [](const std::array<double, 3>&) { return true; };

TEST(Delight, ALambertianBallOfOneColourBecomesNearlyConstant) {
  const Mesh ball = test::chart_ball(24);
  const auto albedo = [](const std::array<double, 3>&) { return std::array<double, 3>{0.6, 0.35, 0.2}; };
  Image texture = lit(ball, 256, albedo, 0.4, 0.6);
  const double before = spread(ball, texture, kEverywhere);
  const SurfaceLight light = delight(ball, 1.0, texture);
  EXPECT_GT(before, 0.25);
  EXPECT_LT(spread(ball, texture, kEverywhere), 0.05);
  EXPECT_GT(light.at({0.36, -0.48, 0.8}), 1.3);
  EXPECT_LT(light.at({-0.36, 0.48, -0.8}), 0.9);
}

TEST(Delight, HalfOfItLeavesHalf) {
  const Mesh ball = test::chart_ball(16);
  const auto albedo = [](const std::array<double, 3>&) { return std::array<double, 3>{0.5, 0.5, 0.5}; };
  const Image given = lit(ball, 192, albedo, 0.4, 0.6);
  Image half = given, nothing = given;
  (void)delight(ball, 0.5, half);
  (void)delight(ball, 0.0, nothing);
  EXPECT_EQ(nothing.pixels, given.pixels);
  const double before = spread(ball, given, kEverywhere), after = spread(ball, half, kEverywhere);
  EXPECT_GT(after, 0.35 * before);
  EXPECT_LT(after, 0.65 * before);
}

TEST(Delight, PartsOfOtherColoursAreNotTakenForLight) {
  const Mesh ball = test::chart_ball(24);
  // The upper half is of a bright yellow, the lower one of a dark blue, and the light is even.
  const auto upper = [](const std::array<double, 3>& p) { return p[2] > 0; };
  const auto albedo = [&](const std::array<double, 3>& p) {
    return upper(p) ? std::array<double, 3>{0.8, 0.7, 0.1} : std::array<double, 3>{0.05, 0.08, 0.3};
  };
  const Image given = lit(ball, 256, albedo, 0.9, 0.0);
  Image texture = given;
  (void)delight(ball, 1.0, texture);
  const Texels texels = texels_of(ball, 256);
  double worst = 0;
  for (std::size_t i = 0; i < given.pixels.size(); ++i) {
    if (texels.face[i / 3] != 0) worst = std::max(worst, std::abs(double(given.pixels[i]) - texture.pixels[i]));
  }
  EXPECT_LE(worst, 8);
  // Under a lamp, both become even.
  Image shaded = lit(ball, 256, albedo, 0.4, 0.6);
  (void)delight(ball, 1.0, shaded);
  EXPECT_LT(spread(ball, shaded, upper), 0.08);
}

TEST(Delight, RefusesWhatItCannotWorkOn) {
  const Mesh ball = test::chart_ball(4);
  Image texture(64, 64, 3);
  test::expect_error(ErrorCode::invalid_argument, {"strength"}, [&] { (void)delight(ball, 1.5, texture); });
  Image oblong(64, 32, 3);
  test::expect_error(ErrorCode::invalid_argument, {"square"}, [&] { (void)delight(ball, 0.5, oblong); });
  // Nothing to learn from: black stays black.
  (void)delight(ball, 1.0, texture);
  EXPECT_TRUE(std::all_of(texture.pixels.begin(), texture.pixels.end(), [](std::uint8_t b) { return b == 0; }));
}

}  // namespace
}  // namespace espalier
