// step(i) for i in [0, n) on either device: for_each(queue, "the op", n, step). This header has the CPU's; sources of the CUDA
// back end include parallel/cuda/for_each.cuh for the GPU's, and templates over the device find both.
#pragma once

#include "parallel/parallel_for.h"
#include "runtime/queue.h"

namespace espalier {

// In any order and side by side, so steps must not depend on each other. Does nothing while metering. `step` is trivially
// copyable with `void operator()(std::int64_t) const`, __device__ for the GPU. `where` names the op in errors.
template <class Step>
void for_each(Queue<Cpu>& queue, const char* /*where*/, std::int64_t n, const Step& step) {
  constexpr std::int64_t kGrain = 1024;  // worth waking a core for; ranges of large n are longer
  if (!queue.metering()) parallel_for(n, kGrain, step);
}

}  // namespace espalier
