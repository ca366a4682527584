// CPU back-end state of a queue; only CPU op sources include this.
#pragma once

#include <dnnl.hpp>

#include "runtime/queue.h"

namespace espalier {

template <>
struct Queue<Cpu>::Native {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  bool bf16 = has_bf16_products();  // whether oneDNN has kernels that multiply bfloat16 on this processor

  static bool has_bf16_products() {
    const dnnl::cpu_isa isa = dnnl::get_effective_cpu_isa();
    return isa == dnnl::cpu_isa::avx512_core_bf16 || isa == dnnl::cpu_isa::avx512_core_amx;
  }
};

}  // namespace espalier
