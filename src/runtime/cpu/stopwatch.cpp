#include "runtime/stopwatch.h"

namespace espalier {

template <>
struct Stopwatch<Cpu>::Marks {};

template <>
Stopwatch<Cpu>::Stopwatch(Queue<Cpu>& queue) : queue_(queue) {}
template <>
Stopwatch<Cpu>::~Stopwatch() = default;
template <>
void Stopwatch<Cpu>::start() {}
template <>
double Stopwatch<Cpu>::stop() {
  queue_.synchronize();
  return 0.0;
}

}  // namespace espalier
