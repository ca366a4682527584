#include "ops/volume.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "parallel/parallel_for.h"

namespace espalier {
namespace {

using Volume = View<Cpu, float, 5>;
using ConstVolume = View<Cpu, const float, 5>;

// Calls body(b, i, j, k) for all cells of [batch, n0, n1, n2], each of which is `cell` elements of work.
template <class Body>
void over_cells(std::int64_t batch, std::int64_t n0, std::int64_t n1, std::int64_t n2, std::int64_t cell, Body body) {
  parallel_for(batch * n0 * n1 * n2, grain_for(cell), [&](std::int64_t index) {
    const std::int64_t k = index % n2;
    const std::int64_t j = index / n2 % n1;
    const std::int64_t i = index / (n2 * n1) % n0;
    body(index / (n2 * n1 * n0), i, j, k);
  });
}

// Grid side of the tokens of a cubic volume [batch, c, side, side, side].
std::int64_t patch_grid(const char* where, const Extents<5>& volume, const Extents<2>& tokens, int patch) {
  const std::int64_t side = volume[2];
  require(patch > 0 && volume[3] == side && volume[4] == side && side % patch == 0, where, "a volume of ", side, " x ",
          volume[3], " x ", volume[4], " in patches of ", patch);
  const std::int64_t grid = side / patch;
  require(tokens[0] == volume[0] * grid * grid * grid && tokens[1] == volume[1] * patch * patch * patch, where, "tokens are ",
          tokens[0], " x ", tokens[1]);
  return grid;
}

// Calls body(token, channel of the token, batch, c, x, y, z) for every element of a volume cut into patches.
template <class Body>
void over_patches(const Extents<5>& volume, std::int64_t grid, std::int64_t p, Body body) {
  over_cells(volume[0], grid, grid, grid, volume[1] * p * p * p,
             [&](std::int64_t b, std::int64_t i, std::int64_t j, std::int64_t k) {
               const std::int64_t token = ((b * grid + i) * grid + j) * grid + k;
               std::int64_t channel = 0;
               for (std::int64_t c = 0; c < volume[1]; ++c) {
                 for (std::int64_t px = 0; px < p; ++px) {
                   for (std::int64_t py = 0; py < p; ++py) {
                     for (std::int64_t pz = 0; pz < p; ++pz) body(token, channel++, b, c, i * p + px, j * p + py, k * p + pz);
                   }
                 }
               }
             });
}

// Volumes a [batch, n0, n1, n2, .] and b [batch, 2 n0, 2 n1, 2 n2, .] with 8 times the channels in a.
void check_doubling(const char* where, const Extents<5>& a, const Extents<5>& b) {
  require(a[0] == b[0] && 2 * a[1] == b[1] && 2 * a[2] == b[2] && 2 * a[3] == b[3] && a[4] == 8 * b[4], where, "[", a[1], ", ",
          a[2], ", ", a[3], ", ", a[4], "] and [", b[1], ", ", b[2], ", ", b[3], ", ", b[4], "] do not correspond");
}

}  // namespace

template <class Dev, class T>
void patchify(Queue<Dev>& queue, In<Dev, T, 5> x, int patch, View<Dev, T, 2> out) {
  const std::int64_t grid = patch_grid("patchify", x.extents(), out.extents(), patch);
  if (queue.metering()) return;
  over_patches(x.extents(), grid, patch, [&](auto token, auto channel, auto... at) { out(token, channel) = x(at...); });
}
template void patchify<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 5>, int, View<Cpu, float, 2>);

template <class Dev, class T>
void unpatchify(Queue<Dev>& queue, In<Dev, T, 2> tokens, int patch, View<Dev, T, 5> out) {
  const std::int64_t grid = patch_grid("unpatchify", out.extents(), tokens.extents(), patch);
  if (queue.metering()) return;
  over_patches(out.extents(), grid, patch, [&](auto token, auto channel, auto... at) { out(at...) = tokens(token, channel); });
}
template void unpatchify<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 2>, int, View<Cpu, float, 5>);

