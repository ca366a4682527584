// Radiance fields against a march in float64 that looks for the voxels of a ray by trying all of them.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <set>

#include "harness.h"
#include "render/raster/radiance_field_renderer.h"
#include "support/errors.h"
#include "support/psnr.h"

namespace espalier::test {
namespace {

struct Images {
  std::vector<double> colour, alpha, depth;
};

// A march along the ray of sample (x, y): colour without background, alpha, and the sum of weights times distances.
class FieldOracle {
 public:
  FieldOracle(const RadianceField& f, const Camera& camera, const RadianceFieldOptions& o) : f_(f), camera_(camera), o_(o) {}

  [[nodiscard]] Images image() const {
    Images out;
    for (int y = 0; y < o_.height; ++y) {
      for (int x = 0; x < o_.width; ++x) {
        double total = 0.0;
        std::array<double, 5> sum{};
        for (int v = y * o_.ssaa - o_.ssaa; v < (y + 2) * o_.ssaa; ++v) {
          for (int u = x * o_.ssaa - o_.ssaa; u < (x + 2) * o_.ssaa; ++u) {
            if (u < 0 || v < 0 || u >= o_.width * o_.ssaa || v >= o_.height * o_.ssaa) continue;
            const auto weigh = [&](int sample, int pixel) {
              if (o_.ssaa == 1) return sample == pixel ? 1.0 : 0.0;
              return std::max(0.0, 1 - std::abs((sample + 0.5) / o_.ssaa - (pixel + 0.5)));
            };
            const double w = weigh(u, x) * weigh(v, y);
            if (w == 0.0) continue;
            const auto one = ray(u + 0.5, v + 0.5);
            for (std::size_t k = 0; k < 5; ++k) sum[k] += w * one[k];
            total += w;
          }
        }
        for (double& s : sum) s /= total;
        for (std::size_t c = 0; c < 3; ++c) {
          out.colour.push_back(sum[c] + (1 - sum[3]) * static_cast<double>(o_.background[c]));
        }
        out.alpha.push_back(sum[3]);
        out.depth.push_back(sum[3] > 0 ? sum[4] / sum[3] : 0.0);
      }
    }
    return out;
  }

 private:
  struct Segment {
    double begin, end;
    std::size_t voxel;
  };

  [[nodiscard]] std::array<double, 5> ray(double x, double y) const {
    const double local[3] = {(x / (o_.width * o_.ssaa) - static_cast<double>(camera_.cx)) / static_cast<double>(camera_.fx),
                             (y / (o_.height * o_.ssaa) - static_cast<double>(camera_.cy)) / static_cast<double>(camera_.fy),
                             1.0};
    const auto eye = camera_.position();
    double direction[3] = {}, length = 0.0;
    for (std::size_t k = 0; k < 3; ++k) {
      for (std::size_t row = 0; row < 3; ++row) direction[k] += static_cast<double>(camera_.rotation[3 * row + k]) * local[row];
      length = std::hypot(length, direction[k]);
    }
    std::vector<Segment> way;
    for (std::size_t i = 0; 3 * i < f_.position.size(); ++i) {
      Segment s{static_cast<double>(o_.near_plane), static_cast<double>(o_.far_plane), i};
      for (std::size_t k = 0; k < 3; ++k) {
        const double centre = static_cast<double>(f_.position[3 * i + k]) - 0.5, half = 0.5 / f_.resolution;
        const double a = (centre - half - static_cast<double>(eye[k])) / direction[k];
        const double b = (centre + half - static_cast<double>(eye[k])) / direction[k];
        s.begin = std::max(s.begin, std::min(a, b));
        s.end = std::min(s.end, std::max(a, b));
      }
      if (s.begin < s.end) way.push_back(s);
    }
    std::sort(way.begin(), way.end(), [](const Segment& a, const Segment& b) { return a.begin < b.begin; });
    std::array<double, 5> out{};
    double rest = 1.0;
    for (const Segment& s : way) {
      const int parts = std::max(1, static_cast<int>(std::ceil((s.end - s.begin) * length * f_.resolution * o_.steps - 0.01)));
      for (int p = 0; p < parts && rest >= 1e-4; ++p) {
        const double t = s.begin + (s.end - s.begin) * (p + 0.5) / parts;
        std::array<double, 3> at{};
        for (std::size_t k = 0; k < 3; ++k) {
          at[k] = (static_cast<double>(eye[k]) + direction[k] * t - static_cast<double>(f_.position[3 * s.voxel + k]) + 0.5) *
                      f_.resolution +
                  0.5;
        }
        const auto [density, colour] = mixture(s.voxel, at);
        const double alpha = 1 - std::exp(-density * (s.end - s.begin) / parts * length);
        for (std::size_t c = 0; c < 3; ++c) out[c] += rest * alpha * colour[c];
        out[4] += rest * alpha * t;
        rest *= 1 - alpha;
      }
    }
    out[3] = 1 - rest;
    return out;
  }

