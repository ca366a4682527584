// Convolution in half precision on the asynchronous tensor cores of compute capability 9.0: the tiles, copies and order
// of sums of the other half kernel, but operands are read from shared memory by the products themselves.
#pragma once

#include "ops/cuda/convolution_half.cuh"
#include "ops/cuda/mma_hopper.cuh"

namespace espalier::cuda {

// Rows x Columns: of the block's tile; each group of four warps owns 64 rows. Others as in ConvolutionTile.
template <int Rows, int Columns, int Depth, int Stages, int Blocks>
using HopperConvolutionTile = ConvolutionTile<Rows, Columns, Depth, Rows / 16, 1, Stages, Blocks>;

template <class Tile>
__global__ __launch_bounds__(Tile::kThreads, Tile::kBlocks) void convolution_hopper_kernel(const ConvolutionArgs<__half> args) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(1024) unsigned char shared[];
  static_assert(Tile::kStages >= 3 && Tile::kStage % 1024 == 0);
  constexpr int kAhead = Tile::kStages - 2;  // one slot is being used, and one may still be read by the products before
  auto& neighbours = *reinterpret_cast<TileNeighbours<Tile::kRows>*>(shared + Tile::kStages * Tile::kStage);
  const ConvolutionBlock<Tile> block(args);
  const int present = find_neighbours<Tile::kRows, Tile::kThreads>(args.neighbours, block.first_row, args.rows, neighbours);

  Terms<Tile::kDepth> terms;
  const int count = terms.start(present, args.in, static_cast<int>(blockIdx.y), args.splits);
  const std::uint32_t base = shared_address(shared);
  const ConvolutionLoader<Tile> loader(args, block.first_column, base);
  const auto load_term = [&](int slot) {
    const int tap = neighbours.tap[terms.index];
    loader.load(slot, tap, terms.channel, neighbours.row[tap]);
    terms.advance();
  };
  ConvolutionSums<Tile> sums{};
  auto& products = reinterpret_cast<float(&)[Tile::kColumns / 2]>(sums);
#pragma unroll
  for (int s = 0; s < kAhead; ++s) {
    if (s < count) load_term(s);
    commit_copies();
  }
  const auto group = static_cast<unsigned>(threadIdx.x / 128);
  int read = 0;
  int write = kAhead;
  for (int term = 0; term < count; ++term) {
    wait_copies<kAhead - 1>();
    fence_shared();
    __syncthreads();  // the term has arrived, and the products of the term before the last are done in all groups
    const std::uint32_t slot = base + static_cast<unsigned>(read * Tile::kStage);
    const std::uint64_t x = describe_operand<Tile::kPitch>(slot + group * 64 * Tile::kPitch);
    const std::uint64_t w = describe_operand<Tile::kPitch>(slot + Tile::kRows * Tile::kPitch);
    fence_products();
#pragma unroll
    for (unsigned k = 0; k < Tile::kDepth / 16; ++k) multiply_async(products, x + k * kDescriptorStep, w + k * kDescriptorStep);
    commit_products();
    if (term + kAhead < count) load_term(write);
    commit_copies();
    wait_products<1>();
    read = read + 1 == Tile::kStages ? 0 : read + 1;
    write = write + 1 == Tile::kStages ? 0 : write + 1;
  }
  wait_products<0>();
  wait_copies<0>();
  __syncthreads();
  store_sums<Tile>(args, block.first_row, block.first_column, sums, shared);
#endif
}

}  // namespace espalier::cuda
