#include "geometry/mesh/mesh_report.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "geometry/mesh/mesh_edit.h"
#include "geometry/mesh/mesh_points.h"
#include "geometry/mesh/mesh_topology.h"
#include "parallel/parallel_for.h"

namespace espalier {
namespace {

constexpr std::int64_t kGrain = 16384;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// The sum of T(begin, end) over fixed ranges, in their order: the same whatever the number of threads.
template <class T, class Part>
T sum_of_parts(std::int64_t n, const Part& part) {
  constexpr std::int64_t kRange = 16384;
  std::vector<T> parts(at((n + kRange - 1) / kRange));
  parallel_for(static_cast<std::int64_t>(parts.size()), 1,
               [&](std::int64_t i) { parts[at(i)] = part(i * kRange, std::min(n, (i + 1) * kRange)); });
  T sum{};
  for (const T& p : parts) sum += p;
  return sum;
}

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
  result.faces.resize(mesh.faces.size());
  const auto mark = [](std::uint8_t& entry) { std::atomic_ref(entry).store(1, std::memory_order_relaxed); };
  parallel_for(static_cast<std::int64_t>(mesh.faces.size()), kGrain, [&](std::int64_t c) {
    const std::size_t vertex = at(mesh.faces[at(c)]);
    result.faces[at(c)] = number[vertex];
    mark(referenced[vertex]);
    mark(used[at(number[vertex])]);
  });
  std::size_t kept = 0;
  for (std::size_t c = 0; c < result.faces.size(); c += 3) {
    const std::array<std::int32_t, 3> now{result.faces[c], result.faces[c + 1], result.faces[c + 2]};
    if (now[0] == now[1] || now[1] == now[2] || now[2] == now[0]) continue;
    std::copy(now.begin(), now.end(), result.faces.begin() + static_cast<std::ptrdiff_t>(kept));
    kept += 3;
  }
  result.faces.resize(kept);
  report.positions = std::count(used.begin(), used.end(), 1);
  report.unreferenced = std::count(referenced.begin(), referenced.end(), 0);
  return result;
}

struct EdgeCounts {
  std::int64_t boundary = 0, non_manifold = 0, against = 0;  // `against`: two faces run the same way
  EdgeCounts& operator+=(const EdgeCounts& other) {
    boundary += other.boundary;
    non_manifold += other.non_manifold;
    against += other.against;
    return *this;
  }
};

void count_edges(const Mesh& mesh, const MeshEdges& edges, MeshReport& report) {
  report.edges = edges.count();
  const auto counts = sum_of_parts<EdgeCounts>(edges.count(), [&](std::int64_t begin, std::int64_t end) {
    EdgeCounts part;
    for (std::int64_t e = begin; e < end; ++e) {
      const auto corners = edges.corners_of(static_cast<std::int32_t>(e));
      if (corners.size() == 1) ++part.boundary;
      if (corners.size() > 2) ++part.non_manifold;
      if (corners.size() == 2 && mesh.faces[at(corners[0])] == mesh.faces[at(corners[1])]) ++part.against;
    }
    return part;
  });
  report.boundary_edges = counts.boundary;
  report.non_manifold_edges = counts.non_manifold;
  report.consistent_winding = mesh.face_count() > 0 && counts.against == 0;
  if (counts.boundary == 0) return;
  UnionFind loops(mesh.vertex_count());
  std::vector<std::int32_t> boundary;
  for (std::int32_t e = 0; e < edges.count(); ++e) {
    if (edges.degree(e) != 1) continue;
    const std::int32_t* const ends = edges.ends.data() + 2 * std::int64_t{e};
    loops.join(ends[0], ends[1]);
    boundary.push_back(ends[0]);
  }
  std::vector<std::uint8_t> seen(at(mesh.vertex_count()), 0);
  for (const std::int32_t v : boundary) {
    std::uint8_t& mark = seen[at(loops.find(v))];
    report.boundary_loops += 1 - mark;
    mark = 1;
  }
}

struct Measures {
  double area = 0, volume = 0;
  std::int64_t degenerate = 0;
  Measures& operator+=(const Measures& other) {
    area += other.area;
    volume += other.volume;
    degenerate += other.degenerate;
    return *this;
  }
};

Measures measure(const Mesh& mesh, const Point& centre) {
  return sum_of_parts<Measures>(mesh.face_count(), [&](std::int64_t begin, std::int64_t end) {
    Measures part;
    for (std::int64_t f = begin; f < end; ++f) {
      const Point cross = face_cross(mesh, f);
      part.area += 0.5 * cross.norm();
      part.volume += cross.dot(point_of(mesh, face_of(mesh, f)[0]) - centre) / 6;
      if (is_degenerate(mesh, f)) ++part.degenerate;
    }
    return part;
  });
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
  const VertexCorners around = corners_around(plain.faces, plain.vertex_count());
  const std::vector<std::uint8_t> complex = non_manifold_vertices(edges, plain.faces, around);
  report.non_manifold_vertices = std::count(complex.begin(), complex.end(), 1);
  const std::vector<std::uint8_t> first = first_of_duplicates(plain, around);
  report.duplicate_faces = std::count(first.begin(), first.end(), 0);
  report.watertight = plain.face_count() > 0 && report.boundary_edges == 0 && report.non_manifold_edges == 0;
  const Bounds box = box_of(mesh);
  report.low = box.low;
  report.high = box.high;
  const Measures measures =
      measure(plain, {0.5 * (box.low[0] + box.high[0]), 0.5 * (box.low[1] + box.high[1]), 0.5 * (box.low[2] + box.high[2])});
  report.degenerate_by_index = mesh.face_count() - plain.face_count();
  report.degenerate_faces = report.degenerate_by_index + measures.degenerate;
  report.area = measures.area;
  if (report.watertight) report.volume = measures.volume;
  return report;
}

}  // namespace espalier
