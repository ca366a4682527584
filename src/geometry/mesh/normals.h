// Smooth normals of a mesh that has none.
#pragma once

#include <vector>

#include "assets/mesh.h"

namespace espalier {

// [V * 3] of length 1: means of the faces around each vertex, weighted with their areas, and the same for all vertices at one
// place; (0, 0, 1) where there is no face with an area.
[[nodiscard]] std::vector<float> smooth_normals(const Mesh& mesh);

}  // namespace espalier
