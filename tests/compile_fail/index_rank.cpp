// A matrix is indexed with two numbers, not one.
// refused with: no match for call to
#include "tensor/view.h"

namespace espalier {
float call(View<Cpu, const float, 2> rows);
#ifdef MUST_NOT_COMPILE
float call(View<Cpu, const float, 2> rows) { return rows(1); }
#else
float call(View<Cpu, const float, 2> rows) { return rows(1, 0); }
#endif
}  // namespace espalier
