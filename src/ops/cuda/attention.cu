#include "ops/attention.h"
#include "ops/cuda/attention_float.cuh"
#include "ops/cuda/attention_half.cuh"
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
  args.q_stride = q.outer_stride();
  args.k_stride = k.outer_stride();
  args.v_stride = v.outer_stride();
  args.out_stride = out.outer_stride();
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

unsigned grid_of(std::int64_t sequences, int heads, int tiles) { return blocks_for(kName, sequences * heads * tiles, 1); }

// One launch with the caller's arguments and the tile that suits them.
struct Attend {
  Queue<Cuda>& queue;
  const Packing<Cuda>& queries;
  const Packing<Cuda>& keys;
  float scale;

  template <class Tile>
  void run_half(View<Cuda, const half, 3> q, View<Cuda, const half, 3> k, View<Cuda, const half, 3> v,
                View<Cuda, half, 3> out) const {
    const auto args = make_args<__half>(q, k, v, queries, keys, scale, out, Tile::kRows);
    launch(queue, kName, attention_half_kernel<Tile>, grid_of(queries.sequences(), args.heads, args.tiles), Tile::kThreads,
           Tile::kShared, args);
  }
  template <class Tile>
  void run_float(View<Cuda, const float, 3> q, View<Cuda, const float, 3> k, View<Cuda, const float, 3> v,
                 View<Cuda, float, 3> out) const {
    const auto args = make_args<float>(q, k, v, queries, keys, scale, out, Tile::kQueries);
    launch(queue, kName, attention_float_kernel<Tile>, grid_of(queries.sequences(), args.heads, args.tiles), Tile::kThreads,
           Tile::kShared, args);
  }

  void run(View<Cuda, const half, 3> q, View<Cuda, const half, 3> k, View<Cuda, const half, 3> v,
           View<Cuda, half, 3> out) const {
    const std::int64_t width = q.extent(2);
    const bool packs = width % 8 == 0 && fits_packs(q.data(), q.outer_stride(), 8) &&
                       fits_packs(k.data(), k.outer_stride(), 8) && fits_packs(v.data(), v.outer_stride(), 8) &&
                       fits_packs(out.data(), out.outer_stride(), 8);
    // Windows hold about 70 voxels; a tile of 128 queries would be half empty.
    constexpr std::int64_t kShort = 384;
    if (!packs) {
      if (width <= 64) return run_half<AttentionTile<64, 1, 4, 64, 32, 3, false>>(q, k, v, out);
      if (width <= 128) return run_half<AttentionTile<128, 1, 4, 32, 32, 2, false>>(q, k, v, out);
      return run_half<AttentionTile<256, 1, 2, 16, 16, 2, false>>(q, k, v, out);
    }
    if (width <= 32) return run_half<AttentionTile<32, 1, 4, 64, 64, 4>>(q, k, v, out);
    if (width <= 64 && queries.longest <= kShort) return run_half<AttentionTile<64, 1, 4, 64, 32, 3>>(q, k, v, out);
    if (width <= 64) return run_half<AttentionTile<64, 2, 4, 64, 64, 2>>(q, k, v, out);
    if (width <= 128) return run_half<AttentionTile<128, 1, 4, 32, 32, 3>>(q, k, v, out);
    return run_half<AttentionTile<256, 1, 2, 16, 16, 2>>(q, k, v, out);
  }
  void run(View<Cuda, const float, 3> q, View<Cuda, const float, 3> k, View<Cuda, const float, 3> v,
           View<Cuda, float, 3> out) const {
    const std::int64_t width = q.extent(2);
    if (width <= 64) return run_float<FloatAttentionTile<64, 64, 64>>(q, k, v, out);
    if (width <= 128) return run_float<FloatAttentionTile<128, 32, 32>>(q, k, v, out);
    return run_float<FloatAttentionTile<256, 16, 16>>(q, k, v, out);
  }
};

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
  require(scale > 0, cuda::kName, "scale ", scale, " is not positive");
  if (queue.metering() || queries.sequences() <= 0 || queries.longest == 0 || out.size() == 0) return;
  cuda::Attend{queue, queries, keys, scale}.run(q, k, v, out);
}

template void attention(Queue<Cuda>&, In<Cuda, half, 3>, In<Cuda, half, 3>, In<Cuda, half, 3>, const Packing<Cuda>&,
                        const Packing<Cuda>&, float, View<Cuda, half, 3>);
template void attention(Queue<Cuda>&, In<Cuda, float, 3>, In<Cuda, float, 3>, In<Cuda, float, 3>, const Packing<Cuda>&,
                        const Packing<Cuda>&, float, View<Cuda, float, 3>);

}  // namespace espalier
