#include "runtime/cuda/check.h"

#include <string_view>

#include "base/error.h"

namespace espalier::cuda {
namespace {

// "src/ops/cuda/norm.cu:12": the path inside the project, wherever it was built.
std::string place(std::string_view file, int line) {
  const std::size_t at = file.rfind("src/");
  if (at != std::string_view::npos) file.remove_prefix(at);
  return str(file, ":", line);
}

std::string advice(cudaError_t status) {
  switch (status) {
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidDeviceFunction:
    case cudaErrorInvalidKernelImage: {
      int ordinal = 0;
      int major = 0;
      int minor = 0;
      if (cudaGetDevice(&ordinal) != cudaSuccess ||
          cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, ordinal) != cudaSuccess ||
          cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, ordinal) != cudaSuccess) {
        return "this build has no code for the GPU: rebuild with: cmake --preset cuda && cmake --build --preset cuda";
      }
      return str("this build has no code for compute capability ", major, ".", minor,
                 ": rebuild with: ", rebuild_command(major, minor));
    }
    case cudaErrorInsufficientDriver: return "the driver is older than this build's CUDA: update the NVIDIA driver";
    case cudaErrorNoDevice: return "no GPU is visible: check nvidia-smi and CUDA_VISIBLE_DEVICES, or use --device cpu";
    case cudaErrorInvalidDevice: return "espalier doctor lists the GPUs of this machine";
    case cudaErrorIllegalAddress:
    case cudaErrorMisalignedAddress:
    case cudaErrorAssert:
    case cudaErrorLaunchFailure: return "a kernel queued before this call is at fault: run under compute-sanitizer to find it";
    default: return "";
  }
}

}  // namespace

std::string rebuild_command(int major, int minor) {
  return str("cmake --preset cuda -DESPALIER_CUDA_ARCHITECTURES=", major, minor, "-real && cmake --build --preset cuda");
}

void fail_memory(const std::string& what, std::size_t wanted) {
  std::size_t available = 0;
  std::size_t total = 0;
  const bool known = cudaMemGetInfo(&available, &total) == cudaSuccess;
  constexpr std::size_t kMiB = std::size_t{1} << 20;
  const std::string need = wanted > 0 ? str(" needs ", (wanted + kMiB - 1) / kMiB, " MiB") : " does not fit";
  const std::string have = known ? str(", ", available / kMiB, " of ", total / kMiB, " MiB are free") : std::string();
  fail(ErrorCode::out_of_memory, what, need, " on the GPU", have,
       hint("close other programs that use it, or run with --vram-tier low or --precision int8"));
}

void fail_call(cudaError_t status, const char* call, const char* file, int line) {
  // A failed call leaves its code behind for the next cudaGetLastError of anybody; it is reported here and nowhere else.
  static_cast<void>(cudaGetLastError());
  if (status == cudaErrorMemoryAllocation) fail_memory(str(call, " at ", place(file, line)), 0);
  fail(ErrorCode::device, "CUDA: ", cudaGetErrorString(status), " (", cudaGetErrorName(status), ") in ", call, " at ",
       place(file, line), hint(advice(status)));
}

void fail_call(cublasStatus_t status, const char* call, const char* file, int line) {
  if (status == CUBLAS_STATUS_ALLOC_FAILED) fail_memory(str(call, " at ", place(file, line)), 0);
  fail(ErrorCode::device, "cuBLASLt: ", cublasLtGetStatusString(status), " (", cublasLtGetStatusName(status), ") in ", call,
       " at ", place(file, line));
}

}  // namespace espalier::cuda
