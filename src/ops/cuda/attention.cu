#include "ops/attention.h"
#include "ops/cuda/attention_float.cuh"
#include "ops/cuda/attention_half.cuh"
#include "ops/cuda/attention_hopper.cuh"
#include "ops/cuda/hopper.h"
#include "runtime/cuda/element.cuh"
#include "runtime/cuda/launch.cuh"

namespace espalier {
namespace cuda {
namespace {

constexpr const char* kName = "attention";
constexpr std::int64_t kMaxWidth = 256;

// The arguments of a kernel whose elements are E; `longest` is of the queries, `tile_rows` of its blocks.
template <class E, class T>
AttentionArgs<E> make_args(View<Cuda, const T, 3> q, View<Cuda, const T, 3> k, View<Cuda, const T, 3> v,
                           const Packing<Cuda>& queries, const Packing<Cuda>& keys, float scale, View<Cuda, T, 3> out,
                           int tile_rows) {
  constexpr float kLog2E = 1.4426950408889634F;
  AttentionArgs<E> args;
  args.q = reinterpret_cast<const E*>(q.data());
  args.k = reinterpret_cast<const E*>(k.data());
  args.v = reinterpret_cast<const E*>(v.data());
  args.out = reinterpret_cast<E*>(out.data());
  args.q_stride = static_cast<int>(q.outer_stride());
  args.k_stride = static_cast<int>(k.outer_stride());
  args.v_stride = static_cast<int>(v.outer_stride());
  args.out_stride = static_cast<int>(out.outer_stride());
  args.query_begin = queries.begin.data();
  args.query_order = queries.order.data();
  args.key_begin = keys.begin.data();
  args.key_order = keys.order.data();
  args.heads = static_cast<int>(q.extent(1));
  args.width = static_cast<int>(q.extent(2));
  args.tiles = static_cast<int>(ceil_div(queries.longest, tile_rows));
  args.scale = scale * kLog2E;
  return args;
}

// What a launch of a kernel with equal blocks costs, in units of one multiprocessor's time: `blocks` of `work` each, run
// `at_once` per multiprocessor at `rate` work per unit. Blocks that have a multiprocessor to themselves run faster, so
// the last, incomplete wave costs less than its share of places.
double cost(std::int64_t blocks, int multiprocessors, int at_once, double work, double rate) {
  const std::int64_t slots = std::int64_t{multiprocessors} * at_once;
  const std::int64_t rest = ceil_div(blocks % slots, multiprocessors);  // blocks per multiprocessor in the last wave
  const double waves = static_cast<double>(blocks / slots) + std::sqrt(static_cast<double>(rest) / at_once);
  return waves * at_once * work / rate;
}

// One launch with the caller's arguments and the tile that suits them.
template <class T>
struct Attend {
  Queue<Cuda>& queue;
  View<Cuda, const T, 3> q, k, v;
  const Packing<Cuda>& queries;
  const Packing<Cuda>& keys;
  float scale;
  View<Cuda, T, 3> out;

