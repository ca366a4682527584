// Row norms. A row lives in the registers of a group of `lanes` threads of one warp (32 for wide rows, fewer for narrow
// ones), is read and written once in 16-byte accesses, and its variance is taken around the mean that is already known.
// Rows that do not fit (odd widths, unaligned columns, very wide rows) go through a plain kernel that reads three times.
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
constexpr int kMaxPacks = 8;  // 16-byte packs per thread: rows up to 2048 half or 1024 float elements

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

  // Whether the packed kernel can apply it. That kernel knows silu alone: no network ends a norm with another function,
  // and unrolled over a row they would be most of the code.
  [[nodiscard]] bool fits(int pack) const {
    return (activation == Activation::none || activation == Activation::silu) && cuda::fits_packs(gain, 0, 4) &&
           cuda::fits_packs(bias, 0, 4) && (shift == nullptr || cuda::fits_packs(shift, shift_stride, pack)) &&
           (scale == nullptr || cuda::fits_packs(scale, scale_stride, pack));
  }

  __device__ std::int64_t batch_of(std::int64_t row) const { return row_batch == nullptr ? 0 : row_batch[row]; }

  // Applies the tail to N normalised values that start at `column`.
  template <int N>
  __device__ void apply(float (&v)[N], std::int64_t batch, std::int64_t column) const {
    float part[N];
    if (gain != nullptr) {
      cuda::load_floats<N>(gain + column, part);
#pragma unroll
      for (int i = 0; i < N; ++i) v[i] *= part[i];
    }
    if (bias != nullptr) {
      cuda::load_floats<N>(bias + column, part);
#pragma unroll
      for (int i = 0; i < N; ++i) v[i] += part[i];
    }
    if (scale != nullptr) {
      cuda::load_floats<N>(scale + batch * scale_stride + column, part);
#pragma unroll
      for (int i = 0; i < N; ++i) v[i] *= 1.0F + part[i];
    }
    if (shift != nullptr) {
      cuda::load_floats<N>(shift + batch * shift_stride + column, part);
#pragma unroll
      for (int i = 0; i < N; ++i) v[i] += part[i];
    }
    if constexpr (N == 1) {
      v[0] = cuda::activate_value(v[0], activation);
    } else if (activation == Activation::silu) {
#pragma unroll
      for (int i = 0; i < N; ++i) v[i] = cuda::activate_value(v[i], Activation::silu);
    }
  }
};

// Where rows come from: x as it is, or x += gate * h on the way, rounded to T before the statistics as if x had been
// stored first.
template <class T>
struct PlainRows {
  const T* x;
  std::int64_t stride;

  template <int N>
  __device__ void load(std::int64_t row, std::int64_t /*batch*/, std::int64_t column, float (&v)[N]) const {
    cuda::load_floats<N>(x + row * stride + column, v);
  }
  template <int N>
  __device__ void keep(std::int64_t /*row*/, std::int64_t /*column*/, const float (&/*v*/)[N]) const {}
};

template <class T>
struct AddRows {
  T* x;
  const T *h, *gate;
  std::int64_t stride, h_stride, gate_stride;

  template <int N>
  __device__ void load(std::int64_t row, std::int64_t batch, std::int64_t column, float (&v)[N]) const {
    float part[N];
    cuda::load_floats<N>(x + row * stride + column, v);
    cuda::load_floats<N>(h + row * h_stride + column, part);
    if (gate != nullptr) {
      float factor[N];
      cuda::load_floats<N>(gate + batch * gate_stride + column, factor);
#pragma unroll
      for (int i = 0; i < N; ++i) part[i] *= factor[i];
    }
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] = cuda::widen(cuda::narrow<T>(v[i] + part[i]));
  }
  template <int N>
  __device__ void keep(std::int64_t row, std::int64_t column, const float (&v)[N]) const {
    cuda::store_floats<N>(x + row * stride + column, v);
  }
};

struct RowShape {
  std::int64_t rows, channels, out_stride;
  float eps;
};

