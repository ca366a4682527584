#include <cmath>

#include "ops/representation.h"
#include "parallel/cuda/for_each.cuh"

namespace espalier {
namespace {

// Pointers of GaussianFields, for kernels.
struct Fields {
  float *xyz, *dc, *scaling, *rotation, *opacity;
};

Fields pointers(const char* where, const GaussianFields<Cuda>& f, std::int64_t count) {
  require(f.xyz.extent(0) == count && f.xyz.extent(1) == 3 && f.dc.extent(0) == count && f.dc.extent(1) == 3 &&
              f.scaling.extent(0) == count && f.scaling.extent(1) == 3 && f.rotation.extent(0) == count &&
              f.rotation.extent(1) == 4 && f.opacity.extent(0) == count && f.opacity.extent(1) == 1 && f.xyz.contiguous() &&
              f.dc.contiguous() && f.scaling.contiguous() && f.rotation.contiguous() && f.opacity.contiguous(),
          where, "the fields are not those of ", count, " Gaussians");
  return {f.xyz.data(), f.dc.data(), f.scaling.data(), f.rotation.data(), f.opacity.data()};
}

// One thread per Gaussian. In a row of `raw` the same field of all Gaussians is together.
struct SplitBody {
  const float* raw;
  const std::int32_t* coords;
  const float* perturbation;  // null: none
  Fields out;
  GaussianConfig config;
  std::int64_t raw_stride;
  float resolution;

  __device__ void operator()(std::int64_t i) const {
    const std::int64_t count = config.per_voxel;
    const std::int64_t row = i / count;
    const std::int64_t g = i - row * count;
    const float* from = raw + row * raw_stride;
    for (int axis = 0; axis < 3; ++axis) {
      float offset = from[g * 3 + axis] * config.lr_xyz;
      if (perturbation != nullptr) offset += perturbation[g * 3 + axis];
      const float centre = (static_cast<float>(coords[row * 4 + 1 + axis]) + 0.5F) / resolution;
      out.xyz[i * 3 + axis] = centre + tanhf(offset) / resolution * 0.5F * config.voxel_size;
      out.dc[i * 3 + axis] = from[(count + g) * 3 + axis] * config.lr_features;
      out.scaling[i * 3 + axis] = from[(2 * count + g) * 3 + axis] * config.lr_scaling;
    }
    for (int k = 0; k < 4; ++k) out.rotation[i * 4 + k] = from[9 * count + g * 4 + k] * config.lr_rotation;
    out.opacity[i] = from[13 * count + g] * config.lr_opacity;
  }
};

struct ActivateBody {
  Fields in, out;
  bool softplus;
  float kernel_squared, scaling_shift, opacity_shift;

  __device__ float scale_of(float raw) const {
    const float x = raw + scaling_shift;
    if (!softplus) return expf(x);
    return x > 20.0F ? x : log1pf(expf(x));  // beyond 20 the two agree to the last bit of a float
  }

  __device__ void operator()(std::int64_t i) const {
    for (int axis = 0; axis < 3; ++axis) {
      out.xyz[i * 3 + axis] = in.xyz[i * 3 + axis] - 0.5F;
      out.dc[i * 3 + axis] = in.dc[i * 3 + axis];
      const float s = scale_of(in.scaling[i * 3 + axis]);
      out.scaling[i * 3 + axis] = sqrtf(s * s + kernel_squared);
    }
    float q[4];
    float squares = 0;
    for (int k = 0; k < 4; ++k) {
      q[k] = in.rotation[i * 4 + k] + (k == 0 ? 1.0F : 0.0F);
      squares += q[k] * q[k];
    }
    const float length = fmaxf(sqrtf(squares), 1e-12F);
    for (int k = 0; k < 4; ++k) out.rotation[i * 4 + k] = q[k] / length;
    out.opacity[i] = 1.0F / (1.0F + expf(-(in.opacity[i] + opacity_shift)));
  }
};

}  // namespace

template <class Dev>
void gaussian_fields(Queue<Dev>& queue, In<Dev, float, 2> raw, In<Dev, std::int32_t, 2> coords, In<Dev, float, 2> perturbation,
                     const GaussianConfig& config, int resolution, const GaussianFields<Dev>& out) {
  constexpr const char* kWhere = "gaussian_fields";
  const std::int64_t rows = raw.extent(0);
  const std::int64_t count = config.per_voxel;
  require(raw.extent(1) == 14 * count && coords.extent(0) == rows && coords.extent(1) == 4 && coords.contiguous() &&
              resolution > 0 &&
              (!config.perturb_offset ||
               (perturbation.extent(0) == count && perturbation.extent(1) == 3 && perturbation.contiguous())),
          kWhere, "raw [", rows, ", ", raw.extent(1), "], coords [", coords.extent(0), ", ", coords.extent(1),
          "], perturbation [", perturbation.extent(0), ", ", perturbation.extent(1), "], ", count, " Gaussians per voxel");
  for_each(queue, kWhere, rows * count,
           SplitBody{raw.data(), coords.data(), config.perturb_offset ? perturbation.data() : nullptr,
                     pointers(kWhere, out, rows * count), config, raw.outer_stride(), static_cast<float>(resolution)});
}
template void gaussian_fields<Cuda>(Queue<Cuda>&, In<Cuda, float, 2>, In<Cuda, std::int32_t, 2>, In<Cuda, float, 2>,
                                    const GaussianConfig&, int, const GaussianFields<Cuda>&);

template <class Dev>
void activate_gaussians(Queue<Dev>& queue, const GaussianFields<Dev>& fields, const GaussianConfig& config,
                        const GaussianFields<Dev>& out) {
  constexpr const char* kWhere = "activate_gaussians";
  const std::int64_t count = fields.xyz.extent(0);
  const double bias = config.scaling_bias;
  const double opacity = config.opacity_bias;
  const double scaling_shift = config.softplus_scaling ? bias + std::log(-std::expm1(-bias)) : std::log(bias);
  for_each(queue, kWhere, count,
           ActivateBody{pointers(kWhere, fields, count), pointers(kWhere, out, count), config.softplus_scaling,
                        config.kernel_size_3d * config.kernel_size_3d, static_cast<float>(scaling_shift),
                        static_cast<float>(std::log(opacity / (1.0 - opacity)))});
}
template void activate_gaussians<Cuda>(Queue<Cuda>&, const GaussianFields<Cuda>&, const GaussianConfig&,
                                       const GaussianFields<Cuda>&);

}  // namespace espalier
