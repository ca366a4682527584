// Known-answer checks of every kernel family, for one (device, type). Included by the one source of each back end. The
// answers are plain float64 loops over small inputs, or closed forms.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>

#include "espalier/espalier.h"
#include "geometry/surface/surface.h"
#include "ops/attention.h"
#include "ops/elementwise.h"
#include "ops/embedding.h"
#include "ops/norm.h"
#include "ops/representation.h"
#include "ops/volume.h"
#include "render/raster/triangle_rasteriser.h"
#include "sparse/convolution.h"
#include "sparse/structure.h"
#include "weights/made_up.h"

namespace espalier {

template <class Dev, class T>
class DoctorChecks {
 public:
  DoctorChecks(int ordinal, std::string type) : queue_(ordinal), arena_(kScratch, ordinal, "doctor"), type_(std::move(type)) {
    queue_.use(&arena_);
  }

  [[nodiscard]] std::vector<Check> run() {
    add("matrix products", [&] { return products(); });
    add("attention", [&] { return attentions(); });
    add("normalisation", [&] { return norms(); });
    add("dense convolution", [&] { return dense(); });
    add("sparse convolution", [&] { return sparse(); });
    add("embeddings", [&] { return embeddings(); });
    add("elementwise", [&] { return elementwise(); });
    if constexpr (std::is_same_v<T, float>) add("surface extraction", [&] { return surface(); });
    if constexpr (std::is_same_v<T, float>) add("triangles", [&] { return triangles(); });
    return std::move(checks_);
  }

 private:
  static constexpr std::size_t kScratch = std::size_t{64} << 20U;
  using Values = std::vector<float>;

  void add(const std::string& family, const std::function<double()>& measure) {
    constexpr double kTolerance = std::is_same_v<T, float> ? 1e-4 : 2e-2;
    Check c;
    c.name = family + ", " + type_;
    try {
      const Frame<Dev> frame(arena_);
      const double error = measure();
      c.passed = error <= kTolerance;
      c.detail = str("error ", error, c.passed ? "" : ": wrong results; update the driver, or rebuild with: make cuda");
    } catch (const Error& e) {
      c.detail = e.what();
    }
    checks_.push_back(std::move(c));
  }
  [[nodiscard]] static Values values(const std::string& name, std::int64_t n) {
    Values v = hashed_values("doctor", name, n, 1.0, 0.0);
    // What half precision cannot hold must not count as an error of the kernel.
    if constexpr (std::is_same_v<T, half>) {
      for (float& x : v) x = to_float(to_half(x));
    }
    return v;
  }
  template <int Rank>
  [[nodiscard]] View<Dev, T, Rank> put(const Values& v, const Extents<Rank>& e) {
    std::vector<T> typed(v.size());
    for (std::size_t i = 0; i < v.size(); ++i) {
      if constexpr (std::is_same_v<T, half>) {
        typed[i] = to_half(v[i]);
      } else {
        typed[i] = v[i];
      }
    }
    auto view = arena_.template take<T, Rank>(e);
    upload_bytes(queue_, typed.data(), view.data(), typed.size() * sizeof(T));
    return view;
  }
  template <class E, int Rank>
  [[nodiscard]] View<Dev, E, Rank> put_as(const std::vector<E>& v, const Extents<Rank>& e) {
    auto view = arena_.template take<E, Rank>(e);
    upload_bytes(queue_, v.data(), view.data(), v.size() * sizeof(E));
    return view;
  }
  template <class V>
  [[nodiscard]] Values get(V view) {
    using E = std::remove_const_t<typename V::element>;
    std::vector<E> raw(static_cast<std::size_t>(view.size()));
    download_bytes(queue_, view.data(), raw.data(), raw.size() * sizeof(E));
    Values out(raw.size());
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if constexpr (std::is_same_v<E, half>) {
        out[i] = to_float(raw[i]);
      } else {
        out[i] = static_cast<float>(raw[i]);
      }
    }
    return out;
  }
  // max |x - ref| / rms(ref)
  [[nodiscard]] static double error(const Values& got, const std::vector<double>& ref) {
    double worst = got.size() == ref.size() ? 0.0 : INFINITY;
    double squares = 0.0;
    for (std::size_t i = 0; i < std::min(got.size(), ref.size()); ++i) {
      const double d = std::abs(got[i] - ref[i]);
      worst = std::isnan(d) ? INFINITY : std::max(worst, d);
      squares += ref[i] * ref[i];
    }
    return worst / std::max(1e-6, std::sqrt(squares / std::max<double>(1.0, static_cast<double>(ref.size()))));
  }

