#include "runtime/stopwatch.h"

#include "runtime/cuda/check.h"
#include "runtime/cuda/native.h"

namespace espalier {

template <>
struct Stopwatch<Cuda>::Marks {
  cudaEvent_t begin = nullptr, end = nullptr;
};

template <>
Stopwatch<Cuda>::Stopwatch(Queue<Cuda>& queue) : queue_(queue), marks_(std::make_unique<Marks>()) {
  cuda::activate(queue);
  ESPALIER_CHECK_CUDA(cudaEventCreate(&marks_->begin));
  ESPALIER_CHECK_CUDA(cudaEventCreate(&marks_->end));
}
template <>
Stopwatch<Cuda>::~Stopwatch() {
  // Nothing sensible can be done about a failure while unwinding.
  (void)cudaEventDestroy(marks_->begin);
  (void)cudaEventDestroy(marks_->end);
}
template <>
void Stopwatch<Cuda>::start() {
  ESPALIER_CHECK_CUDA(cudaEventRecord(marks_->begin, cuda::activate(queue_)));
}
template <>
double Stopwatch<Cuda>::stop() {
  ESPALIER_CHECK_CUDA(cudaEventRecord(marks_->end, cuda::activate(queue_)));
  ESPALIER_CHECK_CUDA(cudaEventSynchronize(marks_->end));
  float ms = 0.0F;
  ESPALIER_CHECK_CUDA(cudaEventElapsedTime(&ms, marks_->begin, marks_->end));
  return ms;
}

}  // namespace espalier
