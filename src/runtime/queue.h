// Queue<Dev>: where work goes. It is one stream (CUDA) or the thread team (CPU) with its library handles, the scratch
// arena of the running stage, and the caller's monitor. Ops take it first; they neither allocate nor synchronise.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "base/monitor.h"
#include "runtime/memory.h"

namespace espalier {

// How matrix products may be computed.
enum class MathMode : std::uint8_t {
  exact,  // in the precision of the element type
  bf16,   // CPU only: float32 products may round their inputs to bfloat16 where the processor has such instructions
};

template <class Dev>
class Queue {
 public:
  // ordinal: the GPU (ignored on the CPU). Throws device when the GPU cannot be used.
  explicit Queue(int ordinal = 0, MathMode math = MathMode::exact);
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;
  ~Queue();

  [[nodiscard]] int ordinal() const { return ordinal_; }
  [[nodiscard]] MathMode math() const { return math_; }

  // The arena that ops and networks take temporaries from. Set by the pipeline for each stage; not owned.
  [[nodiscard]] Arena<Dev>& scratch() const {
    require(scratch_ != nullptr, "Queue::scratch", "no arena is set");
    return *scratch_;
  }
  void use(Arena<Dev>* scratch) { scratch_ = scratch; }
  // True while a stage is only being measured: every op returns at once.
  [[nodiscard]] bool metering() const { return scratch_ != nullptr && scratch_->metering(); }

  // Not owned; may be null.
  void watch(const Monitor* monitor) { monitor_ = monitor; }
  // Throws cancelled when the caller asked to stop. Called between blocks and their parts, never inside a kernel loop.
  void check() const {
    if (monitor_ != nullptr) monitor_->check();
  }

  // Waits until everything queued has run. Only pipeline code and tests call this.
  void synchronize();

  // Back-end state (stream, handles, workspaces); defined in runtime/<back end>/.
  struct Native;
  [[nodiscard]] Native& native() const { return *native_; }

 private:
  int ordinal_;
  MathMode math_;
  Arena<Dev>* scratch_ = nullptr;
  const Monitor* monitor_ = nullptr;
  std::unique_ptr<Native> native_;
};

template <class Dev>
using Frame = typename Arena<Dev>::Frame;

// Copies between host and device memory; contiguous views of equal extents. `upload` from pageable memory and
// `download` return when the host side may be reused or read. Both are no-ops while metering. On a GPU large amounts go through
// pinned memory that stays with the queue, filled and emptied by several threads.
template <class Dev>
void upload_bytes(Queue<Dev>& queue, const void* host, void* device, std::size_t bytes);
template <class Dev>
void download_bytes(Queue<Dev>& queue, const void* device, void* host, std::size_t bytes);
// Several downloads, all of them begun before the first is waited for.
struct Download {
  const void* device;
  void* host;
  std::size_t bytes;
};
template <class Dev>
void download_all(Queue<Dev>& queue, std::span<const Download> downloads);
template <class Dev>
void copy_bytes(Queue<Dev>& queue, const void* from, void* to, std::size_t bytes);
template <class Dev>
void zero_bytes(Queue<Dev>& queue, void* to, std::size_t bytes);

template <class Dev, class T, int Rank>
void upload(Queue<Dev>& queue, In<Cpu, T, Rank> host, View<Dev, T, Rank> device) {
  require(host.size() == device.size() && host.contiguous() && device.contiguous(), "upload", host.size(), " elements into ",
          device.size());
  upload_bytes(queue, host.data(), device.data(), static_cast<std::size_t>(host.size()) * sizeof(T));
}
template <class Dev, class T, int Rank>
void download(Queue<Dev>& queue, View<Dev, T, Rank> device, View<Cpu, std::remove_const_t<T>, Rank> host) {
  require(host.size() == device.size() && host.contiguous() && device.contiguous(), "download", device.size(),
          " elements into ", host.size());
  download_bytes(queue, device.data(), host.data(), static_cast<std::size_t>(host.size()) * sizeof(T));
}
template <class Dev, class T, int Rank>
void copy(Queue<Dev>& queue, In<Dev, T, Rank> from, View<Dev, T, Rank> to) {
  require(from.size() == to.size() && from.contiguous() && to.contiguous(), "copy", from.size(), " elements into ", to.size());
  copy_bytes(queue, from.data(), to.data(), static_cast<std::size_t>(to.size()) * sizeof(T));
}

// The GPUs this process can see; empty without a driver. Never throws.
struct GpuInfo {
  int ordinal = 0;
  std::string name;
  int major = 0, minor = 0;  // compute capability
  std::size_t total_bytes = 0, free_bytes = 0;
  int driver = 0, runtime = 0;  // CUDA versions as 1000*major + 10*minor
  bool covered = false;         // this build has code for the GPU
  std::string advice;           // when not covered: why, and the command that rebuilds
};
[[nodiscard]] std::vector<GpuInfo> list_gpus();
// True when this build contains the CUDA back end.
[[nodiscard]] bool built_with_cuda();
// Bytes of free memory: on the host, MemAvailable; on a GPU, as the driver says.
template <class Dev>
[[nodiscard]] std::size_t free_memory(int ordinal);

}  // namespace espalier
