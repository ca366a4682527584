#include "geometry/simplify/textured.h"

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <queue>
#include <span>
#include <vector>

#include "base/error.h"
#include "geometry/mesh/mesh_edit.h"
#include "geometry/mesh/mesh_points.h"
#include "geometry/mesh/mesh_topology.h"
#include "geometry/simplify/simplify.h"

namespace espalier {
namespace {

using Place = Eigen::Matrix<double, 5, 1>;  // position in diagonals of the box, then texture coordinates in the same measure
using Square = Eigen::Matrix<double, 5, 5>;

// A shift in the texture counts this much of the same shift on the surface.
constexpr double kTextureWeight = 0.3;
// Of a seam's line against the surface, per squared length of an edge.
constexpr double kSeamWeight = 1.0;
constexpr double kSmallestTurn = 0.2;  // cosine between a face's normal before and after
constexpr double kLengthShare = 1e-9;  // of area times squared length: on planes, short edges go first
constexpr std::size_t kMostAround = 256;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// Sum of weighted squared distances from flats of R^5: x A x + 2 b x + c.
struct Distance {
  Square a = Square::Zero();
  Place b = Place::Zero();
  double c = 0, weight = 0;

  // From the flat through a place along one or two directions of length 1, upright on each other.
  static Distance flat(const Place& through, std::span<const Place> along, double weight) {
    Distance q;
    q.a.setIdentity();
    q.b = -through;
    q.c = through.squaredNorm();
    for (const Place& direction : along) {
      const double length = through.dot(direction);
      q.a -= direction * direction.transpose();
      q.b += length * direction;
      q.c -= length * length;
    }
    q.a *= weight;
    q.b *= weight;
    q.c *= weight;
    q.weight = weight;
    return q;
  }
  Distance& operator+=(const Distance& q) {
    a += q.a;
    b += q.b;
    c += q.c;
    weight += q.weight;
    return *this;
  }
  [[nodiscard]] double of(const Place& x) const { return std::max(0.0, x.dot(a * x) + 2 * b.dot(x) + c); }
};

// What may happen to a point (all vertices of one position).
enum class Kind : std::uint8_t { free, seam, fixed };

// Which wedges become which when a point merges into another: one pair on each side of a seam.
struct Merge {
  std::array<std::int32_t, 2> gone{}, kept{};
  std::size_t sides = 0;
  [[nodiscard]] std::int32_t of(std::int32_t wedge) const { return sides > 1 && wedge == gone[1] ? kept[1] : kept[0]; }
};

double area_in_texture(const Place& a, const Place& b, const Place& c) {
  return (b[3] - a[3]) * (c[4] - a[4]) - (c[3] - a[3]) * (b[4] - a[4]);
}

// Corners name vertices ("wedges"), which have texture coordinates; points are what wedges of one position have in common.
class WedgeSurface {
 public:
  explicit WedgeSurface(const Mesh& mesh) : mesh_(mesh) {
    std::int32_t points = 0;
    point_of_wedge_ = distinct_positions(mesh, points);
    faces_.reserve(at(mesh.face_count()));
    for (std::int64_t f = 0; f < mesh.face_count(); ++f) {
      const std::int32_t* const w = face_of(mesh, f);
      const std::array<std::int32_t, 3> p = {point(w[0]), point(w[1]), point(w[2])};
      if (p[0] != p[1] && p[1] != p[2] && p[2] != p[0]) faces_.push_back({w[0], w[1], w[2]});
    }
    alive_ = static_cast<std::int64_t>(faces_.size());
    around_.resize(at(points));
    for (std::size_t f = 0; f < faces_.size(); ++f) {
      for (const std::int32_t w : faces_[f]) around_[at(point(w))].push_back(static_cast<std::int32_t>(f));
    }
    place_wedges();
    measure_faces();
    sort_points();
  }

