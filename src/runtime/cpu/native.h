// CPU back-end state of a queue; only CPU op sources include this.
#pragma once

#include <dnnl.hpp>

#include "runtime/queue.h"

namespace espalier {

template <>
struct Queue<Cpu>::Native {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
};

}  // namespace espalier
