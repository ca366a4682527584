// Device time of work on a CUDA queue.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <string>
#include <vector>

#include "runtime/cuda/check.h"
#include "runtime/cuda/native.h"

namespace espalier::bench {

// Calls in a CUDA graph, so that the host's speed does not matter.
class CapturedCalls {
 public:
  CapturedCalls(const Queue<Cuda>& queue, const std::vector<std::function<void()>>& calls) : stream_(cuda::activate(queue)) {
    ESPALIER_CHECK_CUDA(cudaEventCreate(&begin_));
    ESPALIER_CHECK_CUDA(cudaEventCreate(&end_));
    cudaGraph_t graph = nullptr;
    ESPALIER_CHECK_CUDA(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
    for (const auto& call : calls) call();
    ESPALIER_CHECK_CUDA(cudaStreamEndCapture(stream_, &graph));
    ESPALIER_CHECK_CUDA(cudaGraphInstantiate(&executable_, graph, 0));
    ESPALIER_CHECK_CUDA(cudaGraphDestroy(graph));
  }
  CapturedCalls(const CapturedCalls&) = delete;
  CapturedCalls& operator=(const CapturedCalls&) = delete;
  ~CapturedCalls() {
    static_cast<void>(cudaGraphExecDestroy(executable_));
    static_cast<void>(cudaEventDestroy(begin_));
    static_cast<void>(cudaEventDestroy(end_));
  }

  // Runs all of them once; seconds on the device.
  double run() {
    ESPALIER_CHECK_CUDA(cudaEventRecord(begin_, stream_));
    ESPALIER_CHECK_CUDA(cudaGraphLaunch(executable_, stream_));
    ESPALIER_CHECK_CUDA(cudaEventRecord(end_, stream_));
    ESPALIER_CHECK_CUDA(cudaEventSynchronize(end_));
    float ms = 0;
    ESPALIER_CHECK_CUDA(cudaEventElapsedTime(&ms, begin_, end_));
    return static_cast<double>(ms) / 1000;
  }

 private:
  cudaStream_t stream_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

// Registers calls that are prepared when their turn comes; the time is that of one of them. flops or bytes: of one call.
template <class Prepare>
void add_captured(const std::string& name, Queue<Cuda>& queue, double flops, double bytes, Prepare prepare) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [&queue, flops, bytes, prepare](benchmark::State& state) {
                                 prepare(state, [&](const std::vector<std::function<void()>>& calls) {
                                   for (const auto& call : calls) call();
                                   queue.synchronize();
                                   CapturedCalls captured(queue, calls);
                                   for (int warm_up = 0; warm_up < 2; ++warm_up) captured.run();
                                   for ([[maybe_unused]] auto _ : state)
                                     state.SetIterationTime(captured.run() / static_cast<double>(calls.size()));
                                   using benchmark::Counter;
                                   if (flops > 0)
                                     state.counters["TFLOP/s"] = Counter(flops * 1e-12, Counter::kIsIterationInvariantRate);
                                   if (bytes > 0)
                                     state.counters["GB/s"] = Counter(bytes * 1e-9, Counter::kIsIterationInvariantRate);
                                 });
                               })
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond);
}

}  // namespace espalier::bench