  [[nodiscard]] std::int32_t points() const { return static_cast<std::int32_t>(around_.size()); }
  [[nodiscard]] std::int64_t face_count() const { return alive_; }
  [[nodiscard]] std::int32_t point(std::int32_t wedge) const { return point_of_wedge_[at(wedge)]; }
  [[nodiscard]] bool has(std::int32_t face, std::int32_t p) const {
    const auto& w = faces_[at(face)];
    return point(w[0]) == p || point(w[1]) == p || point(w[2]) == p;
  }
  [[nodiscard]] std::int32_t wedge_at(std::int32_t face, std::int32_t p) const {
    const auto& w = faces_[at(face)];
    return point(w[0]) == p ? w[0] : point(w[1]) == p ? w[1] : w[2];
  }

  [[nodiscard]] Kind kind(std::int32_t p) const { return kinds_[at(p)]; }
  [[nodiscard]] const std::vector<std::int32_t>& around(std::int32_t p) const { return around_[at(p)]; }
  [[nodiscard]] const std::array<std::int32_t, 3>& wedges(std::int32_t face) const { return faces_[at(face)]; }
  [[nodiscard]] const Place& place(std::int32_t wedge) const { return places_[at(wedge)]; }
  [[nodiscard]] const Distance& error(std::int32_t wedge) const { return errors_[at(wedge)]; }

  void merge(std::int32_t gone, std::int32_t kept, const Merge& merge) {
    for (std::size_t i = 0; i < merge.sides; ++i) errors_[at(merge.kept[i])] += errors_[at(merge.gone[i])];
    for (const std::int32_t f : around_[at(gone)]) {
      auto& w = faces_[at(f)];
      if (has(f, kept)) {
        for (const std::int32_t v : w) {
          if (point(v) != gone) std::erase(around_[at(point(v))], f);
        }
        w[0] = -1;
        --alive_;
        continue;
      }
      for (std::int32_t& v : w) {
        if (point(v) == gone) v = merge.of(v);
      }
      around_[at(kept)].push_back(f);
    }
    around_[at(gone)].clear();
  }

  [[nodiscard]] Mesh result() const {
    Mesh out = mesh_;
    out.faces.clear();
    for (const auto& face : faces_) {
      if (face[0] >= 0) out.faces.insert(out.faces.end(), face.begin(), face.end());
    }
    return without_unreferenced_vertices(out);
  }

 private:
  void place_wedges() {
    const Bounds box = box_of(mesh_);
    const double unit = box.diagonal() > 0 ? box.diagonal() : 1.0;
    double surface = 0, texture = 0;
    for (std::int64_t f = 0; f < mesh_.face_count(); ++f) {
      const std::int32_t* const w = face_of(mesh_, f);
      const auto uv = [&](int k, int axis) { return double{mesh_.uvs[2 * at(w[k]) + at(axis)]}; };
      surface += face_cross(mesh_, f).norm() / (unit * unit);
      texture += std::abs((uv(1, 0) - uv(0, 0)) * (uv(2, 1) - uv(0, 1)) - (uv(2, 0) - uv(0, 0)) * (uv(1, 1) - uv(0, 1)));
    }
    const double scale = texture > 0 ? kTextureWeight * std::sqrt(surface / texture) : 0.0;
    places_.resize(at(mesh_.vertex_count()));
    for (std::int64_t v = 0; v < mesh_.vertex_count(); ++v) {
      const Point p = point_of(mesh_, static_cast<std::int32_t>(v)) / unit;
      places_[at(v)] << p[0], p[1], p[2], scale * mesh_.uvs[at(2 * v)], scale * mesh_.uvs[at(2 * v + 1)];
    }
    errors_.resize(places_.size());
  }

  void measure_faces() {
    for (const auto& w : faces_) {
      const Place& a = places_[at(w[0])];
      const Place along = places_[at(w[1])] - a, other = places_[at(w[2])] - a;
      const double length = along.norm();
      if (!(length > 0)) continue;
      const Place first = along / length;
      const Place rest = other - other.dot(first) * first;
      const double height = rest.norm();
      if (!(height > 0)) continue;
      const std::array directions{first, Place(rest / height)};
      const Distance error = Distance::flat(a, directions, 0.5 * length * height);
      for (const std::int32_t v : w) errors_[at(v)] += error;
    }
  }

