// Quadric error of a set of planes (Garland and Heckbert 1997, section 5), each weighted by the area it stands for.
#pragma once

#include "geometry/mesh/mesh_points.h"

namespace espalier {

// E(x) = x^T A x + 2 b^T x + c, the sum of weight times squared distance.
struct Quadric {
  double xx = 0, xy = 0, xz = 0, yy = 0, yz = 0, zz = 0;  // A
  double bx = 0, by = 0, bz = 0;                          // b
  double c = 0;
  double weight = 0;

  // The plane with this unit normal through a point.
  static Quadric plane(const Point& normal, const Point& through, double weight) {
    const double d = -normal.dot(through);
    const Point n = weight * normal;
    return {n[0] * normal[0],
            n[0] * normal[1],
            n[0] * normal[2],
            n[1] * normal[1],
            n[1] * normal[2],
            n[2] * normal[2],
            n[0] * d,
            n[1] * d,
            n[2] * d,
            weight * d * d,
            weight};
  }

  Quadric& operator+=(const Quadric& q) {
    xx += q.xx, xy += q.xy, xz += q.xz, yy += q.yy, yz += q.yz, zz += q.zz;
    bx += q.bx, by += q.by, bz += q.bz, c += q.c, weight += q.weight;
    return *this;
  }

  [[nodiscard]] Point gradient_half(const Point& p) const {
    return {xx * p[0] + xy * p[1] + xz * p[2] + bx, xy * p[0] + yy * p[1] + yz * p[2] + by,
            xz * p[0] + yz * p[1] + zz * p[2] + bz};
  }

  // Never negative, which rounding would make it for exact planes.
  [[nodiscard]] double at(const Point& p) const {
    const double e = p.dot(gradient_half(p)) + bx * p[0] + by * p[1] + bz * p[2] + c;
    return e > 0 ? e : 0;
  }

  // Two proximal steps from the start: each minimises E(x) + r |x - previous|^2 with r = kPull trace(A) / 3. Where the planes
  // pin a point down, it is found to kPull^2 of the way; along directions they leave free it stays near the start, so the
  // system never is singular.
  [[nodiscard]] Point minimum(const Point& start) const {
    constexpr double kPull = 1e-3;
    const double r = kPull / 3 * (xx + yy + zz);
    const double a = xx + r;
    const double d = yy + r;
    const double f = zz + r;
    const double m0 = d * f - yz * yz;
    const double m1 = xz * yz - xy * f;
    const double m2 = xy * yz - xz * d;
    const double m3 = a * f - xz * xz;
    const double m4 = xy * xz - a * yz;
    const double m5 = a * d - xy * xy;
    const double determinant = a * m0 + xy * m1 + xz * m2;
    if (!(determinant > 0)) return start;
    Point p = start;
    for (int i = 0; i < 2; ++i) {
      const Point g = gradient_half(p) / determinant;
      p -= Point(m0 * g[0] + m1 * g[1] + m2 * g[2], m1 * g[0] + m3 * g[1] + m4 * g[2], m2 * g[0] + m4 * g[1] + m5 * g[2]);
    }
    return p;
  }
};

}  // namespace espalier
