// Surfaces as they come in practice, made by formulas: noisy, bevelled, extracted from distances.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "assets/mesh.h"
#include "geometry/surface/surface.h"
#include "runtime/queue.h"
#include "support/mesh_shapes.h"

namespace espalier::test {

inline double length(const P3& a) { return std::hypot(a[0], a[1], a[2]); }

inline P3 vertex_of(const Mesh& mesh, std::int64_t v) {
  const float* const p = mesh.vertices.data() + 3 * v;
  return {p[0], p[1], p[2]};
}
inline void place_vertex(Mesh& mesh, std::int64_t v, const P3& p) {
  for (std::size_t k = 0; k < 3; ++k) mesh.vertices[3 * static_cast<std::size_t>(v) + k] = static_cast<float>(p[k]);
}

// Uniform in [-1, 1], the same everywhere.
inline double hashed(std::uint64_t index) {
  std::uint64_t z = (index + 1) * 0x9E3779B97F4A7C15U;
  z = (z ^ z >> 30U) * 0xBF58476D1CE4E5B9U;
  z = (z ^ z >> 27U) * 0x94D049BB133111EBU;
  return static_cast<double>((z ^ z >> 31U) >> 11U) / 4503599627370496.0 - 1.0;
}

// Smooth noise in about [-1, 1], one bump per unit.
inline double smooth_noise(const P3& p) {
  const double f[3] = {std::floor(p[0]), std::floor(p[1]), std::floor(p[2])};
  const double t[3] = {p[0] - f[0], p[1] - f[1], p[2] - f[2]};
  double sum = 0;
  for (int corner = 0; corner < 8; ++corner) {
    std::uint64_t key = 0;
    double weight = 1;
    for (int axis = 0; axis < 3; ++axis) {
      const int bit = corner >> axis & 1;
      key = key * 4096 + static_cast<std::uint64_t>(static_cast<std::int64_t>(f[axis]) + bit + 2048);
      const double s = t[axis] * t[axis] * (3 - 2 * t[axis]);
      weight *= bit != 0 ? s : 1 - s;
    }
    sum += weight * hashed(key);
  }
  return sum;
}

// A box with rounded edges: 12 n^2 faces, watertight.
inline Mesh rounded_box(int n, const P3& half, double radius) {
  Mesh mesh = box(n);
  for (std::int64_t v = 0; v < mesh.vertex_count(); ++v) {
    const P3 at = vertex_of(mesh, v);
    P3 core{};
    P3 away{};
    for (std::size_t k = 0; k < 3; ++k) {
      core[k] = std::clamp(2 * half[k] * at[k], radius - half[k], half[k] - radius);
      away[k] = 2 * half[k] * at[k] - core[k];
    }
    const double scale = radius / std::max(length(away), 1e-12);
    place_vertex(mesh, v, {core[0] + scale * away[0], core[1] + scale * away[1], core[2] + scale * away[2]});
  }
  return mesh;
}

// Moves vertices outward by `amount` times noise with `bumps` per unit, in three octaves.
inline void displace(Mesh& mesh, double amount, double bumps) {
  for (std::int64_t v = 0; v < mesh.vertex_count(); ++v) {
    const P3 p = vertex_of(mesh, v);
    double scale = 1;
    for (int octave = 0; octave < 3; ++octave) {
      const double f = bumps * (1 << octave);
      scale += amount * smooth_noise({f * p[0], f * p[1], f * p[2]}) / (1 << octave);
    }
    place_vertex(mesh, v, {scale * p[0], scale * p[1], scale * p[2]});
  }
}

// Moves each vertex by up to `share` of the mean length of edges along each axis.
inline void shake(Mesh& mesh, double share, std::uint64_t seed = 1) {
  double sum = 0;
  for (std::size_t i = 0; i < mesh.faces.size(); ++i) {
    const P3 a = vertex_of(mesh, mesh.faces[i]);
    const P3 b = vertex_of(mesh, mesh.faces[i % 3 == 2 ? i - 2 : i + 1]);
    sum += length({a[0] - b[0], a[1] - b[1], a[2] - b[2]});
  }
  const double amount = share * sum / static_cast<double>(mesh.faces.size());
  for (std::size_t i = 0; i < mesh.vertices.size(); ++i) {
    mesh.vertices[i] += static_cast<float>(amount * hashed(seed * 1000003 + i));
  }
}

// The zero surface of a distance in [-0.5, 0.5]^3, negative inside, as the mesh decoder's surfaces are extracted.
inline Mesh zero_surface(int resolution, const std::function<double(const P3&)>& distance) {
  const auto corner = [&](int i) { return static_cast<double>(i) / resolution - 0.5; };
  std::vector<std::int32_t> cubes;
  const double reach = 2.0 / resolution;
  for (int x = 0; x < resolution; ++x) {
    for (int y = 0; y < resolution; ++y) {
      for (int z = 0; z < resolution; ++z) {
        if (std::abs(distance({corner(x), corner(y), corner(z)})) > reach) continue;
        for (const int c : {0, x, y, z}) cubes.push_back(c);
      }
    }
  }
  const auto count = static_cast<std::int64_t>(cubes.size() / 4);
  const int channels = cube_channels(false);
  std::vector<float> features(static_cast<std::size_t>(count * channels), 0.0F);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int32_t* at = cubes.data() + 4 * i;
    for (int k = 0; k < 8; ++k) {
      const P3 p{corner(at[1] + (k & 1)), corner(at[2] + (k >> 1 & 1)), corner(at[3] + (k >> 2))};
      features[static_cast<std::size_t>(i * channels + k)] = static_cast<float>(distance(p) * resolution);
    }
  }
  Queue<Cpu> queue(0);
  Arena<Cpu> scratch(surface_scratch_bytes<Cpu>(count, resolution, false), 0, "scratch");
  queue.use(&scratch);
  Mesh mesh;
  const View<Cpu, std::int32_t, 2> cube_view(cubes.data(), {count, 4});
  const View<Cpu, float, 2> feature_view(features.data(), {count, channels});
  extract_surface<Cpu>(queue, cube_view, feature_view, resolution, [&](std::int64_t vertices, std::int64_t faces, bool) {
    mesh.vertices.resize(static_cast<std::size_t>(3 * vertices));
    mesh.faces.resize(static_cast<std::size_t>(3 * faces));
    return SurfaceMesh<Cpu>{View<Cpu, float, 2>(mesh.vertices.data(), {vertices, 3}),
                            View<Cpu, std::int32_t, 2>(mesh.faces.data(), {faces, 3}),
                            {}};
  });
  return mesh;
}

