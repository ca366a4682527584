// Convolutions: dense ones of images and volumes, and submanifold ones (Graham and van der Maaten 2017), whose outputs exist
// where inputs exist. All are cross-correlations, without a flip. Images are channels-last [batch, height, width, channels] and
// contiguous, volumes [batch, x, y, z, channels].
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

// Zeros outside the image: out = activation(bias + sum of w x), activation none or relu. x [batch, h, w,
// in], w [out, kernel height, kernel width, in], bias [out], out [batch, h', w', out], not x. Sums in float32 and in the same
// order every time. Takes scratch from the queue's arena.
template <class Dev, class T>
void conv2d(Queue<Dev>& queue, In<Dev, T, 4> x, In<Dev, T, 4> w, In<Dev, T, 1> bias, const Window& window,
            Activation activation, View<Dev, T, 4> out);

// Throws internal unless these shapes fit each other. For the back ends.
void check_conv2d(const Extents<4>& x, const Extents<4>& w, std::int64_t bias, const Window& window, Activation activation,
                  const Extents<4>& out);

// Dense convolution with a 3x3x3 kernel, stride 1, zero padding 1. x [batch, n0, n1, n2, in],
// w [out, 3, 3, 3, in] (the file's [out, in, 3, 3, 3] reordered at load), bias [out], residual [batch, n0, n1, n2, out] or
// empty, which is added; out [batch, n0, n1, n2, out], may be residual. Takes scratch from the queue's arena.
template <class Dev, class T>
void conv3d(Queue<Dev>& queue, In<Dev, T, 5> x, In<Dev, T, 5> w, In<Dev, T, 1> bias, In<Dev, T, 5> residual,
            View<Dev, T, 5> out);

// out[r] = bias + residual[r] + sum_k w[:, k, :] x[neighbours[r, k]].
// x [n, in]; w [out, 27, in] with tap k = (kx * 3 + ky) * 3 + kz and offset (kx, ky, kz) - 1; bias [out];
// neighbours [m, 27], -1 where there is no voxel; residual [m, out] or empty; out [m, out], may be residual.
// m may be a range of the rows of the map, so that a large tensor can be done in tiles. Takes scratch from the queue's
// arena. Accumulates in float32.
template <class Dev, class T>
void submanifold_conv(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, T, 3> w, In<Dev, T, 1> bias,
                      In<Dev, std::int32_t, 2> neighbours, In<Dev, T, 2> residual, View<Dev, T, 2> out);

// The same, without a residual, where rows of x are neighbours of many rows each (m is several times n), as after voxels took
// over the features of coarser cells. Halves on a GPU: every row meets every weight once, and the products, rounded to halves,
// are added up in the order of the taps.
template <class Dev, class T>
void shared_rows_conv(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, T, 3> w, In<Dev, T, 1> bias,
                      In<Dev, std::int32_t, 2> neighbours, View<Dev, T, 2> out);

// The weights of a submanifold convolution right after a subdivision, when all children still have the features of their
// parent: for each child, the taps that meet the same parent added up (ops/child_taps.h). Sums in float32.
// w [out, 27, in] -> folded [8 children, out, 8, in].
template <class Dev, class T>
void fold_child_taps(Queue<Dev>& queue, In<Dev, T, 3> w, View<Dev, T, 4> folded);
// That convolution: what submanifold_conv makes of repeat_children(x), up to the rounding of the folded weights.
// x [n, in]; parents [m, 27], a range of the rows of their map; out [8 m, out]. Takes scratch from the queue's arena.
template <class Dev, class T>
void child_conv(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, T, 4> folded, In<Dev, T, 1> bias, In<Dev, std::int32_t, 2> parents,
                View<Dev, T, 2> out);

}  // namespace espalier
