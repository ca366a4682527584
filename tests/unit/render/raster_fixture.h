// Meshes to draw, images of them on the host, and a rasteriser in float64 that knows no clipping and no rounding.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <vector>

#include "render/raster/triangle_rasteriser.h"

namespace espalier::test {

// Uniform in [low, high); the same on every platform.
class Uniform {
 public:
  explicit Uniform(std::uint32_t seed) : engine_(seed) {}
  float operator()(float low, float high) { return low + (high - low) * static_cast<float>(engine_() >> 8U) / 16777216.0F; }

 private:
  std::mt19937 engine_;
};

struct Shown {
  int width = 0, height = 0;
  std::vector<std::int32_t> face;  // [H * W]
  std::vector<float> barycentric;  // [H * W * 2]
  std::vector<float> depth;        // [H * W]
  bool operator==(const Shown&) const = default;
};

// Images in device memory with strided rows.
template <class Dev>
class Canvas {
 public:
  Canvas(Queue<Dev>& queue, int width, int height)
      : queue_(queue),
        width_(width),
        height_(height),
        memory_(static_cast<std::size_t>(std::int64_t{16} * height * (width + kPadding)), 0, "test images") {
    const std::vector<unsigned char> poison(memory_.bytes(), 0xFF);
    upload_bytes(queue, poison.data(), memory_.data(), poison.size());
  }

  [[nodiscard]] View<Dev, std::int32_t, 2> counts() const { return fragments().face; }
  [[nodiscard]] Fragments<Dev> fragments() const {
    const std::int64_t stride = width_ + kPadding;
    auto* floats = reinterpret_cast<float*>(memory_.data());
    return {{reinterpret_cast<std::int32_t*>(memory_.data()), {height_, width_}, stride},
            {floats + height_ * stride, {height_, width_, 2}, 2 * stride},
            {floats + 3 * height_ * stride, {height_, width_}, stride}};
  }
  [[nodiscard]] Shown download() const {
    const auto stride = static_cast<std::size_t>(std::int64_t{width_} + kPadding);
    const auto width = static_cast<std::size_t>(width_), height = static_cast<std::size_t>(height_);
    std::vector<std::int32_t> words(memory_.bytes() / 4);
    download_bytes(queue_, memory_.data(), words.data(), memory_.bytes());
    queue_.synchronize();
    Shown shown{width_, height_, {}, {}, {}};
    shown.face.resize(width * height);
    shown.barycentric.resize(2 * width * height);
    shown.depth.resize(width * height);
    for (std::size_t y = 0; y < height; ++y) {
      std::memcpy(&shown.face[y * width], &words[y * stride], width * 4);
      std::memcpy(&shown.barycentric[2 * y * width], &words[(height + 2 * y) * stride], width * 8);
      std::memcpy(&shown.depth[y * width], &words[(3 * height + y) * stride], width * 4);
      for (std::size_t x = width; x < stride; ++x) intact_ = intact_ && words[y * stride + x] == -1;
    }
    return shown;
  }
  // False once a download has found that something was written between the rows.
  [[nodiscard]] bool intact() const { return intact_; }

