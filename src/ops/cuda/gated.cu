// The gate of SwiGLU.
#include "ops/cuda/activation.cuh"
#include "ops/elementwise.h"
#include "parallel/cuda/for_each.cuh"
#include "runtime/cuda/element.cuh"

namespace espalier {
namespace {

template <class T>
struct GatedSiluBody {
  const T* x;
  T* out;
  std::int64_t hidden, x_stride, out_stride;

  template <int N>
  __device__ void operator()(std::int64_t row, std::int64_t column) const {
    float v[N];
    float factor[N];
    cuda::load_floats<N>(x + row * x_stride + column, v);
    cuda::load_floats<N>(x + row * x_stride + hidden + column, factor);
#pragma unroll
    for (int k = 0; k < N; ++k) v[k] = cuda::activate_value<T>(v[k], Activation::silu) * factor[k];
    cuda::store_floats<N>(out + row * out_stride + column, v);
  }
};

template <class T>
void gate_rows(Queue<Cuda>& queue, In<Cuda, T, 2> x, View<Cuda, T, 2> out) {
  const std::int64_t hidden = out.extent(1);
  require(x.extent(0) == out.extent(0) && x.extent(1) == 2 * hidden, "gated_silu", "x [", x.extent(0), ", ", x.extent(1),
          "], out [", out.extent(0), ", ", hidden, "]");
  constexpr int kPack = cuda::kPackOf<T>;
  // for_each_pack uses packs only when `hidden` is a multiple of them, and then the second half is aligned too.
  const bool packed =
      cuda::fits_packs(x.data(), x.outer_stride(), kPack) && cuda::fits_packs(out.data(), out.outer_stride(), kPack);
  cuda::for_each_pack<kPack>(queue, "gated_silu", out.extent(0), hidden, packed,
                             GatedSiluBody<T>{x.data(), out.data(), hidden, x.outer_stride(), out.outer_stride()});
}

}  // namespace

template <class Dev, class T>
void gated_silu(Queue<Dev>& queue, In<Dev, T, 2> x, View<Dev, T, 2> out) {
  gate_rows<T>(queue, x, out);
}
template void gated_silu<Cuda, float>(Queue<Cuda>&, In<Cuda, float, 2>, View<Cuda, float, 2>);
template void gated_silu<Cuda, half>(Queue<Cuda>&, In<Cuda, half, 2>, View<Cuda, half, 2>);

}  // namespace espalier
