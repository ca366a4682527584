// Times on a device.
#pragma once

#include <memory>

#include "runtime/queue.h"

namespace espalier {

// Marks two points of a queue. On a GPU the marks are events of the stream; on the CPU there is nothing to measure that
// a wall clock does not, so the result is 0. Stays valid as long as its queue.
template <class Dev>
class Stopwatch {
 public:
  explicit Stopwatch(Queue<Dev>& queue);
  ~Stopwatch();
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  void start();
  // Milliseconds since start(); waits for the work queued until now.
  [[nodiscard]] double stop();

 private:
  struct Marks;
  Queue<Dev>& queue_;
  std::unique_ptr<Marks> marks_;
};

}  // namespace espalier
