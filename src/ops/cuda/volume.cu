// Rearrangements of volumes and images.
#include "ops/volume.h"
#include "parallel/cuda/for_each.cuh"
#include "runtime/cuda/element.cuh"

namespace espalier {
namespace {

using cuda::fits_packs;
using cuda::kPackOf;

// Divides `index` by `by`, leaves the quotient in `index` and returns the remainder.
__device__ __forceinline__ std::int64_t peel(std::int64_t& index, std::int64_t by) {
  const std::int64_t quotient = index / by;
  const std::int64_t rest = index - quotient * by;
  index = quotient;
  return rest;
}

template <class A, class B>
void require_shapes(bool right, const char* where, const A& x, const B& out) {
  const auto text = [](const auto& view) {
    std::string s;
    for (const std::int64_t e : view.extents()) s += (s.empty() ? "" : ", ") + std::to_string(e);
    return s;
  };
  require(right && x.contiguous() && out.contiguous(), where, "x [", text(x), "], out [", text(out), "], both contiguous");
}

// Volume <-> tokens, one thread per element of the volume. kForward reads the volume.
template <class T, bool kForward>
struct PatchBody {
  const T* from;
  T* to;
  std::int64_t channels, side, patch;

  __device__ void operator()(std::int64_t i) const {
    std::int64_t rest = i;
    const std::int64_t z = peel(rest, side);
    const std::int64_t y = peel(rest, side);
    const std::int64_t x = peel(rest, side);
    const std::int64_t c = peel(rest, channels);
    const std::int64_t g = side / patch;
    const std::int64_t token = ((rest * g + x / patch) * g + y / patch) * g + z / patch;
    const std::int64_t feature = ((c * patch + x % patch) * patch + y % patch) * patch + z % patch;
    const std::int64_t at = token * (channels * patch * patch * patch) + feature;
    if constexpr (kForward) {
      to[at] = from[i];
    } else {
      to[i] = from[at];
    }
  }
};

template <class Volume, class Tokens>
void require_patches(const char* where, const Volume& v, const Tokens& t, int patch) {
  const std::int64_t g = patch > 0 ? v.extent(2) / patch : 0;
  require_shapes(patch > 0 && v.extent(3) == v.extent(2) && v.extent(4) == v.extent(2) && v.extent(2) % patch == 0 &&
                     t.extent(0) == v.extent(0) * g * g * g && t.extent(1) == v.extent(1) * patch * patch * patch,
                 where, v, t);
}

template <class T>
void to_tokens(Queue<Cuda>& queue, In<Cuda, T, 5> x, int patch, View<Cuda, T, 2> out) {
  require_patches("patchify", x, out, patch);
  for_each(queue, "patchify", x.size(), PatchBody<T, true>{x.data(), out.data(), x.extent(1), x.extent(2), patch});
}
template <class T>
void from_tokens(Queue<Cuda>& queue, In<Cuda, T, 2> tokens, int patch, View<Cuda, T, 5> out) {
  require_patches("unpatchify", out, tokens, patch);
  for_each(queue, "unpatchify", out.size(),
           PatchBody<T, false>{tokens.data(), out.data(), out.extent(1), out.extent(2), patch});
}

// to[b][column][row] = from[b][row][column] through tiles in shared memory, so that both sides are read and written in
// rows. Blocks of one batch element are numbered row tile by row tile.
constexpr int kTile = 32;
constexpr int kTileRows = 8;

template <class T>
__global__ void __launch_bounds__(kTile* kTileRows)
    transpose(const T* __restrict__ from, std::int64_t rows, std::int64_t columns, T* __restrict__ to) {
  __shared__ T tile[kTile][kTile + 1];
  std::int64_t rest = blockIdx.x;
  const std::int64_t column = peel(rest, (columns + kTile - 1) / kTile) * kTile;
  const std::int64_t row = peel(rest, (rows + kTile - 1) / kTile) * kTile;
  from += rest * rows * columns;
  to += rest * rows * columns;
  const int x = static_cast<int>(threadIdx.x) % kTile;
  const int y = static_cast<int>(threadIdx.x) / kTile;
#pragma unroll
  for (int i = 0; i < kTile; i += kTileRows) {
    if (row + y + i < rows && column + x < columns) tile[y + i][x] = from[(row + y + i) * columns + column + x];
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < kTile; i += kTileRows) {
    if (column + y + i < columns && row + x < rows) to[(column + y + i) * rows + row + x] = tile[x][y + i];
  }
}

template <class T>
void transpose_all(Queue<Cuda>& queue, const char* where, std::int64_t batch, std::int64_t rows, std::int64_t columns,
                   const T* from, T* to) {
  if (queue.metering() || batch * rows * columns == 0) return;
  const std::int64_t tiles = batch * cuda::ceil_div(rows, kTile) * cuda::ceil_div(columns, kTile);
  cuda::launch(queue, where, transpose<T>, dim3(cuda::blocks_for(where, tiles, 1)), dim3(kTile * kTileRows), 0, from, rows,
               columns, to);
}

template <class First, class Last>
[[nodiscard]] bool same_volume(const First& first, const Last& last) {
  return first.extent(0) == last.extent(0) && first.extent(1) == last.extent(4) && first.extent(2) == last.extent(1) &&
         first.extent(3) == last.extent(2) && first.extent(4) == last.extent(3);
}

template <class T>
void channels_to_last(Queue<Cuda>& queue, In<Cuda, T, 5> x, View<Cuda, T, 5> out) {
  require_shapes(same_volume(x, out), "to_channels_last", x, out);
  transpose_all(queue, "to_channels_last", x.extent(0), x.extent(1), x.extent(2) * x.extent(3) * x.extent(4), x.data(),
                out.data());
}
template <class T>
void channels_to_first(Queue<Cuda>& queue, In<Cuda, T, 5> x, View<Cuda, T, 5> out) {
  require_shapes(same_volume(out, x), "to_channels_first", x, out);
  transpose_all(queue, "to_channels_first", x.extent(0), x.extent(1) * x.extent(2) * x.extent(3), x.extent(4), x.data(),
                out.data());
}

// One thread takes N output channels of one cell, which are 8 N consecutive input channels, and gives N to each of the 8
// finer cells.
template <class T>
struct ShuffleBody {
  const T* x;
  T* out;
  std::int64_t n0, n1, n2, channels;

