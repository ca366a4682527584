// Row norms. Each thread has one 16-byte pack of a row in registers. A row of up to 32 packs belongs to a group of threads
// of one warp, a longer one to a block, which then is as wide as the row; so every row is read and written once, all of it
// under way at the same time, and its variance is taken around the mean that is already known. Rows that do not fit (odd
// widths, unaligned columns, very long rows) go through a plain kernel that reads three times.
#include <bit>

#include "ops/cuda/activation.cuh"
#include "ops/norm.h"
#include "parallel/cuda/reduce.cuh"
#include "runtime/cuda/element.cuh"
#include "runtime/cuda/launch.cuh"

namespace espalier {
namespace {

using cuda::kPackOf;
using cuda::kWarp;

constexpr int kThreads = 128;
constexpr int kRowThreads = 512;  // the widest block of a single row: 4096 half or 2048 float elements

// A NormTail as kernels see it; null where a part is absent.
template <class T>
struct TailPointers {
  const float *gain, *bias;
  const T *shift, *scale;
  std::int64_t shift_stride, scale_stride;
  const std::int32_t* row_batch;
  Activation activation;

  explicit TailPointers(const NormTail<Cuda, T>& tail)
      : gain(tail.gain.empty() ? nullptr : tail.gain.data()),
        bias(tail.bias.empty() ? nullptr : tail.bias.data()),
        shift(tail.shift.empty() ? nullptr : tail.shift.data()),
        scale(tail.scale.empty() ? nullptr : tail.scale.data()),
        shift_stride(tail.shift.outer_stride()),
        scale_stride(tail.scale.outer_stride()),
        row_batch(tail.row_batch.empty() ? nullptr : tail.row_batch.data()),
        activation(tail.activation) {}

  [[nodiscard]] bool fits(int pack) const {
    return cuda::fits_packs(gain, 0, 4) && cuda::fits_packs(bias, 0, 4) && cuda::fits_packs(shift, shift_stride, pack) &&
           cuda::fits_packs(scale, scale_stride, pack);
  }

  __device__ std::int64_t batch_of(std::int64_t row) const { return row_batch == nullptr ? 0 : row_batch[row]; }
};

// What the tail does to N neighbouring channels. The modulation is loaded with the row, so that nothing waits for it after
// the statistics; gain and bias, the same for all rows, are then in the caches anyway and would cost registers.
template <class T, int N>
struct Modulation {
  cuda::Pack<T, N> scale, shift;  // zeros where absent, which leave a value exactly as it is

  __device__ Modulation(const TailPointers<T>& tail, std::int64_t batch, std::int64_t column)
      : scale(fetch(tail.scale, batch * tail.scale_stride + column)),
        shift(fetch(tail.shift, batch * tail.shift_stride + column)) {}

  __device__ void apply(const TailPointers<T>& tail, std::int64_t column, float (&v)[N]) const {
    float part[N];
    if (tail.gain != nullptr) {
      cuda::load_floats<N>(tail.gain + column, part);
#pragma unroll
      for (int i = 0; i < N; ++i) v[i] *= part[i];
    }
    if (tail.bias != nullptr) {
      cuda::load_floats<N>(tail.bias + column, part);
#pragma unroll
      for (int i = 0; i < N; ++i) v[i] += part[i];
    }
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] = v[i] * (1.0F + cuda::widen(scale.at[i])) + cuda::widen(shift.at[i]);
  }

 private:
  static __device__ cuda::Pack<T, N> fetch(const T* from, std::int64_t at) {
    return from == nullptr ? cuda::Pack<T, N>{} : cuda::load_pack<N>(from + at);
  }
};

// Where rows come from: x as it is, or x += gate * h on the way, rounded to T before the statistics as if x had been
// stored first.
template <class T>
struct PlainRows {
  const T* x;
  std::int64_t stride;

  template <int N>
  __device__ cuda::Pack<T, N> load(std::int64_t row, std::int64_t /*batch*/, std::int64_t column) const {
    return cuda::load_pack<N>(x + row * stride + column);
  }
  template <int N>
  __device__ void keep(std::int64_t /*row*/, std::int64_t /*column*/, const float (&/*values*/)[N]) const {}
};

template <class T>
struct AddRows {
  T* x;
  const T *h, *gate, *rest;
  std::int64_t stride, h_stride, gate_stride, h_rows;

