// Group norm in three kernels: sums of each group over chunks of rows, statistics of each group from them, and the
// normalisation. Chunks depend on the sizes alone and are added in order, so equal inputs give equal bits on every GPU.
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
constexpr std::int64_t kMostChunks = 256;  // of one batch element: about one wave of blocks on a large GPU
constexpr std::int64_t kLeastRows = 8;     // of a chunk
constexpr int kBatch = 4;                  // rows that a thread has under way at once

struct Sums {
  double sum, squares;
};
// What the normalisation does to a channel: (x - pivot) * factor + shift. The mean is in both pivot and shift: x - pivot
// loses nothing where x is close to the mean, and a mean rounded to float would. Each part is an array over the channels.
struct Coefficients {
  float *pivot, *factor, *shift;
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

// Sums of x - pivot and its square for each group over one chunk of rows, where the pivot is the group's first value in the
// element's first row: sums around a value of the data keep their digits when the mean is far from zero. Values are added
// in float a few at a time and in double from there on. sums [chunks, tiles, groups]: a tile has zeros for groups of others.
template <class T, int Pack>
__global__ void __launch_bounds__(kThreads)
    sum_chunks(const T* __restrict__ x, std::int64_t rows, std::int64_t channels, std::int64_t chunk_rows, int columns,
               int group_width, Sums* __restrict__ sums) {
  __shared__ Sums parts[Pack][kThreads];
  const int column = static_cast<int>(threadIdx.x) % columns;
  const int lane = static_cast<int>(threadIdx.x) / columns;
  const int height = kThreads / columns;
  const std::int64_t first_channel = static_cast<std::int64_t>(blockIdx.y) * columns * Pack;
  const std::int64_t channel = first_channel + column * Pack;
  const std::int64_t end = min(rows, (static_cast<std::int64_t>(blockIdx.x) + 1) * chunk_rows);
  double sum[Pack] = {};
  double squares[Pack] = {};
  if (lane < height && channel < channels) {
    float pivot[Pack];
#pragma unroll
    for (int k = 0; k < Pack; ++k) pivot[k] = cuda::widen(x[(channel + k) / group_width * group_width]);
    for (std::int64_t row = blockIdx.x * chunk_rows + lane; row < end; row += kBatch * height) {
      cuda::Pack<T, Pack> v[kBatch];
#pragma unroll
      for (int i = 0; i < kBatch; ++i) {
        if (row + i * height < end) v[i] = cuda::load_pack<Pack>(x + (row + i * height) * channels + channel);
      }
      float few[Pack] = {};
      float few_squares[Pack] = {};
#pragma unroll
      for (int i = 0; i < kBatch; ++i) {
        if (row + i * height >= end) break;
#pragma unroll
        for (int k = 0; k < Pack; ++k) {
          const float d = cuda::widen(v[i].at[k]) - pivot[k];
          few[k] += d;
          few_squares[k] += d * d;
        }
      }
#pragma unroll
      for (int k = 0; k < Pack; ++k) {
        sum[k] += few[k];
        squares[k] += few_squares[k];
      }
    }
  }
#pragma unroll
  for (int k = 0; k < Pack; ++k) parts[k][threadIdx.x] = {sum[k], squares[k]};
  __syncthreads();

  // A warp adds the parts of a group: its channels inside this tile, times the rows of threads.
  const int groups = static_cast<int>(channels / group_width);
  const std::int64_t last_channel = min(channels, first_channel + columns * Pack);
  Sums* const out = sums + (static_cast<std::int64_t>(blockIdx.x) * gridDim.y + blockIdx.y) * groups;
  for (int group = static_cast<int>(threadIdx.x) / cuda::kWarp; group < groups; group += kThreads / cuda::kWarp) {
    const auto begin = static_cast<int>(max(static_cast<std::int64_t>(group) * group_width, first_channel) - first_channel);
    const auto width =
        static_cast<int>(min(static_cast<std::int64_t>(group + 1) * group_width, last_channel) - first_channel) - begin;
    Sums total{};
    for (int i = static_cast<int>(threadIdx.x) % cuda::kWarp; i < width * height; i += cuda::kWarp) {
      const int c = begin + i % width;
      const Sums part = parts[c % Pack][i / width * columns + c / Pack];
      total.sum += part.sum;
      total.squares += part.squares;
    }
    total.sum = cuda::warp_sum(total.sum);
    total.squares = cuda::warp_sum(total.squares);
    if (threadIdx.x % cuda::kWarp == 0) out[group] = total;
  }
}

// One block per group adds the chunks' sums and turns them into the coefficients of its channels. `parts` = chunks * tiles.
template <class T>
__global__ void __launch_bounds__(kThreads)
    reduce_groups(const T* __restrict__ x, std::int64_t rows, std::int64_t parts, int group_width, float eps,
                  const Sums* __restrict__ sums, const float* __restrict__ gain, const float* __restrict__ bias,
                  Coefficients coefficients) {
  double sum = 0;
  double squares = 0;
  for (std::int64_t i = threadIdx.x; i < parts; i += kThreads) {
    const Sums part = sums[i * gridDim.x + blockIdx.x];
    sum += part.sum;
    squares += part.squares;
  }
  sum = cuda::block_sum<kThreads>(sum);
  squares = cuda::block_sum<kThreads>(squares);
  const double count = static_cast<double>(rows) * group_width;
  const double offset = sum / count;
  const double variance = fmax(squares / count - offset * offset, 0.0);
  const auto inverse = static_cast<float>(1.0 / sqrt(variance + static_cast<double>(eps)));
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * group_width;
  for (std::int64_t c = first + threadIdx.x; c < first + group_width; c += kThreads) {
    const float factor = inverse * (gain == nullptr ? 1.0F : gain[c]);
    coefficients.pivot[c] = cuda::widen(x[first]);
    coefficients.factor[c] = factor;
    coefficients.shift[c] = (bias == nullptr ? 0.0F : bias[c]) - static_cast<float>(offset) * factor;
  }
}

// out = activation((x - mean) * inverse * gain + bias) for the rows of one batch element; each thread keeps its channels.
// out may be x, so a batch of rows is loaded before the first of them is stored.
template <class T, class U, int Pack>
__global__ void __launch_bounds__(kThreads) normalise(const T* x, std::int64_t rows, std::int64_t channels, int columns,
                                                      Coefficients coefficients, Activation activation, U* out) {
  const int column = static_cast<int>(threadIdx.x) % columns;
  const int lane = static_cast<int>(threadIdx.x) / columns;
  const int height = kThreads / columns;
  const std::int64_t channel = (static_cast<std::int64_t>(blockIdx.y) * columns + column) * Pack;
  if (lane >= height || channel >= channels) return;
  float pivot[Pack];
  float factor[Pack];
  float shift[Pack];
  cuda::load_floats<Pack>(coefficients.pivot + channel, pivot);
  cuda::load_floats<Pack>(coefficients.factor + channel, factor);
  cuda::load_floats<Pack>(coefficients.shift + channel, shift);
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * height;
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * height + lane; row < rows; row += kBatch * step) {
    cuda::Pack<T, Pack> in[kBatch];
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      if (row + i * step < rows) in[i] = cuda::load_pack<Pack>(x + (row + i * step) * channels + channel);
    }
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      if (row + i * step >= rows) break;
      float v[Pack];
#pragma unroll
      for (int k = 0; k < Pack; ++k) {
        v[k] = cuda::activate_value<U>((cuda::widen(in[i].at[k]) - pivot[k]) * factor[k] + shift[k], activation);
      }
      cuda::store_floats<Pack>(out + (row + i * step) * channels + channel, v);
    }
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

