// Closing of openings.
#pragma once

#include <cstdint>

#include "assets/mesh.h"
#include "base/monitor.h"

namespace espalier {

struct HoleOptions {
  float largest_perimeter = 0.75F;  // in units of the longest side of the mesh's box
  int most_edges = 1000;            // longer outlines stay open
  bool refine = true;               // new vertices inside, so that triangles are as large as those around
};

struct HoleReport {
  std::int64_t filled = 0, left = 0;     // simple outlines
  std::int64_t faces = 0, vertices = 0;  // added
};

// Fills the openings that are no larger than asked. New faces and vertices come after the old ones, which stay as they are
// (but for faces that name a vertex twice, which go);
// new vertices lie in the surface of the filling, with attributes of the mean of their triangle.
//
// Outlines are followed around fans of faces, so that openings that touch in a vertex are told apart; one that passes a vertex
// twice is taken apart there. The filling has the smallest largest angle between faces, then the smallest area, of all
// triangulations of the outline (Barequet and Sharir 1995, Liepa 2003) up to kExactEdges edges; longer outlines are closed ear
// by ear. It never uses an edge that the mesh has already, so a manifold stays one. Faces run as those around them (as most,
// where these disagree). Refinement and relaxation follow Liepa, section 4.
//
// Left open: outlines through edges of more than two faces, those without a filling of the kind above, and the rim of flat
// sheets: pieces with less than one and a half times the filling's area, which would become pancakes.
//
// Throws invalid_argument for what check_mesh refuses, and unsupported for a mesh with texture coordinates.
[[nodiscard]] Mesh holes_filled(const Mesh& mesh, const HoleOptions& options, const Monitor* monitor = nullptr,
                                HoleReport* report = nullptr);

inline constexpr int kExactEdges = 128;

}  // namespace espalier
