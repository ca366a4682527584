#include <algorithm>
#include <limits>

#include "ops/cuda/convolution.h"
#include "ops/cuda/convolution_float.cuh"
#include "ops/cuda/convolution_half.cuh"
#include "ops/cuda/convolution_hopper.cuh"
#include "ops/cuda/convolution_single.cuh"
#include "ops/cuda/hopper.h"
#include "parallel/cuda/for_each.cuh"
#include "runtime/cuda/element.cuh"
#include "runtime/cuda/launch.cuh"

namespace espalier::cuda {
namespace {

// out = the activation of bias + residual + the partial sums, in ascending order.
template <class T>
struct FinishSplits {
  ConvolutionArgs<T> args;

  __device__ void operator()(std::int64_t at) const {
    const std::int64_t row = at / args.out_channels;
    const std::int64_t channel = at - row * args.out_channels;
    float sum = widen(args.bias[channel]);
    if (args.residual != nullptr) sum += widen(args.residual[row * args.residual_stride + channel]);
    for (int s = 0; s < args.splits; ++s) sum += args.partial[s * args.rows * args.out_channels + at];
    args.out[row * args.out_stride + channel] = narrow<T>(args.activated(sum));
  }
};

// Into how many parts the sum of every tile is divided, so that few tiles still fill the GPU evenly. `slots`: blocks that
// run at once; `terms`: of a tile.
int choose_splits(std::int64_t tiles, std::int64_t slots, std::int64_t terms) {
  constexpr std::int64_t kMaxSplits = 16;
  constexpr std::int64_t kMinTerms = 32;    // of a part: fewer do not repay the start of a block
  constexpr double kReductionCost = 0.015;  // of a further part, in passes over the whole sum
  if (tiles >= 4 * slots) return 1;
  int best = 1;
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t splits = 1; splits <= std::min(kMaxSplits, std::max<std::int64_t>(1, terms / kMinTerms)); ++splits) {
    const auto waves = static_cast<double>(ceil_div(tiles * splits, slots)) / static_cast<double>(splits);
    const double cost = waves + kReductionCost * static_cast<double>(splits - 1);
    if (cost >= least) continue;
    least = cost;
    best = static_cast<int>(splits);
  }
  return best;
}

template <class T>
struct Convolution {
  Queue<Cuda>& queue;
  const char* where;
  View<Cuda, const T, 2> x;
  View<Cuda, const T, 3> w;
  View<Cuda, const T, 1> bias;
  Neighbours neighbours;
  View<Cuda, const T, 2> residual;
  View<Cuda, T, 2> out;
  Activation activation;

  [[nodiscard]] std::int64_t in() const { return x.extent(1); }
  [[nodiscard]] std::int64_t rows() const { return out.extent(0) / neighbours.children; }
  [[nodiscard]] std::int64_t channels() const { return out.extent(1); }

