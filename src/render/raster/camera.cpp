#include "render/raster/camera.h"

#include <cmath>
#include <cstdint>
#include <numbers>

#include "render/raster/vector.h"

namespace espalier {

namespace {

constexpr float kPi = std::numbers::pi_v<float>;

// The digits of n in base 2, mirrored at the point (van der Corput).
float radical_inverse(std::uint32_t n) {
  float value = 0.0F;
  for (float digit = 0.5F; n > 0; n >>= 1U, digit *= 0.5F) {
    if ((n & 1U) != 0) value += digit;
  }
  return value;
}

}  // namespace

std::array<float, 3> Camera::to_camera(const std::array<float, 3>& p) const {
  std::array<float, 3> q = translation;
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t i = 0; i < 3; ++i) q[row] += rotation[row * 3 + i] * p[i];
  }
  return q;
}

std::array<float, 3> Camera::position() const {
  std::array<float, 3> p{};
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t row = 0; row < 3; ++row) p[i] -= rotation[row * 3 + i] * translation[row];
  }
  return p;
}

Camera camera_of(const OrbitCamera& orbit) {
  const float cp = std::cos(orbit.pitch), sp = std::sin(orbit.pitch);
  const Vec3 outward = {{std::sin(orbit.yaw) * cp, std::cos(orbit.yaw) * cp, sp}};
  const Vec3 forward = outward * -1.0F;
  // Straight from above or below there is no horizon; any right vector does that stays continuous in yaw.
  const Vec3 right = normalised_or(cross(forward, {{0.0F, 0.0F, 1.0F}}), {{-std::cos(orbit.yaw), std::sin(orbit.yaw), 0.0F}});
  const Vec3 down = cross(forward, right);
  const Vec3 eye = outward * orbit.radius;
  Camera camera;
  const Vec3 axes[3] = {right, down, forward};
  for (int row = 0; row < 3; ++row) {
    const auto r = static_cast<std::size_t>(row);
    for (int i = 0; i < 3; ++i) camera.rotation[r * 3 + static_cast<std::size_t>(i)] = axes[row][i];
    camera.translation[r] = -dot(axes[row], eye);
  }
  camera.fx = camera.fy = 0.5F / std::tan(orbit.fov_degrees * kPi / 360.0F);
  return camera;
}

std::vector<OrbitCamera> sphere_cameras(int count, float radius, float fov_degrees, std::array<float, 2> offset) {
  std::vector<OrbitCamera> cameras;
  for (int n = 0; n < count; ++n) {
    float u = (static_cast<float>(n) + offset[0]) / static_cast<float>(count);
    const float v = radical_inverse(static_cast<std::uint32_t>(n)) + offset[1];
    // Fewer views from straight below, where assets have little to show.
    u = u < 0.25F ? 2.0F * u : 2.0F / 3.0F * u + 1.0F / 3.0F;
    cameras.push_back({.yaw = 2.0F * kPi * v,
                       .pitch = std::acos(1.0F - 2.0F * u) - kPi / 2.0F,
                       .radius = radius,
                       .fov_degrees = fov_degrees});
  }
  return cameras;
}

}  // namespace espalier
