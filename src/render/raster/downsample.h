// Brings samples together to pixels.
#pragma once

#include "parallel/device_code.h"
#include "runtime/queue.h"

namespace espalier {

// fine [H * factor, W * factor, C] to coarse [H, W, C], both contiguous: the triangle filter of PyTorch's antialiased bilinear
// interpolation, which reaches `factor` samples to both sides of a pixel's centre; weights are normalised at the borders.
template <class Dev>
void downsample(Queue<Dev>& queue, In<Dev, float, 3> fine, int factor, View<Dev, float, 3> coarse);

// The samples [begin, end) of `length` that a pixel is made of, and the weight of one of them.
struct DownsampleWindow {
  std::int64_t middle, factor, begin, end;  // middle: of the pixel, in half samples

  ESPALIER_DEVICE_CODE DownsampleWindow(std::int64_t pixel, std::int64_t by, std::int64_t length)
      : middle((2 * pixel + 1) * by), factor(by), begin(middle / 2 - by), end(middle / 2 + by + 1) {
    if (begin < 0) begin = 0;
    if (end > length) end = length;
  }
  [[nodiscard]] ESPALIER_DEVICE_CODE float weight(std::int64_t sample) const {
    const std::int64_t distance = 2 * sample + 1 > middle ? 2 * sample + 1 - middle : middle - 2 * sample - 1;
    return distance < 2 * factor ? 1.0F - static_cast<float>(distance) / static_cast<float>(2 * factor) : 0.0F;
  }
  [[nodiscard]] ESPALIER_DEVICE_CODE float total() const {
    float sum = 0.0F;
    for (std::int64_t s = begin; s < end; ++s) sum += weight(s);
    return sum;
  }
};

}  // namespace espalier
