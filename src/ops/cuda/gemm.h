// Matrix products that other CUDA ops are made of.
#pragma once

#include "runtime/queue.h"
#include "tensor/dtype.h"

namespace espalier::cuda {

// out[k] = x w[:, k, :]^T for every tap k, in one launch. x [rows, in] (rows may be strided), w [width, taps, in], out [taps,
// rows, width]; in and width are multiples of 8.
void linear_taps(Queue<Cuda>& queue, View<Cuda, const half, 2> x, View<Cuda, const half, 3> w, View<Cuda, half, 3> out);

}  // namespace espalier::cuda
