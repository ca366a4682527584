#include "runtime/cuda/staged_copy.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <vector>

#include "runtime/cuda/check.h"
#include "runtime/cuda/copy_lanes.h"
#include "runtime/cuda/native.h"

namespace espalier::cuda {
namespace {

// Bytes from which on the team is worth its waking. A download has made room on the host before, so the team is awake.
constexpr std::size_t kLargeUpload = std::size_t{8} << 20;
constexpr std::size_t kLargeDownload = std::size_t{2} << 20;
constexpr std::size_t kSmallPart = std::size_t{512} << 10;  // small enough that all threads end together
static_assert(kSmallPart <= CopyLanes::kPart);

std::vector<Download> parts_of(std::span<const Download> downloads) {
  std::vector<Download> parts;
  for (const Download& d : downloads) {
    for (std::size_t at = 0; at < d.bytes; at += kSmallPart) {
      const std::size_t count = std::min(kSmallPart, d.bytes - at);
      parts.push_back({static_cast<const std::byte*>(d.device) + at, static_cast<std::byte*>(d.host) + at, count});
    }
  }
  return parts;
}

// Calls body(lane, i) for each part i. The team of the other work on the host does it: threads of our own would have to share
// the cores with it, since it waits for its next work without sleeping.
template <class Body>
void share(CopyLanes& lanes, std::size_t used, int ordinal, std::size_t parts, const Body& body) {
  std::atomic<std::size_t> next{0};
  std::vector<std::exception_ptr> failures(used);
#pragma omp parallel for schedule(static, 1)
  for (std::size_t lane = 0; lane < used; ++lane) {
    try {
      ESPALIER_CHECK_CUDA(cudaSetDevice(ordinal));
      for (std::size_t i = next.fetch_add(1); i < parts; i = next.fetch_add(1)) body(*lanes.lanes[lane], i);
    } catch (...) {
      next = parts;  // nobody begins another
      failures[lane] = std::current_exception();
    }
  }
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

class Event {
 public:
  Event() { ESPALIER_CHECK_CUDA(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { static_cast<void>(cudaEventDestroy(event_)); }  // a destructor cannot report

  // What `later` is given from now on waits for what `earlier` was given.
  void order(cudaStream_t earlier, cudaStream_t later) const {
    ESPALIER_CHECK_CUDA(cudaEventRecord(event_, earlier));
    ESPALIER_CHECK_CUDA(cudaStreamWaitEvent(later, event_, 0));
  }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace

bool upload_staged(Queue<Cuda>& queue, const void* host, void* device, std::size_t bytes) {
  if (bytes < kLargeUpload) return false;
  CopyLanes& lanes = *queue.native().copy_lanes;
  const std::unique_lock lock(lanes.use, std::try_to_lock);
  if (!lock.owns_lock()) return false;
  const cudaStream_t stream = activate(queue);
  // Slots wait for the memory to be free; what fits into all of them is read from the host meanwhile.
  const std::size_t part = std::clamp<std::size_t>(bytes / (CopyLanes::kMost * CopyLane::kSlots), kSmallPart, CopyLanes::kPart);
  const std::size_t parts = (bytes + part - 1) / part;
  const std::size_t used = lanes.ready(parts);
  const Event event;
  // The memory may still be in use by what was queued before.
  for (std::size_t i = 0; i < used; ++i) event.order(stream, lanes.lanes[i]->stream());
  share(lanes, used, queue.ordinal(), parts, [&](CopyLane& lane, std::size_t i) {
    const CopyLane::Slot slot = lane.next();
    const std::size_t at = i * part;
    const std::size_t count = std::min(part, bytes - at);
    std::memcpy(slot.host, static_cast<const std::byte*>(host) + at, count);
    ESPALIER_CHECK_CUDA(
        cudaMemcpyAsync(static_cast<std::byte*>(device) + at, slot.host, count, cudaMemcpyHostToDevice, lane.stream()));
    lane.filled();
  });
  for (std::size_t i = 0; i < used; ++i) event.order(lanes.lanes[i]->stream(), stream);
  return true;
}

bool download_staged(Queue<Cuda>& queue, std::span<const Download> downloads) {
  std::size_t bytes = 0;
  for (const Download& d : downloads) bytes += d.bytes;
  if (bytes < kLargeDownload) return false;
  CopyLanes& lanes = *queue.native().copy_lanes;
  const std::unique_lock lock(lanes.use, std::try_to_lock);
  if (!lock.owns_lock()) return false;
  ESPALIER_CHECK_CUDA(cudaStreamSynchronize(activate(queue)));
  const std::vector<Download> parts = parts_of(downloads);
  // One lane's copy is under way while the threads of the others empty their slots.
  share(lanes, lanes.ready(parts.size()), queue.ordinal(), parts.size(), [&](CopyLane& lane, std::size_t i) {
    const Download& part = parts[i];
    const CopyLane::Slot slot = lane.next();
    ESPALIER_CHECK_CUDA(cudaMemcpyAsync(slot.host, part.device, part.bytes, cudaMemcpyDeviceToHost, lane.stream()));
    lane.filled();
    lane.synchronize();
    std::memcpy(part.host, slot.host, part.bytes);
  });
  return true;
}

}  // namespace espalier::cuda
