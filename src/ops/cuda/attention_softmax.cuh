// What the half-precision attention kernels share: copies of rows, the online softmax of a warp's scores, results. A Tile
// says how a kernel lays out its work; the scores and results of a warp lie in registers as c in mma.cuh.
#pragma once

#include "ops/cuda/attention_args.cuh"
#include "ops/cuda/mma.cuh"

namespace espalier::cuda {

// A matrix of which rows are copied: head 0 of a row starts at `data + row * stride`.
struct Operand {
  const __half* data;
  int stride;
};

// Copies rows [begin, begin + Count) of each operand to consecutive places of shared memory; zeros after the last row and
// beyond the width. Tile::kLoaders threads share the work; `thread` is the number of this one.
template <class Tile, int Count, int Operands>
__device__ __forceinline__ void load_rows(std::uint32_t shared, const Operand (&operands)[Operands], const Rows& rows,
                                          std::int64_t begin, int width, int thread) {
  constexpr int kChunks = Tile::kWidth / 8;
  constexpr int kAtOnce = Tile::kLoaders / kChunks;
  constexpr int kPasses = Count / kAtOnce;
  static_assert(Tile::kLoaders % kChunks == 0 && Count % kAtOnce == 0, "a thread copies the same columns of all its rows");
  const int row = thread / kChunks;
  const int column = thread % kChunks * 8;
  const std::int64_t left = column < width ? rows.count - begin : 0;
  const int valid = left < Count ? static_cast<int>(left) : Count;
  const std::uint32_t to = shared + Tile::template offset<kAtOnce>(row, column / 8);
  const auto copy = [&](int operand, int pass, const __half* from, bool exists) {
    const std::uint32_t place = to + static_cast<unsigned>((operand * Count + pass * kAtOnce) * Tile::kPitch);
    if constexpr (Tile::kPacks) {
      copy_async(place, from, exists ? 16 : 0);
    } else {
      copy_single(place, from, exists ? width - column : 0);
    }
  };
  if (rows.order == nullptr) {
#pragma unroll
    for (int o = 0; o < Operands; ++o) {
      const __half* from = operands[o].data + (rows.first + begin + row) * operands[o].stride + column;
      const std::int64_t step = std::int64_t{kAtOnce} * operands[o].stride;
      if (valid == Count) {
#pragma unroll
        for (int i = 0; i < kPasses; ++i, from += step) copy(o, i, from, true);
      } else {
#pragma unroll
        for (int i = 0; i < kPasses; ++i, from += step) copy(o, i, from, row + i * kAtOnce < valid);
      }
    }
    return;
  }
  const std::int32_t* order = rows.order + rows.first + begin + row;
  std::int32_t index[kPasses];
#pragma unroll
  for (int i = 0; i < kPasses; ++i) index[i] = row + i * kAtOnce < valid ? order[i * kAtOnce] : -1;
#pragma unroll
  for (int o = 0; o < Operands; ++o) {
#pragma unroll
    for (int i = 0; i < kPasses; ++i) {
      const std::int64_t at = std::int64_t{max(index[i], 0)} * operands[o].stride;
      copy(o, i, operands[o].data + at + column, index[i] >= 0);
    }
  }
}

// Of 16 kRowTiles queries with kStep keys.
template <class Tile>
using Scores = float[Tile::kRowTiles][Tile::kStep / 8][4];

// The state of a warp. Index [.][i] of maximum and sum is row g + 8 i of a row tile; maximum is in units of log2.
template <class Tile>
struct AttentionState {
  float out[Tile::kRowTiles][Tile::kWidth / 8][4];
  float maximum[Tile::kRowTiles][2];
  float sum[Tile::kRowTiles][2];  // of the lane's own columns until the end

  __device__ __forceinline__ AttentionState() {
#pragma unroll
    for (int r = 0; r < Tile::kRowTiles; ++r) {
#pragma unroll
      for (int n = 0; n < Tile::kWidth / 8; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) out[r][n][i] = 0.0F;
      }
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        maximum[r][i] = -INFINITY;
        sum[r][i] = 0.0F;
      }
    }
  }
};

// Gives keys from `valid` on no weight.
template <class Tile>
__device__ __forceinline__ void mask_keys(int valid, Scores<Tile>& scores) {
  const int column = static_cast<int>(threadIdx.x % 4) * 2;
#pragma unroll
  for (int n = 0; n < Tile::kStep / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (n * 8 + column + (i & 1) < valid) continue;
#pragma unroll
      for (int r = 0; r < Tile::kRowTiles; ++r) scores[r][n][i] = -INFINITY;
    }
  }
}

