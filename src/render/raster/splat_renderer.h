// Images of 3D Gaussians: elliptical weighted average splatting (Zwicker et al. 2001) in the tile-based form of Kerbl et al.
// 2023, with the opacity-preserving 2D low-pass filter of Yu et al. 2024 (Mip-Splatting, equation 10) as TRELLIS uses it.
//
// A Gaussian is drawn when its centre lies more than 0.2 before the camera. Its covariance goes to the screen through the
// derivative of the projection at the centre, which is held within 1.3 times the field of view there; kernel_size is added to
// both variances, and the opacity is multiplied by sqrt(det before / det after). It reaches those tiles of 16 x 16 pixels that
// the square of half side ceil(3 standard deviations along its longest axis) around its centre touches. In these, pixels
// blend from the nearest centre to the farthest with alpha = min(0.99, opacity * exp(-Mahalanobis distance^2 / 2)): what is
// below 1/255 is left out, and a pixel is finished before the Gaussian that would take its transmittance below 1e-4.
// Colours are 0.5 plus the harmonics in the direction from the camera to the centre, at least 0 and not limited above.
// Gaussians with values that are not finite are left out. Quaternions are used as they are: unit length is up to the caller.
#pragma once

#include <array>
#include <memory>
#include <span>

#include "assets/gaussians.h"
#include "render/raster/camera.h"
#include "runtime/queue.h"

namespace espalier {

struct SplatOptions {
  int width = 1024, height = 1024;  // pixels
  float kernel_size = 0.1F;         // variance of the low-pass filter, in squared samples
  int ssaa = 1;                     // samples per pixel and direction, brought together as in render/downsample.h
  std::array<float, 3> background{0, 0, 0};
};

// Holds the Gaussians on the device and what rendering needs; memory grows with the largest image asked for. One object
// renders one call at a time. Images depend on neither the number of cores nor how views are grouped into calls.
template <class Dev>
class SplatRenderer {
 public:
  // Copies the Gaussians. Throws invalid_argument where their arrays do not belong together. The queue must outlive this.
  SplatRenderer(Queue<Dev>& queue, const Gaussians& gaussians);
  SplatRenderer(const SplatRenderer&) = delete;
  SplatRenderer& operator=(const SplatRenderer&) = delete;
  ~SplatRenderer();

  // colour [height, width, 3] on the background; alpha [height, width], 1 - transmittance. Contiguous. On a GPU the work
  // is queued when this returns. Throws invalid_argument for an image or camera that cannot be, out_of_memory, and
  // cancelled when the queue's monitor says so.
  void render(const Camera& camera, const SplatOptions& options, View<Dev, float, 3> colour, View<Dev, float, 2> alpha);
  // Several views: colour [views, height, width, 3], alpha [views, height, width]. Faster than one by one.
  void render(std::span<const Camera> cameras, const SplatOptions& options, View<Dev, float, 4> colour,
              View<Dev, float, 3> alpha);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace espalier
