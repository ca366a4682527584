#include "geometry/simplify/collapse.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace espalier {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// Share of area times squared length that is added to an edge's cost. On planes, where every collapse is free, it makes
// short edges go first and so keeps triangles well shaped; anywhere else it is far below the quadric error.
constexpr double kLengthShare = 1e-9;
// The smallest cosine between a face's normal before and after one collapse.
constexpr double kSmallestTurn = 0.2;
// Shape is 4 sqrt(3) area over the sum of squared edges, 1 for equal edges. Triangles below this are made only from worse ones.
constexpr double kWorstShape = 0.01;
// Sine of the angle beyond 90 degrees from which on an edge is a fold: those of a box are at 90 degrees up to rounding.
constexpr double kLeastFold = 0.02;
// Share of area times squared length that a new fold costs: as much as to move the surface by the edge.
constexpr double kFoldShare = 1.0;

// Faces around a new vertex. Hubs of more faces than that keep their edges until enough of the rim has gone, because every
// collapse at one would look at all of it.
constexpr std::int32_t kMostAround = 512;

double shape_of(const Point& cross, double squared_edges) { return 2 * std::sqrt(3.0) * cross.norm() / squared_edges; }

bool folded(const Point& a, const Point& b) { return a.dot(b) < -kLeastFold * std::sqrt(a.squaredNorm() * b.squaredNorm()); }

}  // namespace

Collapser::Collapser(CollapseMesh mesh, Merged merged) : mesh_(std::move(mesh)), merged_(std::move(merged)) {
  const std::size_t vertices = mesh_.points.size();
  lists_.resize(vertices);
  versions_.assign(vertices, 0);
  marks_.assign(vertices, 0);
  for (const auto& face : mesh_.faces) {
    for (const std::int32_t v : face) ++lists_[at(v)].capacity;
  }
  std::int64_t begin = 0;
  for (FaceList& list : lists_) {
    list.begin = begin;
    begin += list.capacity;
  }
  pool_.resize(at(begin));
  pool_.reserve(at(begin + begin / 2));
  for (std::size_t f = 0; f < mesh_.faces.size(); ++f) {
    for (const std::int32_t v : mesh_.faces[f]) {
      FaceList& list = lists_[at(v)];
      pool_[at(list.begin + list.count++)] = static_cast<std::int32_t>(f);
      ++list.alive;
    }
  }
  alive_ = static_cast<std::int64_t>(mesh_.faces.size());
}

// A heap of four children: half the levels of a binary one, and children share a cache line.
void Collapser::push(const Entry& entry) {
  std::size_t i = heap_.size();
  heap_.push_back(entry);
  while (i > 0) {
    const std::size_t parent = (i - 1) / 4;
    if (!entry.before(heap_[parent])) break;
    heap_[i] = heap_[parent];
    i = parent;
  }
  heap_[i] = entry;
}

Collapser::Entry Collapser::pop() {
  const Entry top = heap_.front();
  const Entry last = heap_.back();
  heap_.pop_back();
  const std::size_t n = heap_.size();
  if (n == 0) return top;
  std::size_t i = 0;
  while (true) {
    const std::size_t child = 4 * i + 1;
    if (child >= n) break;
    std::size_t best = child;
    for (std::size_t c = child + 1; c < std::min(child + 4, n); ++c) {
      if (heap_[c].before(heap_[best])) best = c;
    }
    if (!heap_[best].before(last)) break;
    heap_[i] = heap_[best];
    i = best;
  }
  heap_[i] = last;
  return top;
}

bool Collapser::may_collapse(std::int32_t u, std::int32_t v) const {
  const int a = mesh_.kinds[at(u)];
  const int b = mesh_.kinds[at(v)];
  if (((a | b) & kLocked) != 0) return false;
  if ((a & b & kComplex) != 0) return false;
  // A boundary would leave its line towards a vertex that must stay.
  return !(((a & kComplex) != 0 && (b & kBoundary) != 0) || ((b & kComplex) != 0 && (a & kBoundary) != 0));
}

