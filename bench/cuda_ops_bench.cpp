// Times the CUDA ops at the sizes of the large image model: microseconds per call and what they mean in TFLOP/s or GB/s. Calls
// are captured in a CUDA graph, so the host's speed does not matter, and go around sets of buffers that together exceed the
// GPU's L2 cache.
#include <algorithm>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "captured_calls.h"
#include "ops/cuda/gemm_float8.h"
#include "ops/elementwise.h"
#include "ops/norm.h"
#include "ops/quantised.h"
#include "ops/volume.h"
#include "program.h"
#include "sparse/subdivision.h"
#include "tensor/dtype.h"

namespace espalier {
namespace {

constexpr std::size_t kPool = std::size_t{3} << 30;
constexpr std::size_t kRing = std::size_t{400} << 20;  // bytes that one round of calls touches, at least

class Bench {
 public:
  Bench() : pool_(kPool, 0, "benchmark"), scratch_(std::size_t{256} << 20, 0, "scratch") {
    queue_.use(&scratch_);
    fill();
  }

  Queue<Cuda>& queue() { return queue_; }

  // Uninitialised but for numbers of magnitude below one.
  template <class T, std::size_t Rank>
  View<Cuda, T, static_cast<int>(Rank)> take(const std::array<std::int64_t, Rank>& extents) {
    return pool_.template take<T, static_cast<int>(Rank)>(extents);
  }
  template <class T, std::size_t Rank>
  View<Cuda, T, static_cast<int>(Rank)> zeros(const std::array<std::int64_t, Rank>& extents) {
    const auto view = take<T>(extents);
    zero_bytes(queue_, view.data(), static_cast<std::size_t>(view.size()) * sizeof(T));
    return view;
  }

  // prepare() takes one set of buffers and returns the call that uses them. The work of one call is in FLOP or, if that is
  // zero, in bytes.
  void time(const std::string& name, double flops, double bytes, const std::function<std::function<void()>()>& prepare) {
    bench::add_captured(name, queue_, flops, bytes, [this, prepare](benchmark::State& /*state*/, const auto& measure) {
      const Frame<Cuda> frame(pool_);
      std::vector<std::function<void()>> calls;
      const std::size_t start = pool_.used();
      while (calls.size() < 4 || (pool_.used() - start < kRing && calls.size() < 64)) calls.push_back(prepare());
      measure(calls);
    });
  }

 private:
  void fill() {
    const std::size_t part = std::size_t{64} << 20;
    std::vector<half> values(part / sizeof(half));
    std::minstd_rand generator(1);
    for (half& v : values) v = to_half(static_cast<float>(generator() % 4001) / 2000.0F - 1.0F);
    const Frame<Cuda> frame(pool_);
    for (std::size_t done = 0; done < kPool; done += part) {
      const auto at = pool_.take<std::byte, 1>({static_cast<std::int64_t>(part)});
      upload_bytes(queue_, values.data(), at.data(), part);
    }
  }

