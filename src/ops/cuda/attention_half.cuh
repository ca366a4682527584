// Attention in half precision on tensor cores. A block owns a tile of queries of one head and one sequence and walks over
// the keys; the scores stay in registers, where the accumulators of q k^T are already laid out as the left operand of
// p v. Keys and values of the next tile are copied while the current one is used.
#pragma once

#include "ops/cuda/attention_softmax.cuh"

namespace espalier::cuda {

// Width: of a head in shared memory and registers, padded with zeros. RowTiles: groups of 16 queries of a warp. Warps: of
// a block. Keys: of a tile in shared memory. Step: keys whose scores are computed at once. Ahead: the scores of the next
// step of a tile are computed among the exponentials of the current one, which takes registers for both. Blocks: that a
// multiprocessor shall hold. Packs: rows are aligned to 16 bytes and `width` is a multiple of 8.
template <int Width, int RowTiles, int Warps, int Keys, int Step, bool Ahead, int Blocks, bool Packs = true>
struct AttentionTile {
  static constexpr int kWidth = Width;
  static constexpr int kRowTiles = RowTiles;
  static constexpr int kWarps = Warps;
  static constexpr int kKeys = Keys;
  static constexpr int kStep = Step;
  static constexpr bool kAhead = Ahead;
  static constexpr int kBlocks = Blocks;
  static constexpr bool kPacks = Packs;

  static constexpr int kThreads = 32 * Warps;
  static constexpr int kLoaders = kThreads;
  static constexpr int kRows = 16 * RowTiles * Warps;
  // 16 bytes more than the row, an odd number of 16-byte units: eight consecutive rows touch all banks once.
  static constexpr int kPitch = 2 * Width + 16;  // bytes
  static constexpr int kResultPitch = kPitch;
  static constexpr int kOperand = Keys * kPitch;  // bytes of a tile of keys, or of values
  static constexpr int kStage = 2 * kOperand;
  static constexpr int kShared = 2 * kStage;

  static_assert(Width % 16 == 0 && Step % 16 == 0 && Keys % Step == 0);
  static_assert(kRows <= 2 * Keys, "queries arrive in the memory of the second stage");

  // Where a 16-byte chunk is; a thread copies that of every RowStep-th row.
  template <int RowStep>
  __device__ static constexpr unsigned offset(int row, int chunk) {
    return static_cast<unsigned>(row * kPitch + chunk * 16);
  }
};

// The queries of a warp as left operands.
template <class Tile>
using QueryFragments = std::uint32_t[Tile::kRowTiles][Tile::kWidth / 16][4];

template <class Tile>
__device__ __forceinline__ void clear_scores(Scores<Tile>& scores) {
#pragma unroll
  for (int r = 0; r < Tile::kRowTiles; ++r) {
#pragma unroll
    for (int n = 0; n < Tile::kStep / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) scores[r][n][i] = 0.0F;
    }
  }
}

// scores += q k^T for Step keys, over the columns [16 begin, 16 end) of the head; `keys` is the lane's address for
// load_matrices.
template <class Tile>
__device__ __forceinline__ void add_scores(const QueryFragments<Tile>& q, std::uint32_t keys, int begin, int end,
                                           Scores<Tile>& scores) {
#pragma unroll
  for (int k = begin; k < end; ++k) {
#pragma unroll
    for (int n = 0; n < Tile::kStep / 16; ++n) {
      std::uint32_t b[4];
      load_matrices(b, keys + static_cast<unsigned>(n * 16 * Tile::kPitch + k * 32));
#pragma unroll
      for (int r = 0; r < Tile::kRowTiles; ++r) {
        multiply_add(scores[r][2 * n], q[r][k], b[0], b[1]);
        multiply_add(scores[r][2 * n + 1], q[r][k], b[2], b[3]);
      }
    }
  }
}

