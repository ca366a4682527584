// Three floats with arithmetic.
#pragma once

#include <cmath>
#include <cstddef>

namespace espalier {

struct Vec3 {
  float v[3];
  constexpr float& operator[](int i) { return v[static_cast<std::size_t>(i)]; }
  constexpr float operator[](int i) const { return v[static_cast<std::size_t>(i)]; }
};

constexpr Vec3 operator+(const Vec3& a, const Vec3& b) { return {{a[0] + b[0], a[1] + b[1], a[2] + b[2]}}; }
constexpr Vec3 operator-(const Vec3& a, const Vec3& b) { return {{a[0] - b[0], a[1] - b[1], a[2] - b[2]}}; }
constexpr Vec3 operator*(const Vec3& a, float s) { return {{a[0] * s, a[1] * s, a[2] * s}}; }
constexpr float dot(const Vec3& a, const Vec3& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
constexpr Vec3 cross(const Vec3& a, const Vec3& b) {
  return {{a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]}};
}
// Held within [0, 1]; 0 for what is no number, which std::clamp would let through.
constexpr float unit_range(float x) { return x > 0.0F ? (x < 1.0F ? x : 1.0F) : 0.0F; }
// The unit vector, or `other` when the length is too small to have a direction.
inline Vec3 normalised_or(const Vec3& a, const Vec3& other) {
  const float length = std::sqrt(dot(a, a));
  return length > 1e-12F ? a * (1.0F / length) : other;
}

}  // namespace espalier