  // What kind every point is, and the lines of seams. An edge is a seam where its faces do not share both wedges.
  void sort_points() {
    std::vector<std::int32_t> faces;
    faces.reserve(faces_.size() * 3);
    for (const auto& face : faces_) {
      for (const std::int32_t w : face) faces.push_back(point(w));
    }
    const auto points = static_cast<std::int64_t>(around_.size());
    const MeshEdges edges = edges_of(faces, points);
    const std::vector<std::uint8_t> complex = non_manifold_vertices(edges, faces, corners_around(faces, points));
    std::vector<int> seams(at(points), 0);
    for (std::int32_t e = 0; e < edges.count(); ++e) {
      const auto corners = edges.corners_of(e);
      const std::array ends = {edges.ends[at(2 * std::int64_t{e})], edges.ends[at(2 * std::int64_t{e} + 1)]};
      const auto differ = [&](std::int32_t p) { return wedge_at(corners[0] / 3, p) != wedge_at(corners[1] / 3, p); };
      if (corners.size() == 2 && !differ(ends[0]) && !differ(ends[1])) continue;
      for (const std::int32_t p : ends) ++seams[at(p)];
      for (const std::int32_t corner : corners) add_line(wedge_at(corner / 3, ends[0]), wedge_at(corner / 3, ends[1]));
    }
    kinds_.assign(at(points), Kind::fixed);
    for (std::int32_t p = 0; p < points; ++p) {
      if (complex[at(p)] != 0) continue;
      const std::size_t wedges = wedges_of(p);
      const bool open =
          std::any_of(around_[at(p)].begin(), around_[at(p)].end(), [&](std::int32_t f) { return on_open_edge(edges, f, p); });
      if (seams[at(p)] == 0 && wedges == 1) kinds_[at(p)] = Kind::free;
      if (seams[at(p)] == 2 && wedges == (open ? 1U : 2U)) kinds_[at(p)] = Kind::seam;
    }
  }

  [[nodiscard]] bool on_open_edge(const MeshEdges& edges, std::int32_t face, std::int32_t p) const {
    for (std::int32_t k = 0; k < 3; ++k) {
      const std::int32_t e = edges.of_face[at(3 * std::int64_t{face} + k)];
      const bool there = edges.ends[at(2 * std::int64_t{e})] == p || edges.ends[at(2 * std::int64_t{e} + 1)] == p;
      if (there && edges.degree(e) == 1) return true;
    }
    return false;
  }

  [[nodiscard]] std::size_t wedges_of(std::int32_t p) const {
    std::vector<std::int32_t> wedges;
    for (const std::int32_t f : around_[at(p)]) wedges.push_back(wedge_at(f, p));
    std::sort(wedges.begin(), wedges.end());
    return static_cast<std::size_t>(std::unique(wedges.begin(), wedges.end()) - wedges.begin());
  }

  void add_line(std::int32_t from, std::int32_t to) {
    const Place along = places_[at(to)] - places_[at(from)];
    const double length = along.norm();
    if (!(length > 0)) return;
    const std::array directions{Place(along / length)};
    const Distance error = Distance::flat(places_[at(from)], directions, kSeamWeight * length * length);
    errors_[at(from)] += error;
    errors_[at(to)] += error;
  }

  const Mesh& mesh_;
  std::vector<std::int32_t> point_of_wedge_;
  std::vector<std::array<std::int32_t, 3>> faces_;  // wedges; a removed face has -1 for its first
  std::vector<std::vector<std::int32_t>> around_;   // faces of each point
  std::vector<Place> places_;                       // of each wedge
  std::vector<Distance> errors_;
  std::vector<Kind> kinds_;
  std::int64_t alive_ = 0;
};

class SeamCollapser {
 public:
  SeamCollapser(const Mesh& mesh, const Monitor* monitor)
      : surface_(mesh), monitor_(monitor), versions_(at(surface_.points()), 0), marks_(at(surface_.points()), 0) {}

