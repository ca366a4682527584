#include "ops/pooling.h"
#include "parallel/cuda/for_each.cuh"
#include "runtime/cuda/element.cuh"

namespace espalier {
namespace {

using cuda::fits_packs;
using cuda::kPackOf;

// Extents of the two images of an op, as kernels use them.
struct Maps {
  int in_height, in_width, out_height, out_width;
  std::int64_t channels;

  // Element of x at (batch, y, x, channel).
  __device__ __forceinline__ std::int64_t at(std::int64_t batch, int y, int x, std::int64_t channel) const {
    return ((batch * in_height + y) * in_width + x) * channels + channel;
  }
};

template <class T>
Maps maps_of(const char* where, In<Cuda, T, 4> x, View<Cuda, T, 4> out) {
  require(x.extent(0) == out.extent(0) && x.extent(3) == out.extent(3) && (out.size() == 0 || x.extent(1) * x.extent(2) > 0),
          where, "[", x.extent(0), ", ", x.extent(1), ", ", x.extent(2), ", ", x.extent(3), "] to [", out.extent(0), ", ",
          out.extent(1), ", ", out.extent(2), ", ", out.extent(3), "]");
  return {static_cast<int>(x.extent(1)), static_cast<int>(x.extent(2)), static_cast<int>(out.extent(1)),
          static_cast<int>(out.extent(2)), x.extent(3)};
}

template <class T>
struct PoolBody {
  const T* x;
  T* out;
  Maps maps;
  Window window;

  // `pixel` counts through [batch, height, width] of the output.
  template <int N>
  __device__ void operator()(std::int64_t pixel, std::int64_t channel) const {
    const auto column = static_cast<int>(pixel % maps.out_width);
    const auto y = static_cast<int>(pixel / maps.out_width % maps.out_height);
    const std::int64_t batch = pixel / maps.out_width / maps.out_height;
    float largest[N];
#pragma unroll
    for (int k = 0; k < N; ++k) largest[k] = -INFINITY;
    for (int i = 0; i < window.kernel[0]; ++i) {
      const int from_y = y * window.stride[0] - window.before[0] + i * window.dilation[0];
      if (from_y < 0 || from_y >= maps.in_height) continue;
      for (int j = 0; j < window.kernel[1]; ++j) {
        const int from_x = column * window.stride[1] - window.before[1] + j * window.dilation[1];
        if (from_x < 0 || from_x >= maps.in_width) continue;
        float v[N];
        cuda::load_floats<N>(x + maps.at(batch, from_y, from_x, channel), v);
#pragma unroll
        for (int k = 0; k < N; ++k) largest[k] = fmaxf(largest[k], v[k]);
      }
    }
    cuda::store_floats<N>(out + pixel * maps.channels + channel, largest);
  }
};

// The two inputs of an output along one axis.
struct Blend {
  int low, high;
  float share;  // of the input at `high`

  __device__ __forceinline__ Blend(const Sampling& sampling, int index, int count) {
    const float place = static_cast<float>(index) * sampling.step + sampling.offset;
    const float at = fminf(fmaxf(place, 0.0F), static_cast<float>(count - 1));
    low = min(static_cast<int>(at), count - 1);
    high = min(low + 1, count - 1);
    share = at - static_cast<float>(low);
  }
};

template <class T>
struct ResizeBody {
  const T* x;
  T* out;
  Maps maps;
  Sampling rows, columns;

  template <int N>
  __device__ void operator()(std::int64_t pixel, std::int64_t channel) const {
    const auto column = static_cast<int>(pixel % maps.out_width);
    const auto y = static_cast<int>(pixel / maps.out_width % maps.out_height);
    const std::int64_t batch = pixel / maps.out_width / maps.out_height;
    const Blend v(rows, y, maps.in_height);
    const Blend h(columns, column, maps.in_width);
    float p00[N], p01[N], p10[N], p11[N], result[N];
    cuda::load_floats<N>(x + maps.at(batch, v.low, h.low, channel), p00);
    cuda::load_floats<N>(x + maps.at(batch, v.low, h.high, channel), p01);
    cuda::load_floats<N>(x + maps.at(batch, v.high, h.low, channel), p10);
    cuda::load_floats<N>(x + maps.at(batch, v.high, h.high, channel), p11);
    const float v0 = 1.0F - v.share, v1 = v.share, h0 = 1.0F - h.share, h1 = h.share;
#pragma unroll
    for (int k = 0; k < N; ++k) result[k] = v0 * (h0 * p00[k] + h1 * p01[k]) + v1 * (h0 * p10[k] + h1 * p11[k]);
    cuda::store_floats<N>(out + pixel * maps.channels + channel, result);
  }
};

}  // namespace

template <class Dev, class T>
void max_pool2d(Queue<Dev>& queue, In<Dev, T, 4> x, const Window& window, View<Dev, T, 4> out) {
  constexpr const char* kName = "max_pool2d";
  const Maps maps = maps_of<T>(kName, x, out);
  if (out.size() == 0) return;
  cuda::for_each_pack<kPackOf<T>>(queue, kName, out.size() / maps.channels, maps.channels,
                                  fits_packs(x.data(), 0, kPackOf<T>) && fits_packs(out.data(), 0, kPackOf<T>),
                                  PoolBody<T>{x.data(), out.data(), maps, window});
}

template <class Dev, class T>
void resize_bilinear(Queue<Dev>& queue, In<Dev, T, 4> x, const Sampling& rows, const Sampling& columns, View<Dev, T, 4> out) {
  constexpr const char* kName = "resize_bilinear";
  const Maps maps = maps_of<T>(kName, x, out);
  if (out.size() == 0) return;
  cuda::for_each_pack<kPackOf<T>>(queue, kName, out.size() / maps.channels, maps.channels,
                                  fits_packs(x.data(), 0, kPackOf<T>) && fits_packs(out.data(), 0, kPackOf<T>),
                                  ResizeBody<T>{x.data(), out.data(), maps, rows, columns});
}

template void max_pool2d(Queue<Cuda>&, In<Cuda, half, 4>, const Window&, View<Cuda, half, 4>);
template void max_pool2d(Queue<Cuda>&, In<Cuda, float, 4>, const Window&, View<Cuda, float, 4>);
template void resize_bilinear(Queue<Cuda>&, In<Cuda, half, 4>, const Sampling&, const Sampling&, View<Cuda, half, 4>);
template void resize_bilinear(Queue<Cuda>&, In<Cuda, float, 4>, const Sampling&, const Sampling&, View<Cuda, float, 4>);

}  // namespace espalier
