#include "runtime/cuda/copy_lanes.h"

#include "runtime/cuda/check.h"

namespace espalier::cuda {

CopyLane::CopyLane(std::size_t bytes) {
  try {
    ESPALIER_CHECK_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    for (Held& slot : slots_) {
      ESPALIER_CHECK_CUDA(cudaHostAlloc(&slot.host, bytes, cudaHostAllocMapped));
      ESPALIER_CHECK_CUDA(cudaHostGetDevicePointer(&slot.device, slot.host, 0));
      ESPALIER_CHECK_CUDA(cudaEventCreateWithFlags(&slot.read, cudaEventDisableTiming));
    }
  } catch (...) {
    release();
    throw;
  }
}

CopyLane::~CopyLane() { release(); }

// A destructor cannot report, and these calls fail only after an error that an earlier one has already reported.
void CopyLane::release() {
  for (const Held& slot : slots_) {
    if (slot.read != nullptr) {
      static_cast<void>(cudaEventSynchronize(slot.read));
      static_cast<void>(cudaEventDestroy(slot.read));
    }
    if (slot.host != nullptr) static_cast<void>(cudaFreeHost(slot.host));
  }
  if (stream_ != nullptr) static_cast<void>(cudaStreamDestroy(stream_));
}

CopyLane::Slot CopyLane::next() {
  const Held& slot = slots_[at_];
  ESPALIER_CHECK_CUDA(cudaEventSynchronize(slot.read));  // returns at once for an event that was never recorded
  return {static_cast<std::byte*>(slot.host), static_cast<const std::byte*>(slot.device)};
}

void CopyLane::filled() {
  ESPALIER_CHECK_CUDA(cudaEventRecord(slots_[at_].read, stream_));
  at_ = (at_ + 1) % kSlots;
}

void CopyLane::synchronize() const { ESPALIER_CHECK_CUDA(cudaStreamSynchronize(stream_)); }

}  // namespace espalier::cuda
