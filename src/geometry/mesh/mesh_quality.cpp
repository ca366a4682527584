#include "geometry/mesh/mesh_quality.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numbers>

#include "geometry/mesh/mesh_edit.h"
#include "geometry/mesh/mesh_topology.h"
#include "geometry/mesh/triangle_tree.h"
#include "parallel/parallel_for.h"

namespace espalier {

namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// Uniform in [0, 1): a stream of numbers for each face (SplitMix64).
class Stream {
 public:
  explicit Stream(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15U) {}
  double next() {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state_;
    z = (z ^ z >> 30U) * 0xBF58476D1CE4E5B9U;
    z = (z ^ z >> 27U) * 0x94D049BB133111EBU;
    return static_cast<double>((z ^ z >> 31U) >> 11U) / 9007199254740992.0;
  }

 private:
  std::uint64_t state_;
};

// Evenly over the sphere.
Point direction_of(Stream& stream) {
  const double z = 2 * stream.next() - 1;
  const double turn = 2 * std::numbers::pi * stream.next();
  const double r = std::sqrt(std::max(0.0, 1 - z * z));
  return {r * std::cos(turn), r * std::sin(turn), z};
}

double diagonal_of(const Mesh& mesh) {
  const Bounds box = box_of(mesh);
  return std::hypot(box.high[0] - box.low[0], box.high[1] - box.low[1], box.high[2] - box.low[2]);
}

bool gets_away(const TriangleTree& tree, const Mesh& mesh, std::int32_t f, const Point& normal, int rays, double least) {
  Stream stream(static_cast<std::uint64_t>(f) + 1);
  const std::int32_t* const v = face_of(mesh, f);
  const Point a = point_of(mesh, v[0]);
  const Point b = point_of(mesh, v[1]);
  const Point c = point_of(mesh, v[2]);
  for (int ray = 0; ray < rays; ++ray) {
    double u = stream.next();
    double w = stream.next();
    if (u + w > 1) {
      u = 1 - u;
      w = 1 - w;
    }
    const Point from = a + u * (b - a) + w * (c - a);
    Point direction = direction_of(stream);
    if (direction.dot(normal) < 0) direction = -direction;
    if (!tree.is_hit(from, direction, least, f) || !tree.is_hit(from, -direction, least, f)) return true;
  }
  return false;
}

// Six times the volume of a tetrahedron; 0 where rounding decides its sign.
double side_of(const Point& a, const Point& b, const Point& c, const Point& d) {
  const Point u = b - a;
  const Point v = c - a;
  const Point w = d - a;
  const double volume = u.cross(v).dot(w);
  const double bound = 1e-13 * u.norm() * v.norm() * w.norm();
  return std::abs(volume) <= bound ? 0 : volume;
}

// Whether the edge passes through the inside of the triangle.
bool pierces(const Point& from, const Point& to, const std::array<Point, 3>& t) {
  const double start = side_of(t[0], t[1], t[2], from);
  const double end = side_of(t[0], t[1], t[2], to);
  if (!(start * end < 0)) return false;
  const double a = side_of(from, to, t[0], t[1]);
  const double b = side_of(from, to, t[1], t[2]);
  const double c = side_of(from, to, t[2], t[0]);
  return (a > 0 && b > 0 && c > 0) || (a < 0 && b < 0 && c < 0);
}

// Whether an edge of one face passes through the other. Edges that the two share, or that meet a shared vertex, cannot.
bool cross(const Mesh& mesh, std::int32_t f, std::int32_t g) {
  const std::int32_t* const v = face_of(mesh, f);
  const std::int32_t* const w = face_of(mesh, g);
  int shared = 0;
  for (int i = 0; i < 3; ++i) shared += v[i] == w[0] || v[i] == w[1] || v[i] == w[2] ? 1 : 0;
  if (shared >= 2) return false;
  const std::array<Point, 3> p{point_of(mesh, v[0]), point_of(mesh, v[1]), point_of(mesh, v[2])};
  const std::array<Point, 3> q{point_of(mesh, w[0]), point_of(mesh, w[1]), point_of(mesh, w[2])};
  for (std::size_t i = 0; i < 3; ++i) {
    if (pierces(p[i], p[(i + 1) % 3], q) || pierces(q[i], q[(i + 1) % 3], p)) return true;
  }
  return false;
}

std::vector<std::uint8_t> crossing_of(const TriangleTree& tree, const Mesh& mesh, const Monitor* monitor) {
  std::vector<std::uint8_t> crossing(at(mesh.face_count()), 0);
  parallel_for(mesh.face_count(), 256, [&](std::int64_t i) {
    const auto f = static_cast<std::int32_t>(i);
    if (monitor != nullptr && i % 256 == 0 && monitor->cancelled()) return;
    bool found = false;
    tree.for_neighbours(f, [&](std::int32_t g) { found = found || (g != f && cross(mesh, f, g)); });
    crossing[at(f)] = found ? 1 : 0;
  });
  if (monitor != nullptr) monitor->check();
  return crossing;
}

// Faces without an area hide nothing and pass through nothing; thousands of them on one line would all be neighbours.
Mesh without_flat_faces(const Mesh& mesh) {
  std::vector<std::uint8_t> keep(at(mesh.face_count()));
  for (std::int64_t f = 0; f < mesh.face_count(); ++f) keep[at(f)] = face_cross(mesh, f).norm() > 0 ? 1 : 0;
  return with_faces(mesh, keep);
}

double crease_length(const Mesh& mesh) {
  const MeshEdges edges = edges_of(mesh.faces, mesh.vertex_count());
  double length = 0;
  for (std::int32_t e = 0; e < edges.count(); ++e) {
    const auto corners = edges.corners_of(e);
    if (corners.size() != 2) continue;
    const Point a = face_cross(mesh, corners[0] / 3);
    const Point b = face_cross(mesh, corners[1] / 3);
    if (!(a.dot(b) < 0)) continue;
    length += (point_of(mesh, edges.ends[2 * at(e)]) - point_of(mesh, edges.ends[2 * at(e) + 1])).norm();
  }
  return length;
}

std::vector<std::uint8_t> hidden_of(const TriangleTree& tree, const Mesh& mesh, int rays, const Monitor* monitor) {
  const double least = 1e-7 * diagonal_of(mesh);
  std::vector<std::uint8_t> hidden(at(mesh.face_count()), 0);
  parallel_for(mesh.face_count(), 64, [&](std::int64_t i) {
    const auto f = static_cast<std::int32_t>(i);
    if (monitor != nullptr && i % 64 == 0 && monitor->cancelled()) return;
    hidden[at(f)] = gets_away(tree, mesh, f, face_cross(mesh, f), rays, least) ? 0 : 1;
  });
  if (monitor != nullptr) monitor->check();
  return hidden;
}

// How far it is from the middle of each face straight through to the other side; infinite where there is none.
std::vector<double> thickness_of(const TriangleTree& tree, const Mesh& mesh, const Monitor* monitor) {
  const double least = 1e-6 * diagonal_of(mesh);
  std::vector<double> thickness(at(mesh.face_count()), std::numeric_limits<double>::infinity());
  parallel_for(mesh.face_count(), 256, [&](std::int64_t i) {
    const auto f = static_cast<std::int32_t>(i);
    if (monitor != nullptr && i % 256 == 0 && monitor->cancelled()) return;
    const Point cross = face_cross(mesh, f);
    if (!(cross.norm() > 0)) return;
    const std::int32_t* const v = face_of(mesh, f);
    const Point middle = (point_of(mesh, v[0]) + point_of(mesh, v[1]) + point_of(mesh, v[2])) / 3;
    const Point inwards = -cross.normalized();
    const TriangleTree::Hit hit = tree.first_hit(middle, inwards, least, f);
    if (hit.face >= 0 && face_cross(mesh, hit.face).dot(inwards) > 0) thickness[at(f)] = hit.distance;
  });
  if (monitor != nullptr) monitor->check();
  return thickness;
}

double thin_wall_of(const TriangleTree& tree, const Mesh& mesh, const Monitor* monitor) {
  constexpr double kShare = 0.01;
  const std::vector<double> thickness = thickness_of(tree, mesh, monitor);
  std::vector<std::int64_t> order;
  double area = 0;
  for (std::int64_t f = 0; f < mesh.face_count(); ++f) {
    if (!std::isfinite(thickness[at(f)])) continue;
    order.push_back(f);
    area += face_area(mesh, f);
  }
  std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) { return thickness[at(a)] < thickness[at(b)]; });
  double below = 0;
  for (const std::int64_t f : order) {
    below += face_area(mesh, f);
    if (below >= kShare * area) return thickness[at(f)];
  }
  return 0;
}

