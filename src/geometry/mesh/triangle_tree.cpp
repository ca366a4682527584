#include "geometry/mesh/triangle_tree.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "geometry/mesh/closest_point.h"

namespace espalier {

namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

constexpr std::int32_t kLeaf = 4;  // faces

}  // namespace

void TriangleTree::Box::add(const Box& other) {
  for (std::size_t k = 0; k < 3; ++k) {
    low[k] = std::min(low[k], other.low[k]);
    high[k] = std::max(high[k], other.high[k]);
  }
}

TriangleTree::TriangleTree(const Mesh& mesh) : mesh_(mesh), order_(at(mesh.face_count())) {
  std::iota(order_.begin(), order_.end(), 0);
  if (order_.empty()) return;
  std::vector<Box> boxes(order_.size());
  for (std::int32_t f = 0; f < mesh.face_count(); ++f) boxes[at(f)] = box_of_face(f);
  nodes_.reserve(order_.size());
  build(0, static_cast<std::int32_t>(order_.size()), boxes);
}

TriangleTree::Box TriangleTree::box_of_face(std::int32_t f) const {
  Box box;
  for (std::size_t k = 0; k < 3; ++k) {
    const auto corner = [&](std::size_t c) { return mesh_.vertices[3 * at(face_of(mesh_, f)[c]) + k]; };
    box.low[k] = std::min({corner(0), corner(1), corner(2)});
    box.high[k] = std::max({corner(0), corner(1), corner(2)});
  }
  return box;
}

// Halves by the middle of the centres along the longest side: the depth is the logarithm of the number of faces.
void TriangleTree::build(std::int32_t begin, std::int32_t end, const std::vector<Box>& boxes) {
  const std::size_t own = nodes_.size();
  nodes_.emplace_back();
  Box box = boxes[at(order_[at(begin)])];
  for (std::int32_t i = begin + 1; i < end; ++i) box.add(boxes[at(order_[at(i)])]);
  nodes_[own].box = box;
  if (end - begin <= kLeaf) {
    nodes_[own].first = begin;
    nodes_[own].count = end - begin;
    return;
  }
  std::size_t axis = 0;
  for (std::size_t k = 1; k < 3; ++k) {
    if (box.high[k] - box.low[k] > box.high[axis] - box.low[axis]) axis = k;
  }
  const auto centre = [&](std::int32_t f) { return boxes[at(f)].low[axis] + boxes[at(f)].high[axis]; };
  const std::int32_t middle = begin + (end - begin) / 2;
  std::nth_element(order_.begin() + begin, order_.begin() + middle, order_.begin() + end, [&](std::int32_t a, std::int32_t b) {
    const float x = centre(a);
    const float y = centre(b);
    return x < y || (x == y && a < b);
  });
  build(begin, middle, boxes);
  nodes_[own].first = static_cast<std::int32_t>(nodes_.size());
  build(middle, end, boxes);
}

bool TriangleTree::enters(const Box& box, const Ray& ray, double most) {
  double near = ray.least;
  double far = most;
  for (std::size_t k = 0; k < 3; ++k) {
    const auto axis = static_cast<Eigen::Index>(k);
    const double a = (static_cast<double>(box.low[k]) - ray.origin[axis]) * ray.inverse[k];
    const double b = (static_cast<double>(box.high[k]) - ray.origin[axis]) * ray.inverse[k];
    near = std::max(near, std::min(a, b));
    far = std::min(far, std::max(a, b));
  }
  return near <= far * (1 + 1e-12);
}

// Moeller and Trumbore 1997.
double TriangleTree::meets(std::int32_t f, const Ray& ray) const {
  const std::int32_t* const v = face_of(mesh_, f);
  const Point a = point_of(mesh_, v[0]);
  const Point ab = point_of(mesh_, v[1]) - a;
  const Point ac = point_of(mesh_, v[2]) - a;
  const Point p = ray.direction.cross(ac);
  const double determinant = ab.dot(p);
  if (determinant == 0) return -1;
  const Point from = ray.origin - a;
  const double u = from.dot(p) / determinant;
  const Point q = from.cross(ab);
  const double w = ray.direction.dot(q) / determinant;
  // A little beyond the edges, so that no ray slips through between two faces.
  constexpr double kMargin = 1e-9;
  if (!(u >= -kMargin && w >= -kMargin && u + w <= 1 + kMargin)) return -1;
  return ac.dot(q) / determinant;
}

