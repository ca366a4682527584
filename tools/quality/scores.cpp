#include "scores.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "base/error.h"
#include "parallel/parallel_for.h"
#include "render/raster/camera.h"
#include "render/raster/triangle_rasteriser.h"

namespace espalier::quality {

namespace {

constexpr double kPerfect = 99.0;

// Points sorted into cells as wide as the search distance.
class PointGrid {
 public:
  PointGrid(std::span<const Point> points, float distance)
      : distance_(distance), side_(std::clamp(static_cast<int>(std::ceil(2.0F / distance)), 1, 256)) {
    const auto cells = static_cast<std::size_t>(side_) * static_cast<std::size_t>(side_) * static_cast<std::size_t>(side_);
    begin_.assign(cells + 1, 0);
    for (const Point& p : points) ++begin_[cell_of(p) + 1];
    std::partial_sum(begin_.begin(), begin_.end(), begin_.begin());
    sorted_.resize(points.size());
    std::vector<std::size_t> next(begin_.begin(), begin_.end() - 1);
    for (const Point& p : points) sorted_[next[cell_of(p)]++] = p;
  }

  [[nodiscard]] bool near(const Point& p) const {
    const auto c = coordinates(p);
    for (int x = std::max(c[0] - 1, 0); x <= std::min(c[0] + 1, side_ - 1); ++x) {
      for (int y = std::max(c[1] - 1, 0); y <= std::min(c[1] + 1, side_ - 1); ++y) {
        const int z0 = std::max(c[2] - 1, 0), z1 = std::min(c[2] + 1, side_ - 1);
        for (std::size_t i = begin_[index(x, y, z0)]; i < begin_[index(x, y, z1) + 1]; ++i) {
          const float dx = sorted_[i][0] - p[0], dy = sorted_[i][1] - p[1], dz = sorted_[i][2] - p[2];
          if (dx * dx + dy * dy + dz * dz <= distance_ * distance_) return true;
        }
      }
    }
    return false;
  }

 private:
  // The grid covers -1 ... 1; what lies outside belongs to the outermost cells, where neighbours are found all the same.
  [[nodiscard]] std::array<int, 3> coordinates(const Point& p) const {
    std::array<int, 3> c{};
    for (std::size_t i = 0; i < 3; ++i) {
      c[i] = std::clamp(static_cast<int>(std::floor((std::clamp(p[i], -2.0F, 2.0F) + 1.0F) / 2.0F * static_cast<float>(side_))),
                        0, side_ - 1);
    }
    return c;
  }
  [[nodiscard]] std::size_t index(int x, int y, int z) const {
    return (static_cast<std::size_t>(x) * static_cast<std::size_t>(side_) + static_cast<std::size_t>(y)) *
               static_cast<std::size_t>(side_) +
           static_cast<std::size_t>(z);
  }
  [[nodiscard]] std::size_t cell_of(const Point& p) const {
    const auto c = coordinates(p);
    return index(c[0], c[1], c[2]);
  }

