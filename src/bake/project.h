// Images of the object itself, blended into its baked texture: what a photograph shows is finer than what was generated.
#pragma once

#include <cstdint>
#include <vector>

#include "assets/mesh.h"
#include "bake/image_camera.h"
#include "base/monitor.h"
#include "image/image.h"
#include "runtime/queue.h"

namespace espalier {

struct ProjectOptions {
  // An image that agrees less with the mesh is left out.
  double least_overlap = 0.85, most_colour_error = 0.2;
};

struct ProjectedImage {
  FoundCamera found;
  bool used = false;
  std::int64_t texels = 0;  // that took at least a tenth of their colour from it
};
struct ProjectedImages {
  std::vector<ProjectedImage> images;  // one per image
  std::int64_t texels = 0;             // inside charts
};

// Finds where each image (square, RGBA, at least 64 pixels on a side) was taken from, and blends those that agree with the
// mesh into the texels that they see: by the angle of the surface, the distance to outlines and the agreement of colours
// (image_layer.h). Where several see a texel, their colours are averaged by weight. The texture is square RGB; the mesh has
// uvs and normals. Deterministic. Progress in percent; the monitor may be null. Throws invalid_argument for an image without
// an object, for what cannot be baked, and cancelled.
template <class Dev>
[[nodiscard]] ProjectedImages project_images(Queue<Dev>& queue, const Mesh& mesh, const std::vector<Image>& images,
                                             const ProjectOptions& options, Image& texture, const Monitor* monitor);

}  // namespace espalier