  template <class E>
  [[nodiscard]] ConvolutionArgs<E> arguments(int columns, int splits) const {
    ConvolutionArgs<E> args;
    args.x = reinterpret_cast<const E*>(x.data());
    args.w = reinterpret_cast<const E*>(w.data());
    args.bias = reinterpret_cast<const E*>(bias.data());
    args.residual = reinterpret_cast<const E*>(residual.data());
    args.out = reinterpret_cast<E*>(out.data());
    args.partial = nullptr;
    args.neighbours = neighbours;
    args.rows = rows();
    args.x_stride = static_cast<int>(x.outer_stride());
    args.residual_stride = residual.outer_stride();
    args.out_stride = neighbours.children * out.outer_stride();
    args.child_out = out.outer_stride();
    args.child_weights = channels() * neighbours.taps * in();
    args.in = static_cast<int>(in());
    args.out_channels = static_cast<int>(channels());
    args.column_tiles = static_cast<int>(ceil_div(channels(), columns));
    args.splits = splits;
    args.relu = activation == Activation::relu;
    args.packed_out = channels() % 8 == 0 && fits_packs(bias.data(), 8, 8) && fits_packs(out.data(), out.outer_stride(), 8) &&
                      fits_packs(residual.data(), residual.outer_stride(), 8);
    return args;
  }
  // Runs `kernel`, whose elements are E, over tiles of rows x columns with terms of `depth` channels.
  template <class E>
  void run(void (*kernel)(ConvolutionArgs<E>), int tile_rows, int columns, int depth, int threads, std::size_t shared,
           int blocks_at_once) const {
    const std::int64_t tiles = ceil_div(rows(), tile_rows) * ceil_div(channels(), columns);
    if (neighbours.children > 1) {
      if (queue.metering()) return;
      const dim3 grid(blocks_for(where, tiles, 1), 1, static_cast<unsigned>(neighbours.children));
      return launch(queue, where, kernel, grid, threads, shared, arguments<E>(columns, 1));
    }
    const std::int64_t slots = std::int64_t{queue.native().properties.multiProcessorCount} * blocks_at_once;
    const int splits = choose_splits(tiles, slots, neighbours.taps * ceil_div(in(), depth));
    auto args = arguments<E>(columns, splits);
    if (splits == 1) {
      if (!queue.metering()) launch(queue, where, kernel, blocks_for(where, tiles, 1), threads, shared, args);
      return;
    }
    const Frame<Cuda> frame(queue.scratch());
    args.partial = queue.scratch().template take<float, 3>({splits, args.rows, channels()}).data();
    if (queue.metering()) return;
    launch(queue, where, kernel, dim3(blocks_for(where, tiles, 1), static_cast<unsigned>(splits)), threads, shared, args);
    FinishSplits<T> finish{arguments<T>(columns, splits)};
    finish.args.partial = args.partial;
    for_each(queue, where, args.rows * channels(), finish);
  }
  template <class Tile>
  void run_half() const {
    run<__half>(convolution_half_kernel<Tile>, Tile::kRows, Tile::kColumns, Tile::kDepth, Tile::kThreads, Tile::kShared,
                Tile::kBlocks);
  }
  template <class Tile>
  void run_hopper() const {
    run<__half>(convolution_hopper_kernel<Tile>, Tile::kRows, Tile::kColumns, Tile::kDepth, Tile::kThreads, Tile::kShared,
                Tile::kBlocks);
  }
  // Whether the tiles of run_float would be almost empty, and so many that it would not split their sums.
  [[nodiscard]] bool single() const {
    const std::int64_t slots = std::int64_t{queue.native().properties.multiProcessorCount} * 2;
    return channels() == 1 && neighbours.table == nullptr && neighbours.taps == kTaps && neighbours.children == 1 &&
           in() <= SingleTile::kMostChannels && ceil_div(rows(), FloatTile::kRows) >= 4 * slots;
  }
  void run_single() const {
    if (queue.metering()) return;
    const auto shared = static_cast<std::size_t>(kTaps * in()) * sizeof(float);
    launch(queue, where, convolution_single_kernel, blocks_for(where, rows(), SingleTile::kThreads), SingleTile::kThreads,
           shared, arguments<float>(1, 1));
  }
  template <bool Packs>
  void run_float() const {
    run<float>(convolution_float_kernel<Packs>, FloatTile::kRows, FloatTile::kColumns, FloatTile::kDepth, FloatTile::kThreads,
               0, 2);
  }
};

// Of tile widths in descending order, the one that computes the fewest columns beyond the last; among equals the widest,
// which reads x least often.
template <std::int64_t... Widths>
std::int64_t best_columns(std::int64_t channels) {
  std::int64_t best = 0;
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t width : {Widths...}) {
    const std::int64_t computed = ceil_div(channels, width) * width;
    if (computed >= least) continue;
    least = computed;
    best = width;
  }
  return best;
}

void run(const Convolution<float>& c) {
  const bool packs = c.in() % 4 == 0 && fits_packs(c.x.data(), c.x.outer_stride(), 4) && fits_packs(c.w.data(), c.in(), 4);
  if (packs && c.single()) return c.run_single();
  packs ? c.run_float<true>() : c.run_float<false>();
}

