// The queue decides where an op runs: views on the GPU do not go into the CPU's queue.
// refused with: no matching function for call to .linear\(espalier::Queue<espalier::Cpu>&
#include "ops/gemm.h"

namespace espalier {
#ifdef MUST_NOT_COMPILE
using Device = Cpu;
#else
using Device = Cuda;
#endif

void call(Queue<Device>& queue, View<Cuda, const float, 2> x, View<Cuda, const float, 2> w, View<Cuda, float, 2> out);
void call(Queue<Device>& queue, View<Cuda, const float, 2> x, View<Cuda, const float, 2> w, View<Cuda, float, 2> out) {
  linear(queue, x, w, {}, Activation::none, out);
}
}  // namespace espalier