  template <int N>
  __device__ cuda::Pack<T, N> load(std::int64_t row, std::int64_t batch, std::int64_t column) const {
    cuda::Pack<T, N> values = cuda::load_pack<N>(x + row * stride + column);
    float added[N];
    cuda::load_floats<N>((row < h_rows ? h + row * h_stride : rest) + column, added);
    if (gate != nullptr) {
      float factor[N];
      cuda::load_floats<N>(gate + batch * gate_stride + column, factor);
#pragma unroll
      for (int i = 0; i < N; ++i) added[i] *= factor[i];
    }
#pragma unroll
    for (int i = 0; i < N; ++i) values.at[i] = cuda::narrow<T>(cuda::widen(values.at[i]) + added[i]);
    return values;
  }
  template <int N>
  __device__ void keep(std::int64_t row, std::int64_t column, const float (&values)[N]) const {
    cuda::store_floats<N>(x + row * stride + column, values);
  }
};

struct RowShape {
  std::int64_t rows, channels, out_stride;
  float eps;
};

// Sum over the threads of a row: `lanes` of a warp, or the whole block, whose warps meet in `partial`, used once.
constexpr int kRowWarps = kRowThreads / kWarp;
template <bool Wide>
__device__ float row_sum(float value, int lanes, float (&partial)[kRowWarps]) {
  if constexpr (!Wide) {
    return cuda::warp_sum(value, lanes);
  } else {
    value = cuda::warp_sum(value);
    if (threadIdx.x % kWarp == 0) partial[threadIdx.x / kWarp] = value;
    if (threadIdx.x >= blockDim.x / kWarp && threadIdx.x < kRowWarps) partial[threadIdx.x] = 0;
    __syncthreads();
    float total = 0;
#pragma unroll
    for (int warp = 0; warp < kRowWarps; ++warp) total += partial[warp];
    return total;
  }
}

// Registers are capped (at 40) so that so many threads fit on a multiprocessor: each waits for memory three times.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ == 750
constexpr int kResident = 1024;  // all that there are
#else
constexpr int kResident = 1536;
#endif
template <class T, class U, bool Wide, class Rows>
__global__ void __launch_bounds__(Wide ? kRowThreads : kThreads, kResident / (Wide ? kRowThreads : kThreads))
    norm_rows(Rows source, TailPointers<T> tail, RowShape shape, int lanes, U* out) {
  constexpr int kPack = kPackOf<T>;
  __shared__ float partial[2][kRowWarps];
  const int lane = Wide ? static_cast<int>(threadIdx.x) : static_cast<int>(threadIdx.x) & (lanes - 1);
  const std::int64_t row = Wide ? blockIdx.x : (static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x) / lanes;
  const std::int64_t column = static_cast<std::int64_t>(lane) * kPack;
  const bool live = row < shape.rows && column < shape.channels;  // the others stay for the sums
  const std::int64_t batch = live ? tail.batch_of(row) : 0;
  float v[kPack] = {};
  if (live) {
    const cuda::Pack<T, kPack> x = source.template load<kPack>(row, batch, column);
#pragma unroll
    for (int i = 0; i < kPack; ++i) v[i] = cuda::widen(x.at[i]);
  }
  const Modulation<T, kPack> modulation(tail, batch, live ? column : 0);
  if (live) source.template keep<kPack>(row, column, v);
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kPack; ++i) sum += v[i];
  const float inverse_count = 1.0F / static_cast<float>(shape.channels);
  const float mean = row_sum<Wide>(sum, lanes, partial[0]) * inverse_count;
  float squares = 0;
#pragma unroll
  for (int i = 0; i < kPack; ++i) {
    v[i] -= mean;
    squares += live ? v[i] * v[i] : 0.0F;
  }
  const float inverse = rsqrtf(row_sum<Wide>(squares, lanes, partial[1]) * inverse_count + shape.eps);
  if (!live) return;
#pragma unroll
  for (int i = 0; i < kPack; ++i) v[i] *= inverse;
  modulation.apply(tail, column, v);
#pragma unroll
  for (int i = 0; i < kPack; ++i) v[i] = cuda::activate_value<U>(v[i], tail.activation);
  cuda::store_floats<kPack>(out + row * shape.out_stride + column, v);
}

