// Sees intermediate results of a forward pass, for tests and for comparing two implementations.
#pragma once

#include <string>

#include "runtime/queue.h"
#include "tensor/dtype.h"

namespace espalier {

template <class Dev>
class Probe {
 public:
  Probe() = default;
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;
  virtual ~Probe() = default;
  // A [rows, channels] result named as in the reference's module tree. Valid only during the call.
  virtual void see(const std::string& name, Queue<Dev>& queue, View<Dev, const float, 2> value) = 0;
  virtual void see(const std::string& name, Queue<Dev>& queue, View<Dev, const half, 2> value) = 0;
};

template <class Dev, class T>
void show(Probe<Dev>* probe, const std::string& name, Queue<Dev>& queue, View<Dev, T, 2> value) {
  if (probe != nullptr && !queue.metering()) probe->see(name, queue, View<Dev, const std::remove_const_t<T>, 2>(value));
}

}  // namespace espalier
