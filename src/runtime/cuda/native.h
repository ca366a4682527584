// CUDA back-end state of a queue; only CUDA op sources include this.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <memory>

#include "runtime/cuda/gemm_plans.h"
#include "runtime/queue.h"

namespace espalier {

namespace cuda {
struct CopyLanes;
}

template <>
struct Queue<Cuda>::Native {
  explicit Native(int ordinal);
  Native(const Native&) = delete;
  Native& operator=(const Native&) = delete;
  ~Native();

  int ordinal = 0;
  cudaDeviceProp properties{};
  cudaStream_t stream = nullptr;  // never the default stream, and not synchronised with it
  cublasLtHandle_t blas = nullptr;
  Buffer<Cuda> workspace;  // of matrix products
  cuda::GemmPlans gemm_plans;
  const std::unique_ptr<cuda::CopyLanes> copy_lanes;  // none until weights or a large copy need some
};

namespace cuda {

inline constexpr std::size_t kBlasWorkspace = std::size_t{32} << 20;

// Makes the queue's GPU the calling thread's current one, which launches and library calls need, and returns its stream.
cudaStream_t activate(const Queue<Cuda>& queue);

// Makes a GPU current and puts the former one back at the end of the scope.
class CurrentCard {
 public:
  explicit CurrentCard(int ordinal);
  CurrentCard(const CurrentCard&) = delete;
  CurrentCard& operator=(const CurrentCard&) = delete;
  ~CurrentCard();

 private:
  int former_ = 0;
  bool changed_ = false;
};

}  // namespace cuda
}  // namespace espalier
