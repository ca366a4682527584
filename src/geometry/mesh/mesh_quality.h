// What only a search through the whole mesh tells: faces that nobody sees, faces that cross, and folds.
#pragma once

#include <cstdint>
#include <vector>

#include "assets/mesh.h"
#include "base/monitor.h"

namespace espalier {

struct MeshQuality {
  double hidden_share = 0;          // of the area: no ray from either side of the face gets away
  std::int64_t crossing_faces = 0;  // faces that pass through another one; touching is none
  double crease_length = 0;         // of edges folded by more than 90 degrees, in diagonals of the box
  // Thickness that 1 % of the area stays below, measured straight through from the middles of faces; 0 for a mesh without an
  // inside. The smallest of all says nothing: it is 0 at every edge.
  double thin_wall = 0;
  double overhang_share = 0;  // of the area: looks down by more than 45 degrees, and does not stand on the floor (Z is up)
};

// Rays: up to `rays` to each side of a face, from places and in directions that depend on the number of the face alone, until
// one gets away. Vertices at one position count as one. Deterministic. Throws invalid_argument for what check_mesh refuses,
// cancelled.
[[nodiscard]] MeshQuality quality_of(const Mesh& mesh, int rays = 128, const Monitor* monitor = nullptr);

// Per face 1 if none of its rays gets away, as above.
[[nodiscard]] std::vector<std::uint8_t> hidden_faces(const Mesh& mesh, int rays, const Monitor* monitor = nullptr);

// Per face 1 if it passes through another one. Faces that share a vertex are not taken for crossing there; vertices at one
// position count as one only where they have one number.
[[nodiscard]] std::vector<std::uint8_t> crossing_faces(const Mesh& mesh, const Monitor* monitor = nullptr);

// Without pieces (faces that hang together through vertices) that no ray leaves to outside the mesh: bubbles in a solid, and
// what floats in them. The piece of the largest area stays. Deterministic; throws as above.
[[nodiscard]] Mesh without_enclosed_pieces(const Mesh& mesh, const Monitor* monitor = nullptr);

}  // namespace espalier
