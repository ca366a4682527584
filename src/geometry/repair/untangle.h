// Faces that pass through others are taken apart.
#pragma once

#include "assets/mesh.h"
#include "base/monitor.h"

namespace espalier {

// Moves the vertices of crossing faces towards the middle of their neighbours, and those around them where that is not enough,
// until no face passes through another, at most 40 times; what is best then comes back. Nothing moves where nothing crosses,
// and vertices on openings stay. The number of faces and their corners are those of the mesh.
//
// Throws invalid_argument for what check_mesh refuses, cancelled.
[[nodiscard]] Mesh untangled(const Mesh& mesh, const Monitor* monitor = nullptr);

}  // namespace espalier
