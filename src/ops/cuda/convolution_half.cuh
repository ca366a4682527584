// Convolution in half precision on tensor cores: a block owns a tile of rows x out channels and adds up products of
// gathered rows of x with slices of w. Copies run `Stages - 1` terms ahead, fragments one product ahead.
#pragma once

#include "ops/cuda/convolution_tile.cuh"
#include "ops/cuda/mma.cuh"

namespace espalier::cuda {

// Rows x Columns: of the block's tile. Depth: channels of a term, 32 or 64. RowWarps x ColumnWarps: warps, which share
// the tile evenly. Blocks: that a multiprocessor shall hold. Packs: rows of x and w are aligned to 16 bytes
// and the count of input channels is a multiple of 8.
template <int Rows, int Columns, int Depth, int RowWarps, int ColumnWarps, int Stages, int Blocks, bool Packs = true>
struct ConvolutionTile {
  static constexpr int kRows = Rows;
  static constexpr int kColumns = Columns;
  static constexpr int kDepth = Depth;
  static constexpr int kStages = Stages;
  static constexpr int kBlocks = Blocks;
  static constexpr bool kPacks = Packs;
  static constexpr int kColumnWarps = ColumnWarps;
  static constexpr int kWarps = RowWarps * ColumnWarps;
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kWarpRows = Rows / RowWarps;
  static constexpr int kWarpColumns = Columns / ColumnWarps;
  static constexpr int kRowTiles = kWarpRows / 16;
  static constexpr int kColumnPairs = kWarpColumns / 16;

  static constexpr int kPitch = 2 * Depth;  // bytes of a row of either operand
  static constexpr int kStage = (Rows + Columns) * kPitch;
  static constexpr int kResultColumns = kWarpColumns > 96 ? kWarpColumns / 2 : kWarpColumns;  // stored at once
  static constexpr int kResultPitch = kResultColumns + 4;                                     // floats
  static constexpr std::size_t kShared = std::size_t{Stages} * kStage + sizeof(TileNeighbours<Rows>);

  static_assert(Depth == 32 || Depth == 64);
  static_assert(kWarpRows % 16 == 0 && kWarpColumns % 16 == 0);
  static_assert(kWarps * 16 * kResultPitch * 4 <= Stages * kStage, "results pass through the memory of the operands");

  // Where the 16-byte chunk of a row is stored: spread so that eight consecutive rows touch all banks once.
  __device__ static constexpr unsigned offset(int row, int chunk) {
    const int spread = Depth == 64 ? row % 8 : row / 2 % 4;
    return static_cast<unsigned>(row * kPitch + (chunk ^ spread) * 16);
  }
};

// The tile of a block: blocks are numbered [row tile][column tile], so that blocks that run together share rows of x.
template <class Tile>
struct ConvolutionBlock {
  std::int64_t first_row;
  int first_column;

  template <class T>
  __device__ __forceinline__ explicit ConvolutionBlock(const ConvolutionArgs<T>& args) {
    const auto column_tiles = static_cast<unsigned>(args.column_tiles);
    first_row = std::int64_t{blockIdx.x / column_tiles} * Tile::kRows;
    first_column = static_cast<int>(blockIdx.x % column_tiles) * Tile::kColumns;
  }
};

template <class Tile>
struct ConvolutionFragments {
  std::uint32_t x[Tile::kRowTiles][4];
  std::uint32_t w[Tile::kColumnPairs][4];
};

// What a thread copies of each term: one chunk of several rows of x and of several rows of w.
template <class Tile>
class ConvolutionLoader {
 public:
  __device__ __forceinline__ ConvolutionLoader(const ConvolutionArgs<__half>& args, int first_column, std::uint32_t shared)
      : row_(static_cast<int>(threadIdx.x) / kChunks),
        column_(static_cast<int>(threadIdx.x) % kChunks * 8),
        in_(args.in),
        x_stride_(args.x_stride),
        x_(args.x + column_),
        w_(args.weights() + column_),
        to_(shared + Tile::offset(row_, column_ / 8)) {
#pragma unroll
    for (int i = 0; i < kWPasses; ++i) {
      // Out channels beyond the last are never stored, so what they are computed from does not matter.
      const int channel = min(first_column + row_ + i * kAtOnce, args.out_channels - 1);
      w_row_[i] = static_cast<unsigned>(channel) * static_cast<unsigned>(args.neighbours.taps * args.in);
    }
  }

  // `rows` are those of x for the tap.
  __device__ __forceinline__ void load(int slot, int tap, int channel, const std::int32_t* rows) const {
    const std::uint32_t x_to = to_ + static_cast<unsigned>(slot * Tile::kStage);
    const int left = max(in_ - channel - column_, 0);
    const __half* x = x_ + channel;
#pragma unroll
    for (int i = 0; i < kXPasses; ++i) {
      if (Tile::kRows % kAtOnce != 0 && row_ + i * kAtOnce >= Tile::kRows) break;
      const std::int32_t row = rows[row_ + i * kAtOnce];
      copy<true>(x_to + static_cast<unsigned>(i * kAtOnce * Tile::kPitch), x + std::int64_t{max(row, 0)} * x_stride_,
                 row >= 0 ? left : 0);
    }
    const std::uint32_t w_to = x_to + Tile::kRows * Tile::kPitch;
    const __half* w = w_ + (tap * in_ + channel);
#pragma unroll
    for (int i = 0; i < kWPasses; ++i) {
      if (Tile::kColumns % kAtOnce != 0 && row_ + i * kAtOnce >= Tile::kColumns) break;
      copy<false>(w_to + static_cast<unsigned>(i * kAtOnce * Tile::kPitch), w + w_row_[i], left);
    }
  }

