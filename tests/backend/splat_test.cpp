#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "base/with_cuda.h"
#include "harness.h"
#include "render/raster/splat_renderer.h"
#include "splat_oracle.h"
#include "support/data.h"
#include "support/errors.h"
#include "support/golden_file.h"
#include "support/psnr.h"

namespace espalier::test {
namespace {

struct Images {
  std::vector<double> colour, alpha;
};

template <class Backend>
class SplatTest : public OpTest<Backend> {
 protected:
  using Dev = typename Backend::Dev;

  Images render(const Gaussians& g, const std::vector<Camera>& cameras, const SplatOptions& o) {
    SplatRenderer<Dev> renderer(this->queue(), g);
    return render(renderer, cameras, o);
  }
  Images render(SplatRenderer<Dev>& renderer, const std::vector<Camera>& cameras, const SplatOptions& o) {
    const auto n = static_cast<std::int64_t>(cameras.size());
    auto colour = this->template poisoned_of<float, 4>({n, o.height, o.width, 3});
    auto alpha = this->template poisoned_of<float, 3>({n, o.height, o.width});
    if (n == 1) {
      renderer.render(cameras[0], o, colour.view().template reshape<3>({o.height, o.width, 3}),
                      alpha.view().template reshape<2>({o.height, o.width}));
    } else {
      renderer.render(cameras, o, colour.view(), alpha.view());
    }
    this->queue().synchronize();
    return {colour.download().values, alpha.download().values};
  }
};
TYPED_TEST_SUITE(SplatTest, FloatBackends, BackendNames);

// Gaussians in the unit cube with harmonics up to `degree`; some are flat, some long, some larger than the image.
Gaussians random_gaussians(int count, int degree, std::uint32_t seed, double size = 0.03) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<double> uniform;
  std::normal_distribution<double> normal;
  Gaussians g;
  const auto push = [](std::vector<float>& to, double v) { to.push_back(static_cast<float>(v)); };
  for (int i = 0; i < count; ++i) {
    for (int k = 0; k < 3; ++k) push(g.xyz, uniform(generator) - 0.5);
    for (int k = 0; k < 3; ++k) push(g.scale, size * std::exp(normal(generator)));
    double q[4], length = 0.0;
    for (double& v : q) length = std::hypot(length, v = normal(generator));
    for (const double v : q) push(g.rotation, v / length);
    push(g.opacity, 0.02 + 0.97 * uniform(generator));
    for (int k = 0; k < 3; ++k) push(g.dc, normal(generator));
    for (int k = 3; k < 3 * (degree + 1) * (degree + 1); ++k) push(g.sh, 0.4 * normal(generator));
  }
  return g;
}

std::vector<Camera> some_cameras(int count, float radius = 2.0F, float fov = 40.0F) {
  std::vector<Camera> cameras;
  for (const OrbitCamera& orbit : sphere_cameras(count, radius, fov, {0.3F, 0.2F})) cameras.push_back(camera_of(orbit));
  return cameras;
}

// Rounding decides which pixels a Gaussian at the limits of alpha or of its tiles reaches; there, 1/255 or, at the border of
// a tile, exp(-4.5) comes or goes.
void expect_like_oracle(const Images& actual, const OracleImage& expected) {
  EXPECT_GT(psnr(actual.colour, expected.colour), 75.0);
  EXPECT_GT(psnr(actual.alpha, expected.alpha), 75.0);
  for (std::size_t i = 0; i < expected.colour.size(); ++i) ASSERT_NEAR(actual.colour[i], expected.colour[i], 0.02) << i;
  for (std::size_t i = 0; i < expected.alpha.size(); ++i) ASSERT_NEAR(actual.alpha[i], expected.alpha[i], 0.012) << i;
}

// Images of the public rasteriser that TRELLIS renders with.
TYPED_TEST(SplatTest, TheImageOfTheReference) {
  const GoldenFile golden(data_path("render/splats.safetensors").string());
  Gaussians g;
  g.xyz = golden.read<float>("means3D");
  g.scale = golden.read<float>("scales");
  g.rotation = golden.read<float>("rotations");
  g.opacity = golden.read<float>("opacities");
  g.dc = golden.read<float>("shs");
  const auto view = golden.read<float>("viewmatrix"), tangents = golden.read<float>("tanfov"),
             background = golden.read<float>("bg");
  const auto size = golden.read<std::int32_t>("size_wh");
  Camera camera;
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t i = 0; i < 3; ++i) camera.rotation[3 * row + i] = view[4 * i + row];
    camera.translation[row] = view[12 + row];
  }
  camera.fx = 0.5F / tangents[0];
  camera.fy = 0.5F / tangents[1];
  SplatOptions options{.width = size[0], .height = size[1]};
  for (std::size_t c = 0; c < 3; ++c) options.background[c] = background[c];
  const Images whole = this->render(g, {camera}, options);
  std::vector<double> kept;
  for (int y = 0; y < size[1]; y += 3) {
    for (int x = 0; x < size[0]; x += 3) {
      const auto at = static_cast<std::size_t>(y) * static_cast<std::size_t>(size[0]) + static_cast<std::size_t>(x);
      for (std::size_t c = 0; c < 3; ++c) kept.push_back(whole.colour[3 * at + c]);
    }
  }
  EXPECT_GT(psnr(kept, golden.read<float>("pixels")), 80.0);
}

