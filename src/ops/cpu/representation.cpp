#include "ops/representation.h"

#include <algorithm>
#include <cmath>

#include "parallel/parallel_for.h"

namespace espalier {
namespace {

void check_fields(const char* where, const GaussianFields<Cpu>& f, std::int64_t count) {
  const auto is = [&](const View<Cpu, float, 2>& field, std::int64_t width) {
    return field.extent(0) == count && field.extent(1) == width;
  };
  require(is(f.xyz, 3) && is(f.dc, 3) && is(f.scaling, 3) && is(f.rotation, 4) && is(f.opacity, 1), where,
          "the fields are not those of ", count, " Gaussians");
}

float softplus(float x) { return x > 20.0F ? x : std::log1p(std::exp(x)); }
float inverse_softplus(float y) { return y + std::log(-std::expm1(-y)); }

}  // namespace

template <class Dev>
void gaussian_fields(Queue<Dev>& queue, In<Dev, float, 2> raw, In<Dev, std::int32_t, 2> coords, In<Dev, float, 2> perturbation,
                     const GaussianConfig& config, int resolution, const GaussianFields<Dev>& out) {
  const std::int64_t n = config.per_voxel;
  const std::int64_t rows = raw.extent(0);
  require(raw.extent(1) == 14 * n && coords.extent(0) == rows && coords.extent(1) == 4 && resolution > 0, "gaussian_fields",
          "raw is ", rows, " x ", raw.extent(1), " for ", n, " Gaussians per voxel, coords ", coords.extent(0), " x ",
          coords.extent(1));
  require(!config.perturb_offset || (perturbation.extent(0) == n && perturbation.extent(1) == 3), "gaussian_fields",
          "the perturbation is ", perturbation.extent(0), " x ", perturbation.extent(1));
  check_fields("gaussian_fields", out, rows * n);
  if (queue.metering()) return;
  const auto cells = static_cast<float>(resolution);
  parallel_for(rows, grain_for(14 * n), [&](std::int64_t r) {
    const float* const xyz = &raw(r, 0);
    const float* const dc = xyz + 3 * n;
    const float* const scaling = xyz + 6 * n;
    const float* const rotation = xyz + 9 * n;
    const float* const opacity = xyz + 13 * n;
    for (std::int64_t g = 0; g < n; ++g) {
      const std::int64_t i = r * n + g;
      for (std::int64_t axis = 0; axis < 3; ++axis) {
        const float centre = (static_cast<float>(coords(r, axis + 1)) + 0.5F) / cells;
        const float offset = xyz[3 * g + axis] * config.lr_xyz + (config.perturb_offset ? perturbation(g, axis) : 0.0F);
        out.xyz(i, axis) = centre + std::tanh(offset) / cells * 0.5F * config.voxel_size;
        out.dc(i, axis) = dc[3 * g + axis] * config.lr_features;
        out.scaling(i, axis) = scaling[3 * g + axis] * config.lr_scaling;
      }
      for (std::int64_t c = 0; c < 4; ++c) out.rotation(i, c) = rotation[4 * g + c] * config.lr_rotation;
      out.opacity(i, 0) = opacity[g] * config.lr_opacity;
    }
  });
}
template void gaussian_fields<Cpu>(Queue<Cpu>&, In<Cpu, float, 2>, In<Cpu, std::int32_t, 2>, In<Cpu, float, 2>,
                                   const GaussianConfig&, int, const GaussianFields<Cpu>&);

template <class Dev>
void activate_gaussians(Queue<Dev>& queue, const GaussianFields<Dev>& fields, const GaussianConfig& config,
                        const GaussianFields<Dev>& out) {
  const std::int64_t count = fields.xyz.extent(0);
  check_fields("activate_gaussians", fields, count);
  check_fields("activate_gaussians", out, count);
  if (queue.metering()) return;
  const float scaling_shift = config.softplus_scaling ? inverse_softplus(config.scaling_bias) : std::log(config.scaling_bias);
  const float opacity_shift = std::log(config.opacity_bias / (1.0F - config.opacity_bias));
  parallel_for(count, grain_for(14), [&](std::int64_t i) {
    for (std::int64_t axis = 0; axis < 3; ++axis) {
      out.xyz(i, axis) = fields.xyz(i, axis) - 0.5F;
      out.dc(i, axis) = fields.dc(i, axis);
      const float x = fields.scaling(i, axis) + scaling_shift;
      const float scale = config.softplus_scaling ? softplus(x) : std::exp(x);
      out.scaling(i, axis) = std::sqrt(scale * scale + config.kernel_size_3d * config.kernel_size_3d);
    }
    float squares = 0;
    for (std::int64_t c = 0; c < 4; ++c) {
      const float component = fields.rotation(i, c) + (c == 0 ? 1.0F : 0.0F);
      out.rotation(i, c) = component;
      squares += component * component;
    }
    const float length = std::max(std::sqrt(squares), 1e-12F);
    for (std::int64_t c = 0; c < 4; ++c) out.rotation(i, c) /= length;
    out.opacity(i, 0) = 1.0F / (1.0F + std::exp(-(fields.opacity(i, 0) + opacity_shift)));
  });
}
template void activate_gaussians<Cpu>(Queue<Cpu>&, const GaussianFields<Cpu>&, const GaussianConfig&,
                                      const GaussianFields<Cpu>&);

}  // namespace espalier
