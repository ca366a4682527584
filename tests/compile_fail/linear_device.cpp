// A product on the CPU does not take weights on the GPU.
// refused with: could not convert .w. from .View<espalier::Cuda, *const float, *2>
#include "ops/gemm.h"

namespace espalier {
#ifdef MUST_NOT_COMPILE
using Weights = View<Cuda, const float, 2>;
#else
using Weights = View<Cpu, const float, 2>;
#endif

void call(Queue<Cpu>& queue, View<Cpu, const float, 2> x, Weights w, View<Cpu, float, 2> out);
void call(Queue<Cpu>& queue, View<Cpu, const float, 2> x, Weights w, View<Cpu, float, 2> out) {
  linear(queue, x, w, {}, Activation::none, out);
}
}  // namespace espalier