// Distances.
inline double box_distance(const P3& p, const P3& centre, const P3& half) {
  const P3 q{std::abs(p[0] - centre[0]) - half[0], std::abs(p[1] - centre[1]) - half[1], std::abs(p[2] - centre[2]) - half[2]};
  const P3 out{std::max(q[0], 0.0), std::max(q[1], 0.0), std::max(q[2], 0.0)};
  return length(out) + std::min(std::max({q[0], q[1], q[2]}), 0.0);
}

inline double gear_distance(const P3& p) {
  const double radius = std::hypot(p[0], p[1]);
  const double angle = std::atan2(p[1], p[0]);
  const double tooth = std::clamp(3 * std::sin(14 * angle), -1.0, 1.0);
  const double side = std::max(0.7 * (radius - 0.38 - 0.04 * tooth), std::abs(p[2]) - 0.09);
  const double hub = std::max(radius - 0.14, std::abs(p[2]) - 0.16);
  const double hole = radius - 0.07;
  double holes = 1;
  for (int k = 0; k < 6; ++k) {
    const double a = kTurn * k / 6;
    holes = std::min(holes, std::hypot(p[0] - 0.24 * std::cos(a), p[1] - 0.24 * std::sin(a)) - 0.05);
  }
  return std::max({std::min(side, hub), -hole, -holes});
}

inline double chair_distance(const P3& p) {
  double d = box_distance(p, {0, 0, -0.05}, {0.24, 0.24, 0.025});
  d = std::min(d, box_distance(p, {0, 0.225, 0.2}, {0.24, 0.018, 0.25}));
  for (int k = 0; k < 4; ++k) {
    const double x = k % 2 == 0 ? 0.21 : -0.21;
    const double y = k / 2 == 0 ? 0.21 : -0.21;
    d = std::min(d, std::max(std::hypot(p[0] - x, p[1] - y) - 0.03, std::abs(p[2] + 0.26) - 0.2));
  }
  const double arm = std::max(std::hypot(std::abs(p[0]) - 0.22, p[2] - 0.12) - 0.025, std::abs(p[1]) - 0.23);
  return std::min(d, arm) - 0.006;
}

// A figure of blended balls.
inline double figure_distance(const P3& p) {
  constexpr double kBalls[7][4] = {{0, 0, -0.22, 0.2},         {0, 0, 0.05, 0.15},     {0.02, 0, 0.28, 0.12},
                                   {0.22, 0.02, 0.08, 0.07},   {-0.23, 0, 0.02, 0.07}, {0.12, -0.05, -0.38, 0.09},
                                   {-0.12, -0.05, -0.38, 0.09}};
  double sum = 0;
  for (const auto& ball : kBalls) sum += std::exp(-24 * (length({p[0] - ball[0], p[1] - ball[1], p[2] - ball[2]}) - ball[3]));
  return -std::log(sum) / 24;
}

// A bowl with a thin wall.
inline double bowl_distance(const P3& p) {
  const double wall = std::abs(length({p[0], p[1], p[2] - 0.15}) - 0.42) - 0.012;
  return std::max(wall, p[2] - 0.12);
}

}  // namespace espalier::test
