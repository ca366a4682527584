// Outlines of a mesh's openings, for code inside geometry.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "geometry/mesh/mesh_topology.h"

namespace espalier {

// Vertices of one opening in the order in which the faces around it run (most of them): face edges go from vertex i to
// vertex i + 1. No vertex comes twice.
struct Outline {
  std::vector<std::int32_t> vertices;
  std::vector<std::int32_t> faces;  // the face at the edge from vertex i to the next
};

// All outlines, in order of their first corners.
[[nodiscard]] std::vector<Outline> outlines_of(const MeshEdges& edges, std::span<const std::int32_t> faces,
                                               std::int64_t vertices);

}  // namespace espalier
