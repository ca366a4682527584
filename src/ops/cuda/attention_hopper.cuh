// Attention in half precision on the asynchronous tensor cores of compute capability 9.0, for heads of up to 64 columns.
// One group of four warps copies keys and values; each of the others owns 64 queries. While a group computes the
// exponentials of a tile, its products of the tile before with the values run, and products of the other groups.
#pragma once

#include "ops/cuda/attention_softmax.cuh"
#include "ops/cuda/mma_hopper.cuh"

namespace espalier::cuda {

// Groups: of 64 queries per block.
template <int Groups>
struct HopperAttentionTile {
  static constexpr int kGroups = Groups;
  static constexpr int kWidth = 64;
  static constexpr int kRowTiles = 1;
  static constexpr int kKeys = 128;
  static constexpr int kStep = kKeys;
  static constexpr int kStages = 3;
  static constexpr bool kPacks = true;

  static constexpr int kRows = 64 * Groups;
  static constexpr int kLoaders = 128;
  static constexpr int kThreads = 128 * (Groups + 1);
  static constexpr int kPitch = 128;  // bytes of a row of an operand
  static constexpr int kResultPitch = kPitch + 16;
  static constexpr int kOperand = kKeys * kPitch;
  // The results of a group replace its queries.
  static constexpr int kGroupQueries = 64 * kResultPitch;
  static constexpr int kBarriers = 2 * kStages * kOperand + Groups * kGroupQueries;
  static constexpr int kShared = kBarriers + 4 * kStages * 8;
  // Registers per thread after they were dealt out anew; before, 65536 / kThreads, rounded down to a multiple of 8.
  static constexpr int kLoaderRegisters = Groups == 3 ? 32 : 40;
  static constexpr int kProductRegisters = Groups == 3 ? 160 : 232;

  // As describe_operand() expects it.
  template <int RowStep>
  __device__ static constexpr unsigned offset(int row, int chunk) {
    static_assert(RowStep % 8 == 0);
    return static_cast<unsigned>(row * kPitch + (chunk ^ row % 8) * 16);
  }
};

// Shared memory of a block: keys and values of each stage, queries, and for each stage of either operand a barrier for
// "has arrived" and one for "is used up".
template <class Tile>
struct HopperShared {
  std::uint32_t base;

