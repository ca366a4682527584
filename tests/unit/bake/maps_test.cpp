// Normal maps and ambient occlusion against what is known of simple surfaces.
#include "bake/maps.h"

#include <gtest/gtest.h>

#include <cmath>

#include "assets/tangents.h"
#include "geometry/mesh/normals.h"
#include "geometry/simplify/simplify.h"
#include "looks.h"
#include "support/errors.h"
#include "support/mesh_shapes.h"

namespace espalier {
namespace {

using test::for_places;
using test::shown_at;

Mesh plane(int n, const std::function<double(double, double)>& height) {
  return test::grid(n, n, false, false, [&](int i, int j) {
    const double x = static_cast<double>(i) / n - 0.5, y = static_cast<double>(j) / n - 0.5;
    return test::P3{x, y, height(x, y)};
  });
}

// The normal in space that a viewer makes of the map at a place.
std::array<double, 3> decoded(const Mesh& mesh, const std::vector<float>& tangents, const Image& map, std::int64_t face,
                              const std::array<double, 3>& weights) {
  const auto rgb = shown_at(mesh, map, face, weights);
  const auto n = value_at<3>(mesh, mesh.normals, face, weights);
  const auto t = value_at<4>(mesh, tangents, face, weights);
  const std::array<double, 3> b{t[3] * (n[1] * t[2] - n[2] * t[1]), t[3] * (n[2] * t[0] - n[0] * t[2]),
                                t[3] * (n[0] * t[1] - n[1] * t[0])};
  std::array<double, 3> out{};
  for (std::size_t k = 0; k < 3; ++k)
    out[k] = (rgb[0] / 127.5 - 1) * t[k] + (rgb[1] / 127.5 - 1) * b[k] + (rgb[2] / 127.5 - 1) * n[k];
  const double length = std::hypot(out[0], out[1], out[2]);
  for (double& x : out) x /= length;
  return out;
}

TEST(NormalMap, AFlatSurfaceGivesTheNeutralColour) {
  const auto flat = [](double, double) { return 0.0; };
  const Mesh mesh = test::unwrapped(plane(2, flat), 64);
  const Image map = normal_map(mesh, plane(16, flat), {.size = 64});
  ASSERT_EQ(map.channels, 3);
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) {
      const std::uint8_t* const p = map.at(x, y);
      ASSERT_EQ((std::array<int, 3>{p[0], p[1], p[2]}), (std::array<int, 3>{128, 128, 255})) << x << ", " << y;
    }
  }
}

TEST(NormalMap, WavesOnAPlaneAreShownWithTheirSlopes) {
  constexpr double kHigh = 0.01, kTurns = 3;
  const auto wave = [](double x, double y) { return kHigh * std::sin(test::kTurn * kTurns * (x + 0.5 * y)); };
  const Mesh mesh = test::unwrapped(plane(1, [](double, double) { return 0.0; }), 256);
  const Image map = normal_map(mesh, plane(200, wave), {.size = 256, .reach = 0.05});
  const std::vector<float> tangents = tangents_of(mesh);
  for_places(mesh, 100, [&](std::int64_t face, const std::array<double, 3>& weights) {
    const auto p = value_at<3>(mesh, mesh.vertices, face, weights);
    const double slope = kHigh * test::kTurn * kTurns * std::cos(test::kTurn * kTurns * (p[0] + 0.5 * p[1]));
    std::array<double, 3> wanted{-slope, -0.5 * slope, 1};
    const double length = std::hypot(wanted[0], wanted[1], wanted[2]);
    const auto found = decoded(mesh, tangents, map, face, weights);
    for (std::size_t k = 0; k < 3; ++k) EXPECT_NEAR(found[k], wanted[k] / length, 0.03) << p[0] << ", " << p[1];
  });
}

