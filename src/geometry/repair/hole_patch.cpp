#include "geometry/repair/hole_patch.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "geometry/mesh/mesh_edit.h"
#include "geometry/repair/holes.h"

namespace espalier {
namespace {

constexpr std::size_t kMostInside = 20000;  // vertices of one filling

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

Point normal_of(const Point& a, const Point& b, const Point& c) {
  const Point cross = (b - a).cross(c - a);
  const double length = cross.norm();
  return length > 0 ? Point(cross / length) : Point(Point::Zero());
}

// Adds to an area what tells triangulations of a plane apart: short edges make better triangles.
constexpr double kChordShare = 0.01;

// A triangle without area is worse than one folded back.
constexpr double kNoArea = 3;

// 0 for faces in one plane, 1 at a right angle, 2 for faces folded onto each other; flat where one has no normal.
double bend(const Point& a, const Point& b) { return a.isZero(0) || b.isZero(0) ? 0 : 1 - std::clamp(a.dot(b), -1.0, 1.0); }

struct Weight {
  double bend = std::numeric_limits<double>::infinity();
  double area = std::numeric_limits<double>::infinity();
  [[nodiscard]] bool valid() const { return std::isfinite(area); }
  // Bends that differ by rounding are the same, or the area would never count on a plane.
  [[nodiscard]] bool before(const Weight& o) const {
    if (!valid() || !o.valid()) return valid() && !o.valid();
    if (std::abs(bend - o.bend) > 1e-9) return bend < o.bend;
    return area < o.area;
  }
};

// Dynamic programming over the parts (i, k) of the outline.
class MinimumTriangulation {
 public:
  MinimumTriangulation(const HoleRim& rim, const Monitor* monitor)
      : rim_(rim),
        monitor_(monitor),
        n_(static_cast<std::int32_t>(rim.points.size())),
        weight_(at(n_) * at(n_)),
        middle_(at(n_) * at(n_), -1) {}

  std::vector<std::array<std::int32_t, 3>> run() {
    for (std::int32_t i = 0; i + 1 < n_; ++i) weight_[cell(i, i + 1)] = {0, 0};
    for (std::int32_t span = 2; span < n_; ++span) {
      if (monitor_ != nullptr) monitor_->check();
      for (std::int32_t i = 0; i + span < n_; ++i) solve(i, i + span);
    }
    std::vector<std::array<std::int32_t, 3>> faces;
    if (!weight_[cell(0, n_ - 1)].valid()) return faces;
    std::vector<std::pair<std::int32_t, std::int32_t>> open{{0, n_ - 1}};
    while (!open.empty()) {
      const auto [i, k] = open.back();
      open.pop_back();
      if (k - i < 2) continue;
      const std::int32_t m = middle_[cell(i, k)];
      // The outline runs with the faces around, so the filling runs against it.
      faces.push_back({k, m, i});
      open.emplace_back(i, m);
      open.emplace_back(m, k);
    }
    return faces;
  }

 private:
  [[nodiscard]] std::size_t cell(std::int32_t i, std::int32_t k) const { return at(i) * at(n_) + at(k); }

  // The normal on the other side of the edge (i, k): of the triangle chosen there, or of the face of the mesh.
  [[nodiscard]] Point beyond(std::int32_t i, std::int32_t k) const {
    if (k - i == 1) return rim_.normals[at(i)];
    return normal_of(rim_.points[at(k)], rim_.points[at(middle_[cell(i, k)])], rim_.points[at(i)]);
  }

  void solve(std::int32_t i, std::int32_t k) {
    const bool closing = i == 0 && k == n_ - 1;
    if (!closing && rim_.has_edge(i, k)) return;
    Weight& best = weight_[cell(i, k)];
    for (std::int32_t m = i + 1; m < k; ++m) {
      const Weight& left = weight_[cell(i, m)];
      const Weight& right = weight_[cell(m, k)];
      if (!left.valid() || !right.valid()) continue;
      const Point cross = (rim_.points[at(m)] - rim_.points[at(k)]).cross(rim_.points[at(i)] - rim_.points[at(k)]);
      const double twice = cross.norm();
      const Point normal = twice > 0 ? Point(cross / twice) : Point(Point::Zero());
      const double chord = (rim_.points[at(k)] - rim_.points[at(i)]).squaredNorm();
      Weight weight{std::max({left.bend, right.bend, bend(normal, beyond(i, m)), bend(normal, beyond(m, k))}),
                    left.area + right.area + 0.5 * twice + kChordShare * chord};
      const double longest = std::max({chord, (rim_.points[at(m)] - rim_.points[at(i)]).squaredNorm(),
                                       (rim_.points[at(m)] - rim_.points[at(k)]).squaredNorm()});
      if (twice <= kDegenerate * longest) weight.bend = kNoArea;
      if (closing) weight.bend = std::max(weight.bend, bend(normal, rim_.normals[at(n_ - 1)]));
      if (!weight.before(best)) continue;
      best = weight;
      middle_[cell(i, k)] = m;
    }
  }