template <class Dev, class T>
void to_channels_last(Queue<Dev>& queue, In<Dev, T, 5> x, View<Dev, T, 5> out) {
  const Extents<5>& e = x.extents();
  require(out.extents() == Extents<5>{e[0], e[2], e[3], e[4], e[1]}, "to_channels_last", "x and out differ in shape");
  if (queue.metering()) return;
  over_cells(e[0], e[2], e[3], e[4], e[1], [&](auto b, auto i, auto j, auto k) {
    for (std::int64_t c = 0; c < e[1]; ++c) out(b, i, j, k, c) = x(b, c, i, j, k);
  });
}
template void to_channels_last<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 5>, View<Cpu, float, 5>);

template <class Dev, class T>
void to_channels_first(Queue<Dev>& queue, In<Dev, T, 5> x, View<Dev, T, 5> out) {
  const Extents<5>& e = x.extents();
  require(out.extents() == Extents<5>{e[0], e[4], e[1], e[2], e[3]}, "to_channels_first", "x and out differ in shape");
  if (queue.metering()) return;
  over_cells(e[0], e[1], e[2], e[3], e[4], [&](auto b, auto i, auto j, auto k) {
    for (std::int64_t c = 0; c < e[4]; ++c) out(b, c, i, j, k) = x(b, i, j, k, c);
  });
}
template void to_channels_first<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 5>, View<Cpu, float, 5>);

template <class Dev, class T>
void pixel_shuffle(Queue<Dev>& queue, In<Dev, T, 5> x, View<Dev, T, 5> out) {
  check_doubling("pixel_shuffle", x.extents(), out.extents());
  if (queue.metering()) return;
  const Extents<5>& e = out.extents();
  over_cells(e[0], e[1], e[2], e[3], e[4], [&](auto b, auto i, auto j, auto k) {
    const std::int64_t offset = 4 * (i % 2) + 2 * (j % 2) + k % 2;
    for (std::int64_t c = 0; c < e[4]; ++c) out(b, i, j, k, c) = x(b, i / 2, j / 2, k / 2, 8 * c + offset);
  });
}
template void pixel_shuffle<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 5>, View<Cpu, float, 5>);

template <class Dev, class T>
void space_to_depth(Queue<Dev>& queue, In<Dev, T, 5> x, View<Dev, T, 5> out) {
  check_doubling("space_to_depth", out.extents(), x.extents());
  if (queue.metering()) return;
  const Extents<5>& e = x.extents();
  over_cells(e[0], e[1], e[2], e[3], e[4], [&](auto b, auto i, auto j, auto k) {
    const std::int64_t offset = 4 * (i % 2) + 2 * (j % 2) + k % 2;
    std::copy_n(&x(b, i, j, k, 0), e[4], &out(b, i / 2, j / 2, k / 2, offset * e[4]));
  });
}
template void space_to_depth<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 5>, View<Cpu, float, 5>);

template <class Dev, class T>
void image_patches(Queue<Dev>& queue, In<Dev, T, 4> x, int patch, View<Dev, T, 2> out) {
  const std::int64_t p = patch;
  const std::int64_t channels = x.extent(1);
  require(p > 0 && x.extent(2) % p == 0 && x.extent(3) % p == 0, "image_patches", "an image of ", x.extent(2), " x ",
          x.extent(3), " in patches of ", p);
  const std::int64_t high = x.extent(2) / p;
  const std::int64_t wide = x.extent(3) / p;
  require(out.extent(0) == x.extent(0) * high * wide && out.extent(1) == channels * p * p, "image_patches", "out is ",
          out.extent(0), " x ", out.extent(1));
  if (queue.metering()) return;
  over_cells(x.extent(0), high, wide, 1, out.extent(1), [&](auto b, auto i, auto j, auto) {
    float* to = &out((b * high + i) * wide + j, 0);
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t py = 0; py < p; ++py, to += p) std::copy_n(&x(b, c, i * p + py, j * p), p, to);
    }
  });
}
template void image_patches<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 4>, int, View<Cpu, float, 2>);

}  // namespace espalier
