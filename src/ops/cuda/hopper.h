// Whether the kernels for the asynchronous tensor cores of compute capability 9.0 can run.
#pragma once

#include "runtime/cuda/native.h"

namespace espalier::cuda {

// True when the queue's GPU has them and this build contains code for sm_90a.
[[nodiscard]] inline bool runs_sm90a([[maybe_unused]] const Queue<Cuda>& queue) {
#ifdef ESPALIER_SM90A
  const cudaDeviceProp& gpu = queue.native().properties;
  return gpu.major == 9 && gpu.minor == 0;
#else
  return false;
#endif
}

}  // namespace espalier::cuda