 private:
  static constexpr int kChunks = Tile::kDepth / 8;
  static constexpr int kAtOnce = Tile::kThreads / kChunks;
  static constexpr int kXPasses = (Tile::kRows + kAtOnce - 1) / kAtOnce;
  static constexpr int kWPasses = (Tile::kColumns + kAtOnce - 1) / kAtOnce;
  static_assert(kAtOnce % 8 == 0, "the place of a chunk depends on its row modulo 8");

  template <bool Reuse>
  __device__ __forceinline__ static void copy(std::uint32_t to, const __half* from, int valid) {
    if constexpr (Tile::kPacks) {
      copy_async<Reuse>(to, from, valid > 0 ? 16 : 0);
    } else {
      copy_single(to, from, valid);
    }
  }

  int row_, column_, in_, x_stride_;
  const __half *x_, *w_;
  std::uint32_t to_;
  unsigned w_row_[kWPasses];
};

// The lane's addresses for load_matrices in slot 0.
template <class Tile>
struct FragmentAddresses {
  std::uint32_t x, w;

  __device__ __forceinline__ explicit FragmentAddresses(std::uint32_t shared) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int warp = static_cast<int>(threadIdx.x) / 32;
    x = shared + Tile::offset(warp / Tile::kColumnWarps * Tile::kWarpRows + lane % 16, lane / 16);
    w = shared + Tile::kRows * Tile::kPitch +
        Tile::offset(warp % Tile::kColumnWarps * Tile::kWarpColumns + lane % 8 + lane / 16 * 8, lane / 8 % 2);
  }
  __device__ __forceinline__ void load(int slot, int k, ConvolutionFragments<Tile>& fragments) const {
    // k selects the chunks 2 k and 2 k + 1, which the spreading turns into an exclusive or.
    const std::uint32_t x_row = (x ^ static_cast<unsigned>(k * 32)) + static_cast<unsigned>(slot * Tile::kStage);
    const std::uint32_t w_row = (w ^ static_cast<unsigned>(k * 32)) + static_cast<unsigned>(slot * Tile::kStage);
#pragma unroll
    for (int m = 0; m < Tile::kRowTiles; ++m)
      load_matrices(fragments.x[m], x_row + static_cast<unsigned>(m * 16 * Tile::kPitch));
#pragma unroll
    for (int n = 0; n < Tile::kColumnPairs; ++n) {
      load_matrices(fragments.w[n], w_row + static_cast<unsigned>(n * 16 * Tile::kPitch));
    }
  }
};

template <class Tile>
using ConvolutionSums = float[Tile::kRowTiles][2 * Tile::kColumnPairs][4];

template <class Tile>
__device__ __forceinline__ void multiply_fragments(const ConvolutionFragments<Tile>& fragments, ConvolutionSums<Tile>& sums) {
#pragma unroll
  for (int m = 0; m < Tile::kRowTiles; ++m) {
#pragma unroll
    for (int n = 0; n < Tile::kColumnPairs; ++n) {
      multiply_add(sums[m][2 * n], fragments.x[m], fragments.w[n][0], fragments.w[n][1]);
      multiply_add(sums[m][2 * n + 1], fragments.x[m], fragments.w[n][2], fragments.w[n][3]);
    }
  }
}

// Finishes 8 neighbouring sums of a row: adds bias and residual and activates, or leaves them to the reduction over the splits.
__device__ __forceinline__ void store_results(const ConvolutionArgs<__half>& args, std::int64_t row, int column,
                                              const float* sums) {
  if (row >= args.rows || column >= args.out_channels) return;
  const int count = min(8, args.out_channels - column);
  if (args.splits > 1) {
    float* to = args.partial + (blockIdx.y * args.rows + row) * args.out_channels + column;
    for (int i = 0; i < count; ++i) to[i] = sums[i];
    return;
  }
  __half* to = args.results() + row * args.out_stride + column;
  const __half* residual = args.residual == nullptr ? nullptr : args.residual + row * args.residual_stride + column;
  if (!args.packed_out) {
    for (int i = 0; i < count; ++i) {
      const float addend = residual == nullptr ? 0.0F : __half2float(residual[i]);
      to[i] = __float2half_rn(args.activated(sums[i] + __half2float(args.bias[column + i]) + addend));
    }
    return;
  }
  const uint4 bias = *reinterpret_cast<const uint4*>(args.bias + column);
  const uint4 addend = residual == nullptr ? uint4{0, 0, 0, 0} : *reinterpret_cast<const uint4*>(residual);
  const __half* b = reinterpret_cast<const __half*>(&bias);
  const __half* a = reinterpret_cast<const __half*>(&addend);
  std::uint32_t packed[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    packed[i] = pack_halves(args.activated(sums[2 * i] + __half2float(b[2 * i]) + __half2float(a[2 * i])),
                            args.activated(sums[2 * i + 1] + __half2float(b[2 * i + 1]) + __half2float(a[2 * i + 1])));
  }
  *reinterpret_cast<uint4*>(to) = {packed[0], packed[1], packed[2], packed[3]};
}