// Any width, any alignment: one warp per row. With an addition, the first pass stores x and the others read it.
template <class T, class U, class Rows>
__global__ void __launch_bounds__(kThreads) norm_rows_plain(Rows source, TailPointers<T> tail, RowShape shape, U* out) {
  const std::int64_t row = (static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x) / kWarp;
  if (row >= shape.rows) return;  // whole warps
  const std::int64_t first = threadIdx.x % kWarp;
  const std::int64_t batch = tail.batch_of(row);
  const T* x = source.x + row * source.stride;
  float sum = 0;
  for (std::int64_t c = first; c < shape.channels; c += kWarp) {
    const float value[1] = {cuda::widen(source.template load<1>(row, batch, c).at[0])};
    source.template keep<1>(row, c, value);
    sum += value[0];
  }
  const float inverse_count = 1.0F / static_cast<float>(shape.channels);
  const float mean = cuda::warp_sum(sum) * inverse_count;
  float squares = 0;
  for (std::int64_t c = first; c < shape.channels; c += kWarp) {
    const float d = cuda::widen(x[c]) - mean;
    squares += d * d;
  }
  const float inverse = rsqrtf(cuda::warp_sum(squares) * inverse_count + shape.eps);
  for (std::int64_t c = first; c < shape.channels; c += kWarp) {
    float v[1] = {(cuda::widen(x[c]) - mean) * inverse};
    Modulation<T, 1>(tail, batch, c).apply(tail, c, v);
    out[row * shape.out_stride + c] = cuda::narrow<U>(cuda::activate_value<U>(v[0], tail.activation));
  }
}

// The power of two that holds `packs` threads, up to a warp.
int lanes_of(std::int64_t packs) {
  return static_cast<int>(std::bit_ceil(static_cast<std::uint64_t>(std::min<std::int64_t>(packs, kWarp))));
}

template <class T, class U, class Rows>
void norm(Queue<Cuda>& queue, const char* where, const Rows& source, bool aligned, const NormTail<Cuda, T>& tail_views,
          const RowShape& shape, U* out) {
  constexpr int kPack = kPackOf<T>;
  const TailPointers<T> tail(tail_views);
  const bool fits = aligned && tail.fits(kPack) && shape.channels % kPack == 0 &&
                    cuda::fits_packs(out, shape.out_stride, kPack) && shape.channels <= std::int64_t{kPack} * kRowThreads;
  if (!fits) {
    const unsigned blocks = cuda::blocks_for(where, shape.rows, kThreads / kWarp);
    cuda::launch(queue, where, norm_rows_plain<T, U, Rows>, dim3(blocks), dim3(kThreads), 0, source, tail, shape, out);
    return;
  }
  const std::int64_t packs = shape.channels / kPack;
  if (packs <= kWarp) {
    const int lanes = lanes_of(packs);
    const unsigned blocks = cuda::blocks_for(where, shape.rows, kThreads / lanes);
    cuda::launch(queue, where, norm_rows<T, U, false, Rows>, dim3(blocks), dim3(kThreads), 0, source, tail, shape, lanes, out);
  } else {
    const auto threads = static_cast<unsigned>(cuda::ceil_div(packs, kWarp) * kWarp);
    const unsigned blocks = cuda::blocks_for(where, shape.rows, 1);
    cuda::launch(queue, where, norm_rows<T, U, true, Rows>, dim3(blocks), dim3(threads), 0, source, tail, shape, 0, out);
  }
}

template <class T>
void check_tail(const char* where, const NormTail<Cuda, T>& tail, std::int64_t rows, std::int64_t channels) {
  require((tail.gain.empty() || tail.gain.size() == channels) && (tail.bias.empty() || tail.bias.size() == channels) &&
              (tail.shift.empty() || tail.shift.extent(1) == channels) &&
              (tail.scale.empty() || tail.scale.extent(1) == channels) &&
              (tail.row_batch.empty() || tail.row_batch.size() == rows),
          where, "the tail does not belong to rows of ", channels, " channels");
}

