// Known-answer checks of the kernel families that networks use, for one (device, type). Included by the one source of each
// back end. The answers are plain float64 loops over small inputs, or closed forms.
#pragma once

#include <utility>

#include "api/doctor_bench.h"
#include "ops/attention.h"
#include "ops/convolution.h"
#include "ops/elementwise.h"
#include "ops/embedding.h"
#include "ops/gemm.h"
#include "ops/norm.h"
#include "sparse/structure.h"

namespace espalier {

template <class Dev, class T>
class DoctorChecks : private DoctorBench<Dev, T> {
  using Bench = DoctorBench<Dev, T>;

 public:
  using Bench::Bench;

  [[nodiscard]] std::vector<Check> run() {
    add("matrix products", [&] { return products(); });
    add("attention", [&] { return attentions(); });
    add("normalisation", [&] { return norms(); });
    add("group norm", [&] { return group_norms(); });
    add("dense convolution", [&] { return dense(); });
    add("sparse convolution", [&] { return sparse(); });
    add("embeddings", [&] { return embeddings(); });
    add("elementwise", [&] { return elementwise(); });
    return std::move(checks_);
  }

 private:
  using Bench::add;
  using Bench::arena_;
  using Bench::checks_;
  using Bench::error;
  using Bench::get;
  using Bench::queue_;
  using Bench::values;
  using typename Bench::Values;

  double products() {
    constexpr int n = 37, k = 72, m = 40;
    const Values x = values("x", n * k), w = values("w", m * k), b = values("b", m);
    auto out = arena_.template take<T, 2>({n, m});
    linear<Dev, T>(queue_, this->template put<2>(x, {n, k}), this->template put<2>(w, {m, k}), this->template put<1>(b, {m}),
                   Activation::none, out);
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
    attention<Dev, T>(queue_, this->template put<3>(q, {rows, heads, width}), this->template put<3>(k, {rows, heads, width}),
                      this->template put<3>(v, {rows, heads, width}), p, p, scale, out);
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
    layer_norm<Dev, T, T>(queue_, this->template put<2>(x, {rows, channels}), {}, 1e-6F, out);
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
    conv3d<Dev, T>(queue_, this->template put<5>(x, {1, side, side, side, in}), this->template put<5>(w, {outs, 3, 3, 3, in}),
                   this->template put<1>(b, {outs}), {}, out);
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
    submanifold_conv<Dev, T>(queue_, this->template put<2>(x, {n, in}), this->template put<3>(w, {outs, 27, in}),
                             this->template put<1>(b, {outs}), this->template put_as<std::int32_t, 2>(map, {n, 27}), {}, out);
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
    position_embedding<Dev, T>(queue_, this->template put_as<std::int32_t, 2>(coords, {3, 4}), out);
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
    combine<Dev, T>(queue_, 2.0F, this->template put<1>(x, {n}), -0.5F, this->template put<1>(y, {n}), out);
    std::vector<double> ref;
    for (int i = 0; i < n; ++i) ref.push_back(2.0 * x[i] - 0.5 * y[i]);
    return error(get(out), ref);
  }
  // Two groups of two channels over five rows.
  double group_norms() {
    constexpr int rows = 5, channels = 4, groups = 2;
    const Values x = values("gx", rows * channels), gain = values("gg", channels), bias = values("gb", channels);
    const std::vector<std::int64_t> begin{0, rows};
    auto out = arena_.template take<T, 2>({rows, channels});
    const auto gains = this->template put_as<float, 1>(gain, {channels}),
               biases = this->template put_as<float, 1>(bias, {channels});
    group_norm<Dev, T, T>(queue_, this->template put<2>(x, {rows, channels}),
                          View<Cpu, const std::int64_t, 1>(begin.data(), {2}), groups, gains, biases, 1e-5F, Activation::none,
                          out);
    std::vector<double> ref(x.size());
    for (int g = 0; g < groups; ++g) {
      double sum = 0, squares = 0;
      constexpr int width = channels / groups, n = rows * width;
      const auto each = [&](auto f) {
        for (int r = 0; r < rows; ++r)
          for (int c = g * width; c < (g + 1) * width; ++c)
            f(static_cast<std::size_t>(r * channels + c), static_cast<std::size_t>(c));
      };
      each([&](std::size_t i, std::size_t) { sum += x[i]; });
      each([&](std::size_t i, std::size_t) { squares += (x[i] - sum / n) * (x[i] - sum / n); });
      const double scale = 1.0 / std::sqrt(squares / n + 1e-5);
      each([&](std::size_t i, std::size_t c) { ref[i] = (x[i] - sum / n) * scale * gain[c] + bias[c]; });
    }
    return error(get(out), ref);
  }
};

}  // namespace espalier