// Hands the sums of a warp on, 16 rows at a time through its own part of shared memory, so that rows are written whole.
template <class Tile>
__device__ __forceinline__ void store_sums(const ConvolutionArgs<__half>& args, std::int64_t first_row, int first_column,
                                           const ConvolutionSums<Tile>& sums, unsigned char* shared) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  float* own = reinterpret_cast<float*>(shared) + warp * 16 * Tile::kResultPitch;
  const std::int64_t row0 = first_row + warp / Tile::kColumnWarps * Tile::kWarpRows;
  const int column0 = first_column + warp % Tile::kColumnWarps * Tile::kWarpColumns;
  constexpr int kParts = Tile::kWarpColumns / Tile::kResultColumns;
  constexpr int kTiles = Tile::kResultColumns / 8;
#pragma unroll
  for (int part = 0; part < Tile::kRowTiles * kParts; ++part) {
    const int m = part / kParts;
    const int n0 = part % kParts * kTiles;
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      const float(&c)[4] = sums[m][n0 + n];
      float* at = own + lane / 4 * Tile::kResultPitch + n * 8 + lane % 4 * 2;
      *reinterpret_cast<float2*>(at) = {c[0], c[1]};
      *reinterpret_cast<float2*>(at + 8 * Tile::kResultPitch) = {c[2], c[3]};
    }
    __syncwarp();
#pragma unroll
    for (int at = lane; at < 16 * kTiles; at += 32) {
      const int row = at / kTiles;
      const int column = at % kTiles * 8;
      store_results(args, row0 + m * 16 + row, column0 + n0 * 8 + column, own + row * Tile::kResultPitch + column);
    }
    __syncwarp();
  }
}

template <class Tile>
__global__ __launch_bounds__(Tile::kThreads, Tile::kBlocks) void convolution_half_kernel(const ConvolutionArgs<__half> args) {
  extern __shared__ __align__(1024) unsigned char shared[];
  auto& neighbours = *reinterpret_cast<TileNeighbours<Tile::kRows>*>(shared + Tile::kStages * Tile::kStage);
  const ConvolutionBlock<Tile> block(args);
  const int present = find_neighbours<Tile::kRows, Tile::kThreads>(args.neighbours, block.first_row, args.rows, neighbours);

  Terms<Tile::kDepth> terms;
  const int count = terms.start(present, args.in, static_cast<int>(blockIdx.y), args.splits);
  const std::uint32_t base = shared_address(shared);
  const ConvolutionLoader<Tile> loader(args, block.first_column, base);
  const FragmentAddresses<Tile> addresses(base);
  const auto load_term = [&](int slot) {
    const int tap = neighbours.tap[terms.index];
    loader.load(slot, tap, terms.channel, neighbours.row[tap]);
    terms.advance();
  };

  ConvolutionSums<Tile> sums;
#pragma unroll
  for (int m = 0; m < Tile::kRowTiles; ++m) {
#pragma unroll
    for (int n = 0; n < 2 * Tile::kColumnPairs; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) sums[m][n][i] = 0.0F;
    }
  }
#pragma unroll
  for (int s = 0; s < Tile::kStages - 1; ++s) {
    if (s < count) load_term(s);
    commit_copies();
  }
  wait_copies<Tile::kStages - 2>();
  __syncthreads();

  ConvolutionFragments<Tile> fragments[2];
  addresses.load(0, 0, fragments[0]);
  int read = 0;
  int write = Tile::kStages - 1;
  constexpr int kProducts = Tile::kDepth / 16;
  for (int term = 0; term < count; ++term) {
#pragma unroll
    for (int k = 0; k < kProducts; ++k) {
      if (k == kProducts - 1) {
        wait_copies<Tile::kStages - 2>();
        __syncthreads();  // the next term has arrived, and nobody reads this one any more
        read = read + 1 == Tile::kStages ? 0 : read + 1;
      }
      addresses.load(read, (k + 1) % kProducts, fragments[(k + 1) % 2]);
      if (k == 0) {
        if (term + Tile::kStages - 1 < count) load_term(write);
        commit_copies();
        write = write + 1 == Tile::kStages ? 0 : write + 1;
      }
      multiply_fragments<Tile>(fragments[k % 2], sums);
    }
  }
  wait_copies<0>();
  __syncthreads();
  store_sums<Tile>(args, block.first_row, block.first_column, sums, shared);
}

}  // namespace espalier::cuda
