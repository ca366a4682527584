// What the back ends of radiance fields share on the host: checks, and the forms in which field and camera reach the steps.
#pragma once

#include <vector>

#include "assets/radiance_field.h"
#include "render/raster/camera.h"
#include "render/raster/radiance_field_renderer.h"
#include "render/raster/radiance_field_steps.h"

namespace espalier::radiance {

// The arrays of a Field.
struct HostField {
  std::vector<std::int32_t> bricks, voxels;
  std::vector<float> vectors, density, colour;
  int resolution = 1, side_of_bricks = 1, rank = 1, dim = 1;
  [[nodiscard]] Field field() const {
    return {bricks.data(), voxels.data(), vectors.data(), density.data(), colour.data(), resolution, side_of_bricks, rank, dim};
  }
};

// Throws invalid_argument as RadianceFieldRenderer does.
[[nodiscard]] HostField host_field_of(const RadianceField& field);

// Throws invalid_argument where sizes, planes, steps or background cannot be.
void check_options(const RadianceFieldOptions& options);

// Throws invalid_argument for a camera that is not finite or has no field of view.
[[nodiscard]] RayCamera ray_camera_of(const Camera& camera, const RadianceFieldOptions& options, int resolution);

// Samples of the images of a view, before they are brought together: colour on the background, alpha, depth times alpha.
struct Samples {
  float* colour;  // [height, width, 3]
  float* alpha;   // [height, width]
  float* depth;   // [height, width], or null
};

ESPALIER_DEVICE_CODE void write_sample(const Samples& out, const RayCamera& camera, std::int64_t at, const Traced& ray) {
  out.colour[3 * at] = ray.red + ray.transmittance * camera.background[0];
  out.colour[3 * at + 1] = ray.green + ray.transmittance * camera.background[1];
  out.colour[3 * at + 2] = ray.blue + ray.transmittance * camera.background[2];
  out.alpha[at] = 1.0F - ray.transmittance;
  if (out.depth != nullptr) out.depth[at] = ray.depth;
}

// Makes depths times alpha the mean depths of what pixels see.
struct DivideDepth {
  const float* alpha;
  float* depth;

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const { depth[i] = alpha[i] > 0.0F ? depth[i] / alpha[i] : 0.0F; }
};

// Traces all samples of a view.
void trace_samples(Queue<Cpu>& queue, const Field& field, const RayCamera& camera, const Samples& out);
void trace_samples(Queue<Cuda>& queue, const Field& field, const RayCamera& camera, const Samples& out);

}  // namespace espalier::radiance
