// Convolution over rows that are neighbours of many rows each: products first, sums afterwards.
#include "ops/convolution.h"
#include "ops/cuda/gemm.h"
#include "parallel/cuda/for_each.cuh"
#include "runtime/cuda/element.cuh"

namespace espalier {
namespace {

constexpr int kTaps = 27;

// out[r] = bias + the sum of products[k, neighbours[r, k]] over the taps k that exist.
struct SumBody {
  const half *products, *bias;
  const std::int32_t* neighbours;
  half* out;
  std::int64_t rows, channels, out_stride;  // rows: of a tap's products

  template <int N>
  __device__ void operator()(std::int64_t row, std::int64_t column) const {
    const std::int32_t* from = neighbours + row * kTaps;
    float sum[N];
    cuda::load_floats<N>(bias + column, sum);
#pragma unroll
    for (int first = 0; first < kTaps; first += 9) {
      cuda::Pack<half, N> parts[9];  // all of them under way at once
#pragma unroll
      for (int k = 0; k < 9; ++k) {
        const std::int64_t neighbour = from[first + k];
        parts[k] = {};
        if (neighbour >= 0) {
          parts[k] = cuda::load_pack<N>(products + ((first + k) * rows + neighbour) * channels + column);
        }
      }
#pragma unroll
      for (int k = 0; k < 9; ++k) {
#pragma unroll
        for (int i = 0; i < N; ++i) sum[i] += cuda::widen(parts[k].at[i]);
      }
    }
    cuda::store_floats<N>(out + row * out_stride + column, sum);
  }
};

// False, with nothing done, where the products would not pay, or take much memory.
bool sum_products(Queue<Cuda>& queue, View<Cuda, const half, 2> x, View<Cuda, const half, 3> w, View<Cuda, const half, 1> bias,
                  View<Cuda, const std::int32_t, 2> neighbours, View<Cuda, half, 2> out) {
  constexpr std::int64_t kMost = std::int64_t{512} << 20;  // bytes of products
  const std::int64_t rows = x.extent(0), channels = out.extent(1);
  const std::int64_t values = kTaps * rows * channels;
  if (out.extent(0) < 2 * rows || values > kMost / static_cast<std::int64_t>(sizeof(half))) return false;
  if (x.extent(1) % 8 != 0 || channels % 8 != 0) return false;
  const Frame<Cuda> frame(queue.scratch());
  const auto products = queue.scratch().take<half, 3>({kTaps, rows, channels});
  cuda::linear_taps(queue, x, w, products);
  constexpr int kPack = cuda::kPackOf<half>;
  const bool packed = cuda::fits_packs(bias.data(), 0, kPack) && cuda::fits_packs(out.data(), out.outer_stride(), kPack);
  cuda::for_each_pack<kPack>(
      queue, "shared_rows_conv", out.extent(0), channels, packed,
      SumBody{products.data(), bias.data(), neighbours.data(), out.data(), rows, channels, out.outer_stride()});
  return true;
}

}  // namespace

template <class Dev, class T>
void shared_rows_conv(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, T, 3> w, In<Dev, T, 1> bias,
                      In<Dev, std::int32_t, 2> neighbours, View<Dev, T, 2> out) {
  if constexpr (std::is_same_v<T, half>) {
    require(neighbours.extent(0) == out.extent(0) && neighbours.extent(1) == kTaps && neighbours.contiguous() &&
                w.extents() == Extents<3>{out.extent(1), kTaps, x.extent(1)} && bias.extent(0) == out.extent(1),
            "shared_rows_conv", "neighbours [", neighbours.extent(0), ", ", neighbours.extent(1), "], w [", w.extent(0), ", ",
            w.extent(1), ", ", w.extent(2), "] for out [", out.extent(0), ", ", out.extent(1), "]");
    if (sum_products(queue, x, w, bias, neighbours, out)) return;
  }
  submanifold_conv<Dev, T>(queue, x, w, bias, neighbours, {}, out);
}
template void shared_rows_conv(Queue<Cuda>&, In<Cuda, half, 2>, In<Cuda, half, 3>, In<Cuda, half, 1>, In<Cuda, std::int32_t, 2>,
                               View<Cuda, half, 2>);
template void shared_rows_conv(Queue<Cuda>&, In<Cuda, float, 2>, In<Cuda, float, 3>, In<Cuda, float, 1>,
                               In<Cuda, std::int32_t, 2>, View<Cuda, float, 2>);

}  // namespace espalier
