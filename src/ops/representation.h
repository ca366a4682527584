// From decoder channels to the fields of a representation.
#pragma once

#include "runtime/queue.h"

namespace espalier {

// Constants of a Gaussian decoder's `representation_config`.
struct GaussianConfig {
  int per_voxel = 32;  // num_gaussians
  float lr_xyz = 1, lr_features = 1, lr_scaling = 1, lr_rotation = 1, lr_opacity = 1;
  bool perturb_offset = true;
  float voxel_size = 1;      // reach of an offset, in voxels
  float kernel_size_3d = 0;  // 3d_filter_kernel_size
  float scaling_bias = 0.01F;
  float opacity_bias = 0.1F;
  bool softplus_scaling = true;  // else exp
};

// Fields before activation, as the reference stores them; G = rows * per_voxel, Gaussians of a voxel consecutive.
template <class Dev>
struct GaussianFields {
  View<Dev, float, 2> xyz;       // [G, 3], in the unit box [0, 1] (the reference's _xyz)
  View<Dev, float, 2> dc;        // [G, 3]
  View<Dev, float, 2> scaling;   // [G, 3]
  View<Dev, float, 2> rotation;  // [G, 4], w x y z
  View<Dev, float, 2> opacity;   // [G, 1]
};

// raw [rows, 14 * per_voxel] with channels xyz, dc, scaling, rotation, opacity; coords [rows, 4] (batch, x, y, z);
// perturbation [per_voxel, 3]. Position: (coord + 0.5) / resolution + tanh(f lr + perturbation) / resolution * 0.5 *
// voxel_size.
template <class Dev>
void gaussian_fields(Queue<Dev>& queue, In<Dev, float, 2> raw, In<Dev, std::int32_t, 2> coords, In<Dev, float, 2> perturbation,
                     const GaussianConfig& config, int resolution, const GaussianFields<Dev>& out);

// The activated values: position in the box [-0.5, 0.5], scale sqrt(act(f + inverse_act(bias))^2 + kernel^2), unit
// quaternion of f + (1, 0, 0, 0), opacity sigmoid(f + logit(bias)). dc passes through. out may be the input.
template <class Dev>
void activate_gaussians(Queue<Dev>& queue, const GaussianFields<Dev>& fields, const GaussianConfig& config,
                        const GaussianFields<Dev>& out);

}  // namespace espalier
