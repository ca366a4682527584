// Known-answer checks of the kernel families that text, background removal and upsampling use, for one (device, type); and of
// sorting, running sums and held values, which know one type. Answers as in doctor_checks.h.
#pragma once

#include <algorithm>
#include <numeric>
#include <utility>

#include "api/doctor_bench.h"
#include "ops/attention.h"
#include "ops/convolution.h"
#include "ops/keep.h"
#include "ops/pooling.h"
#include "ops/volume.h"
#include "parallel/scan.h"
#include "parallel/sort.h"
#include "sparse/structure.h"
#include "sparse/subdivision.h"

namespace espalier {

template <class Dev, class T>
class DoctorShapeChecks : private DoctorBench<Dev, T> {
  using Bench = DoctorBench<Dev, T>;

 public:
  using Bench::Bench;

  [[nodiscard]] std::vector<Check> run() {
    add("causal attention", [&] { return causal(); });
    add("image convolution", [&] { return images(); });
    add("pooling", [&] { return std::max(pooling(), resizing()); });
    add("pixel shuffle", [&] { return shuffle(); });
    add("subdivision", [&] { return subdivision(); });
    if constexpr (std::is_same_v<T, float>) {
      add("held values", [&] { return held(); });
      add("sorting", [&] { return sorting(); });
      add("running sums", [&] { return sums(); });
    }
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

  // Two sequences of unequal length, two heads.
  double causal() {
    constexpr int heads = 2, width = 16, rows = 40;
    const std::vector<std::int32_t> begin{0, 17, rows};
    const Extents<3> extents{rows, heads, width};
    const Values q = values("kq", rows * heads * width), k = values("kk", rows * heads * width),
                 v = values("kv", rows * heads * width);
    HostPacking packing;
    packing.begin = begin;
    packing.longest = rows - 17;
    auto out = arena_.template take<T, 3>(extents);
    const float scale = 1.0F / std::sqrt(static_cast<float>(width));
    causal_attention<Dev, T>(queue_, this->template put<3>(q, extents), this->template put<3>(k, extents),
                             this->template put<3>(v, extents), place(queue_, arena_, packing), scale, out);
    std::vector<double> ref(q.size());
    for (int i = 0; i < rows; ++i) {
      const int first = i < begin[1] ? 0 : begin[1];
      for (int h = 0; h < heads; ++h) {
        const auto at = [&](int row, int c) { return static_cast<std::size_t>((row * heads + h) * width + c); };
        std::vector<double> weight;
        for (int j = first; j <= i; ++j) {
          double dot = 0.0;
          for (int c = 0; c < width; ++c) dot += static_cast<double>(q[at(i, c)]) * k[at(j, c)];
          weight.push_back(std::exp(dot * scale));
        }
        const double all = std::accumulate(weight.begin(), weight.end(), 0.0);
        for (int c = 0; c < width; ++c) {
          for (int j = first; j <= i; ++j) ref[at(i, c)] += weight[static_cast<std::size_t>(j - first)] * v[at(j, c)] / all;
        }
      }
    }
    return error(get(out), ref);
  }

  // 3 x 3 with stride 2, and relu.
  double images() {
    constexpr int high = 9, wide = 7, in = 16, outs = 16, out_high = 5, out_wide = 4;
    const Values x = values("ix", high * wide * in), w = values("iw", outs * 9 * in), b = values("ib", outs);
    const Window window{.kernel = {3, 3}, .stride = {2, 2}, .before = {1, 1}};
    auto out = arena_.template take<T, 4>({1, out_high, out_wide, outs});
    conv2d<Dev, T>(queue_, this->template put<4>(x, {1, high, wide, in}), this->template put<4>(w, {outs, 3, 3, in}),
                   this->template put<1>(b, {outs}), window, Activation::relu, out);
    std::vector<double> ref;
    for (int pixel = 0; pixel < out_high * out_wide; ++pixel) {
      for (int o = 0; o < outs; ++o) {
        double s = b[static_cast<std::size_t>(o)];
        for (int tap = 0; tap < 9; ++tap) {
          const int i = pixel / out_wide * 2 - 1 + tap / 3, j = pixel % out_wide * 2 - 1 + tap % 3;
          if (i < 0 || j < 0 || i >= high || j >= wide) continue;
          for (int c = 0; c < in; ++c) {
            s += static_cast<double>(x[static_cast<std::size_t>((i * wide + j) * in + c)]) *
                 w[static_cast<std::size_t>((o * 9 + tap) * in + c)];
          }
        }
        ref.push_back(std::max(s, 0.0));
      }
    }
    return error(get(out), ref);
  }

  double pooling() {
    constexpr int side = 6, channels = 8;
    const Values x = values("px", side * side * channels);
    auto out = arena_.template take<T, 4>({1, side / 2, side / 2, channels});
    max_pool2d<Dev, T>(queue_, this->template put<4>(x, {1, side, side, channels}), {.kernel = {2, 2}, .stride = {2, 2}}, out);
    std::vector<double> ref;
    for (int pixel = 0; pixel < side * side / 4; ++pixel) {
      for (int c = 0; c < channels; ++c) {
        const auto at = [&](int i, int j) {
          const int row = pixel / (side / 2) * 2 + i, column = pixel % (side / 2) * 2 + j;
          return x[static_cast<std::size_t>((row * side + column) * channels + c)];
        };
        ref.push_back(std::max({at(0, 0), at(0, 1), at(1, 0), at(1, 1)}));
      }
    }
    return error(get(out), ref);
  }

  // To twice the size: weights of a quarter and three quarters, the border's value beyond it.
  double resizing() {
    constexpr int side = 4, channels = 8, large = 2 * side;
    const Values x = values("rx", side * side * channels);
    auto out = arena_.template take<T, 4>({1, large, large, channels});
    const Sampling twice{.step = 0.5F, .offset = -0.25F};
    resize_bilinear<Dev, T>(queue_, this->template put<4>(x, {1, side, side, channels}), twice, twice, out);
    std::vector<double> ref;
    for (int pixel = 0; pixel < large * large; ++pixel) {
      const int near_row = pixel / large / 2, near_column = pixel % large / 2;
      const int far_row = std::clamp(near_row + (pixel / large % 2 == 0 ? -1 : 1), 0, side - 1);
      const int far_column = std::clamp(near_column + (pixel % large % 2 == 0 ? -1 : 1), 0, side - 1);
      for (int c = 0; c < channels; ++c) {
        const auto at = [&](int i, int j) -> double { return x[static_cast<std::size_t>((i * side + j) * channels + c)]; };
        ref.push_back(0.75 * (0.75 * at(near_row, near_column) + 0.25 * at(near_row, far_column)) +
                      0.25 * (0.75 * at(far_row, near_column) + 0.25 * at(far_row, far_column)));
      }
    }
    return error(get(out), ref);
  }

  double shuffle() {
    constexpr int side = 3, channels = 2, large = 2 * side;
    const Values x = values("vx", side * side * side * 8 * channels);
    auto out = arena_.template take<T, 5>({1, large, large, large, channels});
    pixel_shuffle<Dev, T>(queue_, this->template put<5>(x, {1, side, side, side, 8 * channels}), out);
    std::vector<double> ref;
    for (int cell = 0; cell < large * large * large; ++cell) {
      const int i = cell / (large * large), j = cell / large % large, k = cell % large;
      const int from = ((i / 2 * side + j / 2) * side + k / 2) * 8 * channels + 4 * (i % 2) + 2 * (j % 2) + k % 2;
      for (int c = 0; c < channels; ++c) ref.push_back(x[static_cast<std::size_t>(from + 8 * c)]);
    }
    return error(get(out), ref);
  }

  // A convolution right after voxels were divided, in all three ways that there are.
  double subdivision() {
    constexpr int in = 16, outs = 16;
    std::vector<std::int32_t> coords, finer;
    for (int i = 0; i < 64; ++i) {
      if (i % 3 != 0) coords.insert(coords.end(), {0, i / 16, i / 4 % 4, i % 4});
    }
    for (std::size_t r = 0; r < coords.size(); r += 4) {
      for (int child = 0; child < 8; ++child) {
        finer.insert(finer.end(),
                     {0, 2 * coords[r + 1] + child / 4, 2 * coords[r + 2] + child / 2 % 2, 2 * coords[r + 3] + child % 2});
      }
    }
    const Voxels voxels = make_voxels(coords, 1, 4);
    const std::int64_t n = voxels.rows();
    const std::vector<std::int32_t> map = neighbour_map(make_voxels(finer, 1, 8));
    const Values x = values("dx", n * in), w = values("dw", outs * 27 * in), b = values("db", outs);
    std::vector<double> ref;
    std::vector<std::int32_t> of_parents;
    for (const std::int32_t child : map) of_parents.push_back(child < 0 ? -1 : child / 8);
    for (std::int64_t r = 0; r < 8 * n; ++r) {
      for (int o = 0; o < outs; ++o) {
        double s = b[static_cast<std::size_t>(o)];
        for (int tap = 0; tap < 27; ++tap) {
          const std::int32_t from = of_parents[static_cast<std::size_t>(r * 27 + tap)];
          for (int c = 0; from >= 0 && c < in; ++c) {
            s += static_cast<double>(x[static_cast<std::size_t>(from * in + c)]) *
                 w[static_cast<std::size_t>((o * 27 + tap) * in + c)];
          }
        }
        ref.push_back(s);
      }
    }
    const auto features = this->template put<2>(x, {n, in});
    const auto weights = this->template put<3>(w, {outs, 27, in});
    const auto bias = this->template put<1>(b, {outs});
    const auto parents = this->template put_as<std::int32_t, 2>(neighbour_map(voxels), {n, 27});
    const auto neighbours = arena_.template take<std::int32_t, 2>({8 * n, 27});
    const auto repeated = arena_.template take<T, 2>({8 * n, in});
    const auto folded = arena_.template take<T, 4>({8, outs, 8, in});
    const auto out = arena_.template take<T, 2>({8 * n, outs});
    subdivide_neighbours<Dev>(queue_, parents, neighbours);
    repeat_children<Dev, T>(queue_, features, repeated);
    submanifold_conv<Dev, T>(queue_, repeated, weights, bias, neighbours, {}, out);
    double worst = error(get(out), ref);
    fold_child_taps<Dev, T>(queue_, weights, folded);
    child_conv<Dev, T>(queue_, features, folded, bias, parents, out);
    worst = std::max(worst, error(get(out), ref));
    shared_rows_conv<Dev, T>(queue_, features, weights, bias, this->template put_as<std::int32_t, 2>(of_parents, {8 * n, 27}),
                             out);
    return std::max(worst, error(get(out), ref));
  }

  double held() {
    constexpr int n = 1000;
    constexpr float t = 0.25F;
    const Values known = values("hk", n), noise = values("hn", n), x = values("hx", n);
    std::vector<std::uint8_t> kept;
    std::vector<double> ref;
    for (std::size_t i = 0; i < n; ++i) {
      kept.push_back(i % 3 == 0 ? 1 : 0);
      ref.push_back(kept[i] != 0 ? 0.75 * known[i] + 0.25 * noise[i] : x[i]);
    }
    const auto out = this->template put<1>(x, {n});
    keep_known<Dev, T>(queue_, this->template put<1>(known, {n}), this->template put<1>(noise, {n}),
                       this->template put_as<std::uint8_t, 1>(kept, {n}), t, out);
    return error(get(out), ref);
  }

  // Pairs with many equal keys, which stay in their order.
  double sorting() {
    constexpr int bits = 9;
    constexpr std::uint32_t n = 5000;
    std::vector<std::uint32_t> keys, rows(n);
    for (std::uint32_t i = 0; i < n; ++i) keys.push_back((i * 2654435761U) >> (32 - bits));
    std::iota(rows.begin(), rows.end(), 0U);
    const auto room = [&] { return arena_.template take<std::uint32_t, 1>({n}).data(); };
    const SortPairs<std::uint32_t> pairs{this->template put_as<std::uint32_t, 1>(keys, {n}).data(),
                                         this->template put_as<std::uint32_t, 1>(rows, {n}).data(), room(), room()};
    const auto workspace = arena_.template take<std::byte, 1>({static_cast<std::int64_t>(sort_bytes<Dev>(n, bits))});
    const SortPairs<std::uint32_t> sorted = sort_pairs<Dev, std::uint32_t>(queue_, pairs, n, bits, workspace);
    std::stable_sort(rows.begin(), rows.end(), [&](std::uint32_t a, std::uint32_t b) { return keys[a] < keys[b]; });
    return error(get(View<Dev, std::uint32_t, 1>(sorted.values, {n})), std::vector<double>(rows.begin(), rows.end()));
  }

  double sums() {
    constexpr int n = 5000;
    std::vector<std::int32_t> counts;
    for (int i = 0; i < n; ++i) counts.push_back(i * 7 % 5);
    const auto running = this->template put_as<std::int32_t, 1>(counts, {n});
    exclusive_sum<Dev>(queue_, running, arena_.template take<std::byte, 1>({static_cast<std::int64_t>(sum_bytes<Dev>(n))}));
    std::vector<double> ref(n);
    std::exclusive_scan(counts.begin(), counts.end(), ref.begin(), 0.0);
    return error(get(running), ref);
  }
};

}  // namespace espalier
