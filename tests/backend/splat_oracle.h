// Splatting of 3D Gaussians as render/splat_renderer.h defines it, in float64 and pixel by pixel.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "assets/gaussians.h"
#include "render/raster/camera.h"
#include "render/raster/splat_renderer.h"

namespace espalier::test {

struct OracleImage {
  std::vector<double> colour, alpha;  // [H * W * 3], [H * W]
};

// Associated Legendre function of degree l and order m with the phase (-1)^m, by recurrence.
inline double legendre(int l, int m, double x) {
  double value = 1.0;
  for (int i = 1; i <= m; ++i) value *= -(2 * i - 1) * std::sqrt(std::max(0.0, 1 - x * x));
  double before = 0.0;
  for (int n = m; n < l; ++n) {
    const double next = ((2 * n + 1) * x * value - (n + m) * before) / (n - m + 1);
    before = value;
    value = next;
  }
  return value;
}

// The real spherical harmonic of degree l and order m in a direction of unit length.
inline double harmonic(int l, int m, const std::array<double, 3>& d) {
  double ratio = 1.0;
  for (int i = l - std::abs(m) + 1; i <= l + std::abs(m); ++i) ratio *= i;
  const double scale = std::sqrt((2 * l + 1) / (4 * M_PI) / ratio), phi = std::atan2(d[1], d[0]);
  const double p = scale * legendre(l, std::abs(m), d[2]);
  return m == 0 ? p : std::sqrt(2.0) * p * (m > 0 ? std::cos(m * phi) : std::sin(-m * phi));
}

class SplatOracle {
 public:
  SplatOracle(const Gaussians& g, const Camera& camera, const SplatOptions& o)
      : width_(o.width * o.ssaa), height_(o.height * o.ssaa) {
    for (std::int64_t i = 0; i < g.count(); ++i) add(g, static_cast<std::size_t>(i), camera, o.kernel_size);
    std::stable_sort(splats_.begin(), splats_.end(), [](const Drawn& a, const Drawn& b) { return a.depth < b.depth; });
    draw(o);
  }
  [[nodiscard]] const OracleImage& image() const { return image_; }

 private:
  struct Drawn {
    double depth, x, y, xx, xy, yy, opacity;
    std::array<double, 3> colour;
    std::int64_t x0, y0, x1, y1;  // pixels
  };

  static std::array<double, 3> colour_of(const Gaussians& g, std::size_t i, const Camera& camera) {
    const auto eye = camera.position();
    std::array<double, 3> d{};
    for (std::size_t k = 0; k < 3; ++k) d[k] = static_cast<double>(g.xyz[3 * i + k]) - static_cast<double>(eye[k]);
    const double length = std::hypot(d[0], d[1], d[2]);
    for (double& v : d) v /= length;
    const std::size_t higher = g.sh.size() / (3 * g.opacity.size());
    std::array<double, 3> colour{};
    for (std::size_t c = 0; c < 3; ++c) {
      colour[c] = 0.5 + harmonic(0, 0, d) * static_cast<double>(g.dc[3 * i + c]);
      std::size_t at = 0;
      for (int l = 1; at < higher; ++l) {
        for (int m = -l; m <= l; ++m, ++at) {
          colour[c] += harmonic(l, m, d) * static_cast<double>(g.sh[3 * (i * higher + at) + c]);
        }
      }
      colour[c] = std::max(colour[c], 0.0);
    }
    return colour;
  }