void run(const Convolution<half>& c) {
  const std::int64_t channels = c.channels();
  const bool packs = c.in() % 8 == 0 && fits_packs(c.x.data(), c.x.outer_stride(), 8) && fits_packs(c.w.data(), c.in(), 8);
  if (!packs) return c.run_half<ConvolutionTile<64, 64, 32, 2, 2, 2, 3, false>>();
  const Queue<Cuda>& queue = c.queue;
  // Terms of 64 channels cost less each; where the last of them would be half empty, terms of 32 cost less together.
  const bool deep = (c.in() + 31) / 32 % 2 == 0;
  if (runs_sm90a(queue) && channels > 64) {
    const std::int64_t columns = best_columns<192, 128, 96>(channels);
    if (columns == 192) return c.run_hopper<HopperConvolutionTile<192, 192, 64, 4, 1>>();
    if (columns == 96 && deep) return c.run_hopper<HopperConvolutionTile<256, 96, 64, 4, 1>>();
    if (columns == 96) return c.run_hopper<HopperConvolutionTile<256, 96, 32, 5, 1>>();
    // Tiles of 256 rows read w half as often; they pay when there are enough for all multiprocessors.
    const std::int64_t tiles = c.neighbours.children * ceil_div(c.rows(), 256) * ceil_div(channels, 128);
    const std::int64_t multiprocessors = queue.native().properties.multiProcessorCount;
    if (10 * tiles >= 9 * multiprocessors && c.in() <= 256) return c.run_hopper<HopperConvolutionTile<256, 128, 64, 4, 1>>();
    return c.run_hopper<HopperConvolutionTile<128, 128, 64, 4, 1>>();
  }
  constexpr std::size_t kLargest = std::size_t{99} << 10;  // what all GPUs from 8.0 on grant a block
  if (queue.native().properties.sharedMemPerBlockOptin < kLargest) return c.run_half<ConvolutionTile<64, 64, 32, 2, 2, 2, 3>>();
  switch (best_columns<128, 96, 64, 32>(channels)) {
    case 128: return c.run_half<ConvolutionTile<128, 128, 32, 2, 2, 4, 2>>();
    case 96:
      if (deep) return c.run_half<ConvolutionTile<128, 96, 64, 2, 2, 3, 2>>();
      return c.run_half<ConvolutionTile<128, 96, 32, 2, 2, 4, 2>>();
    case 64: return c.run_half<ConvolutionTile<128, 64, 32, 4, 2, 4, 2>>();
    default: return c.run_half<ConvolutionTile<128, 32, 32, 4, 1, 4, 4>>();
  }
}

}  // namespace

template <class T>
void convolve(Queue<Cuda>& queue, const char* where, In<Cuda, T, 2> x, In<Cuda, T, 3> w, In<Cuda, T, 1> bias,
              const Neighbours& neighbours, In<Cuda, T, 2> residual, View<Cuda, T, 2> out, Activation activation) {
  const std::int64_t channels = out.extent(1);
  require(neighbours.taps > 0 && neighbours.taps <= kTaps, where, neighbours.taps, " taps");
  const int children = neighbours.children;
  require(children == 1 || (children == kChildren && neighbours.taps == kChildTaps && neighbours.table != nullptr &&
                            out.extent(0) % children == 0 && residual.data() == nullptr),
          where, children, " children of ", neighbours.taps, " taps");
  require(w.contiguous() && w.extent(0) == children * channels && w.extent(1) == neighbours.taps &&
              w.extent(2) == x.extent(1) && bias.extent(0) == channels,
          where, "x [", x.extent(0), ", ", x.extent(1), "], w [", w.extent(0), ", ", w.extent(1), ", ", w.extent(2),
          "], bias [", bias.extent(0), "], out [", out.extent(0), ", ", channels, "]");
  require(residual.data() == nullptr || residual.extents() == out.extents(), where, "residual [", residual.extent(0), ", ",
          residual.extent(1), "], out [", out.extent(0), ", ", channels, "]");
  require(x.extent(0) <= std::numeric_limits<std::int32_t>::max() && kTaps * x.extent(1) <= std::numeric_limits<int>::max(),
          where, x.extent(0), " rows of ", x.extent(1), " channels are too many");
  require(x.outer_stride() <= std::numeric_limits<int>::max() && w.size() <= std::numeric_limits<std::uint32_t>::max(), where,
          "rows of x ", x.outer_stride(), " elements apart, ", w.size(), " weights");
  if (out.size() == 0) return;
  run(Convolution<T>{queue, where, x, w, bias, neighbours, residual, out, activation});
}

template void convolve(Queue<Cuda>&, const char*, In<Cuda, half, 2>, In<Cuda, half, 3>, In<Cuda, half, 1>, const Neighbours&,
                       In<Cuda, half, 2>, View<Cuda, half, 2>, Activation);
template void convolve(Queue<Cuda>&, const char*, In<Cuda, float, 2>, In<Cuda, float, 3>, In<Cuda, float, 1>, const Neighbours&,
                       In<Cuda, float, 2>, View<Cuda, float, 2>, Activation);

}  // namespace espalier::cuda
