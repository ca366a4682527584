// Host code cannot index memory of the GPU.
// refused with: no match for call to
#include "tensor/view.h"

namespace espalier {
#ifdef MUST_NOT_COMPILE
using Rows = View<Cuda, const float, 2>;
#else
using Rows = View<Cpu, const float, 2>;
#endif

float call(Rows rows);
float call(Rows rows) { return rows(0, 1); }
}  // namespace espalier
