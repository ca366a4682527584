#include "parallel/scan.h"

#include <utility>

namespace espalier {

template <class Dev>
std::size_t sum_bytes(std::int64_t /*n*/) {
  return 0;
}

template <class Dev>
void exclusive_sum(Queue<Dev>& queue, View<Dev, std::int32_t, 1> values, View<Dev, std::byte, 1> /*workspace*/) {
  if (queue.metering()) return;
  std::int32_t sum = 0;
  for (std::int64_t i = 0; i < values.extent(0); ++i) sum += std::exchange(values(i), sum);
}

template <class Dev>
void exclusive_sum(Queue<Dev>& queue, In<Dev, std::uint32_t, 1> values, In<Dev, std::uint32_t, 1> order,
                   View<Dev, std::uint32_t, 1> out, View<Dev, std::byte, 1> /*workspace*/) {
  require(order.size() == out.size(), "exclusive_sum", order.size(), " rows for ", out.size(), " sums");
  if (queue.metering()) return;
  std::uint32_t sum = 0;
  for (std::int64_t i = 0; i < out.size(); ++i) {
    out(i) = sum;
    sum += values(order(i));
  }
}

template std::size_t sum_bytes<Cpu>(std::int64_t);
template void exclusive_sum(Queue<Cpu>&, View<Cpu, std::int32_t, 1>, View<Cpu, std::byte, 1>);
template void exclusive_sum(Queue<Cpu>&, In<Cpu, std::uint32_t, 1>, In<Cpu, std::uint32_t, 1>, View<Cpu, std::uint32_t, 1>,
                            View<Cpu, std::byte, 1>);

}  // namespace espalier