  template <int N>
  __device__ void operator()(std::int64_t cell, std::int64_t channel) const {
    cuda::Pack<T, N> in[8];
#pragma unroll
    for (int p = 0; p < 8; ++p) in[p] = cuda::load_pack<N>(x + (cell * channels + channel) * 8 + p * N);
    std::int64_t rest = cell;
    const std::int64_t c = peel(rest, n2);
    const std::int64_t b = peel(rest, n1);
    const std::int64_t a = peel(rest, n0);
#pragma unroll
    for (int child = 0; child < 8; ++child) {
      cuda::Pack<T, N> pack;
#pragma unroll
      for (int k = 0; k < N; ++k) pack.at[k] = in[(k * 8 + child) / N].at[(k * 8 + child) % N];
      const std::int64_t fine =
          ((rest * 2 * n0 + 2 * a + child / 4) * 2 * n1 + 2 * b + child / 2 % 2) * 2 * n2 + 2 * c + child % 2;
      cuda::store_pack(out + fine * channels + channel, pack);
    }
  }
};

template <class T>
void shuffle(Queue<Cuda>& queue, In<Cuda, T, 5> x, View<Cuda, T, 5> out) {
  const std::int64_t channels = out.extent(4);
  require_shapes(out.extent(0) == x.extent(0) && out.extent(1) == 2 * x.extent(1) && out.extent(2) == 2 * x.extent(2) &&
                     out.extent(3) == 2 * x.extent(3) && x.extent(4) == 8 * channels,
                 "pixel_shuffle", x, out);
  const bool packed = fits_packs(x.data(), 0, kPackOf<T>) && fits_packs(out.data(), 0, kPackOf<T>);
  cuda::for_each_pack<kPackOf<T>>(queue, "pixel_shuffle", x.extent(0) * x.extent(1) * x.extent(2) * x.extent(3), channels,
                                  packed,
                                  ShuffleBody<T>{x.data(), out.data(), x.extent(1), x.extent(2), x.extent(3), channels});
}

// Row = one of the 8 parts of an output cell.
template <class T>
struct BlockBody {
  const T* x;
  T* out;
  std::int64_t n0, n1, n2, channels;  // sides of the output

  template <int N>
  __device__ void operator()(std::int64_t row, std::int64_t channel) const {
    std::int64_t rest = row;
    const std::int64_t part = peel(rest, 8);
    const std::int64_t c = peel(rest, n2);
    const std::int64_t b = peel(rest, n1);
    const std::int64_t a = peel(rest, n0);
    const std::int64_t fine = ((rest * 2 * n0 + 2 * a + part / 4) * 2 * n1 + 2 * b + part / 2 % 2) * 2 * n2 + 2 * c + part % 2;
    cuda::store_pack(out + row * channels + channel, cuda::load_pack<N>(x + fine * channels + channel));
  }
};

template <class T>
void blocks_to_depth(Queue<Cuda>& queue, In<Cuda, T, 5> x, View<Cuda, T, 5> out) {
  const std::int64_t channels = x.extent(4);
  require_shapes(out.extent(0) == x.extent(0) && 2 * out.extent(1) == x.extent(1) && 2 * out.extent(2) == x.extent(2) &&
                     2 * out.extent(3) == x.extent(3) && out.extent(4) == 8 * channels,
                 "space_to_depth", x, out);
  const bool packed = fits_packs(x.data(), 0, kPackOf<T>) && fits_packs(out.data(), 0, kPackOf<T>);
  cuda::for_each_pack<kPackOf<T>>(queue, "space_to_depth", out.extent(0) * out.extent(1) * out.extent(2) * out.extent(3) * 8,
                                  channels, packed,
                                  BlockBody<T>{x.data(), out.data(), out.extent(1), out.extent(2), out.extent(3), channels});
}

template <class T>
struct ImageBody {
  const T* x;
  T* out;
  std::int64_t channels, height, width, patch;