// Rows of a chunk of an element of so many rows.
std::int64_t chunk_rows_of(std::int64_t rows) { return std::max(kLeastRows, ceil_div(rows, kMostChunks)); }
// The most chunks of any element of up to so many rows: fewer rows can mean more chunks, because sizes are rounded up.
std::int64_t chunk_bound(std::int64_t rows) { return std::min(kMostChunks, ceil_div(rows, kLeastRows)); }

template <class T, class U, int Pack>
void norm_element(Queue<Cuda>& queue, const Element<T, U>& e, Sums* sums, const Coefficients& coefficients) {
  const Tile tile = tile_of(e.channels / Pack);
  const auto width = static_cast<int>(e.channels / e.groups);
  const std::int64_t chunk_rows = chunk_rows_of(e.rows);
  const std::int64_t chunks = ceil_div(e.rows, chunk_rows);
  cuda::launch(queue, kWhere, sum_chunks<T, Pack>, dim3(static_cast<unsigned>(chunks), tile.tiles), dim3(kThreads), 0, e.x,
               e.rows, e.channels, chunk_rows, tile.columns, width, sums);
  cuda::launch(queue, kWhere, reduce_groups<T>, dim3(static_cast<unsigned>(e.groups)), dim3(kThreads), 0, e.x, e.rows,
               chunks * tile.tiles, width, e.eps, static_cast<const Sums*>(sums), e.gain, e.bias, coefficients);
  const unsigned blocks = cuda::striding_blocks(queue, e.rows, std::int64_t{kBatch} * (kThreads / tile.columns));
  cuda::launch(queue, kWhere, normalise<T, U, Pack>, dim3(blocks, tile.tiles), dim3(kThreads), 0, e.x, e.rows, e.channels,
               tile.columns, coefficients, e.activation, e.out);
}

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
  // Elements follow one another on the stream and share the scratch, which does not depend on alignments.
  auto& arena = queue.scratch();
  const Frame<Cuda> frame(arena);
  const auto sums = arena.template take<Sums, 3>({chunk_bound(most), tile_of(channels).tiles, groups});
  const auto array = [&] { return arena.template take<float, 1>({channels}).data(); };
  const Coefficients coefficients{array(), array(), array()};
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
      norm_element<T, U, kPackOf<T>>(queue, element, sums.data(), coefficients);
    } else {
      norm_element<T, U, 1>(queue, element, sums.data(), coefficients);
    }
  }
}

