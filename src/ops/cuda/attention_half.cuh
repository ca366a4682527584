// Attention in half precision on tensor cores. A block owns a tile of queries of one head and one sequence and walks over
// the keys; the scores stay in registers, where the accumulators of q k^T are already laid out as the left operand of
// p v. Keys and values of the next tile are copied while the current one is used.
#pragma once

#include "ops/cuda/attention_args.cuh"
#include "ops/cuda/mma.cuh"

namespace espalier::cuda {

// Width: of a head in shared memory and registers, padded with zeros. RowTiles: groups of 16 queries of a warp. Warps: of
// a block. Keys: of a tile in shared memory. Step: keys whose scores are in registers at once. Blocks: that a
// multiprocessor shall hold. Packs: rows are aligned to 16 bytes and `width` is a multiple of 8.
template <int Width, int RowTiles, int Warps, int Keys, int Step, int Blocks, bool Packs = true>
struct AttentionTile {
  static constexpr int kWidth = Width;
  static constexpr int kRowTiles = RowTiles;
  static constexpr int kWarps = Warps;
  static constexpr int kKeys = Keys;
  static constexpr int kStep = Step;
  static constexpr int kBlocks = Blocks;
  static constexpr bool kPacks = Packs;

  static constexpr int kThreads = 32 * Warps;
  static constexpr int kRows = 16 * RowTiles * Warps;
  // 16 bytes more than the row, an odd number of 16-byte units: eight consecutive rows touch all banks once.
  static constexpr int kPitch = 2 * Width + 16;   // bytes
  static constexpr int kOperand = Keys * kPitch;  // bytes of a tile of keys, or of values
  static constexpr int kStage = 2 * kOperand;
  static constexpr int kShared = 2 * kStage;
  // Scores may pass the maximum that the exponentials refer to by 2^kSlack before everything is rescaled: exact in real
  // arithmetic, far from the range of half, and rare after the first tile.
  static constexpr float kSlack = 8.0F;

  static_assert(Width % 16 == 0 && Step % 16 == 0 && Keys % Step == 0);
  static_assert(kRows <= 2 * Keys, "queries arrive in the memory of the second stage");
};

// The state of a warp. Index [.][i] of maximum and sum is row g + 8 i of a row tile; maximum is in units of log2.
template <class Tile>
struct AttentionState {
  std::uint32_t q[Tile::kRowTiles][Tile::kWidth / 16][4];
  float out[Tile::kRowTiles][Tile::kWidth / 8][4];
  float maximum[Tile::kRowTiles][2];
  float sum[Tile::kRowTiles][2];  // of the lane's own columns until the end
};

// Copies rows [begin, begin + Count) of one head to shared memory; zeros after the last row and beyond the width.
template <class Tile, int Count>
__device__ __forceinline__ void load_rows(std::uint32_t shared, const __half* head, std::int64_t stride, const Rows& rows,
                                          std::int64_t begin, int width) {
  constexpr int kChunks = Tile::kWidth / 8;
  constexpr int kTotal = Count * kChunks;
  const std::int64_t left = rows.count - begin;
  const int valid = left < Count ? static_cast<int>(left) : Count;
#pragma unroll
  for (int i = 0; i < (kTotal + Tile::kThreads - 1) / Tile::kThreads; ++i) {
    const int at = i * Tile::kThreads + static_cast<int>(threadIdx.x);
    if (kTotal % Tile::kThreads != 0 && at >= kTotal) break;
    const int row = at / kChunks;
    const int column = at % kChunks * 8;
    const bool exists = row < valid && column < width;
    const __half* from = head + (exists ? rows.row(begin + row) * stride + column : 0);
    const std::uint32_t to = shared + static_cast<unsigned>(row * Tile::kPitch + column * 2);
    if constexpr (Tile::kPacks) {
      copy_async(to, from, exists);
    } else {
      copy_single(to, from, exists ? width - column : 0);
    }
  }
}

// scores = q k^T for Step keys; `keys` is the lane's address for load_matrices.
template <class Tile>
__device__ __forceinline__ void score_keys(const AttentionState<Tile>& state, std::uint32_t keys,
                                           float (&scores)[Tile::kRowTiles][Tile::kStep / 8][4]) {
#pragma unroll
  for (int r = 0; r < Tile::kRowTiles; ++r) {
#pragma unroll
    for (int n = 0; n < Tile::kStep / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) scores[r][n][i] = 0.0F;
    }
  }
#pragma unroll
  for (int k = 0; k < Tile::kWidth / 16; ++k) {
#pragma unroll
    for (int n = 0; n < Tile::kStep / 16; ++n) {
      std::uint32_t b[4];
      load_matrices(b, keys + static_cast<unsigned>(n * 16 * Tile::kPitch + k * 32));
#pragma unroll
      for (int r = 0; r < Tile::kRowTiles; ++r) {
        multiply_add(scores[r][2 * n], state.q[r][k], b[0], b[1]);
        multiply_add(scores[r][2 * n + 1], state.q[r][k], b[2], b[3]);
      }
    }
  }
}

