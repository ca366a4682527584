// An op takes no tensor with a run-time type: bind() is the only way to a view.
// refused with: HostTensor
#include "ops/gemm.h"
#include "tensor/tensor.h"

namespace espalier {
void call(Queue<Cpu>& queue, const HostTensor& x, View<Cpu, const float, 2> w, View<Cpu, float, 2> out);
void call(Queue<Cpu>& queue, const HostTensor& x, View<Cpu, const float, 2> w, View<Cpu, float, 2> out) {
#ifdef MUST_NOT_COMPILE
  linear(queue, x, w, {}, Activation::none, out);
#else
  linear(queue, x.bind<float, 2>("x", {-1, w.extent(1)}), w, {}, Activation::none, out);
#endif
}
}  // namespace espalier