double overhang_share_of(const Mesh& mesh) {
  constexpr double kFloor = 0.005;  // of the height
  const double steep = -std::cos(std::numbers::pi / 4);
  const Bounds box = box_of(mesh);
  const double floor = box.low[2] + kFloor * (box.high[2] - box.low[2]);
  double area = 0, over = 0;
  for (std::int64_t f = 0; f < mesh.face_count(); ++f) {
    const Point cross = face_cross(mesh, f);
    const double own = cross.norm();
    area += own;
    const std::int32_t* const v = face_of(mesh, f);
    const double top = std::max({point_of(mesh, v[0]).z(), point_of(mesh, v[1]).z(), point_of(mesh, v[2]).z()});
    if (cross.z() < steep * own && top > floor) over += own;
  }
  return area > 0 ? over / area : 0;
}

}  // namespace

std::vector<std::uint8_t> hidden_faces(const Mesh& mesh, int rays, const Monitor* monitor) {
  check_mesh(mesh, "hidden faces");
  return hidden_of(TriangleTree(mesh), mesh, rays, monitor);
}

std::vector<std::uint8_t> crossing_faces(const Mesh& mesh, const Monitor* monitor) {
  check_mesh(mesh, "crossing faces");
  if (mesh.faces.empty()) return {};
  return crossing_of(TriangleTree(mesh), mesh, monitor);
}

