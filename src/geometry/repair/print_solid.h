// Meshes that can be printed: closed, free of faces that pass through each other, with walls of a thickness.
#pragma once

#include <cstdint>

#include "assets/mesh.h"
#include "base/monitor.h"
#include "geometry/mesh/mesh_edit.h"

namespace espalier {

struct PrintOptions {
  double wall = 0;     // smallest thickness, in the mesh's units; 0: as it is
  double base = 0;     // how much of the bottom is cut off, so that it stands on a plane; 0: nothing
  double steps = 256;  // of the grid along the largest side, at least
  std::int64_t faces =
      0;  // of a mesh that is made anew, at most, unless its shape would not stand that; 0: as many as were given
};
struct PrintReport {
  bool rebuilt = false;      // made anew on a grid, with the colours of the closest points
  double volume_before = 0;  // of the closed pieces; 0 where they are none
  double volume_after = 0;
  std::int64_t open_faces = 0;  // of pieces without an inside, which became plates
};

// The mesh as it is, if it is closed, does not cross itself, and neither wall nor base is asked for; with the crossing faces
// taken apart, if that was all. Otherwise the surface of the solid that its closed pieces bound together (where they overlap
// they are one), made anew on a grid:
// - walls thinner than `wall` get that thickness, to both sides of their middle. What comes to a point or an edge of more than
//   106 degrees, as the corners of a box do, is no wall and stays.
// - pieces with openings become plates of that thickness.
// - what is less than `base` above the lowest point goes.
// The grid's step is at most a quarter of the wall, and what is finer is lost.
//
// The result is a closed manifold, and no face passes through another. Deterministic. Throws invalid_argument for what
// check_mesh refuses, for a mesh with openings and no wall, a wall below 1/105 of the largest side or above half of it, and
// where nothing is left; unsupported for texture coordinates; out_of_memory, cancelled.
[[nodiscard]] Mesh printable(const Mesh& mesh, const PrintOptions& options, const Monitor* monitor = nullptr,
                             PrintReport* report = nullptr);

// The box of what printable() makes of it, but for what the last simplification moves: without colours and with all the
// faces of the grid, in a fraction of the time. Throws as printable() does.
[[nodiscard]] Bounds printable_box(const Mesh& mesh, const PrintOptions& options, const Monitor* monitor = nullptr);

}  // namespace espalier
