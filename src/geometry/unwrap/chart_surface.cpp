#include "geometry/unwrap/chart_surface.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "geometry/mesh/mesh_edit.h"
#include "geometry/mesh/mesh_points.h"
#include "geometry/mesh/mesh_topology.h"
#include "parallel/parallel_for.h"

namespace espalier {
namespace {

using Eigen::Vector3d;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// Fills points and point_of.
void place_points(const Mesh& mesh, ChartSurface& surface) {
  std::int32_t count = 0;
  surface.point_of = distinct_positions(mesh, count);
  const Bounds box = box_of(mesh);
  const Vector3d low(box.low[0], box.low[1], box.low[2]);
  const double extent = (Vector3d(box.high[0], box.high[1], box.high[2]) - low).maxCoeff();
  surface.points.resize(at(count));
  for (std::int32_t v = 0; v < mesh.vertex_count(); ++v) {
    surface.points[at(surface.point_of[at(v)])] = (point_of(mesh, v) - low) / (extent > 0 ? extent : 1);
  }
}

void keep_proper_faces(const Mesh& mesh, ChartSurface& surface) {
  for (std::int64_t f = 0; f < mesh.face_count(); ++f) {
    const std::int32_t* const face = face_of(mesh, f);
    const Corners corners{surface.point_of[at(face[0])], surface.point_of[at(face[1])], surface.point_of[at(face[2])]};
    const auto [a, b, c] = corners;
    if (a == b || b == c || c == a) continue;
    surface.faces.push_back(corners);
    surface.input_face.push_back(static_cast<std::int32_t>(f));
  }
}

// Back to back: nothing that can be opened and laid flat.
bool same_corners(Corners a, Corners b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

// Sheets that touch in an edge from point `low` to point `high`: going round it, a face that has the inside of a solid
// before it belongs to the last open face that has it behind.
void join_around_edge(ChartSurface& surface, std::int32_t low, std::int32_t high, std::span<const std::int32_t> half_edges) {
  const Vector3d& origin = surface.points[at(low)];
  const Vector3d axis = (surface.points[at(high)] - origin).normalized();
  const Vector3d x = (std::abs(axis.z()) < 0.7 ? Vector3d::UnitZ() : Vector3d::UnitX()).cross(axis).normalized();
  const Vector3d y = axis.cross(x);
  struct Sheet {
    double angle;
    std::int32_t half_edge;
    bool forward;  // runs from low to high: the inside is at smaller angles
  };
  std::vector<Sheet> sheets;
  for (const std::int32_t h : half_edges) {
    const Corners& corners = surface.faces[at(h / 3)];
    const Vector3d away = surface.points[at(corners[at((h + 2) % 3)])] - origin;
    sheets.push_back({std::atan2(away.dot(y), away.dot(x)), h, corners[at(h % 3)] == low});
  }
  std::stable_sort(sheets.begin(), sheets.end(), [](const Sheet& a, const Sheet& b) { return a.angle < b.angle; });
  std::vector<std::int32_t> open;
  for (std::size_t i = 0; i < 2 * sheets.size(); ++i) {  // the second time round closes what began before the first sheet
    const Sheet& sheet = sheets[i % sheets.size()];
    if (surface.twin[at(sheet.half_edge)] >= 0) continue;
    if (!sheet.forward) {
      if (i < sheets.size()) open.push_back(sheet.half_edge);
    } else if (!open.empty() && !same_corners(surface.faces[at(open.back() / 3)], surface.faces[at(sheet.half_edge / 3)])) {
      surface.twin[at(sheet.half_edge)] = open.back();
      surface.twin[at(open.back())] = sheet.half_edge;
      open.pop_back();
    }
  }
}

// Two faces are neighbours over an edge that only they have and that they run through in opposite directions; where more
// meet, those that bound the same solid.
void find_twins(ChartSurface& surface) {
  const std::span<const std::int32_t> corners(surface.faces.front().data(), 3 * surface.faces.size());
  const MeshEdges edges = edges_of(corners, static_cast<std::int64_t>(surface.points.size()));
  surface.twin.assign(corners.size(), -1);
  for (std::int32_t e = 0; e < edges.count(); ++e) {
    if (edges.degree(e) >= 2)
      join_around_edge(surface, edges.ends[at(2L * e)], edges.ends[at(2L * e + 1)], edges.corners_of(e));
  }
}

void measure(ChartSurface& surface) {
  const std::size_t count = surface.faces.size();
  surface.area.resize(count);
  surface.length.resize(3 * count);
  surface.normal.resize(count);
  for (std::size_t f = 0; f < count; ++f) {
    const auto [a, b, c] = surface.faces[f];
    const Vector3d& p = surface.points[at(a)];
    const Vector3d& q = surface.points[at(b)];
    const Vector3d& r = surface.points[at(c)];
    const Vector3d cross = (q - p).cross(r - p);
    const double norm = cross.norm();
    surface.length[3 * f] = (q - p).norm();
    surface.length[3 * f + 1] = (r - q).norm();
    surface.length[3 * f + 2] = (p - r).norm();
    constexpr double kSmallestArea = 1e-14;  // of a unit cube: nothing that a texture could show
    surface.area[f] = std::max(norm / 2, kSmallestArea);
    surface.normal[f] = norm > 1e-20 ? Vector3d(cross / norm) : Vector3d::Zero();
  }
  // A face without area borrows the direction of its neighbours; one without neighbours gets any.
  std::vector<Vector3d> borrowed(count, Vector3d::Zero());
  for (std::size_t f = 0; f < count; ++f) {
    if (!surface.normal[f].isZero()) continue;
    for (std::size_t k = 0; k < 3; ++k) {
      const std::int32_t other = surface.twin[3 * f + k];
      if (other >= 0) borrowed[f] += surface.length[3 * f + k] * surface.normal[at(other / 3)];
    }
    if (borrowed[f].norm() < 1e-12) borrowed[f] = Vector3d::UnitZ();
  }
  for (std::size_t f = 0; f < count; ++f) {
    if (!borrowed[f].isZero()) surface.normal[f] = borrowed[f].normalized();
  }
}

// Faces around each point.
struct PointFaces {
  std::vector<std::int32_t> start, faces;  // faces[start[p] .. start[p + 1])
};

PointFaces faces_around_points(const ChartSurface& surface) {
  PointFaces around;
  around.start.assign(surface.points.size() + 1, 0);
  for (const auto& corners : surface.faces) {
    for (const std::int32_t p : corners) ++around.start[at(p) + 1];
  }
  std::partial_sum(around.start.begin(), around.start.end(), around.start.begin());
  around.faces.resize(3 * surface.faces.size());
  std::vector<std::int32_t> next(around.start.begin(), around.start.end() - 1);
  for (std::size_t f = 0; f < surface.faces.size(); ++f) {
    for (const std::int32_t p : surface.faces[f]) around.faces[at(next[at(p)]++)] = static_cast<std::int32_t>(f);
  }
  return around;
}

}  // namespace

ChartSurface make_chart_surface(const Mesh& mesh) {
  ChartSurface surface;
  place_points(mesh, surface);
  keep_proper_faces(mesh, surface);
  if (surface.faces.empty()) return surface;
  find_twins(surface);
  measure(surface);
  return surface;
}

std::vector<Vector3d> point_normals(const ChartSurface& surface) {
  std::vector<Vector3d> normals(surface.points.size(), Vector3d::Zero());
  std::vector<Vector3d> by_area(surface.points.size(), Vector3d::Zero());
  for (std::size_t f = 0; f < surface.faces.size(); ++f) {
    for (std::size_t k = 0; k < 3; ++k) {
      const double along = surface.length[3 * f + k];
      const double back = surface.length[3 * f + (k + 2) % 3];
      const double across = surface.length[3 * f + (k + 1) % 3];
      const double product = 2 * along * back;
      const double cosine = product > 0 ? (along * along + back * back - across * across) / product : 1;
      const std::size_t p = at(surface.faces[f][k]);
      normals[p] += std::acos(std::clamp(cosine, -1.0, 1.0)) * surface.normal[f];
      by_area[p] += surface.normal[f];
    }
  }
  for (std::size_t p = 0; p < normals.size(); ++p) {
    // Back to back faces cancel out: any direction serves.
    if (normals[p].norm() < 1e-9) normals[p] = by_area[p];
    normals[p] = normals[p].norm() < 1e-9 ? Vector3d::UnitZ() : Vector3d(normals[p].normalized());
  }
  return normals;
}

std::vector<Vector3d> smoothed_normals(const ChartSurface& surface, const Monitor* monitor) {
  const PointFaces around = faces_around_points(surface);
  std::vector<Vector3d> normals = surface.normal;
  std::vector<Vector3d> at_points(surface.points.size());
  // Averages over a ring of faces: to the points and back.
  const auto plain_ring = [&] {
    if (monitor != nullptr) monitor->check();
    parallel_for(static_cast<std::int64_t>(at_points.size()), 2048, [&](std::int64_t p) {
      Vector3d sum = Vector3d::Zero();
      for (std::int32_t i = around.start[at(p)]; i < around.start[at(p) + 1]; ++i) {
        const std::size_t f = at(around.faces[at(i)]);
        sum += surface.area[f] * normals[f];
      }
      at_points[at(p)] = sum.norm() > 0 ? Vector3d(sum.normalized()) : sum;
    });
    parallel_for(surface.face_count(), 2048, [&](std::int64_t f) {
      const auto [a, b, c] = surface.faces[at(f)];
      const Vector3d sum = at_points[at(a)] + at_points[at(b)] + at_points[at(c)];
      if (sum.norm() > 1e-6) normals[at(f)] = sum.normalized();
    });
  };
  constexpr int kGuideRings = 3;
  constexpr int kFilterRings = 3;
  for (int i = 0; i < kGuideRings; ++i) plain_ring();
  std::vector<Vector3d> guide = normals;
  normals = surface.normal;
  std::vector<Vector3d> next(normals.size());
  for (int i = 0; i < kFilterRings; ++i) {
    if (monitor != nullptr) monitor->check();
    parallel_for(surface.face_count(), 1024, [&](std::int64_t f) {
      Vector3d sum = Vector3d::Zero();
      for (const std::int32_t p : surface.faces[at(f)]) {
        for (std::int32_t j = around.start[at(p)]; j < around.start[at(p) + 1]; ++j) {
          const std::size_t g = at(around.faces[at(j)]);
          const double apart = 1 - guide[at(f)].dot(guide[g]);
          sum += surface.area[g] * std::exp(-apart / 0.04) * normals[g];  // e^-1 at 16 degrees
        }
      }
      next[at(f)] = sum.norm() > 1e-30 ? Vector3d(sum.normalized()) : guide[at(f)];
    });
    normals.swap(next);
  }
  return normals;
}

namespace {

// Border loops of a manifold chart, by length of the surface's edges.
void find_loops(const ChartSurface& surface, ChartMesh& chart) {
  std::vector<std::int32_t> leaving(chart.vertex_count(), -1);  // border half-edge from a vertex
  const auto count = static_cast<std::int32_t>(chart.twin.size());
  for (std::int32_t h = 0; h < count; ++h) {
    if (chart.twin[at(h)] < 0) leaving[at(chart.corners[at(h / 3)][at(h % 3)])] = h;
  }
  std::vector<char> seen(at(count), 0);
  std::vector<std::pair<double, std::vector<std::int32_t>>> loops;
  for (std::int32_t first = 0; first < count; ++first) {
    if (chart.twin[at(first)] >= 0 || seen[at(first)] != 0) continue;
    std::vector<std::int32_t> loop;
    double length = 0;
    for (std::int32_t h = first; seen[at(h)] == 0;) {
      seen[at(h)] = 1;
      loop.push_back(h);
      length += surface.length[at(3L * chart.faces[at(h / 3)] + h % 3)];
      h = leaving[at(chart.corners[at(h / 3)][at((h + 1) % 3)])];
    }
    loops.emplace_back(length, std::move(loop));
  }
  std::stable_sort(loops.begin(), loops.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  for (auto& loop : loops) chart.loops.push_back(std::move(loop.second));
}

}  // namespace

ChartMesh make_chart_mesh(const ChartSurface& surface, std::vector<std::int32_t> faces, std::vector<std::int32_t>& local) {
  ChartMesh chart;
  std::sort(faces.begin(), faces.end());
  const std::size_t count = faces.size();
  for (std::size_t f = 0; f < count; ++f) local[at(faces[f])] = static_cast<std::int32_t>(f);
  chart.twin.assign(3 * count, -1);
  UnionFind corners_of(static_cast<std::int64_t>(3 * count));  // corners that are one vertex
  std::int64_t inner = 0;
  for (std::size_t h = 0; h < 3 * count; ++h) {
    const std::int32_t other = surface.twin[3 * at(faces[h / 3]) + h % 3];
    if (other < 0 || local[at(other / 3)] < 0) continue;
    const std::int32_t twin = 3 * local[at(other / 3)] + other % 3;
    chart.twin[h] = twin;
    ++inner;
    corners_of.join(static_cast<std::int32_t>(h), next_half_edge(twin));
    corners_of.join(next_half_edge(static_cast<std::int32_t>(h)), twin);
  }
  for (const std::int32_t f : faces) local[at(f)] = -1;
  std::int32_t vertices = 0;
  const std::vector<std::int32_t> vertex = corners_of.labels(vertices);
  chart.point.resize(at(vertices));
  chart.corners.resize(count);
  for (std::size_t c = 0; c < 3 * count; ++c) {
    chart.corners[c / 3][c % 3] = vertex[c];
    chart.point[at(vertex[c])] = surface.faces[at(faces[c / 3])][c % 3];
  }
  chart.faces = std::move(faces);
  find_loops(surface, chart);
  // Euler: V - E + F = 2 - 2 genus - loops.
  const std::int64_t edges = static_cast<std::int64_t>(3 * count) - inner / 2;
  const std::int64_t euler = static_cast<std::int64_t>(chart.vertex_count()) - edges + static_cast<std::int64_t>(count);
  chart.genus = static_cast<int>((2 - static_cast<std::int64_t>(chart.loops.size()) - euler) / 2);
  return chart;
}

std::vector<std::array<std::int32_t, 2>> border_of(const ChartMesh& chart) {
  std::vector<std::array<std::int32_t, 2>> segments;
  for (const auto& loop : chart.loops) {
    for (const std::int32_t h : loop) {
      const Corners& corners = chart.corners[at(h / 3)];
      segments.push_back({corners[at(h % 3)], corners[at((h + 1) % 3)]});
    }
  }
  return segments;
}

}  // namespace espalier