  __device__ void operator()(std::int64_t i) const {
    std::int64_t rest = i;
    const std::int64_t px = peel(rest, patch);
    const std::int64_t py = peel(rest, patch);
    const std::int64_t c = peel(rest, channels);
    const std::int64_t column = peel(rest, width / patch) * patch + px;
    const std::int64_t row = peel(rest, height / patch) * patch + py;
    out[i] = x[((rest * channels + c) * height + row) * width + column];
  }
};

template <class T>
void patches(Queue<Cuda>& queue, In<Cuda, T, 4> x, int patch, View<Cuda, T, 2> out) {
  require_shapes(patch > 0 && x.extent(2) % patch == 0 && x.extent(3) % patch == 0 &&
                     out.extent(0) == x.extent(0) * (x.extent(2) / patch) * (x.extent(3) / patch) &&
                     out.extent(1) == x.extent(1) * patch * patch,
                 "image_patches", x, out);
  for_each(queue, "image_patches", out.size(),
           ImageBody<T>{x.data(), out.data(), x.extent(1), x.extent(2), x.extent(3), patch});
}

}  // namespace

template <class Dev, class T>
void patchify(Queue<Dev>& queue, In<Dev, T, 5> x, int patch, View<Dev, T, 2> out) {
  to_tokens<T>(queue, x, patch, out);
}
template void patchify<Cuda, float>(Queue<Cuda>&, In<Cuda, float, 5>, int, View<Cuda, float, 2>);
template void patchify<Cuda, half>(Queue<Cuda>&, In<Cuda, half, 5>, int, View<Cuda, half, 2>);

template <class Dev, class T>
void unpatchify(Queue<Dev>& queue, In<Dev, T, 2> tokens, int patch, View<Dev, T, 5> out) {
  from_tokens<T>(queue, tokens, patch, out);
}
template void unpatchify<Cuda, float>(Queue<Cuda>&, In<Cuda, float, 2>, int, View<Cuda, float, 5>);
template void unpatchify<Cuda, half>(Queue<Cuda>&, In<Cuda, half, 2>, int, View<Cuda, half, 5>);

template <class Dev, class T>
void to_channels_last(Queue<Dev>& queue, In<Dev, T, 5> x, View<Dev, T, 5> out) {
  channels_to_last<T>(queue, x, out);
}
template void to_channels_last<Cuda, float>(Queue<Cuda>&, In<Cuda, float, 5>, View<Cuda, float, 5>);
template void to_channels_last<Cuda, half>(Queue<Cuda>&, In<Cuda, half, 5>, View<Cuda, half, 5>);

template <class Dev, class T>
void to_channels_first(Queue<Dev>& queue, In<Dev, T, 5> x, View<Dev, T, 5> out) {
  channels_to_first<T>(queue, x, out);
}
template void to_channels_first<Cuda, float>(Queue<Cuda>&, In<Cuda, float, 5>, View<Cuda, float, 5>);
template void to_channels_first<Cuda, half>(Queue<Cuda>&, In<Cuda, half, 5>, View<Cuda, half, 5>);

template <class Dev, class T>
void pixel_shuffle(Queue<Dev>& queue, In<Dev, T, 5> x, View<Dev, T, 5> out) {
  shuffle<T>(queue, x, out);
}
template void pixel_shuffle<Cuda, float>(Queue<Cuda>&, In<Cuda, float, 5>, View<Cuda, float, 5>);
template void pixel_shuffle<Cuda, half>(Queue<Cuda>&, In<Cuda, half, 5>, View<Cuda, half, 5>);

template <class Dev, class T>
void space_to_depth(Queue<Dev>& queue, In<Dev, T, 5> x, View<Dev, T, 5> out) {
  blocks_to_depth<T>(queue, x, out);
}
template void space_to_depth<Cuda, float>(Queue<Cuda>&, In<Cuda, float, 5>, View<Cuda, float, 5>);
template void space_to_depth<Cuda, half>(Queue<Cuda>&, In<Cuda, half, 5>, View<Cuda, half, 5>);

template <class Dev, class T>
void image_patches(Queue<Dev>& queue, In<Dev, T, 4> x, int patch, View<Dev, T, 2> out) {
  patches<T>(queue, x, patch, out);
}
template void image_patches<Cuda, float>(Queue<Cuda>&, In<Cuda, float, 4>, int, View<Cuda, float, 2>);
template void image_patches<Cuda, half>(Queue<Cuda>&, In<Cuda, half, 4>, int, View<Cuda, half, 2>);

}  // namespace espalier