TEST(NormalMap, FewFacesShowTheNormalsOfABall) {
  const Mesh ball = test::sphere(32, 0.45);
  const Mesh mesh = test::unwrapped(simplified(ball, 300), 256);
  const Image map = normal_map(mesh, ball, {.size = 256, .reach = 0.05});
  const std::vector<float> tangents = tangents_of(mesh);
  double with = 0, without = 0;
  int count = 0;
  for_places(mesh, 300, [&](std::int64_t face, const std::array<double, 3>& weights) {
    const auto p = value_at<3>(mesh, mesh.vertices, face, weights);
    const double radius = std::hypot(p[0], p[1], p[2]);
    const auto n = decoded(mesh, tangents, map, face, weights);
    auto own = value_at<3>(mesh, mesh.normals, face, weights);
    const double length = std::hypot(own[0], own[1], own[2]);
    double cosine = 0, plain = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      cosine += n[k] * p[k] / radius;
      plain += own[k] / length * p[k] / radius;
    }
    with += std::acos(std::min(cosine, 1.0));
    without += std::acos(std::min(plain, 1.0));
    ++count;
  });
  EXPECT_LT(with / count, 0.02);
  EXPECT_LT(with, 0.5 * without);
}

TEST(NormalMap, NeedsNormalsAndASurface) {
  Mesh mesh = test::unwrapped(plane(1, [](double, double) { return 0.0; }), 64);
  test::expect_error(ErrorCode::invalid_argument, {"detailed"}, [&] { (void)normal_map(mesh, {}, {.size = 64}); });
  mesh.normals.clear();
  test::expect_error(ErrorCode::invalid_argument, {"normals"}, [&] { (void)normal_map(mesh, mesh, {.size = 64}); });
}

double mean_open(const Mesh& mesh, const Image& map, const std::function<bool(const std::array<double, 3>&)>& where) {
  double sum = 0;
  int count = 0;
  for_places(mesh, 6000, [&](std::int64_t face, const std::array<double, 3>& weights) {
    const auto p = value_at<3>(mesh, mesh.vertices, face, weights);
    if (!where(p)) return;
    sum += shown_at(mesh, map, face, weights)[0] / 255;
    ++count;
  });
  EXPECT_GT(count, 5);
  return sum / count;
}

TEST(OcclusionMap, ABallOnAPlaneDarkensItBelow) {
  constexpr double kRadius = 0.2;
  const Mesh floor = plane(24, [](double, double) { return 0.0; });
  const Mesh mesh = test::unwrapped(test::joined(floor, test::moved(test::sphere(10, kRadius), {0, 0, kRadius + 0.01})), 256);
  const Image map = occlusion_map(mesh, {.size = 256, .rays = 64});
  const auto on_floor = [](double from, double to) {
    return [=](const std::array<double, 3>& p) {
      const double r = std::hypot(p[0], p[1]);
      return p[2] < 0.001 && r >= from && r < to;
    };
  };
  // A ball of radius R, whose middle is d away at the angle a from the normal, hides (R / d)^2 cos(a) of the light.
  const auto hidden = [](double r) {
    const double high = kRadius + 0.01, d = std::hypot(r, high);
    return kRadius * kRadius / (d * d) * high / d;
  };
  EXPECT_LT(mean_open(mesh, map, on_floor(0, 0.05)), 0.15);
  EXPECT_NEAR(mean_open(mesh, map, on_floor(0.28, 0.32)), 1 - hidden(0.3), 0.06);
  EXPECT_GT(mean_open(mesh, map, on_floor(0.55, 0.8)), 0.93);
  EXPECT_GT(mean_open(mesh, map, [](const auto& p) { return p[2] > 1.9 * kRadius; }), 0.99) << "the top sees the whole sky";
  const Image again = occlusion_map(mesh, {.size = 256, .rays = 64});
  EXPECT_EQ(again.pixels, map.pixels);
}

TEST(OcclusionMap, ABallAloneIsNotDarkAnywhere) {
  const Mesh mesh = test::unwrapped(simplified(test::sphere(12, 0.4), 400), 128);
  const Image map = occlusion_map(mesh, {.size = 128, .rays = 32});
  for (const std::uint8_t byte : map.pixels) ASSERT_GE(byte, 250);
}

TEST(OcclusionMap, RaysHaveALimit) {
  const Mesh mesh = test::unwrapped(test::box(1), 64);
  test::expect_error(ErrorCode::invalid_argument, {"rays"}, [&] { (void)occlusion_map(mesh, {.size = 64, .rays = 0}); });
  test::expect_error(ErrorCode::invalid_argument, {"texels"}, [&] { (void)occlusion_map(mesh, {.size = 1 << 20}); });
}

}  // namespace
}  // namespace espalier
