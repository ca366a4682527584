// How a mesh stands in a file for printing.
#pragma once

#include <array>

#include "assets/mesh.h"

namespace espalier {

using Vec3d = std::array<double, 3>;

// Scaled to millimetres, standing on z = 0, the middle of its bounding box over the origin.
struct Placement {
  double scale = 1.0;
  Vec3d origin{};  // the point of the mesh that comes to lie at (0, 0, 0)
  Vec3d size{};    // of the bounding box, millimetres
  Vec3d low{};     // its lower corner, placed
  [[nodiscard]] Vec3d operator()(const float* v) const {
    return {(v[0] - origin[0]) * scale, (v[1] - origin[1]) * scale, (v[2] - origin[2]) * scale};
  }
};

// So that the largest side of the box is `largest_side_mm`. Throws invalid_argument when that is not a positive finite
// number, when the mesh is a single point, or when coordinates would leave the range of float.
[[nodiscard]] Placement placement_of(const Mesh& mesh, double largest_side_mm, const char* format);
// The same scale, the mesh where it is. `scale`: instead of one for a size.
[[nodiscard]] Placement placement_in_place(const Mesh& mesh, double largest_side_mm, const char* format);
[[nodiscard]] Placement scaled_placement(const Mesh& mesh, double scale, const char* format);

}  // namespace espalier