  [[nodiscard]] std::int64_t width() const { return q.extent(2); }
  [[nodiscard]] std::int64_t blocks(int tile_rows) const {
    return queries.sequences() * q.extent(1) * ceil_div(queries.longest, tile_rows);
  }
  template <class E>
  void run(void (*kernel)(AttentionArgs<E>), int tile_rows, int threads, std::size_t shared) const {
    const auto args = make_args<E>(q, k, v, queries, keys, scale, out, tile_rows);
    launch(queue, kName, kernel, blocks_for(kName, blocks(tile_rows), 1), threads, shared, args);
  }
};

template <class Tile>
void run_float(const Attend<float>& a) {
  a.run(attention_float_kernel<Tile>, Tile::kQueries, Tile::kThreads, Tile::kShared);
}

void run(const Attend<float>& a) {
  if (a.width() <= 64) return run_float<FloatAttentionTile<64, 64, 64>>(a);
  if (a.width() <= 128) return run_float<FloatAttentionTile<128, 32, 32>>(a);
  return run_float<FloatAttentionTile<256, 16, 16>>(a);
}

template <class Tile>
void run_half(const Attend<half>& a) {
  a.run(attention_half_kernel<Tile>, Tile::kRows, Tile::kThreads, Tile::kShared);
}
template <class Tile>
void run_hopper(const Attend<half>& a) {
  a.run(attention_hopper_kernel<Tile>, Tile::kRows, Tile::kThreads, Tile::kShared);
}

// Heads of 33 to 64 columns with long sequences, the common case: the tile that wastes least. Rates are TFLOP/s where the
// waves are full, from measurements on an H200 (9.0) and an H100.
void run_long(const Attend<half>& a) {
  const cudaDeviceProp& gpu = a.queue.native().properties;
  const auto cost_of = [&](int rows, int at_once, double rate) {
    return cost(a.blocks(rows), gpu.multiProcessorCount, at_once, rows, rate);
  };
  if (runs_sm90a(a.queue)) {
    if (cost_of(192, 1, 500) <= cost_of(128, 1, 438)) return run_hopper<HopperAttentionTile<3>>(a);
    return run_hopper<HopperAttentionTile<2>>(a);
  }
  using Large = AttentionTile<64, 2, 8, 128, 64, false, 1>;
  using Medium = AttentionTile<64, 2, 4, 64, 32, false, 3>;
  using Small = AttentionTile<64, 1, 4, 64, 32, false, 4>;
  if (gpu.sharedMemPerBlockOptin < Large::kShared) return run_half<Small>(a);
  if (cost_of(Large::kRows, 1, 332) <= cost_of(Medium::kRows, 3, 300)) return run_half<Large>(a);
  return run_half<Medium>(a);
}

void run(const Attend<half>& a) {
  const std::int64_t width = a.width();
  const auto fits = [](auto view) { return fits_packs(view.data(), view.outer_stride(), 8); };
  if (width % 8 != 0 || !fits(a.q) || !fits(a.k) || !fits(a.v) || !fits(a.out)) {
    if (width <= 64) return run_half<AttentionTile<64, 1, 4, 64, 32, false, 3, false>>(a);
    if (width <= 128) return run_half<AttentionTile<128, 1, 4, 32, 32, false, 2, false>>(a);
    return run_half<AttentionTile<256, 1, 2, 16, 16, false, 2, false>>(a);
  }
  if (width <= 32) return run_half<AttentionTile<32, 1, 4, 64, 64, false, 4>>(a);
  // Windows hold about 70 voxels, and rarely more than 400: larger tiles would be mostly empty.
  constexpr std::int64_t kShort = 512;
  if (width <= 64 && a.queries.longest <= kShort) return run_half<AttentionTile<64, 1, 4, 64, 32, false, 4>>(a);
  if (width <= 64) return run_long(a);
  if (width <= 128) return run_half<AttentionTile<128, 1, 4, 32, 32, false, 2>>(a);
  return run_half<AttentionTile<256, 1, 2, 16, 16, false, 2>>(a);
}

}  // namespace
}  // namespace cuda

template <class Dev, class T>
void attention(Queue<Dev>& queue, In<Dev, T, 3> q, In<Dev, T, 3> k, In<Dev, T, 3> v,
               const std::type_identity_t<Packing<Dev>>& queries, const std::type_identity_t<Packing<Dev>>& keys, float scale,
               View<Dev, T, 3> out) {
  const std::int64_t heads = q.extent(1);
  const std::int64_t width = q.extent(2);
  require(width >= 1 && width <= cuda::kMaxWidth, cuda::kName, "heads of width ", width, "; at most ", cuda::kMaxWidth);
  require(k.extent(1) == heads && k.extent(2) == width && v.extents() == k.extents() && out.extents() == q.extents(),
          cuda::kName, "q is [", q.extent(0), ", ", heads, ", ", width, "], k [", k.extent(0), ", ", k.extent(1), ", ",
          k.extent(2), "], v [", v.extent(0), ", ", v.extent(1), ", ", v.extent(2), "], out [", out.extent(0), ", ",
          out.extent(1), ", ", out.extent(2), "]");
  require(queries.sequences() == keys.sequences(), cuda::kName, queries.sequences(), " sequences of queries, ",
          keys.sequences(), " of keys");
  for (const std::int64_t stride : {q.outer_stride(), k.outer_stride(), v.outer_stride(), out.outer_stride()}) {
    require(stride <= std::numeric_limits<int>::max(), cuda::kName, "rows are ", stride, " elements apart");
  }
  require(scale > 0, cuda::kName, "scale ", scale, " is not positive");
  if (queue.metering() || queries.sequences() <= 0 || queries.longest == 0 || out.size() == 0) return;
  cuda::run(cuda::Attend<T>{queue, q, k, v, queries, keys, scale, out});
}

template void attention(Queue<Cuda>&, In<Cuda, half, 3>, In<Cuda, half, 3>, In<Cuda, half, 3>, const Packing<Cuda>&,
                        const Packing<Cuda>&, float, View<Cuda, half, 3>);
template void attention(Queue<Cuda>&, In<Cuda, float, 3>, In<Cuda, float, 3>, In<Cuda, float, 3>, const Packing<Cuda>&,
                        const Packing<Cuda>&, float, View<Cuda, float, 3>);

}  // namespace espalier
