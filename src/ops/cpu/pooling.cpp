#include "ops/pooling.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "parallel/parallel_for.h"

namespace espalier {
namespace {

// The input an output row or column is interpolated from.
struct Blend {
  std::int64_t low, high;
  float share;  // of the input at `high`
};

std::vector<Blend> blends(const Sampling& sampling, std::int64_t in, std::int64_t out) {
  std::vector<Blend> all;
  all.reserve(static_cast<std::size_t>(out));
  for (std::int64_t i = 0; i < out; ++i) {
    const float at = std::clamp(static_cast<float>(i) * sampling.step + sampling.offset, 0.0F, static_cast<float>(in - 1));
    const auto low = std::min(static_cast<std::int64_t>(at), in - 1);
    all.push_back({low, std::min(low + 1, in - 1), at - static_cast<float>(low)});
  }
  return all;
}

// Calls body(batch, row) for all rows of an image, each of `row` elements.
template <class Body>
void over_rows(std::int64_t batch, std::int64_t height, std::int64_t row, Body body) {
  parallel_for(batch * height, grain_for(row), [&](std::int64_t index) { body(index / height, index % height); });
}

void check_maps(const char* where, const Extents<4>& x, const Extents<4>& out) {
  require(x[0] == out[0] && x[3] == out[3] && (out[1] * out[2] == 0 || x[1] * x[2] > 0), where, "[", x[0], ", ", x[1], ", ",
          x[2], ", ", x[3], "] to [", out[0], ", ", out[1], ", ", out[2], ", ", out[3], "]");
}

}  // namespace

template <class Dev, class T>
void max_pool2d(Queue<Dev>& queue, In<Dev, T, 4> x, const Window& window, View<Dev, T, 4> out) {
  check_maps("max_pool2d", x.extents(), out.extents());
  if (queue.metering() || out.size() == 0) return;
  const std::int64_t channels = x.extent(3);
  over_rows(out.extent(0), out.extent(1), out.extent(2) * channels, [&](std::int64_t b, std::int64_t y) {
    for (std::int64_t column = 0; column < out.extent(2); ++column) {
      float* const to = &out(b, y, column, 0);
      std::fill_n(to, channels, -INFINITY);
      for (int i = 0; i < window.kernel[0]; ++i) {
        const std::int64_t from_y = y * window.stride[0] - window.before[0] + i * window.dilation[0];
        if (from_y < 0 || from_y >= x.extent(1)) continue;
        for (int j = 0; j < window.kernel[1]; ++j) {
          const std::int64_t from_x = column * window.stride[1] - window.before[1] + j * window.dilation[1];
          if (from_x < 0 || from_x >= x.extent(2)) continue;
          const float* const from = &x(b, from_y, from_x, 0);
          for (std::int64_t c = 0; c < channels; ++c) to[c] = std::max(to[c], from[c]);
        }
      }
    }
  });
}
template void max_pool2d<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 4>, const Window&, View<Cpu, float, 4>);

template <class Dev, class T>
void resize_bilinear(Queue<Dev>& queue, In<Dev, T, 4> x, const Sampling& rows, const Sampling& columns, View<Dev, T, 4> out) {
  check_maps("resize_bilinear", x.extents(), out.extents());
  if (queue.metering() || out.size() == 0) return;
  const std::int64_t channels = x.extent(3);
  const std::vector<Blend> vertical = blends(rows, x.extent(1), out.extent(1));
  const std::vector<Blend> horizontal = blends(columns, x.extent(2), out.extent(2));
  over_rows(out.extent(0), out.extent(1), out.extent(2) * channels, [&](std::int64_t b, std::int64_t y) {
    const Blend& v = vertical[static_cast<std::size_t>(y)];
    for (std::int64_t column = 0; column < out.extent(2); ++column) {
      const Blend& h = horizontal[static_cast<std::size_t>(column)];
      const float *const p00 = &x(b, v.low, h.low, 0), *const p01 = &x(b, v.low, h.high, 0);
      const float *const p10 = &x(b, v.high, h.low, 0), *const p11 = &x(b, v.high, h.high, 0);
      const float v0 = 1.0F - v.share, v1 = v.share, h0 = 1.0F - h.share, h1 = h.share;
      float* const to = &out(b, y, column, 0);
      for (std::int64_t c = 0; c < channels; ++c) to[c] = v0 * (h0 * p00[c] + h1 * p01[c]) + v1 * (h0 * p10[c] + h1 * p11[c]);
    }
  });
}
template void resize_bilinear<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 4>, const Sampling&, const Sampling&,
                                          View<Cpu, float, 4>);

}  // namespace espalier