  // What is in a voxel at a place in [0, 1]^3.
  [[nodiscard]] std::pair<double, std::array<double, 3>> mixture(std::size_t voxel, const std::array<double, 3>& at) const {
    double raw = 0.0;
    std::array<double, 3> colour{0.5, 0.5, 0.5};
    const auto rank = static_cast<std::size_t>(f_.rank), dim = static_cast<std::size_t>(f_.dim);
    for (std::size_t r = 0; r < rank; ++r) {
      double w = 1.0;
      for (std::size_t axis = 0; axis < 3; ++axis) {
        const float* const v = &f_.trivec[((voxel * rank + r) * 3 + axis) * dim];
        double p = o_.samples == VectorSamples::ends ? at[axis] * (f_.dim - 1) : at[axis] * f_.dim - 0.5;
        p = std::clamp(p, 0.0, f_.dim - 1.0);
        const auto low = static_cast<std::size_t>(p), high = std::min(low + 1, dim - 1);
        w *= static_cast<double>(v[low]) * (1 - (p - static_cast<double>(low))) +
             static_cast<double>(v[high]) * (p - static_cast<double>(low));
      }
      raw += w * static_cast<double>(f_.density[voxel * rank + r]);
      for (std::size_t c = 0; c < 3; ++c) {
        colour[c] += 0.28209479177387814 * w * static_cast<double>(f_.features_dc[(voxel * rank + r) * 3 + c]);
      }
    }
    for (double& c : colour) c = std::max(c, 0.0);
    return {raw > 50 ? raw : std::log1p(std::exp(raw)), colour};
  }

