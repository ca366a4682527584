// A product of half inputs with float weights needs a visible cast.
// refused with: could not convert .w. from .View<espalier::Cuda, *const float, *2>
#include "ops/gemm.h"
#include "tensor/dtype.h"

namespace espalier {
#ifdef MUST_NOT_COMPILE
using Weights = View<Cuda, const float, 2>;
#else
using Weights = View<Cuda, const half, 2>;
#endif

void call(Queue<Cuda>& queue, View<Cuda, const half, 2> x, Weights w, View<Cuda, half, 2> out);
void call(Queue<Cuda>& queue, View<Cuda, const half, 2> x, Weights w, View<Cuda, half, 2> out) {
  linear(queue, x, w, {}, Activation::none, out);
}
}  // namespace espalier
