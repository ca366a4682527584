// Group norm in three kernels: sums of each channel over chunks of rows, statistics of each group from them, and the
// normalisation. Chunks depend on the sizes alone and are added in order, so equal inputs give equal bits on every card.
#include <algorithm>

#include "ops/cuda/activation.cuh"
#include "ops/norm.h"
#include "parallel/cuda/reduce.cuh"
#include "runtime/cuda/element.cuh"
#include "runtime/cuda/launch.cuh"

namespace espalier {
namespace {

using cuda::ceil_div;
using cuda::kPackOf;

constexpr const char* kWhere = "group_norm";
constexpr int kThreads = 256;
constexpr std::int64_t kMostChunks = 1024;  // of one batch element: eight blocks for each multiprocessor of a large card
constexpr std::int64_t kLeastRows = 64;     // of a chunk
constexpr int kRun = 16;                    // values that are added in float before they join a double

struct Sums {
  double sum, squares;
};
struct Moments {
  float mean, inverse;
};

// A block covers `columns` packs of channels (of grid.y tiles) times kThreads / columns rows at a time.
struct Tile {
  int columns;
  unsigned tiles;
};
Tile tile_of(std::int64_t packs) {
  const std::int64_t columns = std::min<std::int64_t>(packs, kThreads);
  return {static_cast<int>(columns), static_cast<unsigned>(ceil_div(packs, columns))};
}

// Sums of x - pivot and its square for each channel over one chunk of rows, where the pivot is the group's first value in
// the element's first row: sums around a value of the data keep their digits when the mean is far from zero.
template <class T, int Pack>
__global__ void __launch_bounds__(kThreads)
    sum_chunks(const T* __restrict__ x, std::int64_t rows, std::int64_t channels, std::int64_t chunk_rows, int columns,
               int group_width, Sums* __restrict__ sums) {
  __shared__ Sums lanes[kThreads * (Pack > 4 ? 4 : Pack)];
  const int column = static_cast<int>(threadIdx.x) % columns;
  const int lane = static_cast<int>(threadIdx.x) / columns;
  const int height = kThreads / columns;
  const std::int64_t channel = (static_cast<std::int64_t>(blockIdx.y) * columns + column) * Pack;
  const bool live = lane < height && channel < channels;
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * chunk_rows;
  const std::int64_t end = min(rows, begin + chunk_rows);
  double sum[Pack] = {};
  double squares[Pack] = {};
  if (live) {
    float pivot[Pack];
#pragma unroll
    for (int k = 0; k < Pack; ++k) pivot[k] = cuda::widen(x[(channel + k) / group_width * group_width]);
    for (std::int64_t row = begin + lane; row < end;) {
      float run_sum[Pack] = {};
      float run_squares[Pack] = {};
#pragma unroll 4
      for (int i = 0; i < kRun && row < end; ++i, row += height) {
        float v[Pack];
        cuda::load_floats<Pack>(x + row * channels + channel, v);
#pragma unroll
        for (int k = 0; k < Pack; ++k) {
          const float d = v[k] - pivot[k];
          run_sum[k] += d;
          run_squares[k] += d * d;
        }
      }
#pragma unroll
      for (int k = 0; k < Pack; ++k) {
        sum[k] += run_sum[k];
        squares[k] += run_squares[k];
      }
    }
  }
  // Rows of the block are added by the threads of row 0, in order; at most four channels at a time to bound the memory.
  constexpr int kPart = Pack > 4 ? 4 : Pack;
#pragma unroll
  for (int part = 0; part < Pack; part += kPart) {
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kPart; ++k) lanes[k * kThreads + threadIdx.x] = {sum[part + k], squares[part + k]};
    __syncthreads();
    if (lane != 0 || !live) continue;
#pragma unroll
    for (int k = 0; k < kPart; ++k) {
      Sums total = lanes[k * kThreads + column];
      for (int other = 1; other < height; ++other) {
        const Sums more = lanes[k * kThreads + other * columns + column];
        total.sum += more.sum;
        total.squares += more.squares;
      }
      sums[static_cast<std::int64_t>(blockIdx.x) * channels + channel + part + k] = total;
    }
  }
}

// One block per group adds the chunks' sums and turns them into mean and 1 / deviation.
template <class T>
__global__ void __launch_bounds__(kThreads)
    reduce_groups(const T* __restrict__ x, std::int64_t rows, std::int64_t channels, std::int64_t chunks, int group_width,
                  float eps, const Sums* __restrict__ sums, Moments* __restrict__ moments) {
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * group_width;
  double sum = 0;
  double squares = 0;
  for (std::int64_t i = threadIdx.x; i < chunks * group_width; i += kThreads) {
    const std::int64_t chunk = i / group_width;
    const Sums part = sums[chunk * channels + first + (i - chunk * group_width)];
    sum += part.sum;
    squares += part.squares;
  }
  sum = cuda::block_sum<kThreads>(sum);
  squares = cuda::block_sum<kThreads>(squares);
  if (threadIdx.x != 0) return;
  const double count = static_cast<double>(rows) * group_width;
  const double offset = sum / count;
  const double variance = fmax(squares / count - offset * offset, 0.0);
  moments[blockIdx.x] = {static_cast<float>(cuda::widen(x[first]) + offset),
                         static_cast<float>(1.0 / sqrt(variance + static_cast<double>(eps)))};
}

// out = activation((x - mean) * inverse * gain + bias) for the rows of one batch element; each thread keeps its channels.
template <class T, class U, int Pack>
__global__ void __launch_bounds__(kThreads)
    normalise(const T* x, std::int64_t rows, std::int64_t channels, int columns, int group_width,
              const Moments* __restrict__ moments, const float* __restrict__ gain, const float* __restrict__ bias,
              Activation activation, U* out) {
  const int column = static_cast<int>(threadIdx.x) % columns;
  const int lane = static_cast<int>(threadIdx.x) / columns;
  const int height = kThreads / columns;
  const std::int64_t channel = (static_cast<std::int64_t>(blockIdx.y) * columns + column) * Pack;
  if (lane >= height || channel >= channels) return;
  float mean[Pack];
  float factor[Pack];
  float shift[Pack];
#pragma unroll
  for (int k = 0; k < Pack; ++k) {
    const Moments m = moments[static_cast<int>(channel + k) / group_width];
    mean[k] = m.mean;
    factor[k] = m.inverse * (gain == nullptr ? 1.0F : gain[channel + k]);
    shift[k] = bias == nullptr ? 0.0F : bias[channel + k];
  }
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * height;
#pragma unroll 4
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * height + lane; row < rows; row += step) {
    float v[Pack];
    cuda::load_floats<Pack>(x + row * channels + channel, v);
#pragma unroll
    for (int k = 0; k < Pack; ++k) v[k] = cuda::activate_value((v[k] - mean[k]) * factor[k] + shift[k], activation);
    cuda::store_floats<Pack>(out + row * channels + channel, v);
  }
}

