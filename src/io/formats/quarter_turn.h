// A quarter turn about the x axis, which all changes between "Z up" and "Y up" or "Y down" are.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace espalier {

enum class Quarter {
  forward,  // (x, y, z) -> (x, -z, y): ours to "Y down", as in PLY and .splat
  back,     // (x, y, z) -> (x, z, -y): ours to "Y up", as in SPZ; the inverse
};

[[nodiscard]] inline std::array<float, 3> turned_point(const float* p, Quarter turn) {
  return turn == Quarter::forward ? std::array{p[0], -p[2], p[1]} : std::array{p[0], p[2], -p[1]};
}

using Quaternion = std::array<double, 4>;  // w, x, y, z

// The turn after the rotation r (not zero, w x y z, any length), as a unit quaternion. The turn is (h, +-h, 0, 0) with
// h = sqrt(1/2), and the product of quaternions is the product of rotations; the sign that makes the largest component
// positive is the one a conversion by way of the matrix gives.
[[nodiscard]] inline Quaternion turned(const float* r, Quarter turn) {
  const double length = std::sqrt(double{r[0]} * r[0] + double{r[1]} * r[1] + double{r[2]} * r[2] + double{r[3]} * r[3]);
  const double h = std::sqrt(0.5) / length, s = turn == Quarter::forward ? h : -h;
  Quaternion q = {h * r[0] - s * r[1], h * r[1] + s * r[0], h * r[2] - s * r[3], h * r[3] + s * r[2]};
  const double largest = *std::max_element(q.begin(), q.end(), [](double a, double b) { return std::abs(a) < std::abs(b); });
  if (largest < 0.0) {
    for (double& v : q) v = -v;
  }
  return q;
}

// Spherical harmonics of degree 1 and higher after the turn: K = 0, 3, 8 or 15 coefficients (mesh.h has their order) of three
// colours each, so that every colour is seen from the turned direction. Each degree turns by a matrix of its own; for a quarter
// turn these are sparse, and the way back differs in the signs of the terms that mix odd with even in z.
inline void turn_harmonics(const float* from, std::size_t coefficients, Quarter turn, float* to) {
  const double s = turn == Quarter::forward ? 1.0 : -1.0;
  const double h = std::sqrt(0.75), p = std::sqrt(0.625), q = std::sqrt(0.375), r = std::sqrt(0.9375);
  for (std::size_t colour = 0; colour < 3; ++colour) {
    const auto at = [&](std::size_t i) { return double{from[3 * i + colour]}; };
    const auto put = [&](std::size_t i, double value) { to[3 * i + colour] = static_cast<float>(value); };
    if (coefficients >= 3) {
      put(0, s * at(1));
      put(1, -s * at(0));
      put(2, at(2));
    }
    if (coefficients >= 8) {
      put(3, s * at(6));
      put(4, -at(4));
      put(5, -0.5 * at(5) - h * at(7));
      put(6, -s * at(3));
      put(7, -h * at(5) + 0.5 * at(7));
    }
    if (coefficients >= 15) {
      put(8, s * (-p * at(11) + q * at(13)));
      put(9, -at(9));
      put(10, s * (-q * at(11) - p * at(13)));
      put(11, s * (p * at(8) + q * at(10)));
      put(12, -0.25 * at(12) - r * at(14));
      put(13, s * (-q * at(8) + p * at(10)));
      put(14, -r * at(12) + 0.25 * at(14));
    }
  }
}

}  // namespace espalier