template <bool any>
TriangleTree::Hit TriangleTree::walk(const Ray& ray) const {
  Hit hit{-1, std::numeric_limits<double>::max()};
  if (nodes_.empty()) return hit;
  std::array<std::int32_t, 64> stack{};
  std::size_t depth = 0;
  stack[depth++] = 0;
  while (depth > 0) {
    const std::int32_t number = stack[--depth];
    const Node& node = nodes_[at(number)];
    if (!enters(node.box, ray, hit.distance)) continue;
    if (node.count == 0) {
      stack[depth++] = node.first;
      stack[depth++] = number + 1;
      continue;
    }
    for (std::int32_t i = node.first; i < node.first + node.count; ++i) {
      const std::int32_t f = order_[at(i)];
      if (f == ray.except) continue;
      const double distance = meets(f, ray);
      if (!(distance > ray.least)) continue;
      if (distance < hit.distance || (distance == hit.distance && f < hit.face)) hit = {f, distance};
      if (any) return hit;
    }
  }
  return hit;
}

TriangleTree::Near TriangleTree::closest(const Point& p, double most, const Facing* facing) const {
  Near near;
  if (nodes_.empty() || !(most >= 0)) return near;
  double best = most * most;
  const auto squared_to = [&](std::int32_t node) {
    const Box& box = nodes_[at(node)].box;
    double sum = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      const double x = p[static_cast<Eigen::Index>(k)];
      const double d = std::max({double{box.low[k]} - x, 0.0, x - double{box.high[k]}});
      sum += d * d;
    }
    return sum;
  };
  struct Open {
    std::int32_t node;
    double squared;
  };
  std::array<Open, 64> stack{};
  std::size_t depth = 0;
  stack[depth++] = {0, squared_to(0)};
  while (depth > 0) {
    const Open open = stack[--depth];
    if (open.squared > best) continue;
    const Node& node = nodes_[at(open.node)];
    if (node.count == 0) {
      Open first{open.node + 1, squared_to(open.node + 1)}, second{node.first, squared_to(node.first)};
      if (first.squared < second.squared) std::swap(first, second);
      stack[depth++] = first;  // the farther one
      stack[depth++] = second;
      continue;
    }
    for (std::int32_t i = node.first; i < node.first + node.count; ++i) {
      const std::int32_t f = order_[at(i)];
      const std::int32_t* const v = face_of(mesh_, f);
      const ClosestPoint found = closest_point(p, point_of(mesh_, v[0]), point_of(mesh_, v[1]), point_of(mesh_, v[2]));
      if (found.squared > best || (found.squared == best && near.face >= 0 && f > near.face)) continue;
      if (facing != nullptr) {
        const Point cross = face_cross(mesh_, f);
        if (!(cross.dot(facing->normal) >= facing->cosine * cross.norm()) || cross.squaredNorm() == 0) continue;
      }
      best = found.squared;
      near = {f, std::sqrt(found.squared), found.weights};
    }
  }
  return near;
}

namespace {

std::array<double, 3> inverse_of(const Point& direction) {
  std::array<double, 3> inverse{};
  for (std::size_t k = 0; k < 3; ++k) {
    const double d = direction[static_cast<Eigen::Index>(k)];
    inverse[k] = 1.0 / (std::abs(d) < 1e-300 ? std::copysign(1e-300, d) : d);
  }
  return inverse;
}

}  // namespace

TriangleTree::Hit TriangleTree::first_hit(const Point& origin, const Point& direction, double least,
                                          std::int32_t except) const {
  return walk<false>({origin, direction, inverse_of(direction), least, except});
}

bool TriangleTree::is_hit(const Point& origin, const Point& direction, double least, std::int32_t except) const {
  return walk<true>({origin, direction, inverse_of(direction), least, except}).face >= 0;
}

}  // namespace espalier
