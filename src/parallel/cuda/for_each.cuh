// body(i) for i in [0, n) on the card.
#pragma once

#include "runtime/cuda/launch.cuh"

namespace espalier::cuda {

template <class Body>
__global__ void __launch_bounds__(256) for_each_kernel(std::int64_t n, Body body) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) body(i);
}

// `body` is a trivially copyable functor with `__device__ void operator()(std::int64_t i) const`. Does nothing for n = 0
// and while metering. `where` names the op in errors.
template <class Body>
void for_each(Queue<Cuda>& queue, const char* where, std::int64_t n, const Body& body) {
  if (queue.metering() || n == 0) return;
  launch(queue, where, for_each_kernel<Body>, dim3(striding_blocks(queue, n, 256)), dim3(256), 0, n, body);
}

}  // namespace espalier::cuda
