// What a build without CUDA answers when a GPU is asked for.
#include "runtime/device_memory.h"

namespace espalier {
namespace {

[[noreturn]] void absent() {
  fail(
      ErrorCode::unsupported,
      "this build has no CUDA back end: use --device cpu, or rebuild with: cmake --preset cuda && cmake --build --preset cuda");
}

}  // namespace

template <>
Buffer<Cuda>::Buffer(std::size_t /*bytes*/, int /*ordinal*/, const std::string& /*what*/) {
  absent();
}
template <>
Buffer<Cuda>::~Buffer() = default;

template <>
struct Queue<Cuda>::Native {};
template <>
Queue<Cuda>::Queue(int ordinal, MathMode math) : ordinal_(ordinal), math_(math) {
  absent();
}
template <>
Queue<Cuda>::~Queue() = default;
template <>
void Queue<Cuda>::synchronize() {
  absent();
}

std::vector<GpuInfo> list_gpus() { return {}; }
bool built_with_cuda() { return false; }

template <>
std::size_t free_memory<Cuda>(int /*ordinal*/) {
  absent();
}
template <>
std::size_t total_memory<Cuda>(int /*ordinal*/) {
  absent();
}

}  // namespace espalier
