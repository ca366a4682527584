// Device time of work on a CUDA queue.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "runtime/cuda/check.h"
#include "runtime/cuda/native.h"

namespace espalier {

// Times calls in a CUDA graph, so that the host's speed does not matter.
class CudaTimer {
 public:
  CudaTimer() {
    ESPALIER_CHECK_CUDA(cudaEventCreate(&begin_));
    ESPALIER_CHECK_CUDA(cudaEventCreate(&end_));
  }
  CudaTimer(const CudaTimer&) = delete;
  CudaTimer& operator=(const CudaTimer&) = delete;
  ~CudaTimer() {
    static_cast<void>(cudaEventDestroy(begin_));
    static_cast<void>(cudaEventDestroy(end_));
  }

  // Microseconds of one run of all calls: the median of `rounds`, after two for warming up.
  double median_us(const Queue<Cuda>& queue, const std::vector<std::function<void()>>& calls, int rounds) {
    const cudaStream_t stream = cuda::activate(queue);
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    ESPALIER_CHECK_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    for (const auto& call : calls) call();
    ESPALIER_CHECK_CUDA(cudaStreamEndCapture(stream, &graph));
    ESPALIER_CHECK_CUDA(cudaGraphInstantiate(&executable, graph, 0));
    std::vector<float> times;
    for (int round = -2; round < rounds; ++round) {
      ESPALIER_CHECK_CUDA(cudaEventRecord(begin_, stream));
      ESPALIER_CHECK_CUDA(cudaGraphLaunch(executable, stream));
      ESPALIER_CHECK_CUDA(cudaEventRecord(end_, stream));
      ESPALIER_CHECK_CUDA(cudaEventSynchronize(end_));
      float ms = 0;
      ESPALIER_CHECK_CUDA(cudaEventElapsedTime(&ms, begin_, end_));
      if (round >= 0) times.push_back(ms);
    }
    ESPALIER_CHECK_CUDA(cudaGraphExecDestroy(executable));
    ESPALIER_CHECK_CUDA(cudaGraphDestroy(graph));
    std::nth_element(times.begin(), times.begin() + rounds / 2, times.end());
    return static_cast<double>(times[static_cast<std::size_t>(rounds / 2)]) * 1e3;
  }

 private:
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

}  // namespace espalier