template <class T, class U>
void plain_norm(Queue<Cuda>& queue, View<Cuda, const T, 2> x, const NormTail<Cuda, T>& tail, float eps, View<Cuda, U, 2> out) {
  const std::int64_t rows = x.extent(0);
  const std::int64_t channels = x.extent(1);
  require(out.extents() == x.extents(), "layer_norm", "x [", rows, ", ", channels, "], out [", out.extent(0), ", ",
          out.extent(1), "]");
  check_tail("layer_norm", tail, rows, channels);
  if (queue.metering() || x.empty()) return;
  const bool aligned = cuda::fits_packs(x.data(), x.outer_stride(), kPackOf<T>);
  norm<T, U>(queue, "layer_norm", PlainRows<T>{x.data(), x.outer_stride()}, aligned, tail,
             {rows, channels, out.outer_stride(), eps}, out.data());
}

template <class T>
void added_norm(Queue<Cuda>& queue, View<Cuda, T, 2> x, In<Cuda, T, 2> h, In<Cuda, T, 2> gate, const NormTail<Cuda, T>& tail,
                float eps, View<Cuda, T, 2> out, In<Cuda, T, 2> rest) {
  const std::int64_t rows = x.extent(0);
  const std::int64_t channels = x.extent(1);
  const std::int64_t given = rest.empty() ? rows : h.extent(0);
  require(rest.empty() || (given <= rows && rest.extents() == Extents<2>{1, channels}), "add_layer_norm", "rest [",
          rest.extent(0), ", ", rest.extent(1), "] beside h [", given, ", ", h.extent(1), "]");
  require(out.extents() == x.extents() && h.extents() == Extents<2>{given, channels} &&
              (gate.empty() || gate.extent(1) == channels),
          "add_layer_norm", "x [", rows, ", ", channels, "], h [", h.extent(0), ", ", h.extent(1), "], gate [", gate.extent(0),
          ", ", gate.extent(1), "], out [", out.extent(0), ", ", out.extent(1), "]");
  check_tail("add_layer_norm", tail, rows, channels);
  if (queue.metering() || x.empty()) return;
  const T* factors = gate.empty() ? nullptr : gate.data();
  const bool aligned = cuda::fits_packs(x.data(), x.outer_stride(), kPackOf<T>) &&
                       cuda::fits_packs(h.data(), h.outer_stride(), kPackOf<T>) &&
                       cuda::fits_packs(rest.data(), 0, kPackOf<T>) &&
                       (factors == nullptr || cuda::fits_packs(factors, gate.outer_stride(), kPackOf<T>));
  norm<T, T>(
      queue, "add_layer_norm",
      AddRows<T>{x.data(), h.data(), factors, rest.data(), x.outer_stride(), h.outer_stride(), gate.outer_stride(), given},
      aligned, tail, {rows, channels, out.outer_stride(), eps}, out.data());
}

// Heads are short rows in a strided matrix: items are (row, head) pairs, each done by a group of threads. `Pack` is 1 for
// widths and strides that 16-byte accesses cannot take.
struct HeadShape {
  std::int64_t items, heads, width, stride;
};

template <class T, int Pack, int Packs>
__global__ void __launch_bounds__(kThreads) norm_heads(T* x, const float* __restrict__ gamma, HeadShape shape, int lanes) {
  const int lane = static_cast<int>(threadIdx.x) & (lanes - 1);
  const std::int64_t item = (static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x) / lanes;
  const bool live = item < shape.items;
  const std::int64_t row = item / shape.heads;
  const std::int64_t head = item - row * shape.heads;
  T* const at = x + row * shape.stride + head * shape.width;
  float v[Packs][Pack];
  float squares = 0;
#pragma unroll
  for (int p = 0; p < Packs; ++p) {
    const std::int64_t column = static_cast<std::int64_t>(p * lanes + lane) * Pack;
    if (live && column < shape.width) {
      cuda::load_floats<Pack>(at + column, v[p]);
#pragma unroll
      for (int i = 0; i < Pack; ++i) squares += v[p][i] * v[p][i];
    }
  }
  squares = cuda::warp_sum(squares, lanes);
  const float factor = sqrtf(static_cast<float>(shape.width)) / fmaxf(sqrtf(squares), 1e-12F);
#pragma unroll
  for (int p = 0; p < Packs; ++p) {
    const std::int64_t column = static_cast<std::int64_t>(p * lanes + lane) * Pack;
    if (live && column < shape.width) {
      float g[Pack];
      cuda::load_floats<Pack>(gamma + head * shape.width + column, g);
#pragma unroll
      for (int i = 0; i < Pack; ++i) v[p][i] *= factor * g[i];
      cuda::store_floats<Pack>(at + column, v[p]);
    }
  }
}

