#include <cuda_fp8.h>

#include <limits>

#include "ops/cuda/gemm_float8.h"
#include "ops/quantised.h"
#include "parallel/cuda/for_each.cuh"
#include "parallel/cuda/reduce.cuh"
#include "runtime/cuda/element.cuh"

namespace espalier {
namespace {

__device__ __forceinline__ float plain(std::int8_t value) { return static_cast<float>(value); }
__device__ __forceinline__ float plain(float8 value) {
  const __half_raw wide = __nv_cvt_fp8_to_halfraw(value.bits, __NV_E4M3);
  return cuda::widen(half{wide.x});
}
__device__ __forceinline__ float8 round_to_float8(float value) {
  return {__nv_cvt_float_to_fp8(value, __NV_SATFINITE, __NV_E4M3)};
}

// A thread takes so many elements of a row together.
constexpr int kTogether = 8;

template <class T, class Q>
struct ExpandBody {
  const Q* from;
  const float* scales;
  T* to;
  std::int64_t width;

  template <int N>
  __device__ void operator()(std::int64_t row, std::int64_t column) const {
    const cuda::Pack<Q, N> packed = cuda::load_pack<N>(from + row * width + column);
    const float scale = scales[row];
    float v[N];
#pragma unroll
    for (int k = 0; k < N; ++k) v[k] = plain(packed.at[k]) * scale;
    cuda::store_floats<N>(to + row * width + column, v);
  }
};

constexpr int kQuantiseThreads = 256;
constexpr int kQuantiseRows = kQuantiseThreads / cuda::kWarp;  // a warp for each

// The row is read twice; the second time it comes from the cache.
template <class T, int N>
__global__ void __launch_bounds__(kQuantiseThreads)
    quantise_kernel(const T* __restrict__ x, std::int64_t stride, std::int64_t rows, std::int64_t width, float8* values,
                    float* scales) {
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * kQuantiseRows + threadIdx.x / cuda::kWarp;
  if (row >= rows) return;  // whole warps
  const int lane = static_cast<int>(threadIdx.x) % cuda::kWarp;
  const T* const from = x + row * stride;
  constexpr float kFinite = std::numeric_limits<float>::max();
  float largest = 0.0F;
  for (std::int64_t c = lane * N; c < width; c += cuda::kWarp * N) {
    float v[N];
    cuda::load_floats<N>(from + c, v);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      const float magnitude = fabsf(v[k]);
      largest = fmaxf(largest, magnitude <= kFinite ? magnitude : std::numeric_limits<float>::infinity());
    }
  }
  const float scale = scale_for<float8>(cuda::warp_max(largest));
  if (lane == 0) scales[row] = scale;
  for (std::int64_t c = lane * N; c < width; c += cuda::kWarp * N) {
    float v[N];
    cuda::load_floats<N>(from + c, v);
    cuda::Pack<float8, N> packed;
#pragma unroll
    for (int k = 0; k < N; ++k) packed.at[k] = round_to_float8(over_scale(v[k], scale));
    cuda::store_pack(values + row * width + c, packed);
  }
}

}  // namespace

template <class Dev, class T, class Q>
void expand(Queue<Dev>& queue, const ScaledMatrix<Dev, Q>& from, View<Dev, T, 2> out) {
  require(from.values.extents() == out.extents() && from.scales.size() == out.extent(0) && out.contiguous() &&
              from.values.contiguous(),
          "expand", from.extent(0), " x ", from.extent(1), " with ", from.scales.size(), " scales into ", out.extent(0), " x ",
          out.extent(1));
  const std::int64_t width = out.extent(1);
  const bool packed = cuda::fits_packs(from.values.data(), width, kTogether) && cuda::fits_packs(out.data(), width, kTogether);
  cuda::for_each_pack<kTogether>(queue, "expand", out.extent(0), width, packed,
                                 ExpandBody<T, Q>{from.values.data(), from.scales.data(), out.data(), width});
}
template void expand<Cuda, float, std::int8_t>(Queue<Cuda>&, const Int8Matrix<Cuda>&, View<Cuda, float, 2>);
template void expand<Cuda, half, std::int8_t>(Queue<Cuda>&, const Int8Matrix<Cuda>&, View<Cuda, half, 2>);
template void expand<Cuda, float, float8>(Queue<Cuda>&, const Float8Matrix<Cuda>&, View<Cuda, float, 2>);
template void expand<Cuda, half, float8>(Queue<Cuda>&, const Float8Matrix<Cuda>&, View<Cuda, half, 2>);