Collapser::Placement Collapser::place(std::int32_t u, std::int32_t v) const {
  const Point& p = mesh_.points[at(u)];
  const Point& q = mesh_.points[at(v)];
  Quadric sum = mesh_.quadrics[at(u)];
  sum += mesh_.quadrics[at(v)];
  const double squared = (q - p).squaredNorm();
  const double extra = kLengthShare * sum.weight * squared;
  const int kind_u = mesh_.kinds[at(u)];
  const int kind_v = mesh_.kinds[at(v)];
  if (kind_u != kind_v) {
    // The one of fewer freedoms stays. A boundary vertex that is complex as well counts as complex.
    const Point& fixed = kind_u > kind_v ? p : q;
    return {fixed, sum.at(fixed) + extra};
  }
  const Point middle = 0.5 * (p + q);
  const Point best = sum.minimum(middle);
  if ((best - middle).squaredNorm() <= 4 * squared) return {best, sum.at(best) + extra};
  Placement chosen{middle, sum.at(middle)};
  for (const Point& end : {p, q}) {
    const double cost = sum.at(end);
    if (cost < chosen.cost) chosen = {end, cost};
  }
  chosen.cost += extra;
  return chosen;
}

void Collapser::queue_edge(std::int32_t a, std::int32_t b) {
  if (!may_collapse(a, b)) return;
  const std::int32_t u = std::min(a, b);
  const std::int32_t v = std::max(a, b);
  push({static_cast<float>(place(u, v).cost), versions_[at(u)] + versions_[at(v)], u, v});
}

// The living faces of a vertex; its list is cleaned on the way.
void Collapser::gather(std::int32_t v, std::vector<std::int32_t>& faces) {
  FaceList& list = lists_[at(v)];
  faces.clear();
  for (std::int32_t i = 0; i < list.count; ++i) {
    const std::int32_t f = pool_[at(list.begin + i)];
    if (mesh_.faces[at(f)][0] >= 0) faces.push_back(f);
  }
  std::copy(faces.begin(), faces.end(), pool_.begin() + list.begin);
  list.count = static_cast<std::int32_t>(faces.size());
}

void Collapser::queue_ring(std::int32_t v) {
  gather(v, around_v_);
  ++mark_;
  for (const std::int32_t f : around_v_) {
    for (const std::int32_t w : mesh_.faces[at(f)]) {
      if (w == v || marks_[at(w)] == mark_) continue;
      marks_[at(w)] = mark_;
      queue_edge(v, w);
    }
  }
}

void Collapser::fill_queue(Strictness strictness) {
  strictness_ = strictness;
  heap_.clear();
  for (std::int32_t v = 0; v < static_cast<std::int32_t>(lists_.size()); ++v) {
    if (lists_[at(v)].count == 0) continue;
    gather(v, around_v_);
    ++mark_;
    for (const std::int32_t f : around_v_) {
      for (const std::int32_t w : mesh_.faces[at(f)]) {
        if (w <= v || marks_[at(w)] == mark_) continue;
        marks_[at(w)] = mark_;
        queue_edge(v, w);
      }
    }
  }
}

// The link condition (Dey, Edelsbrunner, Guha and Nekhayev 1999): the neighbours that the two ends share are exactly the tips
// of the faces at the edge. Expects the faces around both ends to be gathered.
bool Collapser::link_holds(std::int32_t u, std::int32_t v) {
  std::int32_t at_edge = 0;
  for (const std::int32_t f : around_u_) {
    const auto& face = mesh_.faces[at(f)];
    at_edge += face[0] == v || face[1] == v || face[2] == v ? 1 : 0;
  }
  const int kind_u = mesh_.kinds[at(u)];
  const int kind_v = mesh_.kinds[at(v)];
  const bool both_boundary = (kind_u & kind_v & kBoundary) != 0;
  if (at_edge != (both_boundary ? 1 : 2)) return false;
  // The last face of a piece, or the last two of a fan.
  if (static_cast<std::int32_t>(around_u_.size()) == at_edge && static_cast<std::int32_t>(around_v_.size()) == at_edge) {
    return false;
  }
  const std::uint32_t near_u = ++mark_;
  const std::uint32_t shared = ++mark_;
  for (const std::int32_t f : around_u_) {
    for (const std::int32_t w : mesh_.faces[at(f)]) {
      if (w != u && w != v) marks_[at(w)] = near_u;
    }
  }
  std::int32_t common = 0;
  for (const std::int32_t f : around_v_) {
    for (const std::int32_t w : mesh_.faces[at(f)]) {
      if (marks_[at(w)] != near_u) continue;
      marks_[at(w)] = shared;
      ++common;
    }
  }
  if (common != at_edge) return false;
  // A face over the shared neighbours on both sides would become one face twice: the edge belongs to a tetrahedron.
  const auto spans = [&](const std::vector<std::int32_t>& faces) {
    return std::any_of(faces.begin(), faces.end(), [&](std::int32_t f) {
      const auto& face = mesh_.faces[at(f)];
      return std::count_if(face.begin(), face.end(), [&](std::int32_t w) { return marks_[at(w)] == shared; }) == 2 &&
             (std::count(face.begin(), face.end(), u) + std::count(face.begin(), face.end(), v)) == 1;
    });
  };
  return !(spans(around_u_) && spans(around_v_));
}