TYPED_TEST(SplatTest, DegreesOfHarmonics) {
  for (const int degree : {0, 1, 2, 3}) {
    SCOPED_TRACE(degree);
    const Gaussians g = random_gaussians(150, degree, 7 + static_cast<std::uint32_t>(degree));
    const SplatOptions o{.width = 70, .height = 45, .background = {0.2F, 0.5F, 1.0F}};
    const auto cameras = some_cameras(3);
    for (const Camera& camera : cameras) expect_like_oracle(this->render(g, {camera}, o), SplatOracle(g, camera, o).image());
  }
}

TYPED_TEST(SplatTest, SamplesKernelsAndSizes) {
  const Gaussians g = random_gaussians(120, 0, 3);
  const Camera camera = some_cameras(1)[0];
  for (const SplatOptions& o :
       {SplatOptions{.width = 1, .height = 1}, SplatOptions{.width = 33, .height = 16, .kernel_size = 0.3F},
        SplatOptions{.width = 17, .height = 40, .ssaa = 2, .background = {1, 1, 1}},
        SplatOptions{.width = 21, .height = 19, .kernel_size = 0.0F, .ssaa = 3},
        SplatOptions{.width = 9, .height = 5, .ssaa = 4, .background = {0, 0.5F, 0}}}) {
    SCOPED_TRACE(::testing::Message() << o.width << " x " << o.height << ", " << o.ssaa);
    expect_like_oracle(this->render(g, {camera}, o), SplatOracle(g, camera, o).image());
  }
}

// Inside the cloud: Gaussians behind the camera, before the near limit, larger than the image and far outside it.
TYPED_TEST(SplatTest, ACameraAmongTheGaussians) {
  const Gaussians g = random_gaussians(300, 1, 11, 0.08);
  Camera camera = some_cameras(1, 0.3F, 75.0F)[0];
  camera.cx = 0.3F;
  camera.cy = 0.8F;
  camera.fy *= 1.7F;
  const SplatOptions o{.width = 90, .height = 60};
  expect_like_oracle(this->render(g, {camera}, o), SplatOracle(g, camera, o).image());
}

// Enough of them that every tile has long lists and many pixels are finished early.
TYPED_TEST(SplatTest, ManyLayers) {
  const Gaussians g = random_gaussians(6000, 0, 5, 0.02);
  const Camera camera = some_cameras(1)[0];
  const SplatOptions o{.width = 80, .height = 64};
  expect_like_oracle(this->render(g, {camera}, o), SplatOracle(g, camera, o).image());
}

TYPED_TEST(SplatTest, ViewsTogetherAreViewsAlone) {
  const Gaussians g = random_gaussians(400, 2, 23);
  const auto cameras = some_cameras(19);
  const SplatOptions o{.width = 50, .height = 37, .ssaa = 2};
  SplatRenderer<typename TypeParam::Dev> renderer(this->queue(), g);
  const Images together = this->render(renderer, cameras, o);
  Images alone;
  for (const Camera& camera : cameras) {
    const Images one = this->render(renderer, {camera}, o);
    alone.colour.insert(alone.colour.end(), one.colour.begin(), one.colour.end());
    alone.alpha.insert(alone.alpha.end(), one.alpha.begin(), one.alpha.end());
  }
  EXPECT_EQ(together.colour, alone.colour);
  EXPECT_EQ(together.alpha, alone.alpha);
  EXPECT_TRUE(this->render(renderer, cameras, o).colour == together.colour);
}

TYPED_TEST(SplatTest, NothingToDraw) {
  const SplatOptions o{.width = 20, .height = 10, .background = {0.25F, 0.5F, 0.75F}};
  Gaussians behind = random_gaussians(40, 0, 2);
  for (std::size_t i = 0; i < 40; ++i) behind.xyz[3 * i + 2] -= 100.0F;
  Camera ahead;  // at the origin, looking along z
  for (const Gaussians& g : {Gaussians{}, behind}) {
    const Images image = this->render(g, {ahead}, o);
    for (std::size_t i = 0; i < image.colour.size(); ++i) {
      ASSERT_EQ(image.colour[i], static_cast<double>(o.background[i % 3]));
    }
    for (const double a : image.alpha) ASSERT_EQ(a, 0.0);
  }
}