  const HoleRim& rim_;
  const Monitor* monitor_;
  std::int32_t n_;
  std::vector<Weight> weight_;
  std::vector<std::int32_t> middle_;
};

// Closes ear by ear, those first that bend least against the ears before.
std::vector<std::array<std::int32_t, 3>> by_ears(const HoleRim& rim, const Monitor* monitor) {
  std::vector<std::int32_t> left(rim.points.size());
  std::iota(left.begin(), left.end(), 0);
  std::vector<Point> beyond = rim.normals;  // of the edge from left[i] on
  std::vector<std::array<std::int32_t, 3>> faces;
  while (left.size() >= 3) {
    if (monitor != nullptr) monitor->check();
    const auto n = left.size();
    Weight best;
    std::size_t tip = n;
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t before = (i + n - 1) % n;
      const std::size_t after = (i + 1) % n;
      if (n > 3 && rim.has_edge(left[before], left[after])) continue;
      const Point& a = rim.points[at(left[after])];
      const Point& b = rim.points[at(left[i])];
      const Point& c = rim.points[at(left[before])];
      const Point normal = normal_of(a, b, c);
      const bool flat = (b - a).cross(c - b).norm() <= kDegenerate * (c - a).squaredNorm();
      const Weight weight{flat ? kNoArea : std::max(bend(normal, beyond[before]), bend(normal, beyond[i])),
                          (c - a).squaredNorm()};
      if (!weight.before(best)) continue;
      best = weight;
      tip = i;
    }
    if (tip == n) return {};
    const std::size_t before = (tip + n - 1) % n;
    const std::size_t after = (tip + 1) % n;
    faces.push_back({left[after], left[tip], left[before]});
    beyond[before] = normal_of(rim.points[at(left[after])], rim.points[at(left[tip])], rim.points[at(left[before])]);
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(tip));
    beyond.erase(beyond.begin() + static_cast<std::ptrdiff_t>(tip));
  }
  return faces;
}

// Edges of a patch to the one or two faces at them.
class PatchEdges {
 public:
  explicit PatchEdges(HolePatch& patch, const HoleRim& rim) : patch_(patch), rim_(rim) {
    for (std::size_t f = 0; f < patch.faces.size(); ++f) add(static_cast<std::int32_t>(f));
  }

  // Splits a face at a new vertex inside it.
  void split(std::int32_t f, const Point& middle) {
    const auto face = patch_.faces[at(f)];
    remove(f);
    const auto v = static_cast<std::int32_t>(patch_.points.size());
    patch_.points.push_back(middle);
    patch_.parents.push_back(face);
    patch_.faces[at(f)] = {face[0], face[1], v};
    add(f);
    for (int k = 1; k < 3; ++k) {
      patch_.faces.push_back({face[at(k)], face[at((k + 1) % 3)], v});
      add(static_cast<std::int32_t>(patch_.faces.size() - 1));
    }
  }

  // Turns every edge inside whose two opposite angles sum to more than a half turn. Whether any was.
  bool relax() {
    std::vector<std::pair<std::int32_t, std::int32_t>> keys;
    for (const auto& [key, faces] : edges_) {
      if (faces[1] >= 0) keys.push_back(key);
    }
    bool turned = false;
    for (const auto& key : keys) turned = turn(key) || turned;
    return turned;
  }

 private:
  using Key = std::pair<std::int32_t, std::int32_t>;
  static Key key_of(std::int32_t a, std::int32_t b) { return {std::min(a, b), std::max(a, b)}; }

  void add(std::int32_t f) {
    for (std::size_t k = 0; k < 3; ++k) {
      const auto& face = patch_.faces[at(f)];
      auto& sides = edges_.try_emplace(key_of(face[k], face[(k + 1) % 3]), std::array<std::int32_t, 2>{-1, -1}).first->second;
      (sides[0] < 0 ? sides[0] : sides[1]) = f;
    }
  }
  void remove(std::int32_t f) {
    for (std::size_t k = 0; k < 3; ++k) {
      const auto& face = patch_.faces[at(f)];
      const auto found = edges_.find(key_of(face[k], face[(k + 1) % 3]));
      auto& sides = found->second;
      if (sides[0] == f) sides[0] = sides[1];
      sides[1] = -1;
      if (sides[0] < 0) edges_.erase(found);
    }
  }

