// What the back ends of splatting share on the host: checks, and the forms in which scene and camera reach the steps.
#pragma once

#include <array>
#include <vector>

#include "assets/gaussians.h"
#include "render/raster/camera.h"
#include "render/raster/splat_renderer.h"
#include "render/raster/splat_steps.h"

namespace espalier::splat {

// The arrays of a Scene.
struct HostScene {
  std::vector<float> centre, covariance, opacity, harmonics;
  int coefficients = 1;
  std::array<float, 3> low{}, high{};  // box of the centres that are finite
  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(opacity.size()); }
  [[nodiscard]] Scene scene() const {
    return {centre.data(), covariance.data(), opacity.data(), harmonics.data(), coefficients};
  }
};

// Throws invalid_argument where the arrays do not belong together or there are more Gaussians than 2^31 - 1.
[[nodiscard]] HostScene host_scene_of(const Gaussians& gaussians);

// Throws invalid_argument where sizes, kernel or background cannot be.
void check_options(const SplatOptions& options);
// Throws internal where the images are not [views, height, width(, 3)] and contiguous.
void check_images(std::size_t views, const SplatOptions& options, const Extents<4>& colour, const Extents<3>& alpha,
                  bool contiguous);

// Throws invalid_argument for a camera that is not finite or has no field of view.
[[nodiscard]] ViewPoint view_point_of(const Camera& camera, const SplatOptions& options);

}  // namespace espalier::splat