Mesh without_enclosed_pieces(const Mesh& mesh, const Monitor* monitor) {
  check_mesh(mesh, "enclosed pieces");
  if (mesh.faces.empty()) return mesh;
  const Components pieces = vertex_components(mesh.faces, mesh.vertex_count());
  if (pieces.count < 2) return mesh;
  std::vector<double> area(at(pieces.count), 0.0);
  for (std::int64_t f = 0; f < mesh.face_count(); ++f) area[at(pieces.of_face[at(f)])] += face_area(mesh, f);
  const auto largest = static_cast<std::int32_t>(std::max_element(area.begin(), area.end()) - area.begin());
  const TriangleTree tree(mesh);
  const double least = 1e-7 * diagonal_of(mesh);
  // What is seen in the first round of few rays is not looked at again.
  std::vector<std::uint8_t> seen(at(pieces.count), 0);
  seen[at(largest)] = 1;
  for (const int rays : {1, 32}) {
    std::vector<std::uint8_t> away(at(mesh.face_count()), 0);
    parallel_for(mesh.face_count(), 64, [&](std::int64_t i) {
      const auto f = static_cast<std::int32_t>(i);
      if (seen[at(pieces.of_face[at(f)])] != 0 || (monitor != nullptr && monitor->cancelled())) return;
      away[at(f)] = gets_away(tree, mesh, f, face_cross(mesh, f), rays, least) ? 1 : 0;
    });
    if (monitor != nullptr) monitor->check();
    for (std::size_t f = 0; f < away.size(); ++f) seen[at(pieces.of_face[f])] |= away[f];
  }
  std::vector<std::uint8_t> keep(at(mesh.face_count()));
  for (std::size_t f = 0; f < keep.size(); ++f) keep[f] = seen[at(pieces.of_face[f])];
  return with_faces(mesh, keep);
}

MeshQuality quality_of(const Mesh& mesh, int rays, const Monitor* monitor) {
  check_mesh(mesh, "quality");
  MeshQuality quality;
  if (mesh.faces.empty()) return quality;
  Mesh shape;
  shape.vertices = mesh.vertices;
  shape.faces = mesh.faces;
  shape = welded(shape, 0.0F);
  if (shape.faces.empty()) return quality;
  const double diagonal = diagonal_of(shape);
  quality.crease_length = diagonal > 0 ? crease_length(shape) / diagonal : 0;
  quality.overhang_share = overhang_share_of(shape);
  const Mesh faces = without_flat_faces(shape);
  if (faces.faces.empty()) return quality;
  const TriangleTree tree(faces);
  const std::vector<std::uint8_t> hidden = hidden_of(tree, faces, rays, monitor);
  double area = 0;
  double unseen = 0;
  for (std::int64_t f = 0; f < faces.face_count(); ++f) {
    const double own = face_cross(faces, f).norm();
    area += own;
    if (hidden[at(f)] != 0) unseen += own;
  }
  quality.hidden_share = area > 0 ? unseen / area : 0;
  const std::vector<std::uint8_t> crossing = crossing_of(tree, faces, monitor);
  quality.crossing_faces = std::count(crossing.begin(), crossing.end(), 1);
  quality.thin_wall = thin_wall_of(tree, faces, monitor);
  return quality;
}

}  // namespace espalier
