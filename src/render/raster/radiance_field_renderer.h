// Images of a radiance field of tri-vectors: volume rendering (Max 1995) of Strivec's local tensors (Gao et al. 2023) in the
// voxels of an octree's finest level, as TRELLIS' second representation.
//
// In a voxel, component r of `rank` weighs a point of local coordinates (x, y, z) in [0, 1]^3 by w_r = X_r(x) Y_r(y) Z_r(z),
// the product of its three vectors. There the density is softplus(sum_r w_r density_r), per unit length of the cube that holds
// the asset, and the colour 0.5 + 0.28209479 sum_r w_r features_dc_r, at least 0. Vectors are linear between their samples.
//
// A ray visits the voxels that it crosses from near to far. Its way through each is cut into equal parts, `steps` or fewer per
// side of a voxel; every part counts with what its middle holds: alpha = 1 - exp(-density * length), colours and depths are
// blended front to back, and the ray ends where its transmittance falls below 1e-4.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>

#include "assets/radiance_field.h"
#include "render/raster/camera.h"
#include "runtime/queue.h"

namespace espalier {

// Where the samples of a vector lie along the side of a voxel. The published descriptions leave it open.
enum class VectorSamples : std::uint8_t {
  centres,  // in the middles of `dim` equal parts, constant beyond the outer ones: how the checkpoint that ships was trained
  ends,     // from one face of the voxel to the other: how the reference's octree resamples vectors when it divides a voxel
};

struct RadianceFieldOptions {
  int width = 1024, height = 1024;  // pixels
  int ssaa = 1;                     // samples per pixel and direction, brought together as in render/downsample.h
  std::array<float, 3> background{0, 0, 0};
  // What lies outside these distances along the camera's axis is not seen.
  float near_plane = 0.0F, far_plane = std::numeric_limits<float>::infinity();
  int steps = 8;
  VectorSamples samples = VectorSamples::centres;
};

// Holds the field on the device. One object renders one call at a time.
template <class Dev>
class RadianceFieldRenderer {
 public:
  // Copies the field. Throws invalid_argument where its arrays do not belong together, hold values that are not finite, a voxel
  // outside the grid or one twice, or sizes beyond a resolution of 1024, rank and dim of 64. The queue must outlive this.
  RadianceFieldRenderer(Queue<Dev>& queue, const RadianceField& field);
  RadianceFieldRenderer(const RadianceFieldRenderer&) = delete;
  RadianceFieldRenderer& operator=(const RadianceFieldRenderer&) = delete;
  ~RadianceFieldRenderer();

  // colour [height, width, 3] on the background; alpha [height, width], 1 - transmittance; depth [height, width], the mean
  // distance along the camera's axis of what is seen, 0 where nothing is (empty views are left out). Contiguous. On a GPU the
  // work is queued when this returns. Throws invalid_argument for an image or camera that cannot be, out_of_memory, and
  // cancelled when the queue's monitor says so.
  void render(const Camera& camera, const RadianceFieldOptions& options, View<Dev, float, 3> colour, View<Dev, float, 2> alpha,
              View<Dev, float, 2> depth = {});
  // Several views, without depth: colour [views, height, width, 3], alpha [views, height, width].
  void render(std::span<const Camera> cameras, const RadianceFieldOptions& options, View<Dev, float, 4> colour,
              View<Dev, float, 3> alpha);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace espalier
