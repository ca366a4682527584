// Ways for large amounts of data between host memory and a GPU's: streams of their own, and pinned memory that is filled again
// and again.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace espalier::cuda {

// One thread's way: while the GPU works on one slot, the thread works on the other.
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
  // What was queued on the stream since next() uses that slot.
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
  static constexpr std::size_t kMost = 8;
  static constexpr std::size_t kPart = std::size_t{2} << 20;  // bytes of a slot

  std::mutex use;  // held while the lanes are used
  std::vector<std::unique_ptr<CopyLane>> lanes;

  // Makes the lanes for so many parts; returns their number. The GPU must be current.
  std::size_t ready(std::size_t parts);
  // Calls drive(lane, i) for each part i < parts: a lane's parts are taken by one thread, in ascending order, and
  // `finish(lane)` follows on it. An exception of any is rethrown here, after all threads have ended.
  void share(int ordinal, std::size_t parts, const std::function<void(CopyLane&, std::size_t)>& drive,
             const std::function<void(CopyLane&)>& finish);
};

}  // namespace espalier::cuda
