// Elements of a constant view cannot be assigned.
// refused with: assignment of read-only location
#include "tensor/view.h"

namespace espalier {
#ifdef MUST_NOT_COMPILE
using Rows = View<Cpu, const float, 2>;
#else
using Rows = View<Cpu, float, 2>;
#endif

void call(Rows rows);
void call(Rows rows) { rows(0, 1) = 2.0F; }
}  // namespace espalier
