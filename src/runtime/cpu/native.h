// CPU back-end state of a queue; only CPU op sources include this.
#pragma once

#include <dnnl.hpp>
#ifndef ESPALIER_STD_THREADS
#include <omp.h>
#endif

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

// While it lives, oneDNN and OpenMP on this thread plan with one thread and use one.
class OneThread {
 public:
#ifdef ESPALIER_STD_THREADS
  OneThread() = default;
#else
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
#endif
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

#ifndef ESPALIER_STD_THREADS
 private:
  int before_;
#endif
};

}  // namespace espalier