// Gives keys from `valid` on no weight.
template <class Tile>
__device__ __forceinline__ void mask_keys(int valid, float (&scores)[Tile::kRowTiles][Tile::kStep / 8][4]) {
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

// Raises the maxima, and rescales what was accumulated, when a score of the warp is too far above them.
template <class Tile>
__device__ __forceinline__ void raise_maximum(AttentionState<Tile>& state, float scale,
                                              const float (&scores)[Tile::kRowTiles][Tile::kStep / 8][4]) {
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
      raise = raise || highest[r][i] > state.maximum[r][i] + Tile::kSlack;
    }
  }
  if (!__any_sync(0xffffffffU, raise)) return;
#pragma unroll
  for (int r = 0; r < Tile::kRowTiles; ++r) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      float m = fmaxf(highest[r][i], __shfl_xor_sync(0xffffffffU, highest[r][i], 1));
      m = fmaxf(m, __shfl_xor_sync(0xffffffffU, m, 2));
      m = fmaxf(m, state.maximum[r][i]);
      const float factor = fast_exp2(state.maximum[r][i] - m);
      state.maximum[r][i] = m;
      state.sum[r][i] *= factor;
#pragma unroll
      for (int n = 0; n < Tile::kWidth / 8; ++n) {
        state.out[r][n][2 * i] *= factor;
        state.out[r][n][2 * i + 1] *= factor;
      }
    }
  }
}

// sum += p, out += p v with p = 2^(scale scores - maximum); `values` is the lane's address for load_transposed. The
// exponentials of 16 keys and the products of the 16 before are independent, so they overlap.
template <class Tile>
__device__ __forceinline__ void add_values(AttentionState<Tile>& state, float scale, std::uint32_t values,
                                           const float (&scores)[Tile::kRowTiles][Tile::kStep / 8][4]) {
#pragma unroll
  for (int k = 0; k < Tile::kStep / 16; ++k) {
    std::uint32_t p[Tile::kRowTiles][4];
#pragma unroll
    for (int r = 0; r < Tile::kRowTiles; ++r) {
#pragma unroll
      for (int j = 0; j < 2; ++j) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const float* pair = &scores[r][2 * k + j][2 * i];
          const float low = fast_exp2(fmaf(pair[0], scale, -state.maximum[r][i]));
          const float high = fast_exp2(fmaf(pair[1], scale, -state.maximum[r][i]));
          state.sum[r][i] += low + high;
          p[r][2 * j + i] = pack_halves(low, high);
        }
      }
    }
#pragma unroll
    for (int n = 0; n < Tile::kWidth / 16; ++n) {
      std::uint32_t b[4];
      load_transposed(b, values + static_cast<unsigned>(k * 16 * Tile::kPitch + n * 32));
#pragma unroll
      for (int r = 0; r < Tile::kRowTiles; ++r) {
        multiply_add(state.out[r][2 * n], p[r], b[0], b[1]);
        multiply_add(state.out[r][2 * n + 1], p[r], b[2], b[3]);
      }
    }
  }
}

// Normalises and writes the warp's rows, through its own part of shared memory so that global rows are written whole.
template <class Tile>
__device__ __forceinline__ void store_rows(const AttentionState<Tile>& state, const AttentionArgs<__half>& args,
                                           const AttentionBlock& block, unsigned char* shared) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int first = static_cast<int>(threadIdx.x) / 32 * 16 * Tile::kRowTiles;
  unsigned char* own = shared + first * Tile::kPitch;
