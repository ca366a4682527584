#include "render/raster/downsample.h"

#include <algorithm>
#include <vector>

#include "parallel/parallel_for.h"

namespace espalier {

namespace {

// The pixel of a line of samples that are `n` floats each.
void gather(const float* in, const DownsampleWindow& window, std::int64_t n, float* out) {
  std::fill_n(out, n, 0.0F);
  const float scale = 1.0F / window.total();
  for (std::int64_t s = window.begin; s < window.end; ++s) {
    const float weight = window.weight(s) * scale;
    for (std::int64_t i = 0; i < n; ++i) out[i] += weight * in[s * n + i];
  }
}

}  // namespace

template <class Dev>
void downsample(Queue<Dev>& queue, In<Dev, float, 3> fine, int factor, View<Dev, float, 3> coarse) {
  const std::int64_t height = coarse.extent(0), width = coarse.extent(1), channels = coarse.extent(2);
  require(factor >= 1 && fine.extent(0) == height * factor && fine.extent(1) == width * factor && fine.extent(2) == channels &&
              fine.contiguous() && coarse.contiguous(),
          "downsample", "the images' sizes are not ", factor, " to 1");
  if (queue.metering()) return;
  parallel_ranges(height, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> row(static_cast<std::size_t>(fine.extent(1) * channels));
    for (std::int64_t y = begin; y < end; ++y) {
      gather(fine.data(), {y, factor, fine.extent(0)}, fine.extent(1) * channels, row.data());
      for (std::int64_t x = 0; x < width; ++x) {
        gather(row.data(), {x, factor, fine.extent(1)}, channels, coarse.data() + (y * width + x) * channels);
      }
    }
  });
}
template void downsample(Queue<Cpu>&, In<Cpu, float, 3>, int, View<Cpu, float, 3>);

}  // namespace espalier
