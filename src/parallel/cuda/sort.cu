#include <cub/device/device_radix_sort.cuh>

#include "parallel/sort.h"
#include "runtime/cuda/check.h"
#include "runtime/cuda/native.h"

namespace espalier {
namespace {

// Indices of 32 bits sort faster, and hold what fits on a GPU of today but for the largest ones.
constexpr std::int64_t kMostShort = 0x7FFFFFFF;

template <class Value>
cudaError_t sort(void* memory, std::size_t& bytes, cub::DoubleBuffer<std::uint32_t>& keys, cub::DoubleBuffer<Value>& values,
                 std::int64_t n, int bits, cudaStream_t stream) {
  if (n <= kMostShort) {
    return cub::DeviceRadixSort::SortPairs(memory, bytes, keys, values, static_cast<std::int32_t>(n), 0, bits, stream);
  }
  return cub::DeviceRadixSort::SortPairs(memory, bytes, keys, values, n, 0, bits, stream);
}

}  // namespace

template <class Dev>
std::size_t sort_bytes(std::int64_t n, int bits) {
  cub::DoubleBuffer<std::uint32_t> keys, values;
  std::size_t bytes = 0;
  ESPALIER_CHECK_CUDA(sort(nullptr, bytes, keys, values, n, bits, nullptr));
  return bytes;
}

template <class Dev, class Value>
SortPairs<Value> sort_pairs(Queue<Dev>& queue, const SortPairs<Value>& pairs, std::int64_t n, int bits,
                            View<Dev, std::byte, 1> workspace) {
  require(bits >= 0 && bits <= 32, "sort_pairs", bits, " bits");
  if (queue.metering() || n == 0 || bits == 0) return pairs;
  require(workspace.data() != nullptr, "sort_pairs", "no workspace");  // which the library would take for a question
  const cudaStream_t stream = cuda::activate(queue);
  cub::DoubleBuffer<std::uint32_t> keys(pairs.keys, pairs.spare_keys);
  cub::DoubleBuffer<Value> values(pairs.values, pairs.spare_values);
  auto bytes = static_cast<std::size_t>(workspace.size());
  ESPALIER_CHECK_CUDA(sort(workspace.data(), bytes, keys, values, n, bits, stream));
  return {keys.Current(), values.Current(), keys.Alternate(), values.Alternate()};
}

template std::size_t sort_bytes<Cuda>(std::int64_t, int);
template SortPairs<std::int32_t> sort_pairs(Queue<Cuda>&, const SortPairs<std::int32_t>&, std::int64_t, int,
                                            View<Cuda, std::byte, 1>);
template SortPairs<std::uint32_t> sort_pairs(Queue<Cuda>&, const SortPairs<std::uint32_t>&, std::int64_t, int,
                                             View<Cuda, std::byte, 1>);

}  // namespace espalier
