// A constant view never becomes a mutable one, so nothing can be written through it.
// refused with: could not convert .out. from .View<espalier::Cpu, *const float, *2>
#include "ops/gemm.h"

namespace espalier {
#ifdef MUST_NOT_COMPILE
using Output = View<Cpu, const float, 2>;
#else
using Output = View<Cpu, float, 2>;
#endif

View<Cpu, float, 2> call(Output out);
View<Cpu, float, 2> call(Output out) { return out; }
}  // namespace espalier