TYPED_TEST(SplatTest, BrokenGaussiansAreLeftOut) {
  const SplatOptions o{.width = 40, .height = 40};
  const Camera camera = some_cameras(1)[0];
  const Gaussians whole = random_gaussians(30, 1, 9);
  const Images expected = this->render(whole, {camera}, o);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity, 1e30F, -1e30F}) {
    for (int field = 0; field < 4; ++field) {
      Gaussians g = whole;
      const Gaussians more = random_gaussians(1, 1, 77);
      g.xyz.insert(g.xyz.end(), more.xyz.begin(), more.xyz.end());
      g.scale.insert(g.scale.end(), more.scale.begin(), more.scale.end());
      g.rotation.insert(g.rotation.end(), more.rotation.begin(), more.rotation.end());
      g.opacity.insert(g.opacity.end(), more.opacity.begin(), more.opacity.end());
      g.dc.insert(g.dc.end(), more.dc.begin(), more.dc.end());
      g.sh.insert(g.sh.end(), more.sh.begin(), more.sh.end());
      std::vector<float>* const fields[] = {&g.xyz, &g.scale, &g.rotation, &g.sh};
      fields[field]->back() = bad;
      const Images image = this->render(g, {camera}, o);
      for (const double v : image.colour) ASSERT_TRUE(std::isfinite(v)) << field << ", " << bad;
      if (!std::isfinite(bad)) {
        EXPECT_EQ(image.colour, expected.colour) << field << ", " << bad;
      }
    }
  }
}

TYPED_TEST(SplatTest, WhatCannotBeRendered) {
  const auto invalid = [&](const char* word, auto&& body) { expect_error(ErrorCode::invalid_argument, {word}, body); };
  Gaussians g = random_gaussians(4, 1, 1);
  const Camera camera = some_cameras(1)[0];
  for (const auto& [width, height, ssaa] : {std::array{0, 4, 1}, std::array{4, -1, 1}, std::array{4, 4, 0},
                                            std::array{20000, 4, 1}, std::array{4, 8193, 2}, std::array{4, 4, 2000000000}}) {
    SplatRenderer<typename TypeParam::Dev> renderer(this->queue(), g);
    const SplatOptions o{.width = width, .height = height, .ssaa = ssaa};
    invalid("samples", [&] { renderer.render(camera, o, {}, {}); });
  }
  SplatRenderer<typename TypeParam::Dev> renderer(this->queue(), g);
  invalid("kernel_size", [&] { renderer.render(camera, {.width = 4, .height = 4, .kernel_size = -1.0F}, {}, {}); });
  Camera broken = camera;
  broken.fx = 0.0F;
  invalid("camera", [&] { this->render(renderer, {broken}, {.width = 4, .height = 4}); });
  broken = camera;
  broken.translation[1] = std::numeric_limits<float>::quiet_NaN();
  invalid("camera", [&] { this->render(renderer, {broken}, {.width = 4, .height = 4}); });
  g.sh.pop_back();
  invalid("harmonics", [&] { SplatRenderer<typename TypeParam::Dev>(this->queue(), g); });
  g.sh.clear();
  g.scale.pop_back();
  invalid("scales", [&] { SplatRenderer<typename TypeParam::Dev>(this->queue(), g); });
}

#if ESPALIER_WITH_CUDA
class SplatDevices : public SplatTest<On<Cuda, float>> {};

TEST_F(SplatDevices, BothDrawTheSame) {
  const Gaussians g = random_gaussians(20000, 3, 41, 0.01);
  const auto cameras = some_cameras(12);
  const SplatOptions o{.width = 256, .height = 200, .background = {1, 1, 1}};
  const Images gpu = render(g, cameras, o);
  Queue<Cpu> queue;
  SplatRenderer<Cpu> renderer(queue, g);
  std::vector<float> colour(gpu.colour.size()), alpha(gpu.alpha.size());
  renderer.render(cameras, o, View<Cpu, float, 4>(colour.data(), {12, 200, 256, 3}),
                  View<Cpu, float, 3>(alpha.data(), {12, 200, 256}));
  EXPECT_GT(psnr(gpu.colour, colour), 80.0);
  EXPECT_GT(psnr(gpu.alpha, alpha), 80.0);
}
#endif

}  // namespace
}  // namespace espalier::test
