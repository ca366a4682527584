// Ways for large amounts of host data into the memory of a GPU: streams of their own, and pinned memory that is filled again
// and again.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

namespace espalier::cuda {

// One thread's way: while the GPU reads one slot, the thread fills the other.
class CopyLane {
 public:
  static constexpr std::size_t kSlots = 2;

  // `bytes`: of a slot. The GPU must be current.
  explicit CopyLane(std::size_t bytes);
  CopyLane(const CopyLane&) = delete;
  CopyLane& operator=(const CopyLane&) = delete;
  ~CopyLane();

  struct Slot {
    std::byte* host = nullptr;          // pinned
    const std::byte* device = nullptr;  // the same memory as kernels see it
  };
  // The slot to be filled next, once the GPU is done with it.
  [[nodiscard]] Slot next();
  // What was queued on the stream since next() reads that slot.
  void filled();
  [[nodiscard]] cudaStream_t stream() const { return stream_; }
  void synchronize() const;

 private:
  struct Held {
    void* host = nullptr;
    void* device = nullptr;
    cudaEvent_t read = nullptr;
  };
  void release();

  cudaStream_t stream_ = nullptr;
  std::array<Held, kSlots> slots_{};
  std::size_t at_ = 0;
};

struct CopyLanes {
  std::mutex use;  // held while the lanes are used
  std::vector<std::unique_ptr<CopyLane>> lanes;
};

}  // namespace espalier::cuda