 private:
  static constexpr int kPadding = 3;
  Queue<Dev>& queue_;
  int width_, height_;
  Buffer<Dev> memory_;
  mutable bool intact_ = true;
};

template <class Dev>
Shown show(const Mesh& mesh, const Camera& camera, int width, int height) {
  Queue<Dev> queue(0);
  TriangleRasteriser<Dev> rasteriser(queue, mesh);
  const Canvas<Dev> canvas(queue, width, height);
  rasteriser.render(camera, canvas.fragments());
  return canvas.download();
}
template <class Dev>
Shown show_texels(const Mesh& mesh, int width, int height, float margin = 0.0F) {
  Queue<Dev> queue(0);
  TriangleRasteriser<Dev> rasteriser(queue, mesh);
  const Canvas<Dev> canvas(queue, width, height);
  rasteriser.render_texels(canvas.fragments(), margin);
  return canvas.download();
}
template <class Dev>
Shown show_clip(const Mesh& mesh, const std::vector<float>& positions, int width, int height, int steps = 256) {
  Queue<Dev> queue(0);
  TriangleRasteriser<Dev> rasteriser(queue, mesh);
  const Canvas<Dev> canvas(queue, width, height);
  Buffer<Dev> memory(std::max<std::size_t>(positions.size() * 4, 4), 0, "test positions");
  upload_bytes(queue, positions.data(), memory.data(), positions.size() * 4);
  rasteriser.render_clip({reinterpret_cast<const float*>(memory.data()), {mesh.vertex_count(), 4}}, canvas.fragments(), steps);
  return canvas.download();
}
template <class Dev>
std::vector<std::int32_t> layers(const Mesh& mesh, const Camera& camera, int width, int height) {
  Queue<Dev> queue(0);
  TriangleRasteriser<Dev> rasteriser(queue, mesh);
  const Canvas<Dev> canvas(queue, width, height);
  rasteriser.count_layers(camera, canvas.counts());
  return canvas.download().face;
}
template <class Dev>
std::vector<std::int32_t> texel_layers(const Mesh& mesh, int width, int height) {
  Queue<Dev> queue(0);
  TriangleRasteriser<Dev> rasteriser(queue, mesh);
  const Canvas<Dev> canvas(queue, width, height);
  rasteriser.count_texels(canvas.counts());
  return canvas.download().face;
}

// --- Meshes ---------------------------------------------------------------------------------------------------------

// A closed surface around the origin: a sphere of `rings` x `sides` with radii `radius` times up to 1 +- roughness.
inline Mesh rough_sphere(int rings, int sides, float radius, float roughness, std::uint32_t seed) {
  Uniform random(seed);
  Mesh mesh;
  const auto add = [&](float theta, float phi) {
    const float r = radius * (1.0F + roughness * random(-1.0F, 1.0F));
    mesh.vertices.insert(mesh.vertices.end(),
                         {r * std::sin(theta) * std::cos(phi), r * std::sin(theta) * std::sin(phi), r * std::cos(theta)});
  };
  constexpr float kPi = 3.14159265F;
  add(0.0F, 0.0F);
  for (int i = 1; i < rings; ++i) {
    for (int j = 0; j < sides; ++j) {
      add(kPi * static_cast<float>(i) / static_cast<float>(rings), 2 * kPi * static_cast<float>(j) / static_cast<float>(sides));
    }
  }
  add(kPi, 0.0F);
  const auto at = [&](int i, int j) {
    return i == 0 ? 0 : i == rings ? 1 + (rings - 1) * sides : 1 + (i - 1) * sides + j % sides;
  };
  for (int i = 0; i < rings; ++i) {
    for (int j = 0; j < sides; ++j) {
      if (i > 0) mesh.faces.insert(mesh.faces.end(), {at(i, j), at(i + 1, j), at(i, j + 1)});
      if (i + 1 < rings) mesh.faces.insert(mesh.faces.end(), {at(i, j + 1), at(i + 1, j), at(i + 1, j + 1)});
    }
  }
  return mesh;
}

// Triangles of side about `size` in a cube of side 1 around the origin.
inline Mesh soup(int count, float size, std::uint32_t seed) {
  Uniform random(seed);
  Mesh mesh;
  for (int f = 0; f < count; ++f) {
    const std::array<float, 3> centre = {random(-0.5F, 0.5F), random(-0.5F, 0.5F), random(-0.5F, 0.5F)};
    for (int k = 0; k < 3; ++k) {
      for (const float c : centre) mesh.vertices.push_back(c + size * random(-0.5F, 0.5F));
      mesh.faces.push_back(3 * f + k);
    }
  }
  return mesh;
}

// A triangulation of the unit square in uv: a grid whose inner vertices are moved at random.
inline Mesh jittered_square(int cells, std::uint32_t seed) {
  Uniform random(seed);
  Mesh mesh;
  const auto n = static_cast<float>(cells);
  for (int i = 0; i <= cells; ++i) {
    for (int j = 0; j <= cells; ++j) {
      const bool inner_x = i > 0 && i<cells, inner_y = j> 0 && j < cells;
      const float x = (static_cast<float>(i) + (inner_x ? random(-0.2F, 0.2F) : 0.0F)) / n;
      const float y = (static_cast<float>(j) + (inner_y ? random(-0.2F, 0.2F) : 0.0F)) / n;
      mesh.uvs.insert(mesh.uvs.end(), {x, y});
      mesh.vertices.insert(mesh.vertices.end(), {x, y, 0.0F});
    }
  }
  const auto at = [&](int i, int j) { return i * (cells + 1) + j; };
  for (int i = 0; i < cells; ++i) {
    for (int j = 0; j < cells; ++j) {
      // Either diagonal, so that faces of both orientations would show a mistake in the rule for edges.
      if (random(0.0F, 1.0F) < 0.5F) {
        mesh.faces.insert(mesh.faces.end(),
                          {at(i, j), at(i + 1, j), at(i + 1, j + 1), at(i, j), at(i + 1, j + 1), at(i, j + 1)});
      } else {
        mesh.faces.insert(mesh.faces.end(),
                          {at(i + 1, j), at(i, j), at(i, j + 1), at(i + 1, j), at(i, j + 1), at(i + 1, j + 1)});
      }
    }
  }
  return mesh;
}

// Vertices in clip space, as a camera with this near plane and a far plane at infinity gives them.
inline std::vector<std::array<double, 4>> clip_positions(const Mesh& mesh, const Camera& camera) {
  std::vector<std::array<double, 4>> out;
  for (std::size_t v = 0; v < mesh.vertices.size(); v += 3) {
    std::array<double, 3> q{};
    for (std::size_t i = 0; i < 3; ++i) {
      q[i] = camera.translation[i];
      for (std::size_t k = 0; k < 3; ++k) q[i] += static_cast<double>(camera.rotation[3 * i + k]) * mesh.vertices[v + k];
    }
    out.push_back({2 * (static_cast<double>(camera.fx) * q[0] + (static_cast<double>(camera.cx) - 0.5) * q[2]),
                   2 * (static_cast<double>(camera.fy) * q[1] + (static_cast<double>(camera.cy) - 0.5) * q[2]),
                   q[2] - 2.0 * static_cast<double>(kNearPlane), q[2]});
  }
  return out;
}

// --- Oracle ---------------------------------------------------------------------------------------------------------

struct OracleHit {
  int face = -1;
  double w = 0.0, z_over_w = 0.0;
  double b0 = 0.0, b1 = 0.0;
  double size = 0.0;  // least height of the triangle's image in pixels, for what weights can be held to
};
struct OraclePixel {
  std::optional<OracleHit> hit;  // the nearest
  bool certain = true;           // false near edges, and where two surfaces are too close to order
  int hits = 0;
};

// Coverage by the signs of homogeneous edge functions at the exact centre. Near plane at z = -w.
class Oracle {
 public:
  Oracle(const Mesh& mesh, std::vector<std::array<double, 4>> clip, int width, int height)
      : mesh_(mesh), clip_(std::move(clip)), width_(width), height_(height) {
    for (auto& p : clip_) {
      p[0] *= 0.5 * width;
      p[1] *= 0.5 * height;
    }
  }

