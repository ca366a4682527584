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
  std::int64_t rows;  // of results; with children, of each
  std::int64_t residual_stride, out_stride;
  std::int64_t child_weights, child_out;  // from a child to the next; blockIdx.z
  int x_stride;
  int in, out_channels;
  int column_tiles;  // of out channels; blocks are numbered [row tile][column tile] so that neighbours share rows of x
  int splits;        // of the sum; blockIdx.y
  bool relu;         // the results' activation
  bool packed_out;   // 8 results, their biases and residuals are aligned to 16 bytes

  __device__ __forceinline__ const T* weights() const { return w + blockIdx.z * child_weights; }
  __device__ __forceinline__ T* results() const { return out + blockIdx.z * child_out; }
  __device__ __forceinline__ float activated(float value) const { return relu ? fmaxf(value, 0.0F) : value; }
};

// The neighbours of a tile in shared memory, and the taps that any of its rows has.
template <int Rows>
struct TileNeighbours {
  std::int32_t row[kTaps][Rows + 1];  // the odd pitch keeps the columns that are written together in different banks
  int tap[kTaps];
  unsigned present;
};

// Neighbours of one cell of dense volumes at taps `first`, `first + step`, ...; returns the taps that exist.
template <int Rows>
__device__ __forceinline__ unsigned find_in_volume(const Neighbours& volume, std::int64_t row, bool exists, int first, int step,
                                                   int place, TileNeighbours<Rows>& tile) {
  const std::int64_t plane = std::int64_t{volume.n1} * volume.n2;
  const auto cell = static_cast<unsigned>(row % (plane * volume.n0));
  const auto line = cell / static_cast<unsigned>(volume.n2);
  const auto i = static_cast<int>(line / static_cast<unsigned>(volume.n1));
  const auto j = static_cast<int>(line % static_cast<unsigned>(volume.n1));
  const auto k = static_cast<int>(cell % static_cast<unsigned>(volume.n2));
  unsigned present = 0;
  for (int tap = first; tap < kTaps; tap += step) {
    const int di = tap / 9 - 1;
    const int dj = tap / 3 % 3 - 1;
    const int dk = tap % 3 - 1;
    const bool inside = exists && static_cast<unsigned>(i + di) < static_cast<unsigned>(volume.n0) &&
                        static_cast<unsigned>(j + dj) < static_cast<unsigned>(volume.n1) &&
                        static_cast<unsigned>(k + dk) < static_cast<unsigned>(volume.n2);
    tile.row[tap][place] = inside ? static_cast<std::int32_t>(row + di * plane + dj * volume.n2 + dk) : -1;
    if (inside) present |= 1U << tap;
  }
  return present;
}

// The pixels under the window of one pixel of the result at taps `first`, `first + step`, ...; returns the taps that exist.
template <int Rows>
__device__ __forceinline__ unsigned find_in_images(const Neighbours& neighbours, std::int64_t row, bool exists, int first,
                                                   int step, int place, TileNeighbours<Rows>& tile) {
  const ImagePair& images = neighbours.images;
  const Window& window = images.window;
  const auto plane = static_cast<unsigned>(images.out_height) * static_cast<unsigned>(images.out_width);
  const std::int64_t batch = row / plane;
  const auto pixel = static_cast<unsigned>(row % plane);
  const int y = static_cast<int>(pixel / static_cast<unsigned>(images.out_width)) * window.stride[0] - window.before[0];
  const int x = static_cast<int>(pixel % static_cast<unsigned>(images.out_width)) * window.stride[1] - window.before[1];
  unsigned present = 0;
  for (int tap = first; tap < neighbours.taps; tap += step) {
    const int at_y = y + tap / window.kernel[1] * window.dilation[0];
    const int at_x = x + tap % window.kernel[1] * window.dilation[1];
    const bool inside = exists && static_cast<unsigned>(at_y) < static_cast<unsigned>(images.height) &&
                        static_cast<unsigned>(at_x) < static_cast<unsigned>(images.width);
    tile.row[tap][place] = inside ? static_cast<std::int32_t>((batch * images.height + at_y) * images.width + at_x) : -1;
    if (inside) present |= 1U << tap;
  }
  return present;
}

// The rows that child blockIdx.z of each parent of the tile meets; returns the taps that exist.
template <int Rows, int Threads>
__device__ __forceinline__ unsigned find_parents(const Neighbours& neighbours, std::int64_t first, std::int64_t rows,
                                                 TileNeighbours<Rows>& tile) {
  const int tap = static_cast<int>(threadIdx.x) % kChildTaps;
  const std::int32_t* from = neighbours.table + first * kTaps + parent_tap(static_cast<int>(blockIdx.z), tap);
  unsigned present = 0;
  for (int place = static_cast<int>(threadIdx.x) / kChildTaps; place < Rows; place += Threads / kChildTaps) {
    const std::int32_t parent = first + place < rows ? from[place * kTaps] : -1;
    tile.row[tap][place] = parent;
    if (parent >= 0) present = 1U << tap;
  }
  return present;
}

// Fills `tile` for rows [first, first + Rows) of `rows`; returns the number of taps present. All threads of the block call
// it.
template <int Rows, int Threads>
__device__ __forceinline__ int find_neighbours(const Neighbours& neighbours, std::int64_t first, std::int64_t rows,
                                               TileNeighbours<Rows>& tile) {
  const auto thread = static_cast<int>(threadIdx.x);
  if (thread == 0) tile.present = 0;
  __syncthreads();
  unsigned present = 0;
  if (neighbours.children > 1) {
    present = find_parents<Rows, Threads>(neighbours, first, rows, tile);
  } else if (neighbours.table != nullptr) {
    const std::int32_t* from = neighbours.table + first * kTaps;
    const auto valid = static_cast<int>(rows - first < Rows ? rows - first : Rows) * kTaps;
#pragma unroll 7
    for (int at = thread; at < Rows * kTaps; at += Threads) {
      const std::int32_t neighbour = at < valid ? from[at] : -1;
      tile.row[at % kTaps][at / kTaps] = neighbour;
      if (neighbour >= 0) present |= 1U << at % kTaps;
    }
  } else {
    constexpr int kGroups = Threads > Rows ? Threads / Rows : 1;
    constexpr int kAtOnce = Threads / kGroups;
    for (int place = thread % kAtOnce; place < Rows; place += kAtOnce) {
      const std::int64_t row = first + place;
      present |= neighbours.taps == kTaps ? find_in_volume(neighbours, row, row < rows, thread / kAtOnce, kGroups, place, tile)
                                          : find_in_images(neighbours, row, row < rows, thread / kAtOnce, kGroups, place, tile);
    }
  }
  if (present != 0) atomicOr(&tile.present, present);
  __syncthreads();
  present = tile.present;
  if (thread < kTaps && (present >> thread & 1U) != 0) tile.tap[__popc(present & ((1U << thread) - 1))] = thread;
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
