// How many parallel views from all around see each face of a mesh, by brute force: the tests' own stand-in for a renderer.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "assets/mesh.h"
#include "support/mesh_shapes.h"

namespace espalier::test {

class ViewCounter {
 public:
  ViewCounter(const Mesh& mesh, int size) : mesh_(mesh), size_(size) {
    for (std::size_t k = 0; k < 3; ++k) {
      float low = 1e30F;
      float high = -1e30F;
      for (std::size_t v = k; v < mesh.vertices.size(); v += 3) {
        low = std::min(low, mesh.vertices[v]);
        high = std::max(high, mesh.vertices[v]);
      }
      centre_[k] = 0.5 * (static_cast<double>(low) + high);
      reach_ += 0.25 * (static_cast<double>(high) - low) * (static_cast<double>(high) - low);
    }
    reach_ = std::sqrt(reach_);
  }

  std::vector<std::int32_t> run(int views) {
    std::vector<std::int32_t> counts(static_cast<std::size_t>(mesh_.face_count()), 0);
    for (int i = 0; i < views; ++i) {
      const double z = 1 - (2 * i + 1.0) / views;
      const double turn = 2.399963229728653 * i;  // the golden angle
      const double flat = std::sqrt(1 - z * z);
      draw({flat * std::cos(turn), flat * std::sin(turn), z});
      std::vector<std::int32_t> seen = front_;
      std::sort(seen.begin(), seen.end());
      seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
      for (const std::int32_t f : seen) {
        if (f >= 0) ++counts[static_cast<std::size_t>(f)];
      }
    }
    return counts;
  }

 private:
  void draw(const P3& towards) {
    front_.assign(static_cast<std::size_t>(size_) * static_cast<std::size_t>(size_), -1);
    depth_.assign(front_.size(), -1e30);
    const P3 other = std::abs(towards[2]) < 0.9 ? P3{0, 0, 1} : P3{1, 0, 0};
    P3 right{other[1] * towards[2] - other[2] * towards[1], other[2] * towards[0] - other[0] * towards[2],
             other[0] * towards[1] - other[1] * towards[0]};
    const double length = std::hypot(right[0], right[1], right[2]);
    for (double& x : right) x /= length;
    const P3 up{towards[1] * right[2] - towards[2] * right[1], towards[2] * right[0] - towards[0] * right[2],
                towards[0] * right[1] - towards[1] * right[0]};
    for (std::int64_t f = 0; f < mesh_.face_count(); ++f) {
      double x[3];
      double y[3];
      double z[3];
      for (std::size_t c = 0; c < 3; ++c) {
        const auto v = static_cast<std::size_t>(mesh_.faces[static_cast<std::size_t>(3 * f) + c]);
        P3 p{};
        for (std::size_t k = 0; k < 3; ++k) p[k] = (mesh_.vertices[3 * v + k] - centre_[k]) / reach_;
        x[c] = (0.5 + 0.5 * (p[0] * right[0] + p[1] * right[1] + p[2] * right[2])) * size_;
        y[c] = (0.5 + 0.5 * (p[0] * up[0] + p[1] * up[1] + p[2] * up[2])) * size_;
        z[c] = p[0] * towards[0] + p[1] * towards[1] + p[2] * towards[2];
      }
      fill(static_cast<std::int32_t>(f), x, y, z);
    }
  }

  void fill(std::int32_t face, const double* x, const double* y, const double* z) {
    const double area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0]);
    if (area == 0) return;
    const int left = std::max(0, static_cast<int>(std::floor(std::min({x[0], x[1], x[2]}))));
    const int right = std::min(size_ - 1, static_cast<int>(std::ceil(std::max({x[0], x[1], x[2]}))));
    const int bottom = std::max(0, static_cast<int>(std::floor(std::min({y[0], y[1], y[2]}))));
    const int top = std::min(size_ - 1, static_cast<int>(std::ceil(std::max({y[0], y[1], y[2]}))));
    for (int j = bottom; j <= top; ++j) {
      for (int i = left; i <= right; ++i) {
        const double px = i + 0.5;
        const double py = j + 0.5;
        const double a = ((x[1] - px) * (y[2] - py) - (x[2] - px) * (y[1] - py)) / area;
        const double b = ((x[2] - px) * (y[0] - py) - (x[0] - px) * (y[2] - py)) / area;
        if (a < 0 || b < 0 || a + b > 1) continue;
        const double depth = a * z[0] + b * z[1] + (1 - a - b) * z[2];
        const auto pixel = static_cast<std::size_t>(j) * static_cast<std::size_t>(size_) + static_cast<std::size_t>(i);
        if (depth <= depth_[pixel]) continue;
        depth_[pixel] = depth;
        front_[pixel] = face;
      }
    }
  }

  const Mesh& mesh_;
  int size_;
  P3 centre_{};
  double reach_ = 0;
  std::vector<std::int32_t> front_;
  std::vector<double> depth_;
};

inline std::vector<std::int32_t> view_counts(const Mesh& mesh, int views, int size) {
  return ViewCounter(mesh, size).run(views);
}

}  // namespace espalier::test