  [[nodiscard]] OraclePixel at(int column, int row) const {
    OraclePixel pixel;
    const double x = column + 0.5 - 0.5 * width_, y = row + 0.5 - 0.5 * height_;
    for (std::size_t f = 0; f < mesh_.faces.size() / 3; ++f) test(f, x, y, pixel);
    return pixel;
  }

 private:
  static constexpr double kEdge = 1.0 / 256;  // pixels

  void test(std::size_t face, double x, double y, OraclePixel& pixel) const {
    std::array<std::array<double, 2>, 3> p{};
    std::array<const std::array<double, 4>*, 3> v{};
    for (std::size_t k = 0; k < 3; ++k) {
      v[k] = &clip_[static_cast<std::size_t>(mesh_.faces[3 * face + k])];
      for (const double c : *v[k]) {
        if (!std::isfinite(c)) return;
      }
      p[k] = {(*v[k])[0] - x * (*v[k])[3], (*v[k])[1] - y * (*v[k])[3]};
    }
    std::array<double, 3> area{};
    bool uncertain = false;
    for (std::size_t k = 0; k < 3; ++k) {
      const auto& a = p[(k + 1) % 3];
      const auto& b = p[(k + 2) % 3];
      area[k] = a[0] * b[1] - b[0] * a[1];
      // How fast this changes with the place of the centre: the distance to the edge's line in pixels.
      const double wa = (*v[(k + 1) % 3])[3], wb = (*v[(k + 2) % 3])[3];
      const double slope = std::hypot(a[1] * wb - b[1] * wa, a[0] * wb - b[0] * wa);
      if (std::abs(area[k]) <= kEdge * slope) uncertain = true;
    }
    const double sum = area[0] + area[1] + area[2];
    if (sum == 0.0) return;
    const double b0 = area[0] / sum, b1 = area[1] / sum, b2 = area[2] / sum;
    const bool inside = b0 >= 0 && b1 >= 0 && b2 >= 0;
    if (!inside && !uncertain) return;
    const double w = b0 * (*v[0])[3] + b1 * (*v[1])[3] + b2 * (*v[2])[3];
    const double z = b0 * (*v[0])[2] + b1 * (*v[1])[2] + b2 * (*v[2])[2];
    if (std::abs(z + w) < 1e-5 * std::abs(w) || !std::isfinite(w)) uncertain = true;
    if (uncertain) {
      // The edge's line may pass near without its segment: only what could matter makes the pixel uncertain.
      if (std::min({b0, b1, b2}) > -0.5) pixel.certain = false;
      return;
    }
    if (w <= 0 || z < -w || z > w) return;
    ++pixel.hits;
    const OracleHit hit{static_cast<int>(face), w, z / w, b0, b1, least_height(v)};
    if (pixel.hit && std::abs(hit.z_over_w - pixel.hit->z_over_w) < 1e-5) pixel.certain = false;
    if (!pixel.hit || hit.z_over_w < pixel.hit->z_over_w) pixel.hit = hit;
  }

  static double least_height(const std::array<const std::array<double, 4>*, 3>& v) {
    std::array<std::array<double, 2>, 3> s{};
    for (std::size_t k = 0; k < 3; ++k) s[k] = {(*v[k])[0] / (*v[k])[3], (*v[k])[1] / (*v[k])[3]};
    const double area = std::abs((s[1][0] - s[0][0]) * (s[2][1] - s[0][1]) - (s[2][0] - s[0][0]) * (s[1][1] - s[0][1]));
    double longest = 0.0;
    for (std::size_t k = 0; k < 3; ++k) {
      longest = std::max(longest, std::hypot(s[(k + 1) % 3][0] - s[k][0], s[(k + 1) % 3][1] - s[k][1]));
    }
    return area / longest;
  }

  const Mesh& mesh_;
  std::vector<std::array<double, 4>> clip_;
  double width_, height_;
};

}  // namespace espalier::test
