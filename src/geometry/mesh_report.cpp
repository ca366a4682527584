#include "geometry/mesh_report.h"

#include "geometry/mesh_edit.h"
#include "geometry/mesh_points.h"
#include "geometry/mesh_topology.h"

namespace espalier {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// The mesh over distinct positions, without faces that name one twice; the attributes play no part.
Mesh over_positions(const Mesh& mesh, MeshReport& report) {
  std::int32_t positions = 0;
  const std::vector<std::int32_t> number = distinct_positions(mesh, positions);
  std::vector<std::uint8_t> used(at(positions), 0);
  std::vector<std::uint8_t> referenced(number.size(), 0);
  Mesh result;
  result.vertices.resize(at(positions) * 3);
  for (std::size_t v = number.size(); v-- > 0;) {
    std::copy_n(mesh.vertices.data() + 3 * v, 3, result.vertices.data() + 3 * at(number[v]));
  }
  for (std::int64_t f = 0; f < mesh.face_count(); ++f) {
    const std::int32_t* const face = face_of(mesh, f);
    std::int32_t now[3];
    for (int k = 0; k < 3; ++k) {
      now[k] = number[at(face[k])];
      referenced[at(face[k])] = 1;
      used[at(now[k])] = 1;
    }
    if (now[0] != now[1] && now[1] != now[2] && now[2] != now[0]) result.faces.insert(result.faces.end(), now, now + 3);
  }
  for (const std::uint8_t mark : used) report.positions += mark;
  for (const std::uint8_t mark : referenced) report.unreferenced += 1 - mark;
  return result;
}

void count_edges(const Mesh& mesh, const MeshEdges& edges, MeshReport& report) {
  report.edges = edges.count();
  report.consistent_winding = mesh.face_count() > 0;
  UnionFind loops(mesh.vertex_count());
  std::vector<std::int32_t> boundary;
  for (std::int32_t e = 0; e < edges.count(); ++e) {
    const auto corners = edges.corners_of(e);
    const std::int32_t* const ends = edges.ends.data() + 2 * std::int64_t{e};
    if (corners.size() == 1) {
      ++report.boundary_edges;
      loops.join(ends[0], ends[1]);
      boundary.push_back(ends[0]);
    }
    if (corners.size() > 2) ++report.non_manifold_edges;
    if (corners.size() == 2 && mesh.faces[at(corners[0])] == mesh.faces[at(corners[1])]) report.consistent_winding = false;
  }
  std::vector<std::uint8_t> seen(at(mesh.vertex_count()), 0);
  for (const std::int32_t v : boundary) {
    std::uint8_t& mark = seen[at(loops.find(v))];
    report.boundary_loops += 1 - mark;
    mark = 1;
  }
}

}  // namespace

std::int64_t MeshReport::euler() const { return positions - edges + (faces - degenerate_by_index); }

MeshReport report_of(const Mesh& mesh) {
  check_mesh(mesh, "report");
  MeshReport report;
  report.faces = mesh.face_count();
  report.vertices = mesh.vertex_count();
  const Mesh plain = over_positions(mesh, report);
  const MeshEdges edges = edges_of(plain.faces, plain.vertex_count());
  count_edges(plain, edges, report);
  report.components = edge_components(edges, plain.face_count()).count;
  for (const std::uint8_t mark : non_manifold_vertices(edges, plain.faces, corners_around(plain.faces, plain.vertex_count()))) {
    report.non_manifold_vertices += mark;
  }
  report.degenerate_by_index = mesh.face_count() - plain.face_count();
  report.degenerate_faces = report.degenerate_by_index;
  report.duplicate_faces = plain.face_count() - without_duplicate_faces(plain).face_count();
  report.watertight = plain.face_count() > 0 && report.boundary_edges == 0 && report.non_manifold_edges == 0;
  const Bounds box = box_of(mesh);
  report.low = box.low;
  report.high = box.high;
  const Point centre(0.5 * (box.low[0] + box.high[0]), 0.5 * (box.low[1] + box.high[1]), 0.5 * (box.low[2] + box.high[2]));
  double volume = 0;
  for (std::int64_t f = 0; f < plain.face_count(); ++f) {
    const Point cross = face_cross(plain, f);
    report.area += 0.5 * cross.norm();
    volume += cross.dot(point_of(plain, face_of(plain, f)[0]) - centre) / 6;
    if (is_degenerate(plain, f)) ++report.degenerate_faces;
  }
  if (report.watertight) report.volume = volume;
  return report;
}

}  // namespace espalier