  double products() {
    constexpr int n = 37, k = 72, m = 40;
    const Values x = values("x", n * k), w = values("w", m * k), b = values("b", m);
    auto out = arena_.template take<T, 2>({n, m});
    linear<Dev, T>(queue_, put<2>(x, {n, k}), put<2>(w, {m, k}), put<1>(b, {m}), Activation::none, out);
    std::vector<double> ref;
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < m; ++j) {
        double s = b[j];
        for (int q = 0; q < k; ++q) s += static_cast<double>(x[i * k + q]) * w[j * k + q];
        ref.push_back(s);
      }
    }
    return error(get(out), ref);
  }
  double attentions() {
    // Two sequences of unequal length, three heads.
    constexpr int heads = 3, width = 32, rows = 150;
    const std::vector<std::int32_t> begin{0, 61, rows};
    const Values q = values("q", rows * heads * width), k = values("k", rows * heads * width),
                 v = values("v", rows * heads * width);
    HostPacking packing;
    packing.begin = begin;
    packing.longest = rows - 61;
    const Packing<Dev> p = place(queue_, arena_, packing);
    auto out = arena_.template take<T, 3>({rows, heads, width});
    const float scale = 1.0F / std::sqrt(static_cast<float>(width));
    attention<Dev, T>(queue_, put<3>(q, {rows, heads, width}), put<3>(k, {rows, heads, width}), put<3>(v, {rows, heads, width}),
                      p, p, scale, out);
    std::vector<double> ref(q.size());
    for (std::size_t s = 0; s + 1 < begin.size(); ++s) {
      for (int i = begin[s]; i < begin[s + 1]; ++i) {
        for (int h = 0; h < heads; ++h) {
          std::vector<double> weight;
          double sum = 0.0;
          for (int j = begin[s]; j < begin[s + 1]; ++j) {
            double dot = 0.0;
            for (int c = 0; c < width; ++c)
              dot += static_cast<double>(q[(i * heads + h) * width + c]) * k[(j * heads + h) * width + c];
            weight.push_back(std::exp(dot * scale));
            sum += weight.back();
          }
          for (int c = 0; c < width; ++c) {
            double o = 0.0;
            for (int j = begin[s]; j < begin[s + 1]; ++j) o += weight[j - begin[s]] * v[(j * heads + h) * width + c];
            ref[(i * heads + h) * width + c] = o / sum;
          }
        }
      }
    }
    return error(get(out), ref);
  }
  double norms() {
    constexpr int rows = 19, channels = 96;
    const Values x = values("n", rows * channels);
    auto out = arena_.template take<T, 2>({rows, channels});
    layer_norm<Dev, T, T>(queue_, put<2>(x, {rows, channels}), {}, 1e-6F, out);
    std::vector<double> ref;
    for (int r = 0; r < rows; ++r) {
      double mean = 0.0, square = 0.0;
      for (int c = 0; c < channels; ++c) mean += x[r * channels + c] / static_cast<double>(channels);
      for (int c = 0; c < channels; ++c) square += std::pow(x[r * channels + c] - mean, 2) / channels;
      for (int c = 0; c < channels; ++c) ref.push_back((x[r * channels + c] - mean) / std::sqrt(square + 1e-6));
    }
    return error(get(out), ref);
  }
  double dense() {
    constexpr int side = 6, in = 16, outs = 16;
    const Values x = values("cx", side * side * side * in), w = values("cw", outs * 27 * in), b = values("cb", outs);
    auto out = arena_.template take<T, 5>({1, side, side, side, outs});
    conv3d<Dev, T>(queue_, put<5>(x, {1, side, side, side, in}), put<5>(w, {outs, 3, 3, 3, in}), put<1>(b, {outs}), {}, out);
    std::vector<double> ref;
    for (int cell = 0; cell < side * side * side; ++cell) {
      for (int o = 0; o < outs; ++o) {
        double s = b[o];
        for (int tap = 0; tap < 27; ++tap) {
          const int i = cell / 36 + tap / 9 - 1, j = cell / 6 % 6 + tap / 3 % 3 - 1, k = cell % 6 + tap % 3 - 1;
          if (i < 0 || j < 0 || k < 0 || i >= side || j >= side || k >= side) continue;
          for (int c = 0; c < in; ++c)
            s += static_cast<double>(x[((i * side + j) * side + k) * in + c]) * w[(o * 27 + tap) * in + c];
        }
        ref.push_back(s);
      }
    }
    return error(get(out), ref);
  }
  double sparse() {
    constexpr int in = 32, outs = 32;
    std::vector<std::int32_t> coords;
    for (int i = 0; i < 512; ++i) {
      if (i * 7 % 3 != 0) coords.insert(coords.end(), {0, i / 64, i / 8 % 8, i % 8});
    }
    const Voxels voxels = make_voxels(coords, 1, 8);
    const auto n = static_cast<int>(voxels.rows());
    const std::vector<std::int32_t> map = neighbour_map(voxels);
    const Values x = values("sx", n * in), w = values("sw", outs * 27 * in), b = values("sb", outs);
    auto out = arena_.template take<T, 2>({n, outs});
    submanifold_conv<Dev, T>(queue_, put<2>(x, {n, in}), put<3>(w, {outs, 27, in}), put<1>(b, {outs}),
                             put_as<std::int32_t, 2>(map, {n, 27}), {}, out);
    std::vector<double> ref;
    for (int r = 0; r < n; ++r) {
      for (int o = 0; o < outs; ++o) {
        double s = b[o];
        for (int tap = 0; tap < 27; ++tap) {
          const std::int32_t from = map[r * 27 + tap];
          for (int c = 0; from >= 0 && c < in; ++c) s += static_cast<double>(x[from * in + c]) * w[(o * 27 + tap) * in + c];
        }
        ref.push_back(s);
      }
    }
    return error(get(out), ref);
  }
  double embeddings() {
    auto out = arena_.template take<T, 2>({3, 24});
    const std::vector<std::int32_t> coords{0, 1, 2, 3, 0, 10, 20, 30, 0, 63, 0, 31};
    position_embedding<Dev, T>(queue_, put_as<std::int32_t, 2>(coords, {3, 4}), out);
    std::vector<double> ref;
    for (int r = 0; r < 3; ++r) {
      for (int axis = 1; axis < 4; ++axis) {
        for (int i = 0; i < 8; ++i) {
          const double angle = coords[r * 4 + axis] * std::pow(10000.0, -(i % 4) / 4.0);
          ref.push_back(i < 4 ? std::sin(angle) : std::cos(angle));
        }
      }
    }
    return error(get(out), ref);
  }
  double elementwise() {
    constexpr int n = 1000;
    const Values x = values("ex", n), y = values("ey", n);
    auto out = arena_.template take<T, 1>({n});
    combine<Dev, T>(queue_, 2.0F, put<1>(x, {n}), -0.5F, put<1>(y, {n}), out);
    std::vector<double> ref;
    for (int i = 0; i < n; ++i) ref.push_back(2.0 * x[i] - 0.5 * y[i]);
    return error(get(out), ref);
  }
  // A sphere of radius 0.3 on a grid of 16: every vertex must lie on it to a fraction of a cell.
  double surface() {
    constexpr int side = 16;
    std::vector<std::int32_t> cubes;
    std::vector<float> features;
    for (int i = 0; i < side * side * side; ++i) {
      const std::array<int, 3> c{i / (side * side), i / side % side, i % side};
      cubes.insert(cubes.end(), {0, c[0], c[1], c[2]});
      for (int corner = 0; corner < 8; ++corner) {
        const double x = (c[0] + corner % 2) / 16.0 - 0.5, y = (c[1] + corner / 2 % 2) / 16.0 - 0.5,
                     z = (c[2] + corner / 4) / 16.0 - 0.5;
        features.push_back(static_cast<float>(std::sqrt(x * x + y * y + z * z) - 0.3 + 1.0 / side));
      }
      features.insert(features.end(), 24 + 21, 0.0F);
    }
    const std::int64_t n = side * side * side;
    SurfaceMesh<Dev> mesh;
    const auto allocate = [&](std::int64_t v, std::int64_t f, bool /*colour*/) {
      mesh.vertices = arena_.template take<float, 2>({v, 3});
      mesh.faces = arena_.template take<std::int32_t, 2>({f, 3});
      return mesh;
    };
    const auto features_view = put_as<float, 2>(features, {n, 53});
    // The meshes' memory is taken first, because the extraction hands its own temporaries back at its end.
    const SurfaceMesh<Dev> result =
        extract_surface<Dev>(queue_, put_as<std::int32_t, 2>(cubes, {n, 4}), features_view, side, allocate);
    const Values v = get(result.vertices);
    if (v.empty()) return INFINITY;
    double worst = 0.0;
    for (std::size_t i = 0; i < v.size(); i += 3) {
      const double r = std::sqrt(v[i] * v[i] + v[i + 1] * v[i + 1] + v[i + 2] * v[i + 2]);
      // Linear interpolation of the distance along an edge of 1/16 leaves less than a hundredth of it.
      worst = std::max(worst, std::abs(r - 0.3) * side);
    }
    return worst < 0.1 ? 0.0 : worst;
  }

  // Three faces that look at a camera in the origin: one beyond the picture, one across much of it, one of a few pixels.
  double triangles() {
    constexpr int side = 160;
    Mesh mesh;
    mesh.vertices = {-90, -80,   30,    95, -85, 30, 0, 99,     30,     -0.83F, -0.61F, 2,      0.75F, -0.37F,
                     2,   0.11F, 0.79F, 2,  0,   0,  1, 0.043F, 0.006F, 1,      0.012F, 0.037F, 1};
    mesh.faces = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    TriangleRasteriser<Dev> rasteriser(queue_, mesh);
    Fragments<Dev> shown;
    shown.face = arena_.template take<std::int32_t, 2>({side, side});
    shown.depth = arena_.template take<float, 2>({side, side});
    rasteriser.render(Camera{}, shown);
    const Values depth = get(shown.depth);
    double worst = 0.0;
    for (int i = 0; i < side * side; ++i) {
      const double x = (i % side + 0.5) / side - 0.5, y = (i / side + 0.5) / side - 0.5;
      double expected = 0.0, clear = 1.0;
      for (std::size_t f = 0; f < 9; f += 3) {
        std::array<double, 3> inside{};
        for (std::size_t k = 0; k < 3; ++k) {
          const float *a = &mesh.vertices[3 * (f + k)], *b = &mesh.vertices[3 * (f + (k + 1) % 3)];
          const double dx = b[0] / b[2] - a[0] / a[2], dy = b[1] / b[2] - a[1] / a[2];
          inside[k] = (dx * (y - a[1] / a[2]) - dy * (x - a[0] / a[2])) / std::hypot(dx, dy) * side;
        }
        const double least = std::min({inside[0], inside[1], inside[2]});
        clear = std::min(clear, std::abs(least));
        if (least > 0) expected = mesh.vertices[3 * f + 2];
      }
      if (clear > 0.01) worst = std::max(worst, std::abs(depth[static_cast<std::size_t>(i)] - expected));
    }
    return worst;
  }

  Queue<Dev> queue_;
  Arena<Dev> arena_;
  std::string type_;
  std::vector<Check> checks_;
};

}  // namespace espalier