void group_norm_values(Queue<Cuda>& queue, View<Cuda, const float, 2> x, View<Cpu, const std::int64_t, 1> begin, int groups,
                       In<Cuda, float, 1> gain, In<Cuda, float, 1> bias, float eps, Activation activation,
                       View<Cuda, float, 2> out) {
  norm_groups<float, float>(queue, x, begin, groups, gain, bias, eps, activation, out);
}
}  // namespace
namespace {
void group_norm_values(Queue<Cuda>& queue, View<Cuda, const half, 2> x, View<Cpu, const std::int64_t, 1> begin, int groups,
                       In<Cuda, float, 1> gain, In<Cuda, float, 1> bias, float eps, Activation activation,
                       View<Cuda, half, 2> out) {
  norm_groups<half, half>(queue, x, begin, groups, gain, bias, eps, activation, out);
}
}  // namespace
namespace {
void group_norm_values(Queue<Cuda>& queue, View<Cuda, const half, 2> x, View<Cpu, const std::int64_t, 1> begin, int groups,
                       In<Cuda, float, 1> gain, In<Cuda, float, 1> bias, float eps, Activation activation,
                       View<Cuda, float, 2> out) {
  norm_groups<half, float>(queue, x, begin, groups, gain, bias, eps, activation, out);
}
}  // namespace
template <class Dev, class T, class U>
void group_norm(Queue<Dev>& queue, View<Dev, const T, 2> x, View<Cpu, const std::int64_t, 1> begin, int groups,
                In<Dev, float, 1> gain, In<Dev, float, 1> bias, float eps, Activation activation, View<Dev, U, 2> out) {
  group_norm_values(queue, x, begin, groups, gain, bias, eps, activation, out);
}
template void group_norm<Cuda, float, float>(Queue<Cuda>&, View<Cuda, const float, 2>, View<Cpu, const std::int64_t, 1>, int,
                                             In<Cuda, float, 1>, In<Cuda, float, 1>, float, Activation, View<Cuda, float, 2>);
template void group_norm<Cuda, half, half>(Queue<Cuda>&, View<Cuda, const half, 2>, View<Cpu, const std::int64_t, 1>, int,
                                           In<Cuda, float, 1>, In<Cuda, float, 1>, float, Activation, View<Cuda, half, 2>);
template void group_norm<Cuda, half, float>(Queue<Cuda>&, View<Cuda, const half, 2>, View<Cpu, const std::int64_t, 1>, int,
                                            In<Cuda, float, 1>, In<Cuda, float, 1>, float, Activation, View<Cuda, float, 2>);

}  // namespace espalier