bool Collapser::shape_holds(const std::vector<std::int32_t>& faces, std::int32_t moved, std::int32_t other,
                            const Point& to) const {
  for (const std::int32_t f : faces) {
    const auto& face = mesh_.faces[at(f)];
    if (face[0] == other || face[1] == other || face[2] == other) continue;
    const int k = face[0] == moved ? 0 : face[1] == moved ? 1 : 2;
    const Point& a = mesh_.points[at(moved)];
    const Point& b = mesh_.points[at(face[at((k + 1) % 3)])];
    const Point& c = mesh_.points[at(face[at((k + 2) % 3)])];
    const Point before = (b - a).cross(c - a);
    const Point after = (b - to).cross(c - to);
    const double size = after.norm();
    const double old_size = before.norm();
    const double edges = (b - to).squaredNorm() + (c - b).squaredNorm() + (to - c).squaredNorm();
    if (!(size > 1e-7 * edges)) return false;
    if (strictness_ == Strictness::area) continue;
    const double turn = before.dot(after);
    if (!(turn >= (strictness_ == Strictness::shape ? kSmallestTurn : 1e-3) * size * old_size)) return false;
    if (strictness_ == Strictness::winding) continue;
    const double shape = shape_of(after, edges);
    if (shape >= kWorstShape) continue;
    const double old_edges = (b - a).squaredNorm() + (c - b).squaredNorm() + (a - c).squaredNorm();
    if (shape < shape_of(before, old_edges)) return false;
  }
  return true;
}

bool Collapser::folds_outwards(std::int32_t f, std::int32_t b, std::int32_t c, const Tilted& now) const {
  const FaceList& list = lists_[at(b)];
  for (std::int32_t i = 0; i < list.count; ++i) {
    const std::int32_t g = pool_[at(list.begin + i)];
    const auto& face = mesh_.faces[at(g)];
    if (g == f || face[0] < 0 || !(face[0] == c || face[1] == c || face[2] == c)) continue;
    const Point& a = mesh_.points[at(face[0])];
    const Point outside = (mesh_.points[at(face[1])] - a).cross(mesh_.points[at(face[2])] - a);
    if (folded(now.after, outside) && !folded(now.before, outside)) return true;
  }
  return false;
}

bool Collapser::stays_unfolded(std::int32_t u, std::int32_t v, const Point& to) {
  const auto has = [](const std::array<std::int32_t, 3>& face, std::int32_t w) {
    return face[0] == w || face[1] == w || face[2] == w;
  };
  const auto area_at = [&](const std::array<std::int32_t, 3>& face) -> Point {
    const Point& a = mesh_.points[at(face[0])];
    return (mesh_.points[at(face[1])] - a).cross(mesh_.points[at(face[2])] - a);
  };
  // A face of u and one of v meet at last where the one between them goes; its other folds are passed on.
  const auto folded_between = [&](std::int32_t w, const Tilted& one, const Tilted& other) {
    return std::any_of(around_u_.begin(), around_u_.end(), [&](std::int32_t f) {
      const auto& face = mesh_.faces[at(f)];
      if (!has(face, v) || !has(face, w)) return false;
      const Point between = area_at(face);
      return folded(between, one.before) || folded(between, other.before);
    });
  };
  tilted_.clear();
  const std::uint32_t first = mark_ + 1;  // a neighbour's mark names the first face found at it
  bool unfolded = true;
  for (const auto* faces : {&around_u_, &around_v_}) {
    const bool at_u = faces == &around_u_;
    for (const std::int32_t f : *faces) {
      const auto& face = mesh_.faces[at(f)];
      if (has(face, u) && has(face, v)) continue;
      const std::int32_t moved = at_u ? u : v;
      const std::size_t k = face[0] == moved ? 0 : face[1] == moved ? 1 : 2;
      const std::int32_t b = face[(k + 1) % 3], c = face[(k + 2) % 3];
      const Tilted now{at_u, area_at(face), (mesh_.points[at(b)] - to).cross(mesh_.points[at(c)] - to)};
      for (const std::int32_t w : {b, c}) {
        std::uint32_t& mark = marks_[at(w)];
        if (mark < first) {
          mark = first + static_cast<std::uint32_t>(tilted_.size());
          continue;
        }
        const Tilted& known = tilted_[mark - first];
        if (!folded(known.after, now.after)) continue;
        unfolded = unfolded && (known.at_u == at_u ? folded(known.before, now.before) : folded_between(w, known, now));
      }
      tilted_.push_back(now);
      unfolded = unfolded && !folds_outwards(f, b, c, now);
    }
  }
  mark_ += static_cast<std::uint32_t>(tilted_.size());
  return unfolded;
}

