// What the convolution kernels of both element types share: arguments, and the neighbours of a tile of rows.
#pragma once

#include <cstdint>

#include "ops/cuda/convolution.h"

namespace espalier::cuda {

// Strides are in elements. `partial` [splits, rows, out] receives unfinished sums when there are several splits.
template <class T>
struct ConvolutionArgs {
  const T *x, *w, *bias, *residual;
  T* out;
  float* partial;
  Neighbours neighbours;
  std::int64_t rows;
  std::int64_t x_stride, residual_stride, out_stride;
  int in, out_channels;
  int column_tiles;  // of out channels; blocks are numbered [row tile][column tile] so that neighbours share rows of x
  int splits;        // of the sum; blockIdx.y
};

// The neighbours of a tile in shared memory, and the taps that any of its rows has.
template <int Rows>
struct TileNeighbours {
  std::int32_t row[kTaps][Rows];
  int tap[kTaps];
  unsigned present;
};

// Fills `tile` for rows [first, first + Rows); returns the number of taps present. All threads of the block call it.
template <int Rows, int Threads>
__device__ __forceinline__ int find_neighbours(const Neighbours& neighbours, std::int64_t first, std::int64_t rows,
                                               TileNeighbours<Rows>& tile) {
  if (threadIdx.x == 0) tile.present = 0;
  __syncthreads();
  unsigned present = 0;
  constexpr int kGroups = Threads > Rows ? Threads / Rows : 1;
  for (int r = static_cast<int>(threadIdx.x) % (Threads / kGroups); r < Rows; r += Threads / kGroups) {
    const std::int64_t row = first + r;
    const bool exists = row < rows;
    const std::int64_t plane = std::int64_t{neighbours.n1} * neighbours.n2;
    int i = 0;
    int j = 0;
    int k = 0;
    if (neighbours.table == nullptr) {
      const auto cell = static_cast<unsigned>(row % (plane * neighbours.n0));
      k = static_cast<int>(cell % static_cast<unsigned>(neighbours.n2));
      const unsigned line = cell / static_cast<unsigned>(neighbours.n2);
      j = static_cast<int>(line % static_cast<unsigned>(neighbours.n1));
      i = static_cast<int>(line / static_cast<unsigned>(neighbours.n1));
    }
    for (int tap = static_cast<int>(threadIdx.x) / (Threads / kGroups); tap < kTaps; tap += kGroups) {
      std::int32_t neighbour = -1;
      if (exists && neighbours.table != nullptr) {
        neighbour = neighbours.table[row * kTaps + tap];
      } else if (exists) {
        const int di = tap / 9 - 1;
        const int dj = tap / 3 % 3 - 1;
        const int dk = tap % 3 - 1;
        const bool inside = static_cast<unsigned>(i + di) < static_cast<unsigned>(neighbours.n0) &&
                            static_cast<unsigned>(j + dj) < static_cast<unsigned>(neighbours.n1) &&
                            static_cast<unsigned>(k + dk) < static_cast<unsigned>(neighbours.n2);
        if (inside) neighbour = static_cast<std::int32_t>(row + di * plane + dj * neighbours.n2 + dk);
      }
      tile.row[tap][r] = neighbour;
      if (neighbour >= 0) present |= 1U << tap;
    }
  }
  if (present != 0) atomicOr(&tile.present, present);
  __syncthreads();
  present = tile.present;
  if (threadIdx.x < kTaps && (present >> threadIdx.x & 1U) != 0) {
    tile.tap[__popc(present & ((1U << threadIdx.x) - 1))] = static_cast<int>(threadIdx.x);
  }
  __syncthreads();
  return __popc(present);
}

// The terms of a sum in the order in which a block adds them up: channels in groups of Depth, all present taps of a group
// after each other, because the rows of neighbouring taps overlap and are then still in L1.
template <int Depth>
struct Terms {
  int taps;
  int index;    // in the list of present taps
  int channel;  // first of the group

  // The part [begin, end) of `split`; returns its length and starts at its begin.
  __device__ __forceinline__ int start(int present, int channels, int split, int splits) {
    taps = present;
    const int total = present * ((channels + Depth - 1) / Depth);
    const int begin = static_cast<int>(std::int64_t{total} * split / splits);
    const int end = static_cast<int>(std::int64_t{total} * (split + 1) / splits);
    index = present > 0 ? begin % present : 0;
    channel = present > 0 ? begin / present * Depth : 0;
    return end - begin;
  }
  __device__ __forceinline__ void advance() {
    if (++index < taps) return;
    index = 0;
    channel += Depth;
  }
};

}  // namespace espalier::cuda
