// Statistics of a triangle mesh, before it is used or printed.
#pragma once

#include <array>
#include <cstdint>

#include "assets/mesh.h"

namespace espalier {

// Vertices at exactly the same position count as one for everything but `vertices`, so that seams of texture coordinates
// and formats without shared vertices do not read as openings. Faces that name a position twice belong to no edge.
struct MeshReport {
  std::int64_t faces = 0;
  std::int64_t vertices = 0;               // as stored
  std::int64_t positions = 0;              // distinct ones that faces use
  std::int64_t unreferenced = 0;           // stored vertices that no face uses
  std::int64_t components = 0;             // pieces that hang together through edges
  std::int64_t boundary_edges = 0;         // edges of one face
  std::int64_t boundary_loops = 0;         // pieces that the boundary edges fall into
  std::int64_t non_manifold_edges = 0;     // edges of more than two faces
  std::int64_t non_manifold_vertices = 0;  // positions whose faces are no single fan
  std::int64_t edges = 0;
  std::int64_t degenerate_by_index = 0;  // faces that name a position twice
  std::int64_t degenerate_faces = 0;     // those, and faces without area (is_degenerate)
  std::int64_t duplicate_faces = 0;      // faces beyond the first with the same three positions
  bool watertight = false;               // at least one face, and every edge has exactly two
  bool consistent_winding = false;       // the two faces of every such edge run through it in opposite directions
  double area = 0;
  double volume = 0;                    // enclosed, positive if faces are counter-clockwise from outside; 0 if not watertight
  std::array<double, 3> low{}, high{};  // box of the used positions
  // V - E + F over distinct positions; 2 - 2 g for a closed surface of genus g.
  [[nodiscard]] std::int64_t euler() const;
};

// Throws invalid_argument for what check_mesh refuses. A mesh without faces gives a report of zeros.
[[nodiscard]] MeshReport report_of(const Mesh& mesh);

}  // namespace espalier