template <class Dev, class T>
void quantise_rows(Queue<Dev>& queue, In<Dev, T, 2> x, View<Dev, float8, 2> values, View<Dev, float, 1> scales) {
  constexpr const char* kName = "quantise_rows";
  const std::int64_t rows = x.extent(0), width = x.extent(1);
  require(x.extents() == values.extents() && scales.size() == rows && values.contiguous(), kName, rows, " x ", width, " into ",
          values.extent(0), " x ", values.extent(1), " with ", scales.size(), " scales");
  if (queue.metering() || x.empty()) return;
  const bool packed = width % kTogether == 0 && cuda::fits_packs(x.data(), x.outer_stride(), kTogether) &&
                      cuda::fits_packs(values.data(), width, kTogether);
  const auto kernel = packed ? quantise_kernel<T, kTogether> : quantise_kernel<T, 1>;
  cuda::launch(queue, kName, kernel, dim3(cuda::blocks_for(kName, rows, kQuantiseRows)), dim3(kQuantiseThreads), 0, x.data(),
               x.outer_stride(), rows, width, values.data(), scales.data());
}
template void quantise_rows<Cuda, float>(Queue<Cuda>&, In<Cuda, float, 2>, View<Cuda, float8, 2>, View<Cuda, float, 1>);
template void quantise_rows<Cuda, half>(Queue<Cuda>&, In<Cuda, half, 2>, View<Cuda, float8, 2>, View<Cuda, float, 1>);

template <class Dev>
bool multiplies_float8(const Queue<Dev>& queue) {
  const cudaDeviceProp& gpu = queue.native().properties;
  return gpu.major > 8 || (gpu.major == 8 && gpu.minor >= 9);
}
template bool multiplies_float8<Cuda>(const Queue<Cuda>&);

namespace {

template <class T, class Q>
void linear_expanded(Queue<Cuda>& queue, In<Cuda, T, 2> x, const ScaledMatrix<Cuda, Q>& w, In<Cuda, T, 1> bias,
                     Activation activation, View<Cuda, T, 2> out) {
  const Frame<Cuda> frame(queue.scratch());
  auto expanded = queue.scratch().template take<T, 2>(w.values.extents());
  expand<Cuda, T, Q>(queue, w, expanded);
  linear<Cuda, T>(queue, x, expanded, bias, activation, out);
}

void linear_quantised(Queue<Cuda>& queue, In<Cuda, half, 2> x, const Float8Matrix<Cuda>& w, In<Cuda, half, 1> bias,
                      Activation activation, View<Cuda, half, 2> out) {
  const Frame<Cuda> frame(queue.scratch());
  const auto values = queue.scratch().template take<float8, 2>(x.extents());
  const auto scales = queue.scratch().template take<float, 1>({x.extent(0)});
  quantise_rows<Cuda, half>(queue, x, values, scales);
  cuda::linear_float8(queue, {values, scales}, w, bias, activation, out, cuda::usual_way(queue));
}

}  // namespace

template <class Dev, class T, class Q>
void linear(Queue<Dev>& queue, In<Dev, T, 2> x, const ScaledMatrix<Dev, Q>& w, In<Dev, T, 1> bias, Activation activation,
            View<Dev, T, 2> out) {
  if constexpr (std::is_same_v<Q, float8>) {
    const bool pays = x.extent(0) >= kFewestFloat8Rows && multiplies_float8(queue);
    if (pays && cuda::float8_fits(x.extent(1), out)) {
      return linear_quantised(queue, x, w, bias, activation, out);
    }
  }
  linear_expanded<T, Q>(queue, x, w, bias, activation, out);
}
template void linear<Cuda, float, std::int8_t>(Queue<Cuda>&, In<Cuda, float, 2>, const Int8Matrix<Cuda>&, In<Cuda, float, 1>,
                                               Activation, View<Cuda, float, 2>);
template void linear<Cuda, half, std::int8_t>(Queue<Cuda>&, In<Cuda, half, 2>, const Int8Matrix<Cuda>&, In<Cuda, half, 1>,
                                              Activation, View<Cuda, half, 2>);
template void linear<Cuda, half, float8>(Queue<Cuda>&, In<Cuda, half, 2>, const Float8Matrix<Cuda>&, In<Cuda, half, 1>,
                                         Activation, View<Cuda, half, 2>);

}  // namespace espalier