template <class T, class U, int Packs, class Rows>
__global__ void __launch_bounds__(kThreads) norm_rows(Rows source, TailPointers<T> tail, RowShape shape, int lanes, U* out) {
  constexpr int kPack = kPackOf<T>;
  const int lane = static_cast<int>(threadIdx.x) & (lanes - 1);
  const std::int64_t row = (static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x) / lanes;
  const bool live = row < shape.rows;  // idle groups stay for the shuffles of their warp
  const std::int64_t batch = live ? tail.batch_of(row) : 0;
  float v[Packs][kPack];
  float sum = 0;
#pragma unroll
  for (int p = 0; p < Packs; ++p) {
    const std::int64_t column = static_cast<std::int64_t>(p * lanes + lane) * kPack;
    if (live && column < shape.channels) source.load(row, batch, column, v[p]);
  }
#pragma unroll
  for (int p = 0; p < Packs; ++p) {
    const std::int64_t column = static_cast<std::int64_t>(p * lanes + lane) * kPack;
    if (live && column < shape.channels) {
      source.keep(row, column, v[p]);
#pragma unroll
      for (int i = 0; i < kPack; ++i) sum += v[p][i];
    }
  }
  const float inverse_count = 1.0F / static_cast<float>(shape.channels);
  const float mean = cuda::warp_sum(sum, lanes) * inverse_count;
  float squares = 0;
#pragma unroll
  for (int p = 0; p < Packs; ++p) {
    if (live && static_cast<std::int64_t>(p * lanes + lane) * kPack < shape.channels) {
#pragma unroll
      for (int i = 0; i < kPack; ++i) {
        v[p][i] -= mean;
        squares += v[p][i] * v[p][i];
      }
    }
  }
  const float inverse = rsqrtf(cuda::warp_sum(squares, lanes) * inverse_count + shape.eps);
#pragma unroll
  for (int p = 0; p < Packs; ++p) {
    const std::int64_t column = static_cast<std::int64_t>(p * lanes + lane) * kPack;
    if (live && column < shape.channels) {
#pragma unroll
      for (int i = 0; i < kPack; ++i) v[p][i] *= inverse;
      tail.apply(v[p], batch, column);
      cuda::store_floats<kPack>(out + row * shape.out_stride + column, v[p]);
    }
  }
}

// Any width, any alignment: one warp per row. With an addition, the first pass stores x and the others read it.
template <class T, class U, class Rows>
__global__ void __launch_bounds__(kThreads) norm_rows_plain(Rows source, TailPointers<T> tail, RowShape shape, U* out) {
  const std::int64_t row = (static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x) / kWarp;
  if (row >= shape.rows) return;  // whole warps
  const std::int64_t first = threadIdx.x % kWarp;
  const std::int64_t batch = tail.batch_of(row);
  const T* x = source.x + row * source.stride;
  float v[1];
  float sum = 0;
  for (std::int64_t c = first; c < shape.channels; c += kWarp) {
    source.load(row, batch, c, v);
    source.keep(row, c, v);
    sum += v[0];
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
    v[0] = (cuda::widen(x[c]) - mean) * inverse;
    tail.apply(v, batch, c);
    out[row * shape.out_stride + c] = cuda::narrow<U>(v[0]);
  }
}

// Threads that share a row of `packs` packs, and packs of each thread rounded up to a compiled count.
struct Split {
  int lanes, packs;
};
Split split_row(std::int64_t packs) {
  const int lanes = static_cast<int>(std::bit_ceil(static_cast<std::uint64_t>(std::min<std::int64_t>(packs, kWarp))));
  const auto each = static_cast<int>(cuda::ceil_div(packs, lanes));
  return {lanes, each <= 4 ? each : kMaxPacks};
}