// sum += p, out += p v with p = 2^(scale scores - maximum); `values` is the lane's address for load_transposed. With
// Next, the scores of the keys at `next_keys` are computed on the way: exponentials, these products and those with the
// values do not wait for each other.
template <class Tile, bool Next>
__device__ __forceinline__ void add_values(AttentionState<Tile>& state, const QueryFragments<Tile>& q, float scale,
                                           std::uint32_t values, Scores<Tile>& scores, std::uint32_t next_keys,
                                           Scores<Tile>& next) {
  constexpr int kParts = Tile::kStep / 16;
  constexpr int kColumns = Tile::kWidth / 16;
  if constexpr (Next) clear_scores<Tile>(next);
#pragma unroll
  for (int k = 0; k < kParts; ++k) {
    if constexpr (Next) add_scores<Tile>(q, next_keys, kColumns * k / kParts, kColumns * (k + 1) / kParts, next);
    weigh_keys<Tile>(state, scale, k, scores, state.sum);
    std::uint32_t p[Tile::kRowTiles][4];
#pragma unroll
    for (int r = 0; r < Tile::kRowTiles; ++r) pack_weights<Tile>(scores, r, k, p[r]);
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

// One tile of keys, of which `valid` exist; `keys` and `values` are the lane's addresses of the tile.
template <class Tile>
__device__ __forceinline__ void use_tile(AttentionState<Tile>& state, const QueryFragments<Tile>& q, float scale,
                                         std::uint32_t keys, std::uint32_t values, int valid) {
  constexpr int kSteps = Tile::kKeys / Tile::kStep;
  constexpr int kStepBytes = Tile::kStep * Tile::kPitch;
  Scores<Tile> scores[Tile::kAhead ? 2 : 1];
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    if (step > 0 && step * Tile::kStep >= valid) break;
    Scores<Tile>& current = scores[Tile::kAhead ? step % 2 : 0];
    Scores<Tile>& next = scores[Tile::kAhead ? (step + 1) % 2 : 0];
    const std::uint32_t step_keys = keys + static_cast<unsigned>(step * kStepBytes);
    const std::uint32_t step_values = values + static_cast<unsigned>(step * kStepBytes);
    if (step == 0 || !Tile::kAhead) {
      clear_scores<Tile>(current);
      add_scores<Tile>(q, step_keys, 0, Tile::kWidth / 16, current);
    }
    if (valid < (step + 1) * Tile::kStep) mask_keys<Tile>(valid - step * Tile::kStep, current);
    float factors[Tile::kRowTiles][2];
    if (raise_maximum<Tile>(state, scale, current, factors)) rescale<Tile>(state, factors);
    if (Tile::kAhead && step + 1 < kSteps) {
      add_values<Tile, true>(state, q, scale, step_values, current, step_keys + kStepBytes, next);
    } else {
      add_values<Tile, false>(state, q, scale, step_values, current, 0, next);
    }
  }
}

template <class Tile>
__global__ __launch_bounds__(Tile::kThreads, Tile::kBlocks) void attention_half_kernel(const AttentionArgs<__half> args) {
  extern __shared__ __align__(1024) unsigned char tile_memory[];
  const AttentionBlock block(args, Tile::kRows);
  if (block.queries.count <= 0) return;
  const std::int64_t column = static_cast<std::int64_t>(block.head) * args.width;
  const std::uint32_t base = shared_address(tile_memory);
  const auto thread = static_cast<int>(threadIdx.x);
  const int lane = thread % 32;
  const int warp_rows = thread / 32 * 16 * Tile::kRowTiles;

  const Operand q[1] = {{args.q + column, args.q_stride}};
  const Operand kv[2] = {{args.k + column, args.k_stride}, {args.v + column, args.v_stride}};
  const auto load_keys = [&](std::int64_t tile) {
    load_rows<Tile, Tile::kKeys>(base + static_cast<unsigned>(tile & 1) * Tile::kStage, kv, block.keys, tile * Tile::kKeys,
                                 args.width, thread);
    commit_copies();
  };
  const std::uint32_t q_base = base + Tile::kStage;
  load_rows<Tile, Tile::kRows>(q_base, q, block.queries, 0, args.width, thread);
  if (block.keys.count > 0) load_keys(0);
  commit_copies();
  wait_copies<0>();
  __syncthreads();

  QueryFragments<Tile> queries;
#pragma unroll
  for (int r = 0; r < Tile::kRowTiles; ++r) {
    const std::uint32_t row = q_base + static_cast<unsigned>((warp_rows + r * 16 + lane % 16) * Tile::kPitch + lane / 16 * 16);
#pragma unroll
    for (int k = 0; k < Tile::kWidth / 16; ++k) load_matrices(queries[r][k], row + static_cast<unsigned>(k * 32));
  }
  AttentionState<Tile> state;
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
    use_tile<Tile>(state, queries, args.scale, stage + key_lane, stage + value_lane,
                   left < Tile::kKeys ? static_cast<int>(left) : Tile::kKeys);
  }
  __syncthreads();  // the tiles make room for the results
  if (active) store_rows<Tile>(state, args, block, tile_memory);
}

}  // namespace espalier::cuda
