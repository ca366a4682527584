// Gaussian fields, and the coordinates of subdivided voxels.
#include "ops/representation.h"

#include "harness.h"
#include "sparse/subdivision.h"

namespace espalier::test {
namespace {

template <class Backend>
class Representation : public OpTest<Backend> {
 public:
  using Dev = typename Backend::Dev;

 protected:
  struct FieldArrays {
    Array<Dev, float, 2> xyz, dc, scaling, rotation, opacity;
    [[nodiscard]] GaussianFields<Dev> view() const {
      return {xyz.view(), dc.view(), scaling.view(), rotation.view(), opacity.view()};
    }
  };
  FieldArrays field_arrays(std::int64_t count) {
    const auto array = [&](std::int64_t width) { return this->template poisoned_of<float>(Extents<2>{count, width}); };
    return {array(3), array(3), array(3), array(4), array(1)};
  }
};
// These ops work in float32 on every back end.
TYPED_TEST_SUITE(Representation, FloatBackends, BackendNames);

TYPED_TEST(Representation, GaussianFieldsOfVoxels) {
  for (const bool perturbed : {true, false}) {
    for (const std::int64_t rows : {0, 1, 77}) {
      GaussianConfig config;
      config.per_voxel = 5;
      config.lr_xyz = 0.5F;
      config.lr_features = 2;
      config.lr_scaling = 3;
      config.lr_rotation = 0.1F;
      config.lr_opacity = 0.7F;
      config.voxel_size = 1.5F;
      config.perturb_offset = perturbed;
      auto raw = this->random(Extents<2>{rows, 70}, 73);
      Host<2> cells({rows, 4});
      for (double& v : cells.values) v = static_cast<double>(this->below(64));
      auto coords = this->template make<std::int32_t>(cells);
      auto perturbation = this->random(Extents<2>{5, 3});
      const auto out = this->field_arrays(rows * 5);
      Host<2> xyz({rows * 5, 3}), dc({rows * 5, 3}), scaling({rows * 5, 3}), rotation({rows * 5, 4}), opacity({rows * 5, 1});
      for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t g = 0; g < 5; ++g) {
          for (std::int64_t a = 0; a < 3; ++a) {
            const double offset = raw.host(r, g * 3 + a) * 0.5 + (perturbed ? perturbation.host(g, a) : 0.0);
            xyz(r * 5 + g, a) = (cells(r, a + 1) + 0.5) / 64 + std::tanh(offset) / 64 * 0.5 * 1.5;
            dc(r * 5 + g, a) = raw.host(r, 15 + g * 3 + a) * 2;
            scaling(r * 5 + g, a) = raw.host(r, 30 + g * 3 + a) * 3;
          }
          for (std::int64_t k = 0; k < 4; ++k) rotation(r * 5 + g, k) = raw.host(r, 45 + g * 4 + k) * 0.1F;
          opacity(r * 5 + g, 0) = raw.host(r, 65 + g) * 0.7F;
        }
      }
      this->run([&](auto& q) { gaussian_fields(q, raw.view(), coords.view(), perturbation.view(), config, 64, out.view()); });
      expect_close(out.xyz.download(), xyz, tolerance<float>(), "xyz");
      expect_close(out.dc.download(), dc, tolerance<float>(), "dc");
      expect_close(out.scaling.download(), scaling, tolerance<float>(), "scaling");
      expect_close(out.rotation.download(), rotation, tolerance<float>(), "rotation");
      expect_close(out.opacity.download(), opacity, tolerance<float>(), "opacity");
    }
  }
}

TYPED_TEST(Representation, ActivatedGaussians) {
  for (const bool softplus : {true, false}) {
    GaussianConfig config;
    config.softplus_scaling = softplus;
    config.scaling_bias = 0.004F;
    config.kernel_size_3d = 0.0009F;
    const std::int64_t count = 333;
    typename TestFixture::FieldArrays in{this->random(Extents<2>{count, 3}), this->random(Extents<2>{count, 3}),
                                         this->random(Extents<2>{count, 3}, 0, 4), this->random(Extents<2>{count, 4}),
                                         this->random(Extents<2>{count, 1}, 0, 5)};
    const double bias = config.scaling_bias;
    const double shift = softplus ? bias + std::log(-std::expm1(-bias)) : std::log(bias);
    const double logit = std::log(config.opacity_bias / (1.0 - config.opacity_bias));
    Host<2> xyz = in.xyz.host, scaling = in.scaling.host, rotation = in.rotation.host, opacity = in.opacity.host;
    const Host<2> dc = in.dc.host;
    for (std::int64_t i = 0; i < count; ++i) {
      double squares = 0;
      for (std::int64_t k = 0; k < 4; ++k) squares += std::pow(rotation(i, k) + (k == 0 ? 1 : 0), 2);
      for (std::int64_t k = 0; k < 4; ++k) rotation(i, k) = (rotation(i, k) + (k == 0 ? 1 : 0)) / std::sqrt(squares);
      for (std::int64_t a = 0; a < 3; ++a) {
        xyz(i, a) -= 0.5;
        const double s = softplus ? std::log1p(std::exp(scaling(i, a) + shift)) : std::exp(scaling(i, a) + shift);
        scaling(i, a) = std::sqrt(s * s + std::pow(static_cast<double>(config.kernel_size_3d), 2));
      }
      opacity(i, 0) = 1 / (1 + std::exp(-(opacity(i, 0) + logit)));
    }
    this->run([&](auto& q) { activate_gaussians(q, in.view(), config, in.view()); });
    expect_close(in.xyz.download(), xyz, tolerance<float>(), "xyz");
    expect_close(in.dc.download(), dc, 0, "dc");
    expect_close(in.scaling.download(), scaling, 2e-5, "scaling");
    expect_close(in.rotation.download(), rotation, tolerance<float>(), "rotation");
    expect_close(in.opacity.download(), opacity, 2e-6, "opacity");
  }
}

TYPED_TEST(Representation, CoordinatesOfChildren) {
  for (const std::int64_t rows : {0, 1, 100}) {
    Host<2> cells({rows, 4});
    for (double& v : cells.values) v = static_cast<double>(this->below(64));
    auto parents = this->template make<std::int32_t>(cells);
    auto out = this->template poisoned_of<std::int32_t>(Extents<2>{rows * 8, 4});
    Host<2> expected({rows * 8, 4});
    for (std::int64_t r = 0; r < rows * 8; ++r) {
      expected(r, 0) = cells(r / 8, 0);
      for (std::int64_t a = 0; a < 3; ++a)
        expected(r, a + 1) = 2 * cells(r / 8, a + 1) + static_cast<double>((r % 8) >> (2 - a) & 1);
    }
    this->run([&](auto& q) { subdivide_coords(q, parents.view(), out.view()); });
    expect_close(out.download(), expected, 0);
  }
}

}  // namespace
}  // namespace espalier::test
