// Convolution in single precision with ordinary multiply-adds: 128 rows x 64 out channels per block, 8 x 4 per thread,
// 16 channels of one tap at a time. Operands lie in shared memory with the channel slowest, so that a thread reads its
// rows and columns as vectors; the next term waits in registers while the current one is used.
#pragma once

#include "ops/cuda/convolution_tile.cuh"

namespace espalier::cuda {

struct FloatTile {
  static constexpr int kRows = 128;
  static constexpr int kColumns = 64;
  static constexpr int kDepth = 16;
  static constexpr int kThreads = 256;
  static constexpr int kRowsEach = 8;
  static constexpr int kColumnsEach = 4;
};

struct FloatOperands {
  float x[FloatTile::kDepth][FloatTile::kRows + 4];
  float w[FloatTile::kDepth][FloatTile::kColumns + 4];
};

struct FloatShared {
  FloatOperands operands[2];
  TileNeighbours<FloatTile::kRows> neighbours;
};

// A term on its way: each thread brings 8 channels of a row of x and 4 channels of a row of w.
template <bool Packs>
struct FloatTerm {
  float x[8];
  float w[4];

  __device__ __forceinline__ void load(const ConvolutionArgs<float>& args, const std::int32_t* rows, int tap, int channel,
                                       int first_column) {
    const int thread = static_cast<int>(threadIdx.x);
    const std::int32_t row = rows[thread / 2];
    const int x_channel = channel + thread % 2 * 8;
    fetch(args.x + std::int64_t{row} * args.x_stride + x_channel, row >= 0 ? args.in - x_channel : 0, x);
    const int column = first_column + thread / 4;
    const int w_channel = channel + thread % 4 * 4;
    fetch(args.weights() + (std::int64_t{column} * args.neighbours.taps + tap) * args.in + w_channel,
          column < args.out_channels ? args.in - w_channel : 0, w);
  }
  __device__ __forceinline__ void store(FloatOperands& to) const {
    const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
    for (int i = 0; i < 8; ++i) to.x[thread % 2 * 8 + i][thread / 2] = x[i];
#pragma unroll
    for (int i = 0; i < 4; ++i) to.w[thread % 4 * 4 + i][thread / 4] = w[i];
  }

 private:
  // The first `valid` of N values, then zeros.
  template <int N>
  __device__ __forceinline__ static void fetch(const float* from, int valid, float (&to)[N]) {
#pragma unroll
    for (int i = 0; i < N; i += 4) {
      if constexpr (Packs) {
        const float4 four = i < valid ? *reinterpret_cast<const float4*>(from + i) : float4{0, 0, 0, 0};
        to[i] = four.x;
        to[i + 1] = four.y;
        to[i + 2] = four.z;
        to[i + 3] = four.w;
      } else {
#pragma unroll
        for (int j = i; j < i + 4; ++j) to[j] = j < valid ? from[j] : 0.0F;
      }
    }
  }
};

using FloatSums = float[FloatTile::kRowsEach][FloatTile::kColumnsEach];

__device__ __forceinline__ void multiply_operands(const FloatOperands& operands, FloatSums& sums) {
  const int row = static_cast<int>(threadIdx.x) / 16 * FloatTile::kRowsEach;
  const int column = static_cast<int>(threadIdx.x) % 16 * FloatTile::kColumnsEach;
#pragma unroll
  for (int k = 0; k < FloatTile::kDepth; ++k) {
    const float4 low = *reinterpret_cast<const float4*>(&operands.x[k][row]);
    const float4 high = *reinterpret_cast<const float4*>(&operands.x[k][row + 4]);
    const float4 four = *reinterpret_cast<const float4*>(&operands.w[k][column]);
    const float x[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
    const float w[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
    for (int i = 0; i < FloatTile::kRowsEach; ++i) {
#pragma unroll
      for (int j = 0; j < FloatTile::kColumnsEach; ++j) sums[i][j] = fmaf(x[i], w[j], sums[i][j]);
    }
  }
}

// Packs: rows of x and w are aligned to 16 bytes and the count of input channels is a multiple of 4.
template <bool Packs>
__global__ __launch_bounds__(FloatTile::kThreads, 2) void convolution_float_kernel(const ConvolutionArgs<float> args) {
  __shared__ FloatShared shared;
  const auto column_tiles = static_cast<unsigned>(args.column_tiles);
  const std::int64_t first_row = std::int64_t{blockIdx.x / column_tiles} * FloatTile::kRows;
  const int first_column = static_cast<int>(blockIdx.x % column_tiles) * FloatTile::kColumns;
  const int present =
      find_neighbours<FloatTile::kRows, FloatTile::kThreads>(args.neighbours, first_row, args.rows, shared.neighbours);

  Terms<FloatTile::kDepth> terms;
  const int count = terms.start(present, args.in, static_cast<int>(blockIdx.y), args.splits);
  FloatTerm<Packs> next;
  const auto load_term = [&] {
    const int tap = shared.neighbours.tap[terms.index];
    next.load(args, shared.neighbours.row[tap], tap, terms.channel, first_column);
    terms.advance();
  };
  FloatSums sums{};
  if (count > 0) load_term();
  for (int term = 0; term < count; ++term) {
    FloatOperands& operands = shared.operands[term % 2];
    next.store(operands);
    __syncthreads();  // the term before the last is no longer read by anybody, so two places are enough
    if (term + 1 < count) load_term();
    multiply_operands(operands, sums);
  }

  const std::int64_t row0 = first_row + threadIdx.x / 16 * FloatTile::kRowsEach;
  const int column0 = first_column + static_cast<int>(threadIdx.x) % 16 * FloatTile::kColumnsEach;
#pragma unroll
  for (int i = 0; i < FloatTile::kRowsEach; ++i) {
    const std::int64_t row = row0 + i;
#pragma unroll
    for (int j = 0; j < FloatTile::kColumnsEach; ++j) {
      const int column = column0 + j;
      if (row >= args.rows || column >= args.out_channels) continue;
      if (args.splits > 1) {
        args.partial[(blockIdx.y * args.rows + row) * args.out_channels + column] = sums[i][j];
      } else {
        const float addend = args.residual == nullptr ? 0.0F : args.residual[row * args.residual_stride + column];
        args.results()[row * args.out_stride + column] = args.activated(sums[i][j] + args.bias[column] + addend);
      }
    }
  }
}

}  // namespace espalier::cuda