// Raises the maxima when a score of the warp is too far above them, and returns whether it did: then everything that was
// accumulated must be multiplied by `factors`.
template <class Tile>
__device__ __forceinline__ bool raise_maximum(AttentionState<Tile>& state, float scale, const Scores<Tile>& scores,
                                              float (&factors)[Tile::kRowTiles][2]) {
  // Scores may pass the maximum that the exponentials refer to by 2^kSlack before everything is rescaled: exact in real
  // arithmetic, far from the range of half, and rare after the first tile.
  constexpr float kSlack = 8.0F;
  float highest[Tile::kRowTiles][2];
  bool raise = false;
#pragma unroll
  for (int r = 0; r < Tile::kRowTiles; ++r) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      float m = fmaxf(scores[r][0][2 * i], scores[r][0][2 * i + 1]);
#pragma unroll
      for (int n = 1; n < Tile::kStep / 8; ++n) m = fmaxf(m, fmaxf(scores[r][n][2 * i], scores[r][n][2 * i + 1]));
      highest[r][i] = m * scale;
      raise = raise || highest[r][i] > state.maximum[r][i] + kSlack;
    }
  }
  if (!__any_sync(0xffffffffU, raise)) return false;
#pragma unroll
  for (int r = 0; r < Tile::kRowTiles; ++r) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      float m = fmaxf(highest[r][i], __shfl_xor_sync(0xffffffffU, highest[r][i], 1));
      m = fmaxf(m, __shfl_xor_sync(0xffffffffU, m, 2));
      m = fmaxf(m, state.maximum[r][i]);
      factors[r][i] = fast_exp2(state.maximum[r][i] - m);
      state.maximum[r][i] = m;
    }
  }
  return true;
}

template <class Tile>
__device__ __forceinline__ void rescale(AttentionState<Tile>& state, const float (&factors)[Tile::kRowTiles][2]) {
#pragma unroll
  for (int r = 0; r < Tile::kRowTiles; ++r) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      state.sum[r][i] *= factors[r][i];
#pragma unroll
      for (int n = 0; n < Tile::kWidth / 8; ++n) {
        state.out[r][n][2 * i] *= factors[r][i];
        state.out[r][n][2 * i + 1] *= factors[r][i];
      }
    }
  }
}

// Turns the scores of the keys 16 k ... into weights 2^(scale score - maximum) and adds them to `sum`.
template <class Tile>
__device__ __forceinline__ void weigh_keys(const AttentionState<Tile>& state, float scale, int k, Scores<Tile>& scores,
                                           float (&sum)[Tile::kRowTiles][2]) {
#pragma unroll
  for (int r = 0; r < Tile::kRowTiles; ++r) {
#pragma unroll
    for (int n = 2 * k; n < 2 * k + 2; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        scores[r][n][i] = fast_exp2(fmaf(scores[r][n][i], scale, -state.maximum[r][i / 2]));
        sum[r][i / 2] += scores[r][n][i];
      }
    }
  }
}

// The weights of the keys 16 k ... as the left operand of a product.
template <class Tile>
__device__ __forceinline__ void pack_weights(const Scores<Tile>& weights, int r, int k, std::uint32_t (&p)[4]) {
#pragma unroll
  for (int j = 0; j < 2; ++j) {
    p[2 * j] = pack_halves(weights[r][2 * k + j][0], weights[r][2 * k + j][1]);
    p[2 * j + 1] = pack_halves(weights[r][2 * k + j][2], weights[r][2 * k + j][3]);
  }
}

// Normalises and writes the warp's rows, through its own part of shared memory so that global rows are written whole.
template <class Tile>
__device__ __forceinline__ void store_rows(const AttentionState<Tile>& state, const AttentionArgs<__half>& args,
                                           const AttentionBlock& block, unsigned char* shared) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int first = static_cast<int>(threadIdx.x) / 32 * 16 * Tile::kRowTiles;
  unsigned char* own = shared + first * Tile::kResultPitch;
#pragma unroll
  for (int r = 0; r < Tile::kRowTiles; ++r) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      float sum = state.sum[r][i];
      sum += __shfl_xor_sync(0xffffffffU, sum, 1);
      sum += __shfl_xor_sync(0xffffffffU, sum, 2);
      const float inverse = sum > 0.0F ? 1.0F / sum : 0.0F;  // no keys: zeros
      unsigned char* row = own + (r * 16 + i * 8 + lane / 4) * Tile::kResultPitch + lane % 4 * 4;
#pragma unroll
      for (int n = 0; n < Tile::kWidth / 8; ++n) {
        *reinterpret_cast<std::uint32_t*>(row + n * 16) =
            pack_halves(state.out[r][n][2 * i] * inverse, state.out[r][n][2 * i + 1] * inverse);
      }
    }
  }
  __syncwarp();
  constexpr int kChunks = Tile::kWidth / 8;
  __half* head = args.out + block.head * args.width;
#pragma unroll
  for (int at = lane; at < 16 * Tile::kRowTiles * kChunks; at += 32) {
    const int row = at / kChunks;
    const int column = at % kChunks * 8;
    if (first + row >= block.queries.count || column >= args.width) continue;
    __half* to = head + block.queries.row(first + row) * args.out_stride + column;
    const unsigned char* from = own + row * Tile::kResultPitch + column * 2;
    if constexpr (Tile::kPacks) {
      *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(from);
    } else {
      for (int i = 0; i < 8 && column + i < args.width; ++i) to[i] = reinterpret_cast<const __half*>(from)[i];
    }
  }
}

}  // namespace espalier::cuda