  Queue<Cuda> queue_;
  Arena<Cuda> pool_, scratch_;
};

template <class T>
void time_linear(Bench& bench, std::int64_t rows, std::int64_t in, std::int64_t out, Activation activation, bool add) {
  static constexpr std::array<const char*, 4> kNames{"", " silu", " gelu_tanh", " gelu_erf"};
  const std::string name = str(add ? "linear_add " : "linear ", name_of(dtype_of<T>::value), " ", rows, " x ", in, " -> ", out,
                               kNames[static_cast<std::size_t>(activation)]);
  const auto w = bench.take<T>(std::array{out, in});
  const auto bias = bench.take<T>(std::array{out});
  const double flops = 2.0 * static_cast<double>(rows) * static_cast<double>(in) * static_cast<double>(out);
  bench.time(name, flops, 0, [=, &bench] {
    const auto x = bench.take<T>(std::array{rows, in});
    const auto y = bench.take<T>(std::array{rows, out});
    return [&bench, x, w, bias, y, activation, add] {
      if (add) {
        linear_add(bench.queue(), x, w, bias, y, y);
      } else {
        linear(bench.queue(), x, w, bias, activation, y);
      }
    };
  });
}

void time_linears(Bench& bench) {
  using A = Activation;
  for (const std::int64_t rows : {4096, 8192, 3008, 1374}) {
    time_linear<half>(bench, rows, 1024, 3072, A::none, false);
    time_linear<half>(bench, rows, 1024, 1024, A::none, false);
    time_linear<half>(bench, rows, 1024, 4096, A::none, false);
    time_linear<half>(bench, rows, 1024, 4096, rows == 1374 ? A::gelu_erf : A::gelu_tanh, false);
    time_linear<half>(bench, rows, 4096, 1024, A::none, true);
  }
  time_linear<half>(bench, 12000, 768, 2304, A::none, false);
  time_linear<half>(bench, 12000, 768, 3072, A::gelu_tanh, false);
  time_linear<half>(bench, 12000, 3072, 768, A::none, true);
  time_linear<half>(bench, 768000, 96, 101, A::none, false);
  time_linear<half>(bench, 768000, 96, 104, A::none, false);
  time_linear<float>(bench, 768000, 96, 101, A::none, false);
  time_linear<float>(bench, 768000, 96, 104, A::none, false);
  time_linear<float>(bench, 12000, 768, 448, A::none, false);
  time_linear<half>(bench, 1, 1024, 6144, A::none, false);
  time_linear<half>(bench, 12, 1024, 6144, A::none, false);
  time_linear<half>(bench, 8192, 8192, 8192, A::none, false);
  time_linear<float>(bench, 4096, 1024, 4096, A::none, false);
  time_linear<float>(bench, 12000, 8, 768, A::none, false);
}

NormTail<Cuda, half> modulation(Bench& bench, std::int64_t rows, std::int64_t channels, std::int64_t batch) {
  const auto all = bench.take<half>(std::array{batch, 6 * channels});
  NormTail<Cuda, half> tail;
  tail.shift = columns(View<Cuda, const half, 2>(all), 0, channels);
  tail.scale = columns(View<Cuda, const half, 2>(all), channels, channels);
  if (batch > 1) tail.row_batch = bench.zeros<std::int32_t>(std::array{rows});
  return tail;
}

void time_row_norms(Bench& bench) {
  struct Shape {
    std::int64_t rows, channels, batch;
  };
  for (const Shape s :
       {Shape{4096, 1024, 1}, Shape{8192, 1024, 2}, Shape{3008, 1024, 1}, Shape{1374, 1024, 1}, Shape{12000, 768, 1}}) {
    const double matrix = 2.0 * static_cast<double>(s.rows * s.channels);
    const std::string size = str(" F16 ", s.rows, " x ", s.channels, " batch ", s.batch);
    bench.time("add_layer_norm" + size, 0, 4 * matrix, [=, &bench] {
      const auto x = bench.take<half>(std::array{s.rows, s.channels});
      const auto h = bench.take<half>(std::array{s.rows, s.channels});
      const auto out = bench.take<half>(std::array{s.rows, s.channels});
      const auto gate = bench.take<half>(std::array{s.batch, s.channels});
      const auto tail = modulation(bench, s.rows, s.channels, s.batch);
      return [=, &bench] { add_layer_norm(bench.queue(), x, h, gate, tail, 1e-6F, out); };
    });
    bench.time("layer_norm" + size, 0, 2 * matrix, [=, &bench] {
      const auto x = bench.take<half>(std::array{s.rows, s.channels});
      const auto out = bench.take<half>(std::array{s.rows, s.channels});
      const auto tail = modulation(bench, s.rows, s.channels, s.batch);
      return [=, &bench] { layer_norm<Cuda, half, half>(bench.queue(), x, tail, 1e-6F, out); };
    });
    const std::int64_t heads = s.channels / 64;
    bench.time("rms_norm_heads q and k of qkv" + size, 0, 4 * matrix, [=, &bench] {
      const auto qkv = bench.take<half>(std::array{s.rows, 3 * s.channels});
      const auto gamma = bench.take<float>(std::array{2 * heads, std::int64_t{64}});
      return [=, &bench] { rms_norm_heads(bench.queue(), head_columns(qkv, 0, 2 * heads, 64), gamma); };
    });
  }
  for (const Shape s : {Shape{262144, 32, 1}, Shape{32768, 128, 1}, Shape{4096, 512, 1}}) {
    bench.time(str("layer_norm silu F16 ", s.rows, " x ", s.channels), 0, 4.0 * static_cast<double>(s.rows * s.channels),
               [=, &bench] {
                 const auto x = bench.take<half>(std::array{s.rows, s.channels});
                 const auto out = bench.take<half>(std::array{s.rows, s.channels});
                 NormTail<Cuda, half> tail;
                 tail.gain = bench.take<float>(std::array{s.channels});
                 tail.bias = bench.take<float>(std::array{s.channels});
                 tail.activation = Activation::silu;
                 return [=, &bench] { layer_norm<Cuda, half, half>(bench.queue(), x, tail, 1e-5F, out); };
               });
  }
}

void time_group_norms(Bench& bench) {
  struct Shape {
    std::int64_t rows, channels;
  };
  for (const Shape s : {Shape{768000, 96}, Shape{96000, 192}, Shape{12000, 768}, Shape{96000, 96}}) {
    bench.time(
        str("group_norm silu F16 ", s.rows, " x ", s.channels, " (3 passes)"), 0,
        6.0 * static_cast<double>(s.rows * s.channels), [=, &bench] {
          const auto x = bench.take<half>(std::array{s.rows, s.channels});
          const auto out = bench.take<half>(std::array{s.rows, s.channels});
          const auto gain = bench.take<float>(std::array{s.channels});
          const auto bias = bench.take<float>(std::array{s.channels});
          return [=, &bench] {
            const std::array<std::int64_t, 2> begin{0, s.rows};
            group_norm<Cuda, half, half>(bench.queue(), x, {begin.data(), {2}}, 32, gain, bias, 1e-5F, Activation::silu, out);
          };
        });
  }
}

void time_copies(Bench& bench) {
  const double matrix = 2.0 * 12000 * 1024;
  bench.time("copy F16 12000 x 1024", 0, 2 * matrix, [=, &bench] {
    const auto x = bench.take<half>(std::array<std::int64_t, 2>{12000, 1024});
    const auto out = bench.take<half>(std::array<std::int64_t, 2>{12000, 1024});
    return [=, &bench] { copy(bench.queue(), x, out); };
  });
  bench.time("gather_rows F16 12000 x 1024, one source row", 0, matrix, [=, &bench] {
    const auto x = bench.take<half>(std::array<std::int64_t, 2>{12000, 1024});
    const auto out = bench.take<half>(std::array<std::int64_t, 2>{12000, 1024});
    const auto index = bench.zeros<std::int32_t>(std::array<std::int64_t, 1>{12000});
    return [=, &bench] { gather_rows(bench.queue(), x, index, out); };
  });
  bench.time("add_gated F16 12000 x 1024", 0, 3 * matrix, [=, &bench] {
    const auto x = bench.take<half>(std::array<std::int64_t, 2>{12000, 1024});
    const auto h = bench.take<half>(std::array<std::int64_t, 2>{12000, 1024});
    const auto gate = bench.take<half>(std::array<std::int64_t, 2>{1, 1024});
    return [=, &bench] { add_gated(bench.queue(), x, h, gate, {}); };
  });
  bench.time("repeat_children F16 96000 x 96", 0, 9 * 2.0 * 96000 * 96, [=, &bench] {
    const auto x = bench.take<half>(std::array<std::int64_t, 2>{96000, 96});
    const auto out = bench.take<half>(std::array<std::int64_t, 2>{768000, 96});
    return [=, &bench] { repeat_children(bench.queue(), x, out); };
  });
  bench.time("pixel_shuffle F16 32^3 x 256 -> 64^3 x 32", 0, 2 * 2.0 * 262144 * 32, [=, &bench] {
    const auto x = bench.take<half>(std::array<std::int64_t, 5>{1, 32, 32, 32, 256});
    const auto out = bench.take<half>(std::array<std::int64_t, 5>{1, 64, 64, 64, 32});
    return [=, &bench] { pixel_shuffle(bench.queue(), x, out); };
  });
  bench.time("subdivide_neighbours 12000 rows", 0, 9 * 4.0 * 12000 * 27, [=, &bench] {
    const auto parents = bench.zeros<std::int32_t>(std::array<std::int64_t, 2>{12000, 27});
    const auto out = bench.take<std::int32_t>(std::array<std::int64_t, 2>{96000, 27});
    return [=, &bench] { subdivide_neighbours(bench.queue(), parents, out); };
  });
}

template <class Q>
ScaledMatrix<Cuda, Q> take_scaled(Bench& bench, std::int64_t rows, std::int64_t columns) {
  return {bench.take<Q>(std::array<std::int64_t, 2>{rows, columns}), bench.take<float>(std::array<std::int64_t, 1>{rows})};
}

// What a layer takes in float8 with everything, the product alone in each way, and the pass over its input.
void time_float8(Bench& bench, std::int64_t rows, std::int64_t in, std::int64_t out, Activation activation) {
  const double flops = 2.0 * static_cast<double>(rows) * static_cast<double>(in) * static_cast<double>(out);
  const std::string size = str(rows, " x ", in, " -> ", out, activation == Activation::none ? "" : " with GELU");
  const auto take = [&bench](std::int64_t n, std::int64_t m) { return bench.take<half>(std::array<std::int64_t, 2>{n, m}); };
  if (rows >= kFewestFloat8Rows) {
    bench.time("linear float8 " + size, flops, 0, [=, &bench] {
      const auto x = take(rows, in), y = take(rows, out);
      const auto w = take_scaled<float8>(bench, out, in);
      const auto bias = bench.take<half>(std::array<std::int64_t, 1>{out});
      return [=, &bench] { linear<Cuda, half>(bench.queue(), x, w, bias, activation, y); };
    });
  }
  for (const bool inside : {true, false}) {
    for (const bool fast : {false, true}) {
      if (inside && !cuda::usual_way(bench.queue()).scaled_inside) continue;
      const std::string way = str(inside ? ", scaled inside" : ", scaled after", fast ? ", fast sums" : "");
      bench.time("product float8 " + size + way, flops, 0, [=, &bench] {
        const auto x = take_scaled<float8>(bench, rows, in), w = take_scaled<float8>(bench, out, in);
        const auto bias = bench.take<half>(std::array<std::int64_t, 1>{out});
        const auto y = take(rows, out);
        return [=, &bench] { cuda::linear_float8(bench.queue(), x, w, bias, activation, y, {inside, fast}); };
      });
    }
  }
  bench.time(str("quantise_rows ", rows, " x ", in), 0, 3.0 * static_cast<double>(rows) * static_cast<double>(in), [=, &bench] {
    const auto x = take(rows, in);
    const auto to = bench.take<float8>(std::array<std::int64_t, 2>{rows, in});
    const auto scales = bench.take<float>(std::array<std::int64_t, 1>{rows});
    return [=, &bench] { quantise_rows<Cuda, half>(bench.queue(), x, to, scales); };
  });
}

void time_quantised(Bench& bench) {
  using A = Activation;
  bench.time("expand int8 4096 x 1024", 0, 3.0 * 4096 * 1024, [=, &bench] {
    const auto from = take_scaled<std::int8_t>(bench, 4096, 1024);
    const auto to = bench.take<half>(std::array<std::int64_t, 2>{4096, 1024});
    return [=, &bench] { expand<Cuda, half>(bench.queue(), from, to); };
  });
  if (!multiplies_float8(bench.queue())) return;
  for (const std::int64_t rows : {3016, 4096, 6032, 8192}) {
    time_float8(bench, rows, 1024, 3072, A::none);
    time_float8(bench, rows, 1024, 1024, A::none);
    time_float8(bench, rows, 1024, 4096, A::gelu_tanh);
    time_float8(bench, rows, 4096, 1024, A::none);
    time_linear<half>(bench, rows, 1024, 3072, A::none, false);
    time_linear<half>(bench, rows, 1024, 1024, A::none, false);
    time_linear<half>(bench, rows, 1024, 4096, A::gelu_tanh, false);
    time_linear<half>(bench, rows, 4096, 1024, A::none, false);
  }
  time_float8(bench, 12000, 768, 2304, A::none);
  time_float8(bench, 12000, 768, 3072, A::gelu_tanh);
  time_float8(bench, 12000, 3072, 768, A::none);
  time_linear<half>(bench, 12000, 3072, 768, A::none, false);
}

}  // namespace
}  // namespace espalier

int main(int argc, char** argv) {
  using namespace espalier;
  return bench::start(argc, argv, "cuda_ops_bench", [](bench::Program& program) {
    program.at_most(0);
    if (list_gpus().empty()) fail(ErrorCode::device, "no GPU in this machine");
    Bench bench;
    time_linears(bench);
    time_quantised(bench);
    time_row_norms(bench);
    time_group_norms(bench);
    time_copies(bench);
    bench::Program::run();
  });
}