template <class T, class U>
struct Element {
  const T* x;
  U* out;
  std::int64_t rows, channels;
  int groups;
  const float *gain, *bias;
  float eps;
  Activation activation;
};

template <class T, class U, int Pack>
void norm_element(Queue<Cuda>& queue, const Element<T, U>& e, std::int64_t chunk_rows, Sums* sums, Moments* moments) {
  const Tile tile = tile_of(e.channels / Pack);
  const auto width = static_cast<int>(e.channels / e.groups);
  const std::int64_t chunks = ceil_div(e.rows, chunk_rows);
  cuda::launch(queue, kWhere, sum_chunks<T, Pack>, dim3(static_cast<unsigned>(chunks), tile.tiles), dim3(kThreads), 0, e.x,
               e.rows, e.channels, chunk_rows, tile.columns, width, sums);
  cuda::launch(queue, kWhere, reduce_groups<T>, dim3(static_cast<unsigned>(e.groups)), dim3(kThreads), 0, e.x, e.rows,
               e.channels, chunks, width, e.eps, static_cast<const Sums*>(sums), moments);
  const unsigned blocks = cuda::striding_blocks(queue, e.rows, kThreads / tile.columns);
  cuda::launch(queue, kWhere, normalise<T, U, Pack>, dim3(blocks, tile.tiles), dim3(kThreads), 0, e.x, e.rows, e.channels,
               tile.columns, width, static_cast<const Moments*>(moments), e.gain, e.bias, e.activation, e.out);
}

