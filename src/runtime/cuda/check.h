// Checked calls of the CUDA runtime and of cuBLASLt. The macros exist only to put the text of the call into the message.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <string>

namespace espalier::cuda {

// Throws: out_of_memory when the GPU is full, else device. The message holds the call, its place in the sources and,
// where the cause is known, what to do.
[[noreturn]] void fail_call(cudaError_t status, const char* call, const char* file, int line);
[[noreturn]] void fail_call(cublasStatus_t status, const char* call, const char* file, int line);
// Throws out_of_memory naming `what`, the bytes wanted and the bytes free on the current GPU.
[[noreturn]] void fail_memory(const std::string& what, std::size_t wanted);

// The command that rebuilds with code for a GPU of this compute capability.
[[nodiscard]] std::string rebuild_command(int major, int minor);

inline void check(cudaError_t status, const char* call, const char* file, int line) {
  if (status != cudaSuccess) fail_call(status, call, file, line);
}
inline void check(cublasStatus_t status, const char* call, const char* file, int line) {
  if (status != CUBLAS_STATUS_SUCCESS) fail_call(status, call, file, line);
}

}  // namespace espalier::cuda

#define ESPALIER_CHECK_CUDA(call) ::espalier::cuda::check((call), #call, __FILE__, __LINE__)
