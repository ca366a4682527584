#include "ops/convolution.h"

namespace espalier {

void check_conv2d(const Extents<4>& x, const Extents<4>& w, std::int64_t bias, const Window& window, Activation activation,
                  const Extents<4>& out) {
  constexpr const char* kName = "conv2d";
  require(w == Extents<4>{out[3], window.kernel[0], window.kernel[1], x[3]} && bias == out[3], kName, "w is [", w[0], ", ",
          w[1], ", ", w[2], ", ", w[3], "], bias [", bias, "] for a kernel of ", window.kernel[0], " x ", window.kernel[1],
          ", ", x[3], " channels in and ", out[3], " out");
  require(window.kernel[0] > 0 && window.kernel[1] > 0 && window.kernel[0] * window.kernel[1] <= kMostWindowTaps, kName,
          "a kernel of ", window.kernel[0], " x ", window.kernel[1]);
  require(activation == Activation::none || activation == Activation::relu, kName, "only relu can follow");
  require(x[0] == out[0], kName, "batches of ", x[0], " and ", out[0]);
  for (std::size_t axis = 0; axis < 2; ++axis) {
    require(window.stride[axis] > 0 && window.dilation[axis] > 0 && window.before[axis] >= 0, kName, "a window with stride ",
            window.stride[axis], ", dilation ", window.dilation[axis], ", padding ", window.before[axis]);
    const std::int64_t last = (out[axis + 1] - 1) * window.stride[axis] - window.before[axis];
    require(window.before[axis] < window.reach(axis) && (out[axis + 1] == 0 || last < x[axis + 1]), kName,
            "a window that lies outside the image: padding ", window.before[axis], ", reach ", window.reach(axis), ", ",
            x[axis + 1], " pixels in and ", out[axis + 1], " out");
  }
}

}  // namespace espalier
