#include "runtime/cuda/copy_lanes.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>

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

std::size_t CopyLanes::ready(std::size_t parts) {
  const std::size_t wanted =
      std::clamp<std::size_t>(parts, 1, std::min<std::size_t>(kMost, std::max(2U, std::thread::hardware_concurrency())));
  while (lanes.size() < wanted) lanes.push_back(std::make_unique<CopyLane>(kPart));
  return wanted;
}

void CopyLanes::share(int ordinal, std::size_t parts, const std::function<void(CopyLane&, std::size_t)>& drive,
                      const std::function<void(CopyLane&)>& finish) {
  const std::size_t count = ready(parts);
  std::atomic<std::size_t> next{0};
  std::vector<std::exception_ptr> failures(count);
  const auto run = [&](std::size_t lane) {
    try {
      ESPALIER_CHECK_CUDA(cudaSetDevice(ordinal));
      for (std::size_t i = next.fetch_add(1); i < parts; i = next.fetch_add(1)) drive(*lanes[lane], i);
      finish(*lanes[lane]);
    } catch (...) {
      next = parts;  // nobody begins another
      failures[lane] = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < count; ++i) threads.emplace_back(run, i);
    run(0);
  }
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace espalier::cuda
