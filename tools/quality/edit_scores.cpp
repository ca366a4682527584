#include "edit_scores.h"

#include <algorithm>
#include <cmath>

#include "geometry/mesh/mesh_report.h"
#include "scores.h"

namespace espalier::quality {
namespace {

constexpr float kVoxel = 1.0F / 64;
constexpr int kPoints = 100'000;

Point vertex_of(const Mesh& mesh, std::int32_t v) {
  const auto i = static_cast<std::size_t>(v) * 3;
  return {mesh.vertices[i], mesh.vertices[i + 1], mesh.vertices[i + 2]};
}

bool holds(const std::array<float, 6>& box, const Point& p) {
  return box[0] <= p[0] && p[0] <= box[3] && box[1] <= p[1] && p[1] <= box[4] && box[2] <= p[2] && p[2] <= box[5];
}

std::vector<Point> inside(std::span<const Point> points, const std::array<float, 6>& box) {
  std::vector<Point> found;
  std::copy_if(points.begin(), points.end(), std::back_inserter(found), [&](const Point& p) { return holds(box, p); });
  return found;
}

// ---- What stays

// Rows of `values` numbers: whether those of kept voxels are the same before and after.
bool rows_are_same(std::span<const std::int64_t> row_before, std::size_t values, std::span<const float> before,
                   std::span<const float> after) {
  if (after.size() != row_before.size() * values) return false;
  for (std::size_t r = 0; r < row_before.size(); ++r) {
    if (row_before[r] < 0) continue;
    const std::size_t from = static_cast<std::size_t>(row_before[r]) * values;
    if (from + values > before.size() || !std::equal(&after[r * values], &after[r * values] + values, &before[from]))
      return false;
  }
  return true;
}

using Face = std::array<Point, 3>;

// Faces whose corners lie further than a voxel from what was touched, in an order of their own, each from its least corner on.
std::vector<Face> far_faces(const Mesh& mesh, const CellMarks& near, int resolution) {
  const auto is_near = [&](const Point& p) {
    std::size_t cell = 0;
    for (const float x : p) {
      const auto c =
          std::clamp<std::int64_t>(std::int64_t(std::floor((x + 0.5F) * static_cast<float>(resolution))), 0, resolution - 1);
      cell = cell * static_cast<std::size_t>(resolution) + static_cast<std::size_t>(c);
    }
    return near[cell] != 0;
  };
  std::vector<Face> faces;
  for (std::size_t i = 0; i < mesh.faces.size(); i += 3) {
    Face face{vertex_of(mesh, mesh.faces[i]), vertex_of(mesh, mesh.faces[i + 1]), vertex_of(mesh, mesh.faces[i + 2])};
    if (std::any_of(face.begin(), face.end(), is_near)) continue;
    std::rotate(face.begin(), std::min_element(face.begin(), face.end()), face.end());
    faces.push_back(face);
  }
  std::sort(faces.begin(), faces.end());
  return faces;
}

// ---- Steps

// A side of the box: points whose coordinate `axis` is `at`, within a rectangle of the other two.
struct Side {
  std::size_t axis = 0;
  float at = 0;
  std::array<float, 6> box{};
  [[nodiscard]] std::array<std::size_t, 2> others() const { return {(axis + 1) % 3, (axis + 2) % 3}; }
  // Not at the rectangle's own border, beyond which an outline may go on.
  [[nodiscard]] bool is_well_inside(const Point& p) const {
    constexpr float kMargin = 2 * kVoxel;
    const auto [u, v] = others();
    return std::min({p[u] - box[u], box[u + 3] - p[u], p[v] - box[v], box[v + 3] - p[v]}) >= kMargin;
  }
};

// Where the mesh crosses the plane of a side: the ends of the pieces of line, which are shorter than a quarter of a voxel on
// a decoded mesh.
std::vector<Point> outline_of(const Mesh& mesh, const Side& side) {
  std::vector<Point> points;
  for (std::size_t i = 0; i < mesh.faces.size(); ++i) {
    const std::size_t next = i % 3 == 2 ? i - 2 : i + 1;
    const Point a = vertex_of(mesh, mesh.faces[i]), b = vertex_of(mesh, mesh.faces[next]);
    const float from = a[side.axis] - side.at, to = b[side.axis] - side.at;
    if ((from < 0) == (to < 0)) continue;
    Point p{};
    for (std::size_t k = 0; k < 3; ++k) p[k] = a[k] + (b[k] - a[k]) * from / (from - to);
    points.push_back(p);
  }
  return points;
}

// The same of the object, on a lattice.
std::vector<Point> outline_of(const HeldOutObject& object, const Side& side) {
  constexpr float kStep = kVoxel / 2;
  const auto [u, v] = side.others();
  const auto count = [&](std::size_t k) {
    return static_cast<std::size_t>(std::ceil((side.box[k + 3] - side.box[k]) / kStep)) + 1;
  };
  const std::size_t columns = count(u), rows = count(v);
  std::vector<Point> lattice;
  for (std::size_t i = 0; i < columns * rows; ++i) {
    Point p{};
    p[side.axis] = side.at;
    p[u] = side.box[u] + static_cast<float>(i % columns) * kStep;
    p[v] = side.box[v] + static_cast<float>(i / columns) * kStep;
    lattice.push_back(p);
  }
  const auto fields = object.fields(lattice);
  std::vector<Point> points;
  const auto cross = [&](std::size_t i, std::size_t j) {
    const float from = fields[7 * i], to = fields[7 * j];
    if ((from < 0) == (to < 0)) return;
    Point p{};
    for (std::size_t k = 0; k < 3; ++k) p[k] = lattice[i][k] + (lattice[j][k] - lattice[i][k]) * from / (from - to);
    points.push_back(p);
  };
  for (std::size_t i = 0; i < lattice.size(); ++i) {
    if (i % columns + 1 < columns) cross(i, i + 1);
    if (i + columns < lattice.size()) cross(i, i + columns);
  }
  return points;
}

// A point of an outline, and how far, across the side, the outline on the other side is from there; in voxels.
struct Jump {
  Point from{};
  float voxels = 0;
};

float across(const Point& p, const Point& q, const Side& side) {
  const auto [u, v] = side.others();
  return std::hypot(p[u] - q[u], p[v] - q[v]) / kVoxel;
}

// Of all points of `from` well inside the side.
void add_jumps(std::span<const Point> from, std::span<const Point> to, const Side& side, std::vector<Jump>& jumps) {
  for (const Point& p : from) {
    if (!side.is_well_inside(p)) continue;
    Jump jump{p, 1 / kVoxel};  // where there is nothing on the other side
    for (const Point& q : to) jump.voxels = std::min(jump.voxels, across(p, q, side));
    jumps.push_back(jump);
  }
}

// From the outlines of one shape to those of another, which holds it.
template <class From, class To>
std::vector<Jump> jumps_of(const From& from, const To& to, Side side) {
  Side below = side, above = side;
  below.at = side.at - kVoxel / 2;
  above.at = side.at + kVoxel / 2;
  std::vector<Jump> jumps;
  add_jumps(outline_of(from, below), outline_of(to, above), side, jumps);
  add_jumps(outline_of(from, above), outline_of(to, below), side, jumps);
  return jumps;
}

// What a shape that nobody edited has there, and up to as far away as F-scores take for the same place: an edge of it that runs
// along the border is none of the edit's.
template <class From, class To>
void add_own_jumps(const From& from, const To& to, const Side& side, std::vector<Jump>& all) {
  constexpr int kSamePlace = 2;  // voxels
  for (int offset = -kSamePlace; offset <= kSamePlace; ++offset) {
    Side moved = side;
    moved.at += static_cast<float>(offset) * kVoxel;
    const std::vector<Jump> jumps = jumps_of(from, to, moved);
    all.insert(all.end(), jumps.begin(), jumps.end());
  }
}

}  // namespace

bool outside_is_same(const Asset::Data& before, const Asset::Data& after) {
  const CellMarks& touched = after.earlier.back().touched;
  const int resolution = after.voxels.resolution;
  const auto rows = rows_kept(before.voxels, after.voxels, touched);
  const auto kept = std::count_if(rows.begin(), rows.end(), [](std::int64_t row) { return row >= 0; });
  if (voxels_where(before.voxels, touched, false).rows() != kept) return false;
  if (voxels_where(after.voxels, touched, false).rows() != kept) return false;
  const std::size_t channels = before.latent.size() / static_cast<std::size_t>(before.voxels.rows());
  if (!rows_are_same(rows, channels, before.latent, after.latent)) return false;
  const Gaussians &a = *before.gaussians, &b = *after.gaussians;
  const auto each = static_cast<std::size_t>(a.count() / before.voxels.rows());
  const bool gaussians = rows_are_same(rows, 3 * each, a.xyz, b.xyz) && rows_are_same(rows, 3 * each, a.dc, b.dc) &&
                         rows_are_same(rows, 3 * each, a.scale, b.scale) &&
                         rows_are_same(rows, 4 * each, a.rotation, b.rotation) &&
                         rows_are_same(rows, each, a.opacity, b.opacity);
  if (!gaussians) return false;
  const CellMarks near = grown(touched, resolution, 1);
  return far_faces(*before.mesh, near, resolution) == far_faces(*after.mesh, near, resolution);
}

std::int64_t open_edges_of(const Mesh& mesh) {
  const MeshReport report = report_of(mesh);
  return report.boundary_edges + report.non_manifold_edges;
}

double f_score_inside(const Mesh& mesh, const HeldOutObject& object, const std::array<float, 6>& box, float tolerance) {
  const auto found = points_on(mesh, kPoints), truth = object.surface_points(kPoints);
  return FScore{point_f_score(inside(found, box), truth, tolerance).precision,
                point_f_score(found, inside(truth, box), tolerance).recall}
      .value();
}

double colour_error_inside(const Mesh& mesh, const HeldOutObject& object, const std::array<float, 6>& box) {
  std::vector<Point> points;
  std::vector<std::size_t> vertices;
  for (std::int32_t v = 0; v < mesh.vertex_count(); ++v) {
    const Point p = vertex_of(mesh, v);
    if (!holds(box, p)) continue;
    points.push_back(p);
    vertices.push_back(static_cast<std::size_t>(v));
  }
  const auto truth = object.closest_on_surface(points);
  std::vector<double> errors;
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (std::size_t k = 0; k < 3; ++k)
      errors.push_back(255.0 * std::abs(mesh.colours[3 * vertices[i] + k] - truth.colours[i][k]));
  }
  return errors.empty() ? 255 : mean(errors);
}

double step_at_border(const Mesh& mesh, const HeldOutObject& object, const std::array<float, 6>& box, const Mesh* unedited) {
  constexpr float kEnd = 0.5F - 2 * kVoxel;   // at the end of the unit cube nothing goes on
  constexpr float kSamePlace = 3;             // voxels
  const Mesh seen = seen_from_outside(mesh);  // bubbles inside are no steps
  const Mesh other = unedited == nullptr ? Mesh() : seen_from_outside(*unedited);
  float step = 0;
  for (std::size_t k = 0; k < 6; ++k) {
    if (std::abs(box[k]) > kEnd) continue;
    const Side side{k % 3, box[k], box};
    std::vector<Jump> own;
    add_own_jumps(object, object, side, own);
    if (unedited != nullptr) add_own_jumps(other, *unedited, side, own);
    for (const Jump& jump : jumps_of(seen, mesh, side)) {
      if (jump.voxels <= step) continue;
      float expected = 0;
      for (const Jump& o : own) {
        if (o.voxels > expected && across(o.from, jump.from, side) <= kSamePlace) expected = o.voxels;
      }
      step = std::max(step, jump.voxels - expected);
    }
  }
  return step;
}

}  // namespace espalier::quality