template <class T, class U, class Rows>
void norm(Queue<Cuda>& queue, const char* where, const Rows& source, bool aligned, const NormTail<Cuda, T>& tail_views,
          const RowShape& shape, U* out) {
  constexpr int kPack = kPackOf<T>;
  const TailPointers<T> tail(tail_views);
  const bool fits = aligned && tail.fits(kPack) && shape.channels % kPack == 0 &&
                    cuda::fits_packs(out, shape.out_stride, kPack) && shape.channels <= kPack * kWarp * kMaxPacks;
  if (!fits) {
    const unsigned blocks = cuda::blocks_for(where, shape.rows, kThreads / kWarp);
    cuda::launch(queue, where, norm_rows_plain<T, U, Rows>, dim3(blocks), dim3(kThreads), 0, source, tail, shape, out);
    return;
  }
  const Split split = split_row(shape.channels / kPack);
  const unsigned blocks = cuda::blocks_for(where, shape.rows, kThreads / split.lanes);
  const auto start = [&](auto kernel) {
    cuda::launch(queue, where, kernel, dim3(blocks), dim3(kThreads), 0, source, tail, shape, split.lanes, out);
  };
  switch (split.packs) {
    case 1: return start(norm_rows<T, U, 1, Rows>);
    case 2: return start(norm_rows<T, U, 2, Rows>);
    case 3: return start(norm_rows<T, U, 3, Rows>);
    case 4: return start(norm_rows<T, U, 4, Rows>);
    default: return start(norm_rows<T, U, kMaxPacks, Rows>);
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
                float eps, View<Cuda, T, 2> out) {
  const std::int64_t rows = x.extent(0);
  const std::int64_t channels = x.extent(1);
  require(out.extents() == x.extents() && h.extents() == x.extents() && (gate.empty() || gate.extent(1) == channels),
          "add_layer_norm", "x [", rows, ", ", channels, "], h [", h.extent(0), ", ", h.extent(1), "], gate [", gate.extent(0),
          ", ", gate.extent(1), "], out [", out.extent(0), ", ", out.extent(1), "]");
  check_tail("add_layer_norm", tail, rows, channels);
  if (queue.metering() || x.empty()) return;
  const T* factors = gate.empty() ? nullptr : gate.data();
  const bool aligned = cuda::fits_packs(x.data(), x.outer_stride(), kPackOf<T>) &&
                       cuda::fits_packs(h.data(), h.outer_stride(), kPackOf<T>) &&
                       (factors == nullptr || cuda::fits_packs(factors, gate.outer_stride(), kPackOf<T>));
  norm<T, T>(queue, "add_layer_norm",
             AddRows<T>{x.data(), h.data(), factors, x.outer_stride(), h.outer_stride(), gate.outer_stride()}, aligned, tail,
             {rows, channels, out.outer_stride(), eps}, out.data());
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
  const Split split = split_row(packed ? shape.width / kPack : shape.width);
  if (packed && split.packs == 1) return start(norm_heads<T, kPack, 1>, split.lanes);
  const Split scalar = split_row(shape.width);
  require(shape.width <= kMaxPacks * kWarp, kWhere, "heads of ", shape.width, " channels; at most 256 are possible");
  start(norm_heads<T, 1, kMaxPacks>, scalar.lanes);
}

}  // namespace

template <>
void layer_norm(Queue<Cuda>& queue, View<Cuda, const float, 2> x, const NormTail<Cuda, float>& tail, float eps,
                View<Cuda, float, 2> out) {
  plain_norm<float, float>(queue, x, tail, eps, out);
}
template <>
void layer_norm(Queue<Cuda>& queue, View<Cuda, const half, 2> x, const NormTail<Cuda, half>& tail, float eps,
                View<Cuda, half, 2> out) {
  plain_norm<half, half>(queue, x, tail, eps, out);
}
template <>
void layer_norm(Queue<Cuda>& queue, View<Cuda, const half, 2> x, const NormTail<Cuda, half>& tail, float eps,
                View<Cuda, float, 2> out) {
  plain_norm<half, float>(queue, x, tail, eps, out);
}

template <>
void add_layer_norm(Queue<Cuda>& queue, View<Cuda, float, 2> x, In<Cuda, float, 2> h, In<Cuda, float, 2> gate,
                    const NormTail<Cuda, float>& tail, float eps, View<Cuda, float, 2> out) {
  added_norm<float>(queue, x, h, gate, tail, eps, out);
}
template <>
void add_layer_norm(Queue<Cuda>& queue, View<Cuda, half, 2> x, In<Cuda, half, 2> h, In<Cuda, half, 2> gate,
                    const NormTail<Cuda, half>& tail, float eps, View<Cuda, half, 2> out) {
  added_norm<half>(queue, x, h, gate, tail, eps, out);
}

template <>
void rms_norm_heads(Queue<Cuda>& queue, View<Cuda, float, 3> x, In<Cuda, float, 2> gamma) {
  rms_norm<float>(queue, x, gamma);
}
template <>
void rms_norm_heads(Queue<Cuda>& queue, View<Cuda, half, 3> x, In<Cuda, float, 2> gamma) {
  rms_norm<half>(queue, x, gamma);
}

}  // namespace espalier
