// The surface that fills one opening, for code inside geometry.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/monitor.h"
#include "geometry/mesh/mesh_points.h"

namespace espalier {

// Vertices 0 to n - 1 are the outline's, later ones lie inside. Triangles run against the outline, as the filling must.
struct HolePatch {
  std::vector<Point> points;
  std::vector<std::array<std::int32_t, 3>> faces;
  std::vector<std::array<std::int32_t, 3>> parents;  // of each inner vertex: the corners it was put between
  [[nodiscard]] double area() const;
};

// What is around an opening: its points, the normal of the face at the edge from point i to the next (zero if it has none),
// and whether the mesh already has an edge between points i and j.
struct HoleRim {
  std::vector<Point> points;
  std::vector<Point> normals;
  std::function<bool(std::int32_t, std::int32_t)> has_edge;
};

// A triangulation of the outline with no vertex inside; without faces if there is none.
[[nodiscard]] HolePatch triangulated(const HoleRim& rim, const Monitor* monitor);

// Puts vertices into the patch until its triangles are about as large as the edges around the rim. edge_length[i]: the mean
// length of the mesh's edges at outline vertex i.
void refine(HolePatch& patch, const HoleRim& rim, std::vector<double> edge_length, const Monitor* monitor);

}  // namespace espalier