  Mesh run(std::int64_t target) {
    for (std::int32_t p = 0; p < surface_.points(); ++p) queue_around(p);
    const std::int64_t from = surface_.face_count();
    std::int64_t looked_at = 0;
    while (!queue_.empty() && surface_.face_count() > target) {
      if (monitor_ != nullptr && ++looked_at % 4096 == 0) {
        monitor_->check();
        monitor_->progress(static_cast<int>(1000 * (from - surface_.face_count()) / std::max<std::int64_t>(from - target, 1)),
                           1000);
      }
      const Candidate next = queue_.top();
      queue_.pop();
      if (surface_.around(next.gone).empty() || surface_.around(next.kept).empty()) continue;
      if (next.version == versions_[at(next.gone)] + versions_[at(next.kept)]) collapse(next.gone, next.kept);
    }
    return surface_.result();
  }

 private:
  struct Candidate {
    double cost;
    std::uint32_t version;  // sum of both points' versions; a smaller one than now is stale
    std::int32_t gone, kept;
    bool operator<(const Candidate& o) const {  // the priority queue's top is its largest
      if (cost != o.cost) return cost > o.cost;
      return gone != o.gone ? gone > o.gone : kept > o.kept;
    }
  };
  // How `gone` would merge into `kept`; without sides where it must not.
  [[nodiscard]] Merge merge_of(std::int32_t gone, std::int32_t kept) const {
    Merge merge;
    if (surface_.kind(gone) == Kind::fixed) return merge;
    std::array<std::int32_t, 2> at_edge{};
    std::size_t count = 0;
    for (const std::int32_t f : surface_.around(gone)) {
      if (!surface_.has(f, kept)) continue;
      if (count == 2) return merge;
      at_edge[count++] = f;
    }
    if (count == 0) return merge;
    for (std::size_t i = 0; i < count; ++i) {
      merge.gone[i] = surface_.wedge_at(at_edge[i], gone);
      merge.kept[i] = surface_.wedge_at(at_edge[i], kept);
    }
    if (surface_.kind(gone) == Kind::free) {
      merge.sides = count == 2 && merge.gone[0] == merge.gone[1] && merge.kept[0] == merge.kept[1] ? 1 : 0;
    } else if (count == 1) {
      merge.sides = 1;
    } else {
      merge.sides = merge.gone[0] != merge.gone[1] ? 2 : 0;
    }
    return merge;
  }

  void queue_directed(std::int32_t gone, std::int32_t kept) {
    const Merge merge = merge_of(gone, kept);
    if (merge.sides == 0) return;
    double cost = 0;
    for (std::size_t i = 0; i < merge.sides; ++i) {
      const Place& to = surface_.place(merge.kept[i]);
      const Distance& error = surface_.error(merge.gone[i]);
      cost += error.of(to) + kLengthShare * error.weight * (to - surface_.place(merge.gone[i])).squaredNorm();
    }
    queue_.push({cost, versions_[at(gone)] + versions_[at(kept)], gone, kept});
  }

  void queue_around(std::int32_t p) {
    ++mark_;
    for (const std::int32_t f : surface_.around(p)) {
      for (const std::int32_t w : surface_.wedges(f)) {
        const std::int32_t q = surface_.point(w);
        if (q == p || marks_[at(q)] == mark_) continue;
        marks_[at(q)] = mark_;
        queue_directed(p, q);
        queue_directed(q, p);
      }
    }
  }

