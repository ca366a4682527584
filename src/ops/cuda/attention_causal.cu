// Attention in which a query sees no later key, for texts of some dozen tokens: a warp for each query and head walks over the
// keys with an online softmax. A whole prompt is a few thousand warps, so no tiles are needed to be done in microseconds.
#include "ops/attention.h"
#include "parallel/cuda/reduce.cuh"
#include "runtime/cuda/element.cuh"
#include "runtime/cuda/launch.cuh"

namespace espalier {
namespace cuda {
namespace {

constexpr const char* kCausalName = "causal_attention";
constexpr int kCausalWarps = 4;
constexpr int kCausalEach = 8;  // columns of a lane: heads of up to 256 columns

template <class T>
struct CausalArgs {
  const T *q, *k, *v;
  T* out;
  std::int64_t q_stride, k_stride, v_stride, out_stride;
  const std::int32_t *begin, *order;
  int heads, width;
  std::int64_t longest, warps;
  float scale;  // times log2(e)
};

template <class T>
__global__ __launch_bounds__(kCausalWarps* kWarp) void causal_attention_kernel(const CausalArgs<T> args) {
  const std::int64_t warp = std::int64_t{blockIdx.x} * kCausalWarps + threadIdx.x / kWarp;
  if (warp >= args.warps) return;
  const std::int64_t at = warp % args.longest;  // of the query in its sequence
  const std::int64_t head = warp / args.longest % args.heads;
  const std::int64_t sequence = warp / args.longest / args.heads;
  const std::int64_t begin = args.begin[sequence];
  if (at >= args.begin[sequence + 1] - begin) return;
  const auto row = [&](std::int64_t i) { return args.order == nullptr ? begin + i : std::int64_t{args.order[begin + i]}; };
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const std::int64_t column = head * args.width + lane;

  float query[kCausalEach];
  float sum[kCausalEach];
#pragma unroll
  for (int i = 0; i < kCausalEach; ++i) {
    const bool exists = lane + i * kWarp < args.width;
    query[i] = exists ? widen(args.q[row(at) * args.q_stride + column + i * kWarp]) * args.scale : 0.0F;
    sum[i] = 0.0F;
  }
  float maximum = -INFINITY;
  float weights = 0.0F;
  for (std::int64_t j = 0; j <= at; ++j) {
    const std::int64_t key = row(j);
    float score = 0.0F;
#pragma unroll
    for (int i = 0; i < kCausalEach; ++i) {
      if (lane + i * kWarp < args.width) score = fmaf(query[i], widen(args.k[key * args.k_stride + column + i * kWarp]), score);
    }
    score = warp_sum(score);
    const float highest = fmaxf(maximum, score);
    const float factor = exp2f(maximum - highest);
    const float weight = exp2f(score - highest);
    maximum = highest;
    weights = weights * factor + weight;
#pragma unroll
    for (int i = 0; i < kCausalEach; ++i) {
      if (lane + i * kWarp < args.width)
        sum[i] = fmaf(weight, widen(args.v[key * args.v_stride + column + i * kWarp]), sum[i] * factor);
    }
  }
#pragma unroll
  for (int i = 0; i < kCausalEach; ++i) {
    if (lane + i * kWarp < args.width) args.out[row(at) * args.out_stride + column + i * kWarp] = narrow<T>(sum[i] / weights);
  }
}

}  // namespace
}  // namespace cuda

template <class Dev, class T>
void causal_attention(Queue<Dev>& queue, In<Dev, T, 3> q, In<Dev, T, 3> k, In<Dev, T, 3> v,
                      const std::type_identity_t<Packing<Dev>>& packing, float scale, View<Dev, T, 3> out) {
  constexpr std::int64_t kMaxWidth = std::int64_t{cuda::kCausalEach} * cuda::kWarp;
  constexpr float kLog2E = 1.4426950408889634F;
  const std::int64_t heads = q.extent(1);
  const std::int64_t width = q.extent(2);
  require(width >= 1 && width <= kMaxWidth, cuda::kCausalName, "heads of width ", width, "; at most ", kMaxWidth);
  require(k.extents() == q.extents() && v.extents() == q.extents() && out.extents() == q.extents(), cuda::kCausalName, "q is [",
          q.extent(0), ", ", heads, ", ", width, "], and k, v and out are not");
  require(scale > 0, cuda::kCausalName, "scale ", scale, " is not positive");
  if (queue.metering() || packing.sequences() <= 0 || packing.longest == 0 || out.size() == 0) return;
  cuda::CausalArgs<T> args;
  args.q = q.data();
  args.k = k.data();
  args.v = v.data();
  args.out = out.data();
  args.q_stride = q.outer_stride();
  args.k_stride = k.outer_stride();
  args.v_stride = v.outer_stride();
  args.out_stride = out.outer_stride();
  args.begin = packing.begin.data();
  args.order = packing.order.data();
  args.heads = static_cast<int>(heads);
  args.width = static_cast<int>(width);
  args.longest = packing.longest;
  args.warps = packing.sequences() * heads * packing.longest;
  args.scale = scale * kLog2E;
  cuda::launch(queue, cuda::kCausalName, cuda::causal_attention_kernel<T>,
               cuda::blocks_for(cuda::kCausalName, args.warps, cuda::kCausalWarps), cuda::kCausalWarps * cuda::kWarp, 0, args);
}

template void causal_attention(Queue<Cuda>&, In<Cuda, half, 3>, In<Cuda, half, 3>, In<Cuda, half, 3>, const Packing<Cuda>&,
                               float, View<Cuda, half, 3>);
template void causal_attention(Queue<Cuda>&, In<Cuda, float, 3>, In<Cuda, float, 3>, In<Cuda, float, 3>, const Packing<Cuda>&,
                               float, View<Cuda, float, 3>);

}  // namespace espalier
