// Convolutions with 27 taps over any neighbourhood, as implicit matrix products: what the dense and the submanifold
// convolution share. Host side only; the kernels are in convolution.cu.
#pragma once

#include "runtime/queue.h"

namespace espalier::cuda {

inline constexpr int kTaps = 27;

// Row of the neighbour of a row at tap k = (kx * 3 + ky) * 3 + kz, offset (kx, ky, kz) - 1; -1 where there is none.
// Either a table [rows, 27], or the cells of volumes of sides n0 x n1 x n2 in row-major order (table null).
struct Neighbours {
  const std::int32_t* table = nullptr;
  int n0 = 0, n1 = 0, n2 = 0;
};

// out[r] = bias + residual[r] + sum_k w[:, k, :] x[neighbour(r, k)]; x [n, in], w [out, 27, in], bias [out], residual
// [rows, out] or empty, out [rows, out], may be residual. Sums in float32, always in the same order.
template <class T>
void convolve(Queue<Cuda>& queue, const char* where, In<Cuda, T, 2> x, In<Cuda, T, 3> w, In<Cuda, T, 1> bias,
              const Neighbours& neighbours, In<Cuda, T, 2> residual, View<Cuda, T, 2> out);

}  // namespace espalier::cuda