  // The link condition: what both points are joined to are the tips of the faces between them and nothing else.
  [[nodiscard]] bool link_holds(std::int32_t gone, std::int32_t kept) {
    const std::uint32_t near = ++mark_;
    std::size_t tips = 0, common = 0;
    for (const std::int32_t f : surface_.around(gone)) {
      tips += surface_.has(f, kept) ? 1 : 0;
      for (const std::int32_t w : surface_.wedges(f)) marks_[at(surface_.point(w))] = near;
    }
    const std::uint32_t shared = ++mark_;
    for (const std::int32_t f : surface_.around(kept)) {
      for (const std::int32_t w : surface_.wedges(f)) {
        const std::int32_t p = surface_.point(w);
        if (p == gone || p == kept || marks_[at(p)] != near) continue;
        marks_[at(p)] = shared;
        ++common;
      }
    }
    if (common != tips || surface_.around(gone).size() <= tips) return false;
    // A face over the shared neighbours on both sides would become one face twice.
    const auto spans = [&](std::int32_t p) {
      return std::any_of(surface_.around(p).begin(), surface_.around(p).end(), [&](std::int32_t f) {
        const auto& w = surface_.wedges(f);
        return std::count_if(w.begin(), w.end(), [&](std::int32_t v) { return marks_[at(surface_.point(v))] == shared; }) == 2;
      });
    };
    return !(spans(gone) && spans(kept));
  }

  [[nodiscard]] bool shapes_hold(std::int32_t gone, std::int32_t kept, const Merge& merge) const {
    for (const std::int32_t f : surface_.around(gone)) {
      if (surface_.has(f, kept)) continue;
      const auto& w = surface_.wedges(f);
      std::array<Place, 3> before, after;
      for (std::size_t k = 0; k < 3; ++k) {
        before[k] = after[k] = surface_.place(w[k]);
        if (surface_.point(w[k]) == gone) after[k] = surface_.place(merge.of(w[k]));
      }
      const auto cross = [](const std::array<Place, 3>& t) -> Point {
        const Point a = t[0].head<3>(), b = t[1].head<3>(), c = t[2].head<3>();
        return (b - a).cross(c - a);
      };
      const Point old_normal = cross(before), normal = cross(after);
      double edges = 0;
      for (std::size_t k = 0; k < 3; ++k) edges += (after[(k + 1) % 3] - after[k]).head<3>().squaredNorm();
      if (!(normal.norm() > 1e-4 * edges)) return false;
      if (!(old_normal.dot(normal) >= kSmallestTurn * old_normal.norm() * normal.norm())) return false;
      const double old_area = area_in_texture(before[0], before[1], before[2]);
      const double area = area_in_texture(after[0], after[1], after[2]);
      if (old_area != 0 && !(area / old_area > 0)) return false;
    }
    return true;
  }

  void collapse(std::int32_t gone, std::int32_t kept) {
    if (surface_.around(gone).size() + surface_.around(kept).size() > kMostAround) return;
    const Merge merge = merge_of(gone, kept);
    if (merge.sides == 0 || !link_holds(gone, kept) || !shapes_hold(gone, kept, merge)) return;
    surface_.merge(gone, kept, merge);
    ++versions_[at(kept)];
    queue_around(kept);
  }

  WedgeSurface surface_;
  const Monitor* monitor_;
  std::vector<std::uint32_t> versions_, marks_;  // of each point
  std::uint32_t mark_ = 0;
  std::priority_queue<Candidate> queue_;
};

}  // namespace

Mesh simplified_with_texture(const Mesh& mesh, std::int64_t target_faces, const Monitor* monitor) {
  if (mesh.uvs.empty()) return simplified(mesh, target_faces, monitor);
  check_mesh(mesh, "simplify");
  if (mesh.faces.empty()) fail(ErrorCode::invalid_argument, "simplify: the mesh has no faces");
  if (target_faces < 1)
    fail(ErrorCode::invalid_argument, "simplify: ", target_faces, " faces asked for", hint("at least 1 is needed"));
  if (mesh.face_count() <= target_faces) return mesh;
  return SeamCollapser(mesh, monitor).run(target_faces);
}

}  // namespace espalier