  void add(const Gaussians& g, std::size_t i, const Camera& camera, double kernel) {
    const double w = g.rotation[4 * i], x = g.rotation[4 * i + 1], y = g.rotation[4 * i + 2], z = g.rotation[4 * i + 3];
    const double turn[3][3] = {{1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)},
                               {2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)},
                               {2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)}};
    double p[3], rotation[3][3];
    for (std::size_t r = 0; r < 3; ++r) {
      p[r] = camera.translation[r];
      for (std::size_t k = 0; k < 3; ++k) {
        rotation[r][k] = camera.rotation[3 * r + k];
        p[r] += rotation[r][k] * static_cast<double>(g.xyz[3 * i + k]);
      }
    }
    if (!(p[2] > 0.2)) return;
    const double fx = static_cast<double>(camera.fx) * width_, fy = static_cast<double>(camera.fy) * height_;
    const double cx = static_cast<double>(camera.cx) * width_, cy = static_cast<double>(camera.cy) * height_;
    // Where the derivative is taken: at most 0.3 half fields of view outside the image.
    const double tx = std::clamp(p[0] / p[2], (0 - cx) / fx - 0.15 * width_ / fx, (width_ - cx) / fx + 0.15 * width_ / fx);
    const double ty = std::clamp(p[1] / p[2], (0 - cy) / fy - 0.15 * height_ / fy, (height_ - cy) / fy + 0.15 * height_ / fy);
    const double jacobian[2][3] = {{fx / p[2], 0, -fx * tx / p[2]}, {0, fy / p[2], -fy * ty / p[2]}};
    double a[2][3] = {};  // jacobian * rotation * turn * scales
    for (int r = 0; r < 2; ++r) {
      for (std::size_t axis = 0; axis < 3; ++axis) {
        for (int k = 0; k < 3; ++k) {
          for (int m = 0; m < 3; ++m) a[r][axis] += jacobian[r][k] * rotation[k][m] * turn[m][axis];
        }
        a[r][axis] *= static_cast<double>(g.scale[3 * i + axis]);
      }
    }
    Drawn d{};
    for (int k = 0; k < 3; ++k) {
      d.xx += a[0][k] * a[0][k];
      d.xy += a[0][k] * a[1][k];
      d.yy += a[1][k] * a[1][k];
    }
    const double before = std::max(d.xx * d.yy - d.xy * d.xy, 0.0);
    d.xx += kernel;
    d.yy += kernel;
    const double after = d.xx * d.yy - d.xy * d.xy;
    d.opacity = static_cast<double>(g.opacity[i]) * std::sqrt(before / after);
    d.depth = p[2];
    d.x = fx * p[0] / p[2] + cx;
    d.y = fy * p[1] / p[2] + cy;
    const double middle = (d.xx + d.yy) / 2;
    const double radius = std::ceil(3 * std::sqrt(middle + std::sqrt(std::max(0.1, middle * middle - after))));
    const auto bound = [](double v, int side) {
      return 16 * std::clamp<std::int64_t>(static_cast<std::int64_t>(std::trunc(v / 16)), 0, (side + 15) / 16);
    };
    d.x0 = bound(d.x - 0.5 - radius, width_);
    d.y0 = bound(d.y - 0.5 - radius, height_);
    d.x1 = bound(d.x - 0.5 + radius + 15, width_);
    d.y1 = bound(d.y - 0.5 + radius + 15, height_);
    d.colour = colour_of(g, i, camera);
    splats_.push_back(d);
  }

  void draw(const SplatOptions& o) {
    OracleImage fine;
    for (std::int64_t y = 0; y < height_; ++y) {
      for (std::int64_t x = 0; x < width_; ++x) {
        double rest = 1.0;
        std::array<double, 3> sum{};
        for (const Drawn& d : splats_) {
          if (x < d.x0 || x >= d.x1 || y < d.y0 || y >= d.y1) continue;
          const double u = static_cast<double>(x) + 0.5 - d.x, v = static_cast<double>(y) + 0.5 - d.y;
          const double squared = (d.yy * u * u - 2 * d.xy * u * v + d.xx * v * v) / (d.xx * d.yy - d.xy * d.xy);
          const double alpha = std::min(0.99, d.opacity * std::exp(-0.5 * squared));
          if (alpha < 1.0 / 255.0) continue;
          if (rest * (1 - alpha) < 1e-4) break;
          for (std::size_t c = 0; c < 3; ++c) sum[c] += d.colour[c] * alpha * rest;
          rest *= 1 - alpha;
        }
        for (std::size_t c = 0; c < 3; ++c) fine.colour.push_back(sum[c] + rest * static_cast<double>(o.background[c]));
        fine.alpha.push_back(1 - rest);
      }
    }
    image_.colour = reduced(fine.colour, o, 3);
    image_.alpha = reduced(fine.alpha, o, 1);
  }

  [[nodiscard]] std::vector<double> reduced(const std::vector<double>& fine, const SplatOptions& o, int channels) const {
    std::vector<double> out;
    const auto weight = [&](int sample, int pixel) {
      return std::max(0.0, 1 - std::abs((sample + 0.5) / o.ssaa - (pixel + 0.5)));
    };
    for (int y = 0; y < o.height; ++y) {
      for (int x = 0; x < o.width; ++x) {
        for (int c = 0; c < channels; ++c) {
          double sum = 0.0, total = 0.0;
          for (int v = std::max(0, (y - 1) * o.ssaa); v < std::min(height_, (y + 2) * o.ssaa); ++v) {
            for (int u = std::max(0, (x - 1) * o.ssaa); u < std::min(width_, (x + 2) * o.ssaa); ++u) {
              const double w = o.ssaa == 1 ? (u == x && v == y ? 1.0 : 0.0) : weight(u, x) * weight(v, y);
              total += w;
              sum += w * fine[(static_cast<std::size_t>(v) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(u)) *
                                  static_cast<std::size_t>(channels) +
                              static_cast<std::size_t>(c)];
            }
          }
          out.push_back(sum / total);
        }
      }
    }
    return out;
  }

  int width_, height_;
  std::vector<Drawn> splats_;
  OracleImage image_;
};

}  // namespace espalier::test
