// The kernels of splatting, in the order in which they run.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "parallel/cuda/reduce.cuh"
#include "render/raster/splat_steps.h"

namespace espalier::splat {

inline constexpr int kMaxViews = 16;  // drawn together

struct Views {
  ViewPoint at[kMaxViews];
};

// Sort keys of depths: their bits, less those of a depth that is less than all of them.
struct DepthKeys {
  std::uint32_t least, most;  // bits

  [[nodiscard]] __device__ std::uint32_t of(float depth) const { return min(max(__float_as_uint(depth), least), most) - least; }
  [[nodiscard]] __host__ __device__ std::uint32_t unseen() const { return most - least + 1; }
};

// What is known of every Gaussian of every view, [views, G].
struct Projected {
  Splat* splats;
  Tiles* tiles;
  std::uint32_t* counts;  // of tiles
  std::uint32_t* keys;    // of depths
  std::uint32_t* order;   // here still 0, 1, 2, ...
};

// Gaussian blockIdx.x * Threads + threadIdx.x of view blockIdx.y. Runs twice, once with nothing but `totals` [views], which get
// the tiles of all Gaussians, and once with nothing but `out`. It is one kernel, so that both count the same.
template <int Threads>
__global__ void __launch_bounds__(Threads) project_kernel(const __grid_constant__ Views views, Scene scene, std::int64_t n,
                                                          DepthKeys keys, Projected out, unsigned long long* totals) {
  const ViewPoint& view = views.at[blockIdx.y];
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * Threads + threadIdx.x;
  unsigned long long count = 0;
  if (i < n) {
    Splat s;
    float depth = 0.0F;
    const TileBox box = project(scene, i, view, s, depth);
    const Tiles tiles = tiles_of(s, box, view);
    if (tiles.drawn != 0) count = tiles.large() ? tiles.area() : __popcll(tiles.drawn);
    if (out.counts != nullptr) {
      const std::int64_t at = static_cast<std::int64_t>(blockIdx.y) * n + i;
      out.counts[at] = static_cast<std::uint32_t>(count);
      out.keys[at] = count > 0 ? keys.of(depth) : keys.unseen();
      out.order[at] = static_cast<std::uint32_t>(at);
      if (count > 0) {
        out.splats[at] = s;
        out.tiles[at] = tiles;
      }
    }
  }
  if (totals == nullptr) return;
  const unsigned long long sum = cuda::block_sum<Threads>(count);
  if (threadIdx.x == 0 && sum > 0) atomicAdd(&totals[blockIdx.y], sum);
}

// The tiles of a splat of a view, as keys of lists.
struct Entries {
  std::uint32_t* keys;    // view * tiles + tile
  std::uint32_t* splats;  // row of Projected
};

// Writes the entries of the Gaussians in depth order. A box of many tiles is written by the whole warp.
template <int Threads>
__global__ void __launch_bounds__(Threads)
    list_kernel(std::int64_t n, std::int64_t gaussians, std::uint32_t first_view, const std::uint32_t* order,
                const std::uint32_t* starts, const std::uint32_t* counts, const Tiles* tiles, std::uint32_t columns,
                std::uint32_t tiles_per_view, Entries out) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * Threads + threadIdx.x;
  std::uint32_t row = 0, start = 0, first = 0, count = 0;
  Tiles box{};
  if (i < n) {
    row = order[i];
    count = counts[row];
    if (count > 0) {
      start = starts[i];
      box = tiles[row];
      first = (static_cast<std::uint32_t>(row / gaussians) - first_view) * tiles_per_view;
    }
  }
  const bool large = count > 0 && box.large();
  if (count > 0 && !large) {
    std::uint32_t at = start;
    for (std::uint64_t todo = box.drawn; todo != 0; todo &= todo - 1, ++at) {
      const int place = __ffsll(static_cast<long long>(todo)) - 1;
      out.keys[at] = first + static_cast<std::uint32_t>(box.tile(place, static_cast<int>(columns)));
      out.splats[at] = row;
    }
  }
  const int lane = static_cast<int>(threadIdx.x % cuda::kWarp);
  for (unsigned todo = __ballot_sync(cuda::kAllLanes, large); todo != 0; todo &= todo - 1) {
    const int source = __ffs(static_cast<int>(todo)) - 1;
    const auto from = [&](std::uint32_t value) { return __shfl_sync(cuda::kAllLanes, value, source); };
    Tiles whole{};
    const std::uint32_t low = from(box.x0 | static_cast<std::uint32_t>(box.y0) << 16U);
    const std::uint32_t high = from(box.x1 | static_cast<std::uint32_t>(box.y1) << 16U);
    whole.x0 = static_cast<std::uint16_t>(low & 0xFFFFU);
    whole.y0 = static_cast<std::uint16_t>(low >> 16U);
    whole.x1 = static_cast<std::uint16_t>(high & 0xFFFFU);
    whole.y1 = static_cast<std::uint16_t>(high >> 16U);
    const std::uint32_t whole_start = from(start), whole_row = from(row), whole_first = from(first);
    for (int place = lane; place < whole.area(); place += cuda::kWarp) {
      out.keys[whole_start + place] = whole_first + static_cast<std::uint32_t>(whole.tile(place, static_cast<int>(columns)));
      out.splats[whole_start + place] = whole_row;
    }
  }
}

// Begin and end of the entries of each list; lists without entries keep what they hold.
struct FindLists {
  const std::uint32_t* keys;
  std::int64_t n;
  uint2* lists;

