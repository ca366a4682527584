// The closest point of a triangle, for code inside geometry and baking.
#pragma once

#include <array>

#include "geometry/mesh/mesh_points.h"

namespace espalier {

struct ClosestPoint {
  std::array<double, 3> weights{};  // of the corners; none is negative, and their sum is 1
  double squared = 0;               // distance
};

// Ericson, Real-Time Collision Detection, 5.1.5. A triangle without area counts as its corners.
inline ClosestPoint closest_point(const Point& p, const Point& a, const Point& b, const Point& c) {
  const Point ab = b - a, ac = c - a, ap = p - a;
  const double d1 = ab.dot(ap), d2 = ac.dot(ap);
  if (d1 <= 0 && d2 <= 0) return {{1, 0, 0}, ap.squaredNorm()};
  const Point bp = p - b;
  const double d3 = ab.dot(bp), d4 = ac.dot(bp);
  if (d3 >= 0 && d4 <= d3) return {{0, 1, 0}, bp.squaredNorm()};
  const double vc = d1 * d4 - d3 * d2;
  if (vc <= 0 && d1 >= 0 && d3 <= 0) {
    const double t = d1 / (d1 - d3);
    return {{1 - t, t, 0}, (ap - t * ab).squaredNorm()};
  }
  const Point cp = p - c;
  const double d5 = ab.dot(cp), d6 = ac.dot(cp);
  if (d6 >= 0 && d5 <= d6) return {{0, 0, 1}, cp.squaredNorm()};
  const double vb = d5 * d2 - d1 * d6;
  if (vb <= 0 && d2 >= 0 && d6 <= 0) {
    const double t = d2 / (d2 - d6);
    return {{1 - t, 0, t}, (ap - t * ac).squaredNorm()};
  }
  const double va = d3 * d6 - d5 * d4;
  if (va <= 0 && d4 - d3 >= 0 && d5 - d6 >= 0) {
    const double t = (d4 - d3) / ((d4 - d3) + (d5 - d6));
    return {{0, 1 - t, t}, (bp - t * (c - b)).squaredNorm()};
  }
  const double sum = va + vb + vc;
  if (sum > 0) {
    const double v = vb / sum, w = vc / sum;
    return {{1 - v - w, v, w}, (ap - v * ab - w * ac).squaredNorm()};
  }
  const double to_a = ap.squaredNorm(), to_b = bp.squaredNorm(), to_c = cp.squaredNorm();
  if (to_a <= to_b && to_a <= to_c) return {{1, 0, 0}, to_a};
  return to_b <= to_c ? ClosestPoint{{0, 1, 0}, to_b} : ClosestPoint{{0, 0, 1}, to_c};
}

}  // namespace espalier
