#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include "bake/fill.h"
#include "bake/maps.h"
#include "bake/texels.h"
#include "base/error.h"
#include "geometry/mesh/mesh_points.h"
#include "geometry/mesh/triangle_tree.h"

namespace espalier {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// The bits of a number mixed (the finaliser of MurmurHash3).
std::uint32_t mixed(std::uint32_t x) {
  x ^= x >> 16U;
  x *= 0x85EBCA6BU;
  x ^= x >> 13U;
  x *= 0xC2B2AE35U;
  return x ^ x >> 16U;
}
double fraction(std::uint32_t x) { return x / 4294967296.0; }

// The bits behind the point, in the opposite order (van der Corput).
std::uint32_t reversed(std::uint32_t x) {
  std::uint32_t out = 0;
  for (int i = 0; i < 32; ++i) out |= (x >> static_cast<unsigned>(i) & 1U) << static_cast<unsigned>(31 - i);
  return out;
}

// A place of the surface that a texel shows.
struct Place {
  Point point = Point::Zero(), normal = Point::Zero(), face_normal = Point::Zero();
  std::int32_t face = -1;
};

class OcclusionBaker {
 public:
  OcclusionBaker(const Mesh& mesh, const OcclusionOptions& options)
      : mesh_(mesh), options_(options), texels_(texels_of(mesh, options.size)), tree_(mesh), open_(texels_.face.size(), 1.0F) {
    Point low = point_of(mesh, 0), high = low;
    for (std::int32_t v = 1; v < mesh.vertex_count(); ++v) {
      low = low.cwiseMin(point_of(mesh, v));
      high = high.cwiseMax(point_of(mesh, v));
    }
    lift_ = 1e-5 * (high - low).norm();
    for (int i = 0; i < options.rays; ++i)
      pattern_.push_back({(i + 0.5) / options.rays, fraction(reversed(static_cast<std::uint32_t>(i)))});
  }

  Image run(const Monitor* monitor) {
    const int size = options_.size;
    for_rows(size, monitor, [&](int row) {
      for (int x = 0; x < size; ++x) {
        const std::size_t i = at(row) * at(size) + at(x);
        if (texels_.face[i] != 0) open_[i] = open_at(i);
      }
    });
    std::vector<float> values(3 * open_.size());
    for_rows(size, monitor, [&](int row) {
      for (int x = 0; x < size; ++x) {
        const std::size_t i = at(row) * at(size) + at(x);
        if (texels_.face[i] != 0) std::fill_n(&values[3 * i], 3, smoothed(row, x));
      }
    });
    fill_outside(texels_.face, size, values);
    return image_of(values, size);
  }

 private:
  [[nodiscard]] Place place_of(std::size_t texel) const {
    Place place;
    place.face = texels_.face[texel] - 1;
    const std::array<double, 3> weights = texels_.weights(texel);
    const std::array<double, 3> p = value_at<3>(mesh_, mesh_.vertices, place.face, weights);
    place.point = {p[0], p[1], p[2]};
    place.face_normal = place.normal = face_cross(mesh_, place.face).normalized();
    if (mesh_.normals.empty()) return place;
    const std::array<double, 3> n = value_at<3>(mesh_, mesh_.normals, place.face, weights);
    const Point normal{n[0], n[1], n[2]};
    if (normal.norm() > 0 && normal.dot(place.face_normal) > 0) place.normal = normal.normalized();
    return place;
  }

  // The share of the rays that nothing stops.
  [[nodiscard]] float open_at(std::size_t texel) const {
    const Place place = place_of(texel);
    if (place.face_normal.squaredNorm() == 0) return 1.0F;
    // A frame around the normal without a direction in which it jumps (Duff et al. 2017).
    const Point& n = place.normal;
    const double sign = std::copysign(1.0, n[2]), a = -1.0 / (sign + n[2]), b = n[0] * n[1] * a;
    const Point right{1.0 + sign * n[0] * n[0] * a, sign * b, -sign * n[0]}, up{b, sign + n[1] * n[1] * a, -n[1]};
    const Point origin = place.point + lift_ * place.face_normal;
    const std::uint32_t seed = mixed(static_cast<std::uint32_t>(texel) + 1U);
    const double turn = fraction(seed), shift = fraction(mixed(seed));
    int free = 0;
    for (const auto& [height, angle] : pattern_) {
      const double h = std::fmod(height + shift, 1.0), phi = 2.0 * std::numbers::pi * std::fmod(angle + turn, 1.0);
      const double r = std::sqrt(h);
      Point ray = r * std::cos(phi) * right + r * std::sin(phi) * up + std::sqrt(1.0 - h) * n;
      // Below the plane of the face there is nothing but the face itself, which stands for something smooth.
      if (const double below = ray.dot(place.face_normal); below < 0) ray -= 2.0 * below * place.face_normal;
      if (!tree_.is_hit(origin, ray, 0.0, place.face)) ++free;
    }
    return static_cast<float>(free) / static_cast<float>(options_.rays);
  }

  // The mean over neighbours in the map that are neighbours on the surface.
  [[nodiscard]] float smoothed(int row, int column) const {
    constexpr int kReach = 2;
    constexpr double kAlike = 0.8;
    const std::size_t centre = at(row) * at(options_.size) + at(column);
    const Place here = place_of(centre);
    double sum = 0, weight = 0;
    for (int y = std::max(0, row - kReach); y <= std::min(options_.size - 1, row + kReach); ++y) {
      for (int x = std::max(0, column - kReach); x <= std::min(options_.size - 1, column + kReach); ++x) {
        const std::size_t i = at(y) * at(options_.size) + at(x);
        if (texels_.face[i] == 0) continue;
        const Place there = place_of(i);
        // Charts are flattened with little stretch, so what is far apart is of another chart.
        const double steps = std::hypot(y - row, x - column);
        if (there.normal.dot(here.normal) < kAlike || (there.point - here.point).norm() > 2.0 * pitch(here.face) * steps)
          continue;
        sum += double{open_[i]};
        weight += 1;
      }
    }
    return weight > 0 ? static_cast<float>(sum / weight) : open_[centre];
  }

  // What a texel of the face is long on the surface.
  [[nodiscard]] double pitch(std::int32_t face) const {
    const std::int32_t* const v = face_of(mesh_, face);
    const auto uv = [&](int c, std::size_t k) { return double{mesh_.uvs[2 * at(v[c]) + k]} * options_.size; };
    const double texels =
        std::abs((uv(1, 0) - uv(0, 0)) * (uv(2, 1) - uv(0, 1)) - (uv(2, 0) - uv(0, 0)) * (uv(1, 1) - uv(0, 1)));
    return texels > 0 ? std::sqrt(face_cross(mesh_, face).norm() / texels) : 0;
  }

  const Mesh& mesh_;
  const OcclusionOptions& options_;
  Texels texels_;
  TriangleTree tree_;
  std::vector<float> open_;
  std::vector<std::array<double, 2>> pattern_;
  double lift_ = 0;
};

}  // namespace

Image occlusion_map(const Mesh& mesh, const OcclusionOptions& options, const Monitor* monitor) {
  constexpr int kMostRays = 1024;
  if (options.rays < 1 || options.rays > kMostRays)
    fail(ErrorCode::invalid_argument, "occlusion map: ", options.rays, " rays", hint("1 to ", kMostRays, " are possible"));
  return OcclusionBaker(mesh, options).run(monitor);
}

}  // namespace espalier
