// Images of the object itself, blended into its baked texture: what a photograph shows is finer than what was generated.
#pragma once

#include <cstdint>
#include <vector>

#include "assets/mesh.h"
#include "bake/picture_camera.h"
#include "base/monitor.h"
#include "image/picture.h"
#include "runtime/queue.h"

namespace espalier {

struct ProjectOptions {
  // An image that agrees less with the mesh is left out.
  double least_overlap = 0.85, most_colour_error = 0.2;
};

struct ProjectedPicture {
  FoundCamera found;
  bool used = false;
  std::int64_t texels = 0;  // that took at least a tenth of their colour from it
};
struct ProjectedPictures {
  std::vector<ProjectedPicture> pictures;  // one per image
  std::int64_t texels = 0;                 // inside charts
};

// Finds where each image (square, RGBA, at least 64 pixels on a side) was taken from, and blends those that agree with the
// mesh into the texels that they see: by the angle of the surface, the distance to outlines and the agreement of colours
// (picture_layer.h). Where several see a texel, their colours are averaged by weight. The texture is square RGB; the mesh has
// uvs and normals. Deterministic. Progress in percent; the monitor may be null. Throws invalid_argument for an image without
// an object, for what cannot be baked, and cancelled.
template <class Dev>
[[nodiscard]] ProjectedPictures project_pictures(Queue<Dev>& queue, const Mesh& mesh, const std::vector<Picture>& pictures,
                                                 const ProjectOptions& options, Picture& texture, const Monitor* monitor);

}  // namespace espalier
