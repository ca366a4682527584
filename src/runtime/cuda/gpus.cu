// Which GPUs there are, and whether this build has code for them.
#include "runtime/cuda/check.h"
#include "runtime/cuda/cublaslt.h"
#include "runtime/queue.h"

namespace espalier {
namespace {

// Exists to be asked for: the runtime knows whether it was compiled for the current GPU.
__global__ void probe() {}

GpuInfo describe(int ordinal, const cudaDeviceProp& properties) {
  GpuInfo gpu;
  gpu.ordinal = ordinal;
  gpu.name = properties.name;
  gpu.major = properties.major;
  gpu.minor = properties.minor;
  gpu.total_bytes = properties.totalGlobalMem;
  cudaFuncAttributes attributes{};
  cudaError_t status = cudaSetDevice(ordinal);
  if (status == cudaSuccess) status = cudaMemGetInfo(&gpu.free_bytes, &gpu.total_bytes);
  if (status == cudaSuccess) status = cudaFuncGetAttributes(&attributes, probe);
  gpu.covered = status == cudaSuccess;
  if (status == cudaErrorNoKernelImageForDevice || status == cudaErrorInvalidDeviceFunction) {
    gpu.advice = str("this build has no code for compute capability ", gpu.major, ".", gpu.minor,
                     ": rebuild with: ", cuda::rebuild_command(gpu.major, gpu.minor));
  } else if (status != cudaSuccess) {
    gpu.advice = str("the GPU cannot be used: ", cudaGetErrorString(status), " (", cudaGetErrorName(status), ")");
  } else if (!cuda::cublaslt_problem().empty()) {
    gpu.covered = false;
    gpu.advice = cuda::cublaslt_problem();
  }
  return gpu;
}

}  // namespace

std::vector<GpuInfo> list_gpus() {
  std::vector<GpuInfo> gpus;
  int count = 0;
  int former = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess && cudaGetDevice(&former) == cudaSuccess) {
    int driver = 0;
    int runtime = 0;
    const bool known = cudaDriverGetVersion(&driver) == cudaSuccess && cudaRuntimeGetVersion(&runtime) == cudaSuccess;
    for (int i = 0; i < count; ++i) {
      cudaDeviceProp properties{};
      if (cudaGetDeviceProperties(&properties, i) != cudaSuccess) continue;
      gpus.push_back(describe(i, properties));
      gpus.back().driver = known ? driver : 0;
      gpus.back().runtime = known ? runtime : 0;
    }
    static_cast<void>(cudaSetDevice(former));
  }
  static_cast<void>(cudaGetLastError());  // asking must not leave an error behind for the next call
  return gpus;
}

}  // namespace espalier
