// Convolutions over any neighbourhood of at most 27 taps, as implicit matrix products: what the dense convolutions of volumes
// and images and the submanifold convolution share. Host side only; the kernels are in convolution.cu.
#pragma once

#include "ops/child_taps.h"
#include "ops/convolution.h"

namespace espalier::cuda {

inline constexpr int kTaps = 27;  // of volumes; the most there can be

// The images of a convolution: pixels are rows of x and of out in row-major order.
struct ImagePair {
  int height = 0, width = 0;  // of x
  int out_height = 0, out_width = 0;
  Window window;
};

// Row of x that a row of the result meets at tap k, -1 where there is none. One of: a table [rows, 27] of the offsets
// (kx, ky, kz) - 1 with k = (kx * 3 + ky) * 3 + kz; those offsets in volumes of sides n0 x n1 x n2 (table null); the windows of
// images with k = ky * kernel width + kx (table null, taps other than 27). With 8 children, row r of the table has the rows of
// results 8 r ... 8 r + 7, each with 8 taps (ops/child_taps.h) and weights of its own.
struct Neighbours {
  const std::int32_t* table = nullptr;
  int n0 = 0, n1 = 0, n2 = 0;
  int taps = kTaps;
  int children = 1;
  ImagePair images{};
};

// out[r] = bias + residual[r] + sum_k w[:, k, :] x[neighbour(r, k)], then the activation (none or relu); x [n, in], w [out,
// taps, in], bias [out], residual [rows, out] or empty, out [rows, out], may be residual. With children, w is [8 out, taps,
// in], those of the first child first, and there is no residual. Sums in float32, always in the same order.
template <class T>
void convolve(Queue<Cuda>& queue, const char* where, In<Cuda, T, 2> x, In<Cuda, T, 3> w, In<Cuda, T, 1> bias,
              const Neighbours& neighbours, In<Cuda, T, 2> residual, View<Cuda, T, 2> out,
              Activation activation = Activation::none);

}  // namespace espalier::cuda
