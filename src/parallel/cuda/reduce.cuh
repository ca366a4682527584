// Sums and maxima over the threads of a warp or a block, in a fixed order: equal inputs give equal bits.
#pragma once

#include <cuda_runtime.h>

namespace espalier::cuda {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xFFFFFFFFU;

// Reductions over aligned groups of `lanes` threads of a warp (a power of two); every thread of a group gets the result.
// All threads of the warp must call.
template <class Value>
__device__ __forceinline__ Value warp_sum(Value value, int lanes = kWarp) {
  for (int offset = lanes / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(kAllLanes, value, offset);
  return value;
}
__device__ __forceinline__ float warp_max(float value, int lanes = kWarp) {
  for (int offset = lanes / 2; offset > 0; offset /= 2) value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, offset));
  return value;
}

// Sum over a one-dimensional block of Threads threads (a multiple of 32); every thread gets the result. All threads must
// call. May be called repeatedly.
template <int Threads, class Value>
__device__ __forceinline__ Value block_sum(Value value) {
  static_assert(Threads % kWarp == 0 && Threads <= 1024);
  __shared__ Value sums[Threads / kWarp];
  value = warp_sum(value);
  if (threadIdx.x % kWarp == 0) sums[threadIdx.x / kWarp] = value;
  __syncthreads();
  Value total = sums[0];
  for (int i = 1; i < Threads / kWarp; ++i) total += sums[i];
  __syncthreads();
  return total;
}

}  // namespace espalier::cuda
