#include "runtime/queue.h"

#include <utility>

#include "runtime/cuda/check.h"
#include "runtime/cuda/copy_lanes.h"
#include "runtime/cuda/native.h"
#include "runtime/cuda/staged_copy.h"
#include "runtime/device_memory.h"

namespace espalier {
namespace cuda {

cudaStream_t activate(const Queue<Cuda>& queue) {
  int current = -1;
  ESPALIER_CHECK_CUDA(cudaGetDevice(&current));
  if (current != queue.ordinal()) ESPALIER_CHECK_CUDA(cudaSetDevice(queue.ordinal()));
  return queue.native().stream;
}

CurrentCard::CurrentCard(int ordinal) {
  ESPALIER_CHECK_CUDA(cudaGetDevice(&former_));
  if (former_ != ordinal) {
    ESPALIER_CHECK_CUDA(cudaSetDevice(ordinal));
    changed_ = true;
  }
}

CurrentCard::~CurrentCard() {
  if (changed_) static_cast<void>(cudaSetDevice(former_));  // it was current before, and a destructor cannot report
}

}  // namespace cuda

template <>
Buffer<Cuda>::Buffer(std::size_t bytes, int ordinal, const std::string& what) : bytes_(bytes), ordinal_(ordinal) {
  const cuda::CurrentCard current(ordinal);
  void* data = nullptr;
  const cudaError_t status = cudaMalloc(&data, std::max<std::size_t>(bytes, 1));
  if (status == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());
    cuda::fail_memory(what, bytes);
  }
  cuda::check(status, "cudaMalloc", __FILE__, __LINE__);
  data_ = static_cast<std::byte*>(data);
}

template <>
Buffer<Cuda>::~Buffer() {
  // A destructor cannot report; cudaFree fails only after an error that an earlier call has already reported.
  if (data_ != nullptr) static_cast<void>(cudaFree(data_));
}

Queue<Cuda>::Native::Native(int gpu) : ordinal(gpu), copy_lanes(std::make_unique<cuda::CopyLanes>()) {
  ESPALIER_CHECK_CUDA(cudaSetDevice(gpu));
  ESPALIER_CHECK_CUDA(cudaGetDeviceProperties(&properties, gpu));
  workspace = Buffer<Cuda>(cuda::kBlasWorkspace, gpu, "workspace of matrix products");
  ESPALIER_CHECK_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  const cublasStatus_t status = cublasLtCreate(&blas);
  if (status != CUBLAS_STATUS_SUCCESS) {
    static_cast<void>(cudaStreamDestroy(stream));
    cuda::fail_call(status, "cublasLtCreate", __FILE__, __LINE__);
  }
}

Queue<Cuda>::Native::~Native() {
  static_cast<void>(cublasLtDestroy(blas));
  static_cast<void>(cudaStreamDestroy(stream));
}

template <>
Queue<Cuda>::Queue(int ordinal, MathMode math) : ordinal_(ordinal), math_(math), native_(std::make_unique<Native>(ordinal)) {}

template <>
Queue<Cuda>::~Queue() = default;

template <>
void Queue<Cuda>::synchronize() {
  ESPALIER_CHECK_CUDA(cudaStreamSynchronize(cuda::activate(*this)));
}

template <>
void upload_bytes(Queue<Cuda>& queue, const void* host, void* device, std::size_t bytes) {
  if (queue.metering() || bytes == 0) return;
  if (cuda::upload_staged(queue, host, device, bytes)) return;
  ESPALIER_CHECK_CUDA(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, cuda::activate(queue)));
}
template <>
void download_all(Queue<Cuda>& queue, std::span<const Download> downloads) {
  if (queue.metering()) return;
  if (cuda::download_staged(queue, downloads)) return;
  const cudaStream_t stream = cuda::activate(queue);
  for (const Download& d : downloads) {
    if (d.bytes > 0) ESPALIER_CHECK_CUDA(cudaMemcpyAsync(d.host, d.device, d.bytes, cudaMemcpyDeviceToHost, stream));
  }
  ESPALIER_CHECK_CUDA(cudaStreamSynchronize(stream));
}
template <>
void download_bytes(Queue<Cuda>& queue, const void* device, void* host, std::size_t bytes) {
  if (bytes == 0) return;
  const Download all{device, host, bytes};
  download_all(queue, std::span(&all, 1));
}
template <>
void copy_bytes(Queue<Cuda>& queue, const void* from, void* to, std::size_t bytes) {
  if (queue.metering() || bytes == 0) return;
  ESPALIER_CHECK_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, cuda::activate(queue)));
}
template <>
void zero_bytes(Queue<Cuda>& queue, void* to, std::size_t bytes) {
  if (queue.metering() || bytes == 0) return;
  ESPALIER_CHECK_CUDA(cudaMemsetAsync(to, 0, bytes, cuda::activate(queue)));
}

bool built_with_cuda() { return true; }

namespace {
// Free bytes and all.
std::pair<std::size_t, std::size_t> memory_info(int ordinal) {
  const cuda::CurrentCard current(ordinal);
  std::pair<std::size_t, std::size_t> bytes;
  ESPALIER_CHECK_CUDA(cudaMemGetInfo(&bytes.first, &bytes.second));
  return bytes;
}
}  // namespace

template <>
std::size_t free_memory<Cuda>(int ordinal) {
  return memory_info(ordinal).first;
}
template <>
std::size_t total_memory<Cuda>(int ordinal) {
  return memory_info(ordinal).second;
}

}  // namespace espalier