void Collapser::merge(std::int32_t gone, std::int32_t kept, const Point& to) {
  const Point way = mesh_.points[at(kept)] - mesh_.points[at(gone)];
  const double squared = way.squaredNorm();
  const double t = squared > 0 ? std::clamp((to - mesh_.points[at(gone)]).dot(way) / squared, 0.0, 1.0) : 1.0;
  merged_(gone, kept, t);
  mesh_.points[at(kept)] = to;
  mesh_.quadrics[at(kept)] += mesh_.quadrics[at(gone)];
  mesh_.kinds[at(kept)] = static_cast<std::uint8_t>(mesh_.kinds[at(kept)] | mesh_.kinds[at(gone)]);
  const auto& around_gone = around_u_;
  auto& around_kept = around_v_;
  for (const std::int32_t f : around_gone) {
    auto& face = mesh_.faces[at(f)];
    if (face[0] == kept || face[1] == kept || face[2] == kept) {
      for (const std::int32_t v : face) --lists_[at(v)].alive;
      face[0] = -1;
      --alive_;
    } else {
      std::replace(face.begin(), face.end(), gone, kept);
      around_kept.push_back(f);
    }
  }
  std::erase_if(around_kept, [&](std::int32_t f) { return mesh_.faces[at(f)][0] < 0; });
  const auto count = static_cast<std::int32_t>(around_kept.size());
  FaceList& list = lists_[at(kept)];
  FaceList& spare = lists_[at(gone)];
  if (count > list.capacity && count <= spare.capacity) std::swap(list, spare);
  if (count > list.capacity) {
    list.begin = static_cast<std::int64_t>(pool_.size());
    list.capacity = count + 2;
    pool_.resize(pool_.size() + at(list.capacity));
  }
  std::copy(around_kept.begin(), around_kept.end(), pool_.begin() + list.begin);
  list.count = list.alive = count;
  spare.count = spare.alive = 0;
  ++versions_[at(kept)];
}

bool Collapser::collapse(const Entry& entry) {
  const std::int32_t u = entry.u, v = entry.v;
  if (lists_[at(u)].alive + lists_[at(v)].alive > kMostAround) return false;
  gather(u, around_u_);
  gather(v, around_v_);
  if (!link_holds(u, v)) return false;
  const Placement placement = place(u, v);
  if (strictness_ != Strictness::none) {
    if (!shape_holds(around_u_, u, v, placement.at) || !shape_holds(around_v_, v, u, placement.at)) return false;
    if (strictness_ == Strictness::shape && !stays_unfolded(u, v, placement.at)) {
      const double area = mesh_.quadrics[at(u)].weight + mesh_.quadrics[at(v)].weight;
      const auto cost =
          static_cast<float>(placement.cost + kFoldShare * area * (mesh_.points[at(v)] - mesh_.points[at(u)]).squaredNorm());
      if (entry.cost < cost) {
        push({cost, entry.version, u, v});
        return false;
      }
    }
  }
  merge(u, v, placement.at);
  queue_ring(v);
  return true;
}

std::int64_t Collapser::run(double limit, std::int64_t target, const Monitor* monitor) {
  std::int64_t collapses = 0;
  std::int64_t looked_at = 0;
  while (!heap_.empty() && alive_ > target && static_cast<double>(heap_.front().cost) <= limit) {
    if (monitor != nullptr && ++looked_at % 4096 == 0) monitor->check();
    const Entry entry = pop();
    if (lists_[at(entry.u)].count == 0 || lists_[at(entry.v)].count == 0) continue;
    if (entry.version != versions_[at(entry.u)] + versions_[at(entry.v)]) continue;
    if (collapse(entry)) ++collapses;
  }
  return collapses;
}

}  // namespace espalier
