// The GPU's side of parallel/for_each.h.
#pragma once

#include "parallel/for_each.h"
#include "runtime/cuda/launch.cuh"

namespace espalier {
namespace cuda {

template <class Step>
__global__ void __launch_bounds__(256) for_each_kernel(std::int64_t n, Step step) {
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += stride) step(i);
}

}  // namespace cuda

template <class Step>
void for_each(Queue<Cuda>& queue, const char* where, std::int64_t n, const Step& step) {
  if (queue.metering() || n == 0) return;
  cuda::launch(queue, where, cuda::for_each_kernel<Step>, dim3(cuda::striding_blocks(queue, n, 256)), dim3(256), 0, n, step);
}

namespace cuda {

using espalier::for_each;

// Calls body.operator()<N>(row, column) for every N-th column of every row.
template <int N, class Body>
struct PackBody {
  Body body;
  std::int64_t packs;

  __device__ void operator()(std::int64_t i) const {
    const std::int64_t row = i / packs;
    body.template operator()<N>(row, (i - row * packs) * N);
  }
};

// body.operator()<N>(row, column) for every pack of N columns of a matrix: N is `Pack` when `packed` (all addresses and
// strides allow it) and the columns divide so, else 1. Does nothing for an empty matrix and while metering.
template <int Pack, class Body>
void for_each_pack(Queue<Cuda>& queue, const char* where, std::int64_t rows, std::int64_t columns, bool packed,
                   const Body& body) {
  if (packed && columns % Pack == 0) {
    for_each(queue, where, rows * (columns / Pack), PackBody<Pack, Body>{body, columns / Pack});
  } else {
    for_each(queue, where, rows * columns, PackBody<1, Body>{body, columns});
  }
}

}  // namespace cuda
}  // namespace espalier
