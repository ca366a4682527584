#include "geometry/repair/untangle.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "geometry/mesh/mesh_points.h"
#include "geometry/mesh/mesh_quality.h"
#include "geometry/mesh/mesh_topology.h"

namespace espalier {
namespace {

constexpr int kRounds = 40, kRoundsOfRing = 10;  // after so many rounds the vertices around take part, then those around them
constexpr int kMostRings = 3;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// Neighbours along edges, and which vertices lie on openings.
struct Rings {
  std::vector<std::vector<std::int32_t>> of;
  std::vector<std::uint8_t> fixed;
};
Rings rings_of(const Mesh& mesh) {
  Rings rings;
  rings.of.resize(at(mesh.vertex_count()));
  rings.fixed.assign(rings.of.size(), 0);
  const MeshEdges edges = edges_of(mesh.faces, mesh.vertex_count());
  for (std::int32_t e = 0; e < edges.count(); ++e) {
    const std::int32_t a = edges.ends[at(2 * std::int64_t{e})], b = edges.ends[at(2 * std::int64_t{e} + 1)];
    rings.of[at(a)].push_back(b);
    rings.of[at(b)].push_back(a);
    if (edges.degree(e) != 2) rings.fixed[at(a)] = rings.fixed[at(b)] = 1;
  }
  return rings;
}

std::vector<std::int32_t> vertices_around(const Mesh& mesh, const std::vector<std::uint8_t>& crossing, const Rings& rings,
                                          int wide) {
  std::vector<std::uint8_t> chosen(at(mesh.vertex_count()), 0);
  for (std::size_t f = 0; f < crossing.size(); ++f) {
    for (std::size_t k = 0; k < 3 && crossing[f] != 0; ++k) chosen[at(mesh.faces[3 * f + k])] = 1;
  }
  for (int ring = 0; ring < wide; ++ring) {
    const std::vector<std::uint8_t> before = chosen;
    for (std::size_t v = 0; v < before.size(); ++v) {
      for (const std::int32_t n : rings.of[v]) chosen[v] |= before[at(n)];
    }
  }
  std::vector<std::int32_t> vertices;
  for (std::size_t v = 0; v < chosen.size(); ++v) {
    if (chosen[v] != 0 && rings.fixed[v] == 0) vertices.push_back(static_cast<std::int32_t>(v));
  }
  return vertices;
}

}  // namespace

Mesh untangled(const Mesh& mesh, const Monitor* monitor) {
  std::vector<std::uint8_t> crossing = crossing_faces(mesh, monitor);
  std::int64_t count = std::count(crossing.begin(), crossing.end(), 1);
  if (count == 0) return mesh;
  const Rings rings = rings_of(mesh);
  Mesh work = mesh, best = mesh;
  std::int64_t fewest = count;
  for (int round = 0; round < kRounds && count > 0; ++round) {
    const auto vertices = vertices_around(work, crossing, rings, std::min(round / kRoundsOfRing, kMostRings));
    std::vector<Point> moved;
    moved.reserve(vertices.size());
    for (const std::int32_t v : vertices) {
      Point mean = Point::Zero();
      for (const std::int32_t n : rings.of[at(v)]) mean += point_of(work, n);
      moved.push_back(0.5 * (point_of(work, v) + mean / static_cast<double>(rings.of[at(v)].size())));
    }
    for (std::size_t i = 0; i < vertices.size(); ++i) {
      for (int k = 0; k < 3; ++k) work.vertices[3 * at(vertices[i]) + at(k)] = static_cast<float>(moved[i][k]);
    }
    crossing = crossing_faces(work, monitor);
    count = std::count(crossing.begin(), crossing.end(), 1);
    if (count < fewest) {
      fewest = count;
      best = work;
    }
  }
  return best;
}

}  // namespace espalier