// Rows of a chunk of an element of so many rows.
std::int64_t chunk_rows_of(std::int64_t rows) { return std::max(kLeastRows, ceil_div(rows, kMostChunks)); }

template <class T, class U>
void norm_groups(Queue<Cuda>& queue, View<Cuda, const T, 2> x, View<Cpu, const std::int64_t, 1> begin, int groups,
                 In<Cuda, float, 1> gain, In<Cuda, float, 1> bias, float eps, Activation activation, View<Cuda, U, 2> out) {
  const std::int64_t channels = x.extent(1);
  require(groups > 0 && channels % groups == 0 && out.extents() == x.extents() && x.contiguous() && out.contiguous() &&
              (gain.empty() || gain.size() == channels) && (bias.empty() || bias.size() == channels),
          kWhere, "x [", x.extent(0), ", ", channels, "], out [", out.extent(0), ", ", out.extent(1), "], ", groups,
          " groups, gain [", gain.size(), "], bias [", bias.size(), "]");
  std::int64_t most = 0;
  for (std::int64_t b = 0; b + 1 < begin.extent(0); ++b) most = std::max(most, begin(b + 1) - begin(b));
  if (most == 0) return;
  // Elements follow one another on the stream and share the scratch.
  auto& arena = queue.scratch();
  const Frame<Cuda> frame(arena);
  const auto sums = arena.template take<Sums, 2>({ceil_div(most, chunk_rows_of(most)), channels});
  const auto moments = arena.template take<Moments, 1>({groups});
  if (queue.metering()) return;
  const bool packed = channels % kPackOf<T> == 0 && cuda::fits_packs(x.data(), channels, kPackOf<T>) &&
                      cuda::fits_packs(out.data(), channels, kPackOf<T>);
  for (std::int64_t b = 0; b + 1 < begin.extent(0); ++b) {
    const std::int64_t rows = begin(b + 1) - begin(b);
    if (rows == 0) continue;
    const Element<T, U> element{
        x.data() + begin(b) * channels,       out.data() + begin(b) * channels,     rows, channels,  groups,
        gain.empty() ? nullptr : gain.data(), bias.empty() ? nullptr : bias.data(), eps,  activation};
    if (packed) {
      norm_element<T, U, kPackOf<T>>(queue, element, chunk_rows_of(rows), sums.data(), moments.data());
    } else {
      norm_element<T, U, 1>(queue, element, chunk_rows_of(rows), sums.data(), moments.data());
    }
  }
}

}  // namespace

template <>
void group_norm(Queue<Cuda>& queue, View<Cuda, const float, 2> x, View<Cpu, const std::int64_t, 1> begin, int groups,
                In<Cuda, float, 1> gain, In<Cuda, float, 1> bias, float eps, Activation activation, View<Cuda, float, 2> out) {
  norm_groups<float, float>(queue, x, begin, groups, gain, bias, eps, activation, out);
}
template <>
void group_norm(Queue<Cuda>& queue, View<Cuda, const half, 2> x, View<Cpu, const std::int64_t, 1> begin, int groups,
                In<Cuda, float, 1> gain, In<Cuda, float, 1> bias, float eps, Activation activation, View<Cuda, half, 2> out) {
  norm_groups<half, half>(queue, x, begin, groups, gain, bias, eps, activation, out);
}
template <>
void group_norm(Queue<Cuda>& queue, View<Cuda, const half, 2> x, View<Cpu, const std::int64_t, 1> begin, int groups,
                In<Cuda, float, 1> gain, In<Cuda, float, 1> bias, float eps, Activation activation, View<Cuda, float, 2> out) {
  norm_groups<half, float>(queue, x, begin, groups, gain, bias, eps, activation, out);
}

}  // namespace espalier