  __device__ void operator()(std::int64_t i) const {
    const std::uint32_t key = keys[i];
    if (i == 0 || keys[i - 1] != key) lists[key].x = static_cast<std::uint32_t>(i);
    if (i + 1 == n || keys[i + 1] != key) lists[key].y = static_cast<std::uint32_t>(i + 1);
  }
};

__device__ __forceinline__ float power_of_two(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// What is blended of a splat; the coefficients of the power are for base 2.
struct __align__(16) Blended {
  float x, y, a, b;
  float c, opacity, red, green;
  float blue, unused[3];
};

// A pixel on its way. The transmittance of a finished one carries a negative sign.
struct Pixel {
  float transmittance = 1.0F, red = 0.0F, green = 0.0F, blue = 0.0F;

  // power: base 2.
  __device__ __forceinline__ void blend(float power, const Blended& s) {
    const float alpha = fminf(kMostAlpha, s.opacity * power_of_two(power));
    if (power > 0.0F || !(alpha >= kLeastAlpha) || !(transmittance > 0.0F)) return;
    const float after = transmittance * (1.0F - alpha);
    if (after < kLeastTransmittance) {
      transmittance = -transmittance;
      return;
    }
    const float weight = alpha * transmittance;
    red = fmaf(weight, s.red, red);
    green = fmaf(weight, s.green, green);
    blue = fmaf(weight, s.blue, blue);
    transmittance = after;
  }
};

// Where samples go: colour [views, height, width, 3] and alpha [views, height, width].
struct Target {
  float *colour, *alpha;
  float background[3];
  int width, height, columns, rows;  // samples, tiles

  __device__ void write(const Pixel& pixel, std::int64_t view, int x, int y) const {
    if (x >= width || y >= height) return;
    const std::int64_t at = (view * height + y) * width + x;
    const float rest = fabsf(pixel.transmittance);
    colour[3 * at] = pixel.red + rest * background[0];
    colour[3 * at + 1] = pixel.green + rest * background[1];
    colour[3 * at + 2] = pixel.blue + rest * background[2];
    alpha[at] = 1.0F - rest;
  }
};

inline constexpr int kBlendThreads = 128;

// A block is a tile, a warp one of its quarters of 8 x 8 samples, a thread two samples four rows apart. The warp reads
// 32 entries of the list at a time, keeps those that reach its quarter, and blends them; warps do not wait for each other.
__global__ void __launch_bounds__(kBlendThreads)
    blend_kernel(const uint2* __restrict__ lists, const std::uint32_t* __restrict__ entries, const Splat* __restrict__ splats,
                 Target target) {
  constexpr int kQuarter = 8, kWarps = kBlendThreads / cuda::kWarp;
  constexpr float kLog2E = 1.44269504F;
  __shared__ Blended kept_of_warps[kWarps][cuda::kWarp];
  const int warp = static_cast<int>(threadIdx.x) / cuda::kWarp, lane = static_cast<int>(threadIdx.x) % cuda::kWarp;
  Blended* const kept = kept_of_warps[warp];
  const unsigned tiles = static_cast<unsigned>(target.columns * target.rows);
  const unsigned view = blockIdx.x / tiles, tile = blockIdx.x - view * tiles;
  const int left = static_cast<int>(tile % target.columns) * kTile + warp % 2 * kQuarter;
  const int top = static_cast<int>(tile / target.columns) * kTile + warp / 2 * kQuarter;
  const int x = left + lane % kQuarter, y = top + lane / kQuarter;
  if (left >= target.width || top >= target.height) return;  // the whole warp
  const float px = static_cast<float>(x) + 0.5F, py = static_cast<float>(y) + 0.5F;
  const float first_x = static_cast<float>(left) + 0.5F, first_y = static_cast<float>(top) + 0.5F;

  Pixel upper, lower;
  if (x >= target.width || y >= target.height) upper.transmittance = -1.0F;
  if (x >= target.width || y + kQuarter / 2 >= target.height) lower.transmittance = -1.0F;
  const uint2 list = lists[blockIdx.x];
  std::uint32_t next = list.x + lane < list.y ? entries[list.x + lane] : 0;
  for (std::uint32_t base = list.x; base < list.y; base += cuda::kWarp) {
    const bool open = upper.transmittance > 0.0F || lower.transmittance > 0.0F;
    if (!__any_sync(cuda::kAllLanes, open)) break;
    const std::uint32_t row = next;
    const bool here = base + lane < list.y;
    const std::uint32_t ahead = base + cuda::kWarp + lane;
    if (ahead < list.y) next = entries[ahead];
    Splat s;
    bool reaches = false;
    if (here) {
      s = splats[row];
      reaches = touches(s, first_x, first_y, first_x + (kQuarter - 1), first_y + (kQuarter - 1));
    }
    const unsigned reaching = __ballot_sync(cuda::kAllLanes, reaches);
    if (reaches) {
      kept[__popc(reaching & ((1U << lane) - 1U))] = {s.x,       s.y,   s.a * kLog2E, s.b * kLog2E, s.c * kLog2E,
                                                      s.opacity, s.red, s.green,      s.blue,       {}};
    }
    __syncwarp();
    const int count = __popc(reaching);
    for (int k = 0; k < count; ++k) {
      const Blended b = kept[k];
      const float u = px - b.x, v = py - b.y, w = v + kQuarter / 2;
      const float along = b.a * u;
      upper.blend(fmaf(fmaf(b.b, v, along), u, b.c * v * v), b);
      lower.blend(fmaf(fmaf(b.b, w, along), u, b.c * w * w), b);
    }
    __syncwarp();
  }
  target.write(upper, view, x, y);
  target.write(lower, view, x, y + kQuarter / 2);
}

}  // namespace espalier::splat
