// A quarter turn about the x axis, which all changes between "Z up" and "Y up" or "Y down" are.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>

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

}  // namespace espalier