  const RadianceField& f_;
  const Camera& camera_;
  const RadianceFieldOptions& o_;
};

RadianceField random_field(int resolution, int rank, int dim, int count, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  RadianceField f;
  f.resolution = resolution;
  f.rank = rank;
  f.dim = dim;
  const auto push = [](std::vector<float>& to, double v) { to.push_back(static_cast<float>(v)); };
  std::set<std::array<int, 3>> cells;
  std::uniform_int_distribution<int> cell(0, resolution - 1);
  while (static_cast<int>(cells.size()) < count) cells.insert({cell(generator), cell(generator), cell(generator)});
  for (const auto& c : cells) {
    for (const int v : c) push(f.position, (v + 0.5) / resolution);
    for (int k = 0; k < rank * 3 * dim; ++k) push(f.trivec, 1 + 0.4 * normal(generator));
    for (int k = 0; k < rank; ++k) push(f.density, (2 + 30 * normal(generator)) / rank);
    for (int k = 0; k < 3 * rank; ++k) push(f.features_dc, 1.5 * normal(generator) / rank);
  }
  return f;
}

Camera a_camera(float radius = 2.0F, float fov = 40.0F) {
  return camera_of({.yaw = 0.7F, .pitch = 0.4F, .radius = radius, .fov_degrees = fov});
}

template <class Backend>
class RadianceFieldTest : public OpTest<Backend> {
 protected:
  Images render(const RadianceField& f, const Camera& camera, const RadianceFieldOptions& o) {
    RadianceFieldRenderer<typename Backend::Dev> renderer(this->queue(), f);
    auto colour = this->template poisoned_of<float, 3>({o.height, o.width, 3});
    auto alpha = this->template poisoned_of<float, 2>({o.height, o.width});
    auto depth = this->template poisoned_of<float, 2>({o.height, o.width});
    renderer.render(camera, o, colour.view(), alpha.view(), depth.view());
    this->queue().synchronize();
    return {colour.download().values, alpha.download().values, depth.download().values};
  }
  void expect_like_oracle(const RadianceField& f, const Camera& camera, const RadianceFieldOptions& o) {
    const Images actual = render(f, camera, o), expected = FieldOracle(f, camera, o).image();
    // A ray that leaves a voxel through an edge may be cut differently there.
    EXPECT_GT(psnr(actual.colour, expected.colour), 75.0);
    EXPECT_GT(psnr(actual.alpha, expected.alpha), 75.0);
    for (std::size_t i = 0; i < actual.alpha.size(); ++i) {
      ASSERT_NEAR(actual.alpha[i], expected.alpha[i], 5e-3) << i;
      // The mean depth of what is hardly there is not well known.
      ASSERT_NEAR(actual.depth[i] * actual.alpha[i], expected.depth[i] * expected.alpha[i], 1e-2) << i;
      if (expected.alpha[i] > 0.05) {
        ASSERT_NEAR(actual.depth[i], expected.depth[i], 2e-2) << i;
      }
    }
  }
};
TYPED_TEST_SUITE(RadianceFieldTest, FloatBackends, BackendNames);

TYPED_TEST(RadianceFieldTest, RanksAndSamples) {
  std::uint32_t seed = 1;
  for (const int rank : {1, 5, 8, 16}) {
    for (const int dim : {1, 2, 8}) {
      for (const VectorSamples samples : {VectorSamples::centres, VectorSamples::ends}) {
        SCOPED_TRACE(::testing::Message() << rank << " x " << dim);
        const RadianceField f = random_field(16, rank, dim, 250, seed++);
        this->expect_like_oracle(f, a_camera(),
                                 {.width = 24, .height = 20, .background = {0.1F, 0.6F, 1.0F}, .samples = samples});
      }
    }
  }
}

TYPED_TEST(RadianceFieldTest, GridsStepsAndSamples) {
  const RadianceField coarse = random_field(1, 2, 3, 1, 3), odd = random_field(11, 16, 4, 200, 4),
                      fine = random_field(64, 16, 8, 900, 5);
  for (const RadianceField& f : {coarse, odd, fine}) {
    SCOPED_TRACE(f.resolution);
    this->expect_like_oracle(f, a_camera(), {.width = 20, .height = 25, .steps = 3});
    this->expect_like_oracle(f, a_camera(1.3F, 60.0F),
                             {.width = 9, .height = 7, .ssaa = 3, .background = {1, 1, 1}, .steps = 16});
  }
}

TYPED_TEST(RadianceFieldTest, InsideAndCutByPlanes) {
  const RadianceField f = random_field(16, 8, 8, 1500, 8);
  Camera inside = a_camera(0.2F, 80.0F);
  inside.cx = 0.2F;
  inside.fy *= 1.5F;
  this->expect_like_oracle(f, inside, {.width = 24, .height = 24});
  this->expect_like_oracle(f, a_camera(), {.width = 24, .height = 24, .near_plane = 1.9F, .far_plane = 2.1F});
  const Images nothing = this->render(f, a_camera(), {.width = 8, .height = 8, .far_plane = 0.5F});
  for (const double a : nothing.alpha) ASSERT_EQ(a, 0.0);
  for (const double d : nothing.depth) ASSERT_EQ(d, 0.0);
}

// A cube of one density, seen along an axis and through the planes between voxels: what is left of the light is known.
TYPED_TEST(RadianceFieldTest, ACubeOfOneDensity) {
  RadianceField f = random_field(8, 16, 8, 512, 2);
  std::fill(f.trivec.begin(), f.trivec.end(), 1.0F);
  std::fill(f.density.begin(), f.density.end(), 0.125F);  // raw density 2
  std::fill(f.features_dc.begin(), f.features_dc.end(), 0.0F);
  Camera camera;
  camera.translation = {0, 0, 3};
  camera.fx = camera.fy = 1000.0F;  // rays are all but parallel
  const Images image = this->render(f, camera, {.width = 4, .height = 4});
  const double density = std::log1p(std::exp(2.0)), left = std::exp(-density);
  // The mean of t over [2.5, 3.5] weighted by density exp(-density (t - 2.5)).
  const double depth = 2.5 + 1 / density - left / (1 - left);
  for (std::size_t i = 0; i < image.alpha.size(); ++i) {
    EXPECT_NEAR(image.alpha[i], 1 - left, 1e-5);
    EXPECT_NEAR(image.depth[i], depth, 1e-3);
    EXPECT_NEAR(image.colour[3 * i], 0.5 * (1 - left), 1e-5);
  }
}

TYPED_TEST(RadianceFieldTest, ViewsTogetherAreViewsAlone) {
  const RadianceField f = random_field(16, 16, 8, 400, 12);
  const RadianceFieldOptions o{.width = 31, .height = 18, .ssaa = 2, .background = {1, 1, 0}};
  std::vector<Camera> cameras;
  Images alone;
  for (const OrbitCamera& orbit : sphere_cameras(5, 2.0F, 40.0F)) {
    cameras.push_back(camera_of(orbit));
    const Images one = this->render(f, cameras.back(), o);
    alone.colour.insert(alone.colour.end(), one.colour.begin(), one.colour.end());
    alone.alpha.insert(alone.alpha.end(), one.alpha.begin(), one.alpha.end());
  }
  RadianceFieldRenderer<typename TypeParam::Dev> renderer(this->queue(), f);
  auto colour = this->template poisoned_of<float, 4>({5, o.height, o.width, 3});
  auto alpha = this->template poisoned_of<float, 3>({5, o.height, o.width});
  renderer.render(cameras, o, colour.view(), alpha.view());
  this->queue().synchronize();
  EXPECT_EQ(colour.download().values, alone.colour);
  EXPECT_EQ(alpha.download().values, alone.alpha);
}

TYPED_TEST(RadianceFieldTest, WhatCannotBeRendered) {
  using Renderer = RadianceFieldRenderer<typename TypeParam::Dev>;
  const auto invalid = [&](const char* word, auto&& body) { expect_error(ErrorCode::invalid_argument, {word}, body); };
  const RadianceField good = random_field(4, 2, 2, 5, 1);
  const auto broken = [&](const char* word, auto&& change) {
    RadianceField f = good;
    change(f);
    invalid(word, [&] { Renderer(this->queue(), f); });
  };
  broken("densities", [](RadianceField& f) { f.density.pop_back(); });
  broken("rank", [](RadianceField& f) { f.rank = 0; });
  broken("resolution", [](RadianceField& f) { f.resolution = 1 << 30; });
  broken("outside", [](RadianceField& f) { f.position[4] = 1.0F; });
  broken("outside", [](RadianceField& f) { f.position[4] = std::numeric_limits<float>::quiet_NaN(); });
  broken("one place", [](RadianceField& f) { std::copy_n(f.position.begin(), 3, f.position.begin() + 6); });
  broken("not finite", [](RadianceField& f) { f.trivec[3] = std::numeric_limits<float>::infinity(); });
  Renderer renderer(this->queue(), good);
  const auto refused = [&](const char* word, const RadianceFieldOptions& o) {
    invalid(word, [&] { renderer.render(a_camera(), o, {}, {}); });
  };
  refused("pixels", {.width = 0, .height = 4});
  refused("steps", {.width = 4, .height = 4, .steps = 0});
  refused("near", {.width = 4, .height = 4, .near_plane = 2.0F, .far_plane = 1.0F});
  RadianceField nothing = good;
  for (auto* values : {&nothing.position, &nothing.trivec, &nothing.density, &nothing.features_dc}) values->clear();
  for (const double a : this->render(nothing, a_camera(), {.width = 4, .height = 4}).alpha) EXPECT_EQ(a, 0.0);
}

}  // namespace
}  // namespace espalier::test