  // A face's vertex off the edge, and the edge's ends in the face's order.
  struct Tip {
    std::int32_t from, to, tip;
  };
  [[nodiscard]] Tip tip_of(std::int32_t f, const Key& key) const {
    const auto& face = patch_.faces[at(f)];
    for (std::size_t k = 0; k < 3; ++k) {
      const std::int32_t tip = face[(k + 2) % 3];
      if (tip != key.first && tip != key.second) return {face[k], face[(k + 1) % 3], tip};
    }
    return {-1, -1, -1};
  }

  [[nodiscard]] double angle(std::int32_t tip, const Key& key) const {
    const Point a = patch_.points[at(key.first)] - patch_.points[at(tip)];
    const Point b = patch_.points[at(key.second)] - patch_.points[at(tip)];
    return std::atan2(a.cross(b).norm(), a.dot(b));
  }

  bool turn(const Key& key) {
    const auto found = edges_.find(key);
    if (found == edges_.end() || found->second[1] < 0) return false;
    const std::int32_t f = found->second[0];
    const std::int32_t g = found->second[1];
    const Tip one = tip_of(f, key);
    const Tip two = tip_of(g, key);
    if (one.tip < 0 || two.tip < 0 || one.tip == two.tip) return false;
    constexpr double kHalfTurn = 3.141592653589793;
    if (angle(one.tip, key) + angle(two.tip, key) <= kHalfTurn + 1e-6) return false;
    const auto rim = static_cast<std::int32_t>(rim_.points.size());
    if (edges_.count(key_of(one.tip, two.tip)) != 0) return false;
    if (one.tip < rim && two.tip < rim && rim_.has_edge(one.tip, two.tip)) return false;
    remove(f);
    remove(g);
    patch_.faces[at(f)] = {one.from, two.tip, one.tip};
    patch_.faces[at(g)] = {two.tip, one.to, one.tip};
    add(f);
    add(g);
    return true;
  }

  HolePatch& patch_;
  const HoleRim& rim_;
  std::map<Key, std::array<std::int32_t, 2>> edges_;
};

// Every inner vertex to the mean of its neighbours, over and over: a membrane over the rim.
void smooth(HolePatch& patch, std::size_t rim) {
  std::vector<std::vector<std::int32_t>> around(patch.points.size());
  for (const auto& face : patch.faces) {
    for (std::size_t k = 0; k < 3; ++k) {
      if (at(face[k]) >= rim) around[at(face[k])].push_back(face[(k + 1) % 3]);
    }
  }
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    for (std::size_t v = rim; v < patch.points.size(); ++v) {
      Point sum = Point::Zero();
      for (const std::int32_t w : around[v]) sum += patch.points[at(w)];
      if (!around[v].empty()) patch.points[v] = sum / static_cast<double>(around[v].size());
    }
  }
}

}  // namespace

double HolePatch::area() const {
  double sum = 0;
  for (const auto& face : faces) {
    const Point& a = points[at(face[0])];
    sum += 0.5 * (points[at(face[1])] - a).cross(points[at(face[2])] - a).norm();
  }
  return sum;
}

HolePatch triangulated(const HoleRim& rim, const Monitor* monitor) {
  HolePatch patch;
  patch.points = rim.points;
  patch.faces = rim.points.size() <= kExactEdges ? MinimumTriangulation(rim, monitor).run() : by_ears(rim, monitor);
  return patch;
}

void refine(HolePatch& patch, const HoleRim& rim, std::vector<double> edge_length, const Monitor* monitor) {
  constexpr int kRounds = 16;
  constexpr double kDensity = 1.4142135623730951;  // Liepa's alpha
  PatchEdges edges(patch, rim);
  for (int round = 0; round < kRounds; ++round) {
    bool split = false;
    const std::size_t count = patch.faces.size();
    for (std::size_t f = 0; f < count && patch.points.size() - rim.points.size() < kMostInside; ++f) {
      const auto face = patch.faces[f];
      Point middle = Point::Zero();
      double wanted = 0;
      for (const std::int32_t v : face) {
        middle += patch.points[at(v)] / 3;
        wanted += edge_length[at(v)] / 3;
      }
      const bool large = std::all_of(face.begin(), face.end(), [&](std::int32_t v) {
        const double reach = kDensity * (patch.points[at(v)] - middle).norm();
        return reach > wanted && reach > edge_length[at(v)];
      });
      if (!large) continue;
      edges.split(static_cast<std::int32_t>(f), middle);
      edge_length.push_back(wanted);
      split = true;
    }
    constexpr int kTurns = 32;
    for (int i = 0; i < kTurns && edges.relax(); ++i) {
      if (monitor != nullptr) monitor->check();
    }
    if (!split) break;
  }
  smooth(patch, rim.points.size());
}

}  // namespace espalier