#pragma unroll
  for (int r = 0; r < Tile::kRowTiles; ++r) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      float sum = state.sum[r][i];
      sum += __shfl_xor_sync(0xffffffffU, sum, 1);
      sum += __shfl_xor_sync(0xffffffffU, sum, 2);
      const float inverse = sum > 0.0F ? 1.0F / sum : 0.0F;  // no keys: zeros
      unsigned char* row = own + (r * 16 + i * 8 + lane / 4) * Tile::kPitch + lane % 4 * 4;
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
    const unsigned char* from = own + row * Tile::kPitch + column * 2;
    if constexpr (Tile::kPacks) {
      *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(from);
    } else {
      for (int i = 0; i < 8 && column + i < args.width; ++i) to[i] = reinterpret_cast<const __half*>(from)[i];
    }
  }
}

template <class Tile>
__global__ __launch_bounds__(Tile::kThreads, Tile::kBlocks) void attention_half_kernel(const AttentionArgs<__half> args) {
  extern __shared__ __align__(16) unsigned char shared[];
  const AttentionBlock block(args, Tile::kRows);
  if (block.queries.count <= 0) return;
  const std::int64_t column = static_cast<std::int64_t>(block.head) * args.width;
  const std::uint32_t base = shared_address(shared);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp_rows = static_cast<int>(threadIdx.x) / 32 * 16 * Tile::kRowTiles;

  const auto load_keys = [&](std::int64_t tile) {
    const std::uint32_t stage = base + static_cast<unsigned>(tile & 1) * Tile::kStage;
    load_rows<Tile, Tile::kKeys>(stage, args.k + column, args.k_stride, block.keys, tile * Tile::kKeys, args.width);
    load_rows<Tile, Tile::kKeys>(stage + Tile::kOperand, args.v + column, args.v_stride, block.keys, tile * Tile::kKeys,
                                 args.width);
    commit_copies();
  };
  const std::uint32_t q_base = base + Tile::kStage;
  load_rows<Tile, Tile::kRows>(q_base, args.q + column, args.q_stride, block.queries, 0, args.width);
  if (block.keys.count > 0) load_keys(0);
  commit_copies();
  wait_copies<0>();
  __syncthreads();

  AttentionState<Tile> state;
#pragma unroll
  for (int r = 0; r < Tile::kRowTiles; ++r) {
    const std::uint32_t row = q_base + static_cast<unsigned>((warp_rows + r * 16 + lane % 16) * Tile::kPitch + lane / 16 * 16);
#pragma unroll
    for (int k = 0; k < Tile::kWidth / 16; ++k) load_matrices(state.q[r][k], row + static_cast<unsigned>(k * 32));
#pragma unroll
    for (int n = 0; n < Tile::kWidth / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) state.out[r][n][i] = 0.0F;
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      state.maximum[r][i] = -INFINITY;
      state.sum[r][i] = 0.0F;
    }
  }

  const unsigned key_lane = static_cast<unsigned>((lane % 8 + lane / 16 * 8) * Tile::kPitch + lane / 8 % 2 * 16);
  const unsigned value_lane = static_cast<unsigned>((lane % 16) * Tile::kPitch + lane / 16 * 16) + Tile::kOperand;
  const bool active = warp_rows < block.queries.count;
  const std::int64_t tiles = (block.keys.count + Tile::kKeys - 1) / Tile::kKeys;
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    wait_copies<0>();
    __syncthreads();  // this tile has arrived, and nobody uses the memory of the next one any more
    if (tile + 1 < tiles) load_keys(tile + 1);
    if (!active) continue;
    const std::uint32_t stage = base + static_cast<unsigned>(tile & 1) * Tile::kStage;
    const std::int64_t left = block.keys.count - tile * Tile::kKeys;
#pragma unroll
    for (int step = 0; step < Tile::kKeys; step += Tile::kStep) {
      if (step > 0 && step >= left) break;
      float scores[Tile::kRowTiles][Tile::kStep / 8][4];
      score_keys<Tile>(state, stage + key_lane + static_cast<unsigned>(step * Tile::kPitch), scores);
      if (left < step + Tile::kStep) mask_keys<Tile>(static_cast<int>(left) - step, scores);
      raise_maximum<Tile>(state, args.scale, scores);
      add_values<Tile>(state, args.scale, stage + value_lane + static_cast<unsigned>(step * Tile::kPitch), scores);
    }
  }
  __syncthreads();  // the tiles make room for the results
  if (active) store_rows<Tile>(state, args, block, shared);
}

}  // namespace espalier::cuda
