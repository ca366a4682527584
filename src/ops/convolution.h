// Dense convolution of images. Feature maps are channels-last [batch, height, width, channels] and contiguous.
#pragma once

#include <array>

#include "ops/gemm.h"
#include "runtime/queue.h"

namespace espalier {

// A window that slides over an image; every pair is {vertical, horizontal}. Output (y, x) sees the inputs
// (y stride - before + k dilation) for k in [0, kernel). How far the window passes the lower and right border follows from the
// extents of the output. Every position of the window meets the image.
struct Window {
  std::array<int, 2> kernel{1, 1};
  std::array<int, 2> stride{1, 1};
  std::array<int, 2> dilation{1, 1};
  std::array<int, 2> before{0, 0};  // rows and columns outside the image before its first

  // Extent that one output spans along an axis.
  [[nodiscard]] int reach(std::size_t axis) const { return dilation[axis] * (kernel[axis] - 1) + 1; }
  bool operator==(const Window&) const = default;
};

inline constexpr int kMostWindowTaps = 25;  // kernel height times width

// Cross-correlation, zeros outside the image: out = activation(bias + sum of w x), activation none or relu. x [batch, h, w,
// in], w [out, kernel height, kernel width, in], bias [out], out [batch, h', w', out], not x. Sums in float32 and in the same
// order every time. Takes scratch from the queue's arena.
template <class Dev, class T>
void conv2d(Queue<Dev>& queue, In<Dev, T, 4> x, In<Dev, T, 4> w, In<Dev, T, 1> bias, const Window& window,
            Activation activation, View<Dev, T, 4> out);

// Throws internal unless these shapes fit each other. For the back ends.
void check_conv2d(const Extents<4>& x, const Extents<4>& w, std::int64_t bias, const Window& window, Activation activation,
                  const Extents<4>& out);

}  // namespace espalier
