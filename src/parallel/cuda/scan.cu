#include <thrust/iterator/permutation_iterator.h>

#include <algorithm>
#include <cub/device/device_scan.cuh>

#include "parallel/scan.h"
#include "runtime/cuda/check.h"
#include "runtime/cuda/native.h"

namespace espalier {
namespace {

auto ordered(const std::uint32_t* values, const std::uint32_t* order) {
  return thrust::make_permutation_iterator(values, order);
}

void check_workspace(View<Cuda, std::byte, 1> workspace) {
  require(workspace.data() != nullptr, "exclusive_sum", "no workspace");  // which the library would take for a question
}

}  // namespace

template <class Dev>
std::size_t sum_bytes(std::int64_t n) {
  std::size_t in_place = 0, gathered = 0;
  ESPALIER_CHECK_CUDA(cub::DeviceScan::ExclusiveSum(nullptr, in_place, static_cast<std::int32_t*>(nullptr), n));
  ESPALIER_CHECK_CUDA(
      cub::DeviceScan::ExclusiveSum(nullptr, gathered, ordered(nullptr, nullptr), static_cast<std::uint32_t*>(nullptr), n));
  return std::max(in_place, gathered);
}

template <class Dev>
void exclusive_sum(Queue<Dev>& queue, View<Dev, std::int32_t, 1> values, View<Dev, std::byte, 1> workspace) {
  if (queue.metering() || values.size() == 0) return;
  check_workspace(workspace);
  const cudaStream_t stream = cuda::activate(queue);
  auto bytes = static_cast<std::size_t>(workspace.size());
  ESPALIER_CHECK_CUDA(cub::DeviceScan::ExclusiveSum(workspace.data(), bytes, values.data(), values.size(), stream));
}

template <class Dev>
void exclusive_sum(Queue<Dev>& queue, In<Dev, std::uint32_t, 1> values, In<Dev, std::uint32_t, 1> order,
                   View<Dev, std::uint32_t, 1> out, View<Dev, std::byte, 1> workspace) {
  require(order.size() == out.size(), "exclusive_sum", order.size(), " rows for ", out.size(), " sums");
  if (queue.metering() || out.size() == 0) return;
  check_workspace(workspace);
  const cudaStream_t stream = cuda::activate(queue);
  auto bytes = static_cast<std::size_t>(workspace.size());
  ESPALIER_CHECK_CUDA(cub::DeviceScan::ExclusiveSum(workspace.data(), bytes, ordered(values.data(), order.data()), out.data(),
                                                    out.size(), stream));
}

template std::size_t sum_bytes<Cuda>(std::int64_t);
template void exclusive_sum(Queue<Cuda>&, View<Cuda, std::int32_t, 1>, View<Cuda, std::byte, 1>);
template void exclusive_sum(Queue<Cuda>&, In<Cuda, std::uint32_t, 1>, In<Cuda, std::uint32_t, 1>, View<Cuda, std::uint32_t, 1>,
                            View<Cuda, std::byte, 1>);

}  // namespace espalier
