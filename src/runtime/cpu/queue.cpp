#include "runtime/queue.h"

#include <sys/sysinfo.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <new>

#include "runtime/cpu/native.h"
#include "runtime/device_memory.h"

namespace espalier {

template <>
std::size_t free_memory<Cpu>(int /*ordinal*/) {
  std::ifstream in("/proc/meminfo");
  std::string key;
  std::size_t kib = 0;
  while (in >> key >> kib) {
    if (key == "MemAvailable:") return kib * 1024;
    in.ignore(64, '\n');
  }
  // A root without /proc. What caches could give back does not count here.
  struct sysinfo system {};
  if (::sysinfo(&system) != 0) return 0;
  return (std::size_t{system.freeram} + system.bufferram) * system.mem_unit;
}

template <>
std::size_t total_memory<Cpu>(int /*ordinal*/) {
  struct sysinfo system {};
  return ::sysinfo(&system) == 0 ? std::size_t{system.totalram} * system.mem_unit : 0;
}

template <>
Buffer<Cpu>::Buffer(std::size_t bytes, int ordinal, const std::string& what) : bytes_(bytes), ordinal_(ordinal) {
  // Linux promises memory that it does not have and later kills the process that uses it.
  constexpr std::size_t kWorthAsking = std::size_t{256} << 20U;
  const std::size_t available = bytes > kWorthAsking ? free_memory<Cpu>(ordinal) : bytes;
  if (bytes > available && available > 0) {
    fail(ErrorCode::out_of_memory, what, ": ", bytes >> 20U, " MiB of host memory are needed, but only ", available >> 20U,
         " are free", hint("close other programs, or try --vram-tier low"));
  }
  const std::size_t rounded = (std::max<std::size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  data_ = static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded));
  if (data_ == nullptr) {
    fail(ErrorCode::out_of_memory, what, ": cannot allocate ", bytes, " bytes of host memory",
         hint("close other programs or use a smaller checkpoint"));
  }
}

template <>
Buffer<Cpu>::~Buffer() {
  std::free(data_);
}

template <>
Queue<Cpu>::Queue(int ordinal, MathMode math) : ordinal_(ordinal), math_(math), native_(std::make_unique<Native>()) {
  // oneDNN keeps the code of 1024 shapes by default. Shapes follow the number of voxels and never come again with the next
  // asset; one asset has some forty.
  dnnl::set_primitive_cache_capacity(192);
}

template <>
Queue<Cpu>::~Queue() = default;

template <>
void Queue<Cpu>::synchronize() {
  native_->stream.wait();
}

template <>
void upload_bytes(Queue<Cpu>& queue, const void* host, void* device, std::size_t bytes) {
  if (queue.metering() || bytes == 0) return;
  std::memmove(device, host, bytes);
}
template <>
void download_bytes(Queue<Cpu>& queue, const void* device, void* host, std::size_t bytes) {
  if (queue.metering() || bytes == 0) return;
  std::memmove(host, device, bytes);
}
template <>
void download_all(Queue<Cpu>& queue, std::span<const Download> downloads) {
  for (const Download& d : downloads) download_bytes(queue, d.device, d.host, d.bytes);
}
template <>
void copy_bytes(Queue<Cpu>& queue, const void* from, void* to, std::size_t bytes) {
  if (queue.metering() || bytes == 0) return;
  std::memmove(to, from, bytes);
}
template <>
void zero_bytes(Queue<Cpu>& queue, void* to, std::size_t bytes) {
  if (queue.metering() || bytes == 0) return;
  std::memset(to, 0, bytes);
}

}  // namespace espalier
