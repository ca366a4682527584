// Attention and convolutions at the sizes of the large image model. Each is first checked against a float64 loop over sampled
// rows, on random inputs and with outputs that were filled with NaN, then timed in a CUDA graph; one that is wrong is an error
// instead of a time. Convolutions are counted by the neighbours that exist. pytorch_TFLOP/s is what PyTorch reached on an H100
// at the same size.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <numbers>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "captured_calls.h"
#include "ops/attention.h"
#include "ops/convolution.h"
#include "program.h"
#include "sparse/structure.h"
#include "tensor/dtype.h"

namespace espalier {
namespace {

constexpr std::size_t kPool = std::size_t{4} << 30;
constexpr std::size_t kScratch = std::size_t{256} << 20;
constexpr int kSamples = 48;

template <class T>
float to_host_float(T value) {
  if constexpr (std::is_same_v<T, half>) {
    return to_float(value);
  } else {
    return value;
  }
}

// A matrix on the GPU and, where it is an input, its values on the host.
template <class T>
struct Matrix {
  View<Cuda, T, 2> view;
  std::vector<T> host;
  [[nodiscard]] double at(std::int64_t row, std::int64_t column) const {
    return to_host_float(host[static_cast<std::size_t>(row * view.extent(1) + column)]);
  }
};

// A call whose results were compared with the reference.
struct Checked {
  double error = 0, limit = 0;
  std::function<void()> call;
};

// Squared error and square of the reference, over the samples.
struct Deviation {
  double error = 0, norm = 0;
  void add(double actual, double expected) {
    error += (actual - expected) * (actual - expected);
    norm += expected * expected;
  }
  [[nodiscard]] double relative() const { return std::sqrt(error / norm); }
};

class Bench {
 public:
  Bench() : pool_(kPool, 0, "benchmark"), scratch_(kScratch, 0, "scratch") {
    queue_.use(&scratch_);
    std::normal_distribution<float> normal;
    for (float& v : normals_) v = normal(generator_);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;
  Queue<Cuda>& queue() { return queue_; }
  Arena<Cuda>& pool() { return pool_; }
  std::int64_t below(std::int64_t n) { return std::uniform_int_distribution<std::int64_t>(0, n - 1)(generator_); }

  template <class T>
  Matrix<T> random(std::int64_t rows, std::int64_t columns, float deviation) {
    Matrix<T> m{pool_.take<T, 2>({rows, columns}), std::vector<T>(static_cast<std::size_t>(rows * columns))};
    auto at = static_cast<std::size_t>(below(static_cast<std::int64_t>(normals_.size())));
    for (T& v : m.host) {
      const float value = normals_[at] * deviation;
      if constexpr (std::is_same_v<T, half>) {
        v = to_half(value);
      } else {
        v = value;
      }
      at = at + 1 == normals_.size() ? 0 : at + 1;
    }
    upload_bytes(queue_, m.host.data(), m.view.data(), m.host.size() * sizeof(T));
    return m;
  }
  template <class T>
  Matrix<T> poisoned(std::int64_t rows, std::int64_t columns) {
    Matrix<T> m{pool_.take<T, 2>({rows, columns}), {}};
    ESPALIER_CHECK_CUDA(
        cudaMemsetAsync(m.view.data(), 0xff, static_cast<std::size_t>(m.view.size()) * sizeof(T), cuda::activate(queue_)));
    return m;
  }
  // Copies results to the host; false when one is not a number.
  template <class T>
  bool fetch(Matrix<T>& m) {
    m.host.resize(static_cast<std::size_t>(m.view.size()));
    download_bytes(queue_, m.view.data(), m.host.data(), m.host.size() * sizeof(T));
    queue_.synchronize();
    return std::none_of(m.host.begin(), m.host.end(), [](T v) { return std::isnan(to_host_float(v)); });
  }

  // prepare() takes memory from the pool. baseline: in TFLOP/s, 0 when there is none.
  void add(const std::string& name, double flops, double baseline, const std::function<Checked()>& prepare) {
    bench::add_captured(name, queue_, flops, 0, [this, baseline, prepare](benchmark::State& state, const auto& measure) {
      constexpr int kCalls = 5;
      const Frame<Cuda> frame(pool_);
      const Checked checked = prepare();
      if (!(checked.error <= checked.limit)) {
        failed_ = true;
        state.SkipWithError(str("error ", checked.error, ", at most ", checked.limit, " is right").c_str());
        return;
      }
      measure(std::vector<std::function<void()>>(kCalls, checked.call));
      state.counters["error"] = checked.error;
      if (baseline > 0) state.counters["pytorch_TFLOP/s"] = baseline;
    });
  }
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  std::mt19937_64 generator_{std::random_device{}()};
  std::vector<float> normals_ = std::vector<float>(1U << 22U);
  Queue<Cuda> queue_;
  Arena<Cuda> pool_, scratch_;
  bool failed_ = false;
};

template <class T>
constexpr double kLimit = std::is_same_v<T, half> ? 1.5e-3 : 1e-5;

// --- Attention -------------------------------------------------------------------------------------------------------

constexpr std::int64_t kWidth = 64;

// One output row of one head in float64. q, k and v start at the given columns of their matrices.
template <class T>
std::vector<double> attend_row(const Matrix<T>& q, std::int64_t q_column, std::int64_t row, const Matrix<T>& k,
                               std::int64_t k_column, const Matrix<T>& v, std::int64_t v_column,
                               const std::vector<std::int64_t>& keys, double scale) {
  std::vector<double> weights(keys.size());
  for (std::size_t j = 0; j < keys.size(); ++j) {
    for (std::int64_t c = 0; c < kWidth; ++c) weights[j] += q.at(row, q_column + c) * k.at(keys[j], k_column + c);
    weights[j] *= scale;
  }
  const double largest = *std::max_element(weights.begin(), weights.end());
  double sum = 0;
  for (double& w : weights) sum += w = std::exp(w - largest);
  std::vector<double> out(kWidth);
  for (std::size_t j = 0; j < keys.size(); ++j) {
    for (std::int64_t c = 0; c < kWidth; ++c)
      out[static_cast<std::size_t>(c)] += weights[j] / sum * v.at(keys[j], v_column + c);
  }
  return out;
}

std::int64_t packed_row(const HostPacking& p, std::int64_t i) {
  return p.order.empty() ? i : p.order[static_cast<std::size_t>(i)];
}

double flops_of(const HostPacking& queries, const HostPacking& keys, std::int64_t channels) {
  double flops = 0;
  for (std::size_t s = 0; s + 1 < queries.begin.size(); ++s) {
    flops +=
        4.0 * (queries.begin[s + 1] - queries.begin[s]) * (keys.begin[s + 1] - keys.begin[s]) * static_cast<double>(channels);
  }
  return flops;
}

template <class T>
Checked checked_attention(Bench& bench, const HostPacking& queries, const HostPacking* other, std::int64_t heads) {
  const HostPacking& keys = other == nullptr ? queries : *other;
  const std::int64_t channels = heads * kWidth;
  const std::int64_t rows = queries.begin.back();
  const Matrix<T> q = bench.random<T>(rows, (other == nullptr ? 3 : 1) * channels, 1.5F);
  const Matrix<T> cross = other == nullptr ? Matrix<T>{} : bench.random<T>(keys.begin.back(), 2 * channels, 1.0F);
  const Matrix<T>& kv = other == nullptr ? q : cross;
  const std::int64_t k_column = other == nullptr ? channels : 0;
  Matrix<T> out = bench.poisoned<T>(rows, channels);
  const Packing<Cuda> query_rows = place(bench.queue(), bench.pool(), queries);
  const Packing<Cuda> key_rows = place(bench.queue(), bench.pool(), keys);
  const auto call = [&bench, heads, channels, k_column, query_rows, key_rows, q_view = q.view, kv_view = kv.view,
                     out_view = out.view] {
    attention<Cuda, T>(bench.queue(), head_columns(q_view, 0, heads, kWidth), head_columns(kv_view, k_column, heads, kWidth),
                       head_columns(kv_view, k_column + channels, heads, kWidth), query_rows, key_rows, 0.125F,
                       head_columns(out_view, 0, heads, kWidth));
  };
  call();
  Deviation deviation;
  const bool numbers = bench.fetch(out);
  for (int sample = 0; numbers && sample < kSamples; ++sample) {
    const std::int64_t at = bench.below(rows);
    const auto s =
        static_cast<std::size_t>(std::upper_bound(queries.begin.begin(), queries.begin.end(), at) - queries.begin.begin() - 1);
    std::vector<std::int64_t> own;
    for (std::int64_t j = keys.begin[s]; j < keys.begin[s + 1]; ++j) own.push_back(packed_row(keys, j));
    const std::int64_t column = bench.below(heads) * kWidth;
    const std::int64_t row = packed_row(queries, at);
    const auto expected = attend_row(q, column, row, kv, k_column + column, kv, k_column + channels + column, own, 0.125);
    for (std::int64_t c = 0; c < kWidth; ++c) deviation.add(out.at(row, column + c), expected[static_cast<std::size_t>(c)]);
  }
  return {numbers ? deviation.relative() : NAN, kLimit<T>, call};
}

// Self attention without `keys`: q, k and v are columns of one matrix.
template <class T>
void time_attention(Bench& bench, const std::string& size, const HostPacking& queries, const std::optional<HostPacking>& keys,
                    std::int64_t heads, double baseline) {
  const double flops = flops_of(queries, keys ? *keys : queries, heads * kWidth);
  bench.add(str("attention ", name_of(dtype_of<T>::value), " ", heads, " x 64, ", size), flops, baseline,
            [=, &bench] { return checked_attention<T>(bench, queries, keys ? &*keys : nullptr, heads); });
}

// --- Convolutions ----------------------------------------------------------------------------------------------------

using Table = std::shared_ptr<const std::vector<std::int32_t>>;  // neighbours [rows, 27]

// `make(x, w, bias, residual, out)` returns the call of the op.
template <class T, class Make>
Checked checked_convolution(Bench& bench, const std::vector<std::int32_t>& neighbours, std::int64_t in, std::int64_t channels,
                            const Make& make) {
  const auto rows = static_cast<std::int64_t>(neighbours.size() / 27);
  const Matrix<T> x = bench.random<T>(rows, in, 1.0F);
  const Matrix<T> w = bench.random<T>(channels, 27 * in, 1.0F / std::sqrt(18.0F * static_cast<float>(in)));
  const Matrix<T> bias = bench.random<T>(1, channels, 1.0F);
  const Matrix<T> residual = bench.random<T>(rows, channels, 1.0F);
  Matrix<T> out = bench.poisoned<T>(rows, channels);
  const std::function<void()> call = make(x.view, View<Cuda, const T, 3>(w.view.data(), {channels, 27, in}),
                                          View<Cuda, const T, 1>(bias.view.data(), {channels}), residual.view, out.view);
  call();
  const bool numbers = bench.fetch(out);
  Deviation deviation;
  for (int sample = 0; numbers && sample < kSamples; ++sample) {
    const std::int64_t row = bench.below(rows);
    for (std::int64_t o = 0; o < channels; ++o) {
      double sum = bias.at(0, o) + residual.at(row, o);
      for (std::int64_t tap = 0; tap < 27; ++tap) {
        const std::int32_t from = neighbours[static_cast<std::size_t>(row * 27 + tap)];
        for (std::int64_t c = 0; from >= 0 && c < in; ++c) sum += x.at(from, c) * w.at(o, tap * in + c);
      }
      deviation.add(out.at(row, o), sum);
    }
  }
  return {numbers ? deviation.relative() : NAN, kLimit<T>, call};
}

double convolution_flops(const std::vector<std::int32_t>& neighbours, std::int64_t in, std::int64_t channels) {
  const auto pairs = std::count_if(neighbours.begin(), neighbours.end(), [](std::int32_t n) { return n >= 0; });
  return 2.0 * static_cast<double>(pairs) * static_cast<double>(in * channels);
}

template <class T>
void time_sparse(Bench& bench, const std::string& size, const Table& neighbours, std::int64_t in, std::int64_t channels) {
  bench.add(str("submanifold_conv ", size, " ", name_of(dtype_of<T>::value), " ", in, " -> ", channels),
            convolution_flops(*neighbours, in, channels), 0, [=, &bench] {
              const auto map = place<Cuda, std::int32_t, 2>(bench.queue(), bench.pool(), *neighbours,
                                                            {static_cast<std::int64_t>(neighbours->size() / 27), 27});
              return checked_convolution<T>(
                  bench, *neighbours, in, channels, [&bench, map](auto x, auto w, auto bias, auto residual, auto out) {
                    return [=, &bench] { submanifold_conv<Cuda, T>(bench.queue(), x, w, bias, map, residual, out); };
                  });
            });
}

template <class T>
void time_dense(Bench& bench, int side, std::int64_t in, std::int64_t channels) {
  std::vector<std::int32_t> coords;
  for (int at = 0; at < side * side * side; ++at)
    coords.insert(coords.end(), {0, at / side / side, at / side % side, at % side});
  const auto neighbours = std::make_shared<const std::vector<std::int32_t>>(neighbour_map(make_voxels(coords, 1, side)));
  bench.add(str("conv3d ", side, "^3 ", name_of(dtype_of<T>::value), " ", in, " -> ", channels),
            convolution_flops(*neighbours, in, channels), 0, [=, &bench] {
              return checked_convolution<T>(
                  bench, *neighbours, in, channels, [&bench, side](auto x, auto w, auto bias, auto residual, auto out) {
                    return [=, &bench] {
                      const auto volume = [side](auto m) { return m.template reshape<5>({1, side, side, side, m.extent(1)}); };
                      conv3d<Cuda, T>(bench.queue(), volume(View<Cuda, const T, 2>(x)),
                                      w.template reshape<5>({w.extent(0), 3, 3, 3, w.extent(2)}), bias,
                                      volume(View<Cuda, const T, 2>(residual)), volume(out));
                    };
                  });
            });
}

// The shell of a trefoil tube with 11,978 voxels in a grid of 64 cells per axis.
std::vector<std::int32_t> tube() {
  constexpr int kPoints = 4096;
  std::vector<std::array<double, 3>> curve;
  for (int i = 0; i < kPoints; ++i) {
    const double p = 2 * std::numbers::pi * i / kPoints;
    const double q = 0.28 + 0.13 * std::cos(3 * p);
    curve.push_back({q * std::cos(2 * p), q * std::sin(2 * p), 0.13 * std::sin(3 * p)});
  }
  std::vector<std::int32_t> coords;
  for (int cell = 0; cell < 64 * 64 * 64; ++cell) {
    const std::array<int, 3> at{cell / 4096, cell / 64 % 64, cell % 64};
    double nearest = 9;
    for (const auto& point : curve) {
      double distance = 0;
      for (std::size_t a = 0; a < 3; ++a) {
        const double d = (at[a] + 0.5) / 64 - 0.5 - point[a];
        distance += d * d;
      }
      nearest = std::min(nearest, distance);
    }
    if (std::abs(std::sqrt(nearest) - 0.07) < 0.766 / 64) coords.insert(coords.end(), {0, at[0], at[1], at[2]});
  }
  return coords;
}

Voxels children(const Voxels& parents) {
  std::vector<std::int32_t> coords;
  for (std::size_t row = 0; row < parents.coords.size() / 4; ++row) {
    const std::int32_t* c = &parents.coords[row * 4];
    for (int i = 0; i < 8; ++i) coords.insert(coords.end(), {c[0], 2 * c[1] + i / 4, 2 * c[2] + i / 2 % 2, 2 * c[3] + i % 2});
  }
  return make_voxels(coords, parents.batch(), 2 * parents.resolution);
}

void add_all(Bench& bench) {
  const Voxels voxels = make_voxels(tube(), 1, 64);
  const auto batches = equal_batches;
  const HostPacking image = batches(1, 1374);
  time_attention<half>(bench, "4096^2", batches(1, 4096), {}, 16, 342);
  time_attention<half>(bench, "4096^2 batch 2", batches(2, 4096), {}, 16, 393);
  time_attention<half>(bench, "4096 x 1374", batches(1, 4096), image, 16, 225);
  time_attention<half>(bench, "3008^2", batches(1, 3008), {}, 16, 271);
  time_attention<half>(bench, "4864^2", batches(1, 4864), {}, 16, 348);
  time_attention<half>(bench, "1374^2", batches(1, 1374), {}, 16, 110);
  time_attention<half>(bench, "windows, shift 0", windows(voxels, 8, 0), {}, 12, 0);
  time_attention<half>(bench, "windows, shift 4", windows(voxels, 8, 4), {}, 12, 0);
  time_attention<float>(bench, "4096^2", batches(1, 4096), {}, 16, 0);
  time_attention<float>(bench, "windows, shift 0", windows(voxels, 8, 0), {}, 12, 0);

  const auto table = [](const Voxels& v) { return std::make_shared<const std::vector<std::int32_t>>(neighbour_map(v)); };
  const Table fine = table(voxels), coarse = table(coarsen(voxels).coarse);
  time_sparse<half>(bench, "3k", coarse, 128, 1024);
  time_sparse<half>(bench, "3k", coarse, 1024, 1024);
  time_sparse<half>(bench, "12k", fine, 128, 128);
  time_sparse<half>(bench, "12k", fine, 256, 128);
  time_sparse<half>(bench, "12k", fine, 1024, 128);
  time_sparse<half>(bench, "12k", fine, 2048, 128);
  time_sparse<float>(bench, "12k", fine, 128, 128);
  const Voxels finer = children(voxels);
  const Table finer_map = table(finer), finest_map = table(children(finer));
  // The four convolutions of the mesh decoder.
  time_sparse<half>(bench, "96k", finer_map, 768, 192);
  time_sparse<half>(bench, "96k", finer_map, 192, 192);
  time_sparse<half>(bench, "767k", finest_map, 192, 96);
  time_sparse<half>(bench, "767k", finest_map, 96, 96);

  time_dense<half>(bench, 16, 8, 512);
  time_dense<half>(bench, 16, 512, 512);
  time_dense<half>(bench, 32, 128, 128);
  time_dense<half>(bench, 64, 32, 32);
  time_dense<half>(bench, 64, 32, 1);
  time_dense<float>(bench, 16, 512, 512);
  time_dense<float>(bench, 64, 32, 32);
}

}  // namespace
}  // namespace espalier

int main(int argc, char** argv) {
  using namespace espalier;
  return bench::start(argc, argv, "cuda_kernels_bench", [](bench::Program& program) {
    program.at_most(0);
    if (list_gpus().empty()) fail(ErrorCode::device, "no GPU in this machine");
    Bench bench;
    add_all(bench);
    bench::Program::run();
    if (bench.failed()) fail(ErrorCode::internal, "some results are outside their tolerance");
  });
}
