// A queue is one stream with its library handles: it is passed by reference, never copied.
// refused with: use of deleted function
#include "runtime/queue.h"

namespace espalier {
#ifdef MUST_NOT_COMPILE
using Argument = Queue<Cpu>;
#else
using Argument = const Queue<Cpu>&;
#endif

void pass(const Queue<Cpu>& queue);
void take(Argument queue);
void pass(const Queue<Cpu>& queue) { take(queue); }
}  // namespace espalier