  float distance_;
  int side_;
  std::vector<std::size_t> begin_;
  std::vector<Point> sorted_;
};

double share_near(std::span<const Point> points, const PointGrid& grid) {
  std::vector<std::uint8_t> near(points.size());
  parallel_for(static_cast<std::int64_t>(points.size()), 1024, [&](std::int64_t i) {
    const auto k = static_cast<std::size_t>(i);
    near[k] = grid.near(points[k]) ? 1 : 0;
  });
  return static_cast<double>(std::count(near.begin(), near.end(), 1)) / static_cast<double>(points.size());
}

std::vector<std::uint8_t> dilated(std::span<const std::uint8_t> voxels, int resolution) {
  const auto r = static_cast<std::size_t>(resolution);
  std::vector<std::uint8_t> now(voxels.begin(), voxels.end());
  for (const std::size_t stride : {std::size_t{1}, r, r * r}) {
    std::vector<std::uint8_t> next = now;
    for (std::size_t i = 0; i < now.size(); ++i) {
      const std::size_t at = i / stride % r;
      if (at > 0 && now[i - stride] != 0) next[i] = 1;
      if (at + 1 < r && now[i + stride] != 0) next[i] = 1;
    }
    now = std::move(next);
  }
  return now;
}

double share_inside(std::span<const std::uint8_t> voxels, std::span<const std::uint8_t> area) {
  std::int64_t all = 0, inside = 0;
  for (std::size_t i = 0; i < voxels.size(); ++i) {
    all += voxels[i] != 0 ? 1 : 0;
    inside += voxels[i] != 0 && area[i] != 0 ? 1 : 0;
  }
  return all == 0 ? 0.0 : static_cast<double>(inside) / static_cast<double>(all);
}

Point vertex(const Mesh& mesh, std::int32_t i) {
  const auto k = static_cast<std::size_t>(i) * 3;
  return {mesh.vertices[k], mesh.vertices[k + 1], mesh.vertices[k + 2]};
}

}  // namespace

FScore point_f_score(std::span<const Point> found, std::span<const Point> truth, float distance) {
  if (found.empty() || truth.empty()) return {};
  return {share_near(found, PointGrid(truth, distance)), share_near(truth, PointGrid(found, distance))};
}

FScore voxel_f_score(std::span<const std::uint8_t> found, std::span<const std::uint8_t> truth, int resolution) {
  return {share_inside(found, dilated(truth, resolution)), share_inside(truth, dilated(found, resolution))};
}

std::vector<Point> points_on(const Mesh& mesh, int count) {
  std::vector<double> reach(static_cast<std::size_t>(mesh.face_count()));
  double area = 0;
  for (std::size_t f = 0; f < reach.size(); ++f) {
    const Point a = vertex(mesh, mesh.faces[3 * f]), b = vertex(mesh, mesh.faces[3 * f + 1]),
                c = vertex(mesh, mesh.faces[3 * f + 2]);
    std::array<double, 3> u{}, v{};
    for (std::size_t i = 0; i < 3; ++i) {
      u[i] = double{b[i]} - a[i];
      v[i] = double{c[i]} - a[i];
    }
    area += std::hypot(u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]) / 2;
    reach[f] = area;
  }
  std::vector<Point> points;
  if (!(area > 0)) return points;
  std::mt19937 random(1);
  const auto uniform = [&random] { return static_cast<double>(random()) * 0x1p-32; };
  for (int k = 0; k < count; ++k) {
    const double at = (k + uniform()) / count * area;  // one point per equal share of the area
    const auto f = static_cast<std::size_t>(std::min<std::ptrdiff_t>(
        std::upper_bound(reach.begin(), reach.end(), at) - reach.begin(), static_cast<std::ptrdiff_t>(reach.size()) - 1));
    const double r = std::sqrt(uniform()), t = uniform();
    const Point a = vertex(mesh, mesh.faces[3 * f]), b = vertex(mesh, mesh.faces[3 * f + 1]),
                c = vertex(mesh, mesh.faces[3 * f + 2]);
    Point p{};
    for (std::size_t i = 0; i < 3; ++i) p[i] = static_cast<float>((1 - r) * a[i] + r * (1 - t) * b[i] + r * t * c[i]);
    points.push_back(p);
  }
  return points;
}

Mesh seen_from_outside(const Mesh& mesh) {
  constexpr int kViews = 60, kSize = 512;
  std::vector<Camera> cameras;
  for (const OrbitCamera& orbit : sphere_cameras(kViews, 2.0F, 40.0F)) cameras.push_back(camera_of(orbit));
  Queue<Cpu> queue;
  const auto views = face_visibility(queue, mesh, cameras, kSize, nullptr);
  Mesh seen = mesh;
  seen.faces.clear();
  for (std::size_t f = 0; f < views.size(); ++f) {
    if (views[f] > 0) seen.faces.insert(seen.faces.end(), &mesh.faces[3 * f], &mesh.faces[3 * f] + 3);
  }
  return seen;
}

double psnr_in_union(const Image& found, const Image& truth) {
  if (found.width != truth.width || found.height != truth.height || found.channels != 4 || truth.channels != 4) {
    fail(ErrorCode::invalid_argument, "images to compare must be RGBA and of one size");
  }
  constexpr int kHalf = 127;
  double squares = 0;
  std::int64_t pixels = 0;
  for (std::size_t i = 0; i < truth.pixels.size(); i += 4) {
    if (found.pixels[i + 3] <= kHalf && truth.pixels[i + 3] <= kHalf) continue;
    ++pixels;
    for (std::size_t c = 0; c < 3; ++c) {
      const double d = (static_cast<double>(found.pixels[i + c]) - truth.pixels[i + c]) / 255;
      squares += d * d / 3;
    }
  }
  if (pixels == 0 || squares == 0) return kPerfect;
  return std::min(kPerfect, -10 * std::log10(squares / static_cast<double>(pixels)));
}

std::optional<double> named_colour_error(std::span<const Point> found, std::span<const Point> truth, const Point& named,
                                         std::size_t least) {
  constexpr float kSame = 0.01F;
  std::vector<double> errors;
  for (std::size_t i = 0; i < found.size(); ++i) {
    double sum = 0;
    bool of_part = true;
    for (std::size_t c = 0; c < 3; ++c) {
      of_part = of_part && std::abs(truth[i][c] - named[c]) < kSame;
      sum += std::abs(found[i][c] - named[c]);
    }
    if (of_part) errors.push_back(sum / 3 * 255);
  }
  if (errors.size() < least) return std::nullopt;
  return mean(errors);
}

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double at = std::clamp(share, 0.0, 1.0) * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  const std::size_t high = std::min(low + 1, values.size() - 1);
  return values[low] + (values[high] - values[low]) * (at - static_cast<double>(low));
}

double mean(std::span<const double> values) {
  return values.empty() ? 0 : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace espalier::quality