  [[nodiscard]] __device__ __forceinline__ std::uint32_t keys(int stage) const {
    return base + static_cast<unsigned>(stage * Tile::kOperand);
  }
  [[nodiscard]] __device__ __forceinline__ std::uint32_t values(int stage) const { return keys(Tile::kStages + stage); }
  [[nodiscard]] __device__ __forceinline__ std::uint32_t queries(int group) const {
    return keys(2 * Tile::kStages) + static_cast<unsigned>(group * Tile::kGroupQueries);
  }
  [[nodiscard]] __device__ __forceinline__ std::uint32_t barrier(int kind, int stage) const {
    return base + static_cast<unsigned>(Tile::kBarriers + (kind * Tile::kStages + stage) * 8);
  }
  [[nodiscard]] __device__ __forceinline__ std::uint32_t keys_arrived(int stage) const { return barrier(0, stage); }
  [[nodiscard]] __device__ __forceinline__ std::uint32_t values_arrived(int stage) const { return barrier(1, stage); }
  [[nodiscard]] __device__ __forceinline__ std::uint32_t keys_used(int stage) const { return barrier(2, stage); }
  [[nodiscard]] __device__ __forceinline__ std::uint32_t values_used(int stage) const { return barrier(3, stage); }
};

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

// The copying group: tile after tile, as soon as its place is used up. It says that rows have arrived one operand later,
// when the next is on its way, and makes them visible to the products itself, once for all groups.
template <class Tile>
__device__ __forceinline__ void copy_keys(const AttentionArgs<__half>& args, const AttentionBlock& block, int tiles,
                                          const HopperShared<Tile>& shared) {
  const int thread = static_cast<int>(threadIdx.x) % 128;
  const std::int64_t column = static_cast<std::int64_t>(block.head) * args.width;
  const Operand k[1] = {{args.k + column, args.k_stride}};
  const Operand v[1] = {{args.v + column, args.v_stride}};
  const auto tell = [](std::uint32_t arrived) {
    fence_shared();
    arrive(arrived);
  };
  for (int tile = 0; tile < tiles; ++tile) {
    const int stage = tile % Tile::kStages;
    const unsigned free = (static_cast<unsigned>(tile / Tile::kStages) & 1U) ^ 1U;
    const std::int64_t begin = std::int64_t{tile} * Tile::kKeys;
    wait_barrier(shared.keys_used(stage), free);
    load_rows<Tile, Tile::kKeys>(shared.keys(stage), k, block.keys, begin, args.width, thread);
    commit_copies();
    if (tile > 0) {
      wait_copies<1>();
      tell(shared.values_arrived((tile - 1) % Tile::kStages));
    }
    wait_barrier(shared.values_used(stage), free);
    load_rows<Tile, Tile::kKeys>(shared.values(stage), v, block.keys, begin, args.width, thread);
    commit_copies();
    wait_copies<1>();
    tell(shared.keys_arrived(stage));
  }
  wait_copies<0>();
  if (tiles > 0) tell(shared.values_arrived((tiles - 1) % Tile::kStages));
}

// Starts out += p v with the values of a tile.
template <class Tile>
__device__ __forceinline__ void start_values(AttentionState<Tile>& state, const std::uint32_t (&p)[Tile::kKeys / 16][4],
                                             int tile, const HopperShared<Tile>& shared) {
  constexpr std::uint64_t kSixteenRows = 16 * Tile::kPitch / 16;
  const int stage = tile % Tile::kStages;
  wait_barrier(shared.values_arrived(stage), static_cast<unsigned>(tile / Tile::kStages) & 1U);
  const std::uint64_t values = describe_operand<Tile::kPitch>(shared.values(stage));
  auto& out = reinterpret_cast<float(&)[Tile::kWidth / 2]>(state.out);
  fence_products();
#pragma unroll
  for (int k = 0; k < Tile::kKeys / 16; ++k) multiply_async(out, p[k], values + static_cast<unsigned>(k) * kSixteenRows);
  commit_products();
}

// A group with queries: all tiles of keys.
template <class Tile>
__device__ __forceinline__ void attend_keys(AttentionState<Tile>& state, float scale, std::int64_t keys, int tiles,
                                            std::uint32_t own_queries, const HopperShared<Tile>& shared) {
  const bool speaker = threadIdx.x % 32 == 0;
  const std::uint64_t queries = describe_operand<Tile::kPitch>(own_queries);
  Scores<Tile> scores{};
  std::uint32_t p[Tile::kKeys / 16][4]{};
  for (int tile = 0; tile < tiles; ++tile) {
    const int stage = tile % Tile::kStages;
    wait_barrier(shared.keys_arrived(stage), static_cast<unsigned>(tile / Tile::kStages) & 1U);
    const std::uint64_t key_rows = describe_operand<Tile::kPitch>(shared.keys(stage));
    auto& sums = reinterpret_cast<float(&)[Tile::kKeys / 2]>(scores);
    fence_products();
    multiply_async<false>(sums, queries, key_rows);
#pragma unroll
    for (unsigned k = 1; k < Tile::kWidth / 16; ++k)
      multiply_async(sums, queries + k * kDescriptorStep, key_rows + k * kDescriptorStep);
    commit_products();
    if (tile > 0) {
      start_values<Tile>(state, p, tile - 1, shared);
      wait_products<1>();
    } else {
      wait_products<0>();
    }
    if (speaker) arrive(shared.keys_used(stage));

    const std::int64_t left = keys - std::int64_t{tile} * Tile::kKeys;
    if (left < Tile::kKeys) mask_keys<Tile>(static_cast<int>(left), scores);
    float factors[1][2];
    if (raise_maximum<Tile>(state, scale, scores, factors)) {
      wait_products<0>();
      rescale<Tile>(state, factors);
    }
#pragma unroll
    for (int k = 0; k < Tile::kKeys / 16; ++k) weigh_keys<Tile>(state, scale, k, scores, state.sum);
    wait_products<0>();
    if (speaker && tile > 0) arrive(shared.values_used((tile - 1) % Tile::kStages));
#pragma unroll
    for (int k = 0; k < Tile::kKeys / 16; ++k) pack_weights<Tile>(scores, 0, k, p[k]);
  }
  if (tiles == 0) return;
  start_values<Tile>(state, p, tiles - 1, shared);
  wait_products<0>();
}

#endif

template <class Tile>
__global__ __launch_bounds__(Tile::kThreads, 1) void attention_hopper_kernel(const AttentionArgs<__half> args) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(1024) unsigned char tile_memory[];
  const AttentionBlock block(args, Tile::kRows);
  if (block.queries.count <= 0) return;
  const HopperShared<Tile> shared{shared_address(tile_memory)};
  const int groups = static_cast<int>((block.queries.count + 63) / 64);
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < Tile::kStages; ++stage) {
      init_barrier(shared.keys_arrived(stage), Tile::kLoaders);
      init_barrier(shared.values_arrived(stage), Tile::kLoaders);
      init_barrier(shared.keys_used(stage), 4 * groups);
      init_barrier(shared.values_used(stage), 4 * groups);
    }
  }
  __syncthreads();
  const int tiles = static_cast<int>((block.keys.count + Tile::kKeys - 1) / Tile::kKeys);
  const int group = static_cast<int>(threadIdx.x) / 128;
  if (group == Tile::kGroups) {
    give_registers<Tile::kLoaderRegisters>();
    copy_keys<Tile>(args, block, tiles, shared);
  } else {
    take_registers<Tile::kProductRegisters>();
    if (group >= groups) return;
    const Operand q[1] = {{args.q + static_cast<std::int64_t>(block.head) * args.width, args.q_stride}};
    load_rows<Tile, 64>(shared.queries(group), q, block.queries, group * 64, args.width, static_cast<int>(threadIdx.x) % 128);
    commit_copies();
    wait_copies<0>();
    fence_shared();
    sync_group(1 + group);
    AttentionState<Tile> state;
    attend_keys<Tile>(state, args.scale, block.keys.count, tiles, shared.queries(group), shared);
    sync_group(1 + group);  // the results of one warp may replace the queries of another
    store_rows<Tile>(state, args, block, tile_memory + 2 * Tile::kStages * Tile::kOperand);
  }
#endif
}

}  // namespace espalier::cuda