template <class T>
void rms_norm(Queue<Cuda>& queue, View<Cuda, T, 3> x, In<Cuda, float, 2> gamma) {
  constexpr const char* kWhere = "rms_norm_heads";
  const HeadShape shape{x.extent(0) * x.extent(1), x.extent(1), x.extent(2), x.outer_stride()};
  require(gamma.extent(0) == shape.heads && gamma.extent(1) == shape.width, kWhere, "gamma [", gamma.extent(0), ", ",
          gamma.extent(1), "] for ", shape.heads, " heads of ", shape.width);
  if (queue.metering() || x.empty()) return;
  const auto start = [&](auto kernel, int lanes) {
    const unsigned blocks = cuda::blocks_for(kWhere, shape.items, kThreads / lanes);
    cuda::launch(queue, kWhere, kernel, dim3(blocks), dim3(kThreads), 0, x.data(), gamma.data(), shape, lanes);
  };
  constexpr int kPack = kPackOf<T>;
  const bool packed =
      shape.width % kPack == 0 && cuda::fits_packs(x.data(), shape.stride, kPack) && cuda::fits_packs(gamma.data(), 0, 4);
  if (packed && shape.width <= kPack * kWarp) return start(norm_heads<T, kPack, 1>, lanes_of(shape.width / kPack));
  constexpr int kMost = 8;  // elements per thread
  require(shape.width <= kMost * kWarp, kWhere, "heads of ", shape.width, " channels; at most ", kMost * kWarp,
          " are possible");
  start(norm_heads<T, 1, kMost>, lanes_of(shape.width));
}

}  // namespace

template <class Dev, class T, class U>
void layer_norm(Queue<Dev>& queue, View<Dev, const T, 2> x, const std::type_identity_t<NormTail<Dev, T>>& tail, float eps,
                View<Dev, U, 2> out) {
  plain_norm<T, U>(queue, x, tail, eps, out);
}
template void layer_norm<Cuda, float, float>(Queue<Cuda>&, View<Cuda, const float, 2>, const NormTail<Cuda, float>&, float,
                                             View<Cuda, float, 2>);
template void layer_norm<Cuda, half, half>(Queue<Cuda>&, View<Cuda, const half, 2>, const NormTail<Cuda, half>&, float,
                                           View<Cuda, half, 2>);
template void layer_norm<Cuda, half, float>(Queue<Cuda>&, View<Cuda, const half, 2>, const NormTail<Cuda, half>&, float,
                                            View<Cuda, float, 2>);

template <class Dev, class T>
void add_layer_norm(Queue<Dev>& queue, View<Dev, T, 2> x, In<Dev, T, 2> h, In<Dev, T, 2> gate,
                    const std::type_identity_t<NormTail<Dev, T>>& tail, float eps, View<Dev, T, 2> out, In<Dev, T, 2> rest) {
  added_norm<T>(queue, x, h, gate, tail, eps, out, rest);
}
template void add_layer_norm<Cuda, float>(Queue<Cuda>&, View<Cuda, float, 2>, In<Cuda, float, 2>, In<Cuda, float, 2>,
                                          const NormTail<Cuda, float>&, float, View<Cuda, float, 2>, In<Cuda, float, 2>);
template void add_layer_norm<Cuda, half>(Queue<Cuda>&, View<Cuda, half, 2>, In<Cuda, half, 2>, In<Cuda, half, 2>,
                                         const NormTail<Cuda, half>&, float, View<Cuda, half, 2>, In<Cuda, half, 2>);

template <class Dev, class T>
void rms_norm_heads(Queue<Dev>& queue, View<Dev, T, 3> x, In<Dev, float, 2> gamma) {
  rms_norm<T>(queue, x, gamma);
}
template void rms_norm_heads<Cuda, float>(Queue<Cuda>&, View<Cuda, float, 3>, In<Cuda, float, 2>);
template void rms_norm_heads<Cuda, half>(Queue<Cuda>&, View<Cuda, half, 3>, In<Cuda, float, 2>);

}  // namespace espalier
