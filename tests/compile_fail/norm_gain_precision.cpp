// The gain of a norm is float32 whatever the rows are: a gain in half is refused.
// refused with: could not convert .gamma. from .View<espalier::Cuda, *const espalier::half, *2>
#include "ops/norm.h"
#include "tensor/dtype.h"

namespace espalier {
#ifdef MUST_NOT_COMPILE
using Gain = View<Cuda, const half, 2>;
#else
using Gain = View<Cuda, const float, 2>;
#endif

void call(Queue<Cuda>& queue, View<Cuda, half, 3> x, Gain gamma);
void call(Queue<Cuda>& queue, View<Cuda, half, 3> x, Gain gamma) { rms_norm_heads(queue, x, gamma); }
}  // namespace espalier
