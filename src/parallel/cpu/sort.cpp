#include "parallel/sort.h"

#include <array>
#include <utility>

namespace espalier {

template <class Dev>
std::size_t sort_bytes(std::int64_t /*n*/, int /*bits*/) {
  return 0;
}

// By digits from the lowest to the highest.
template <class Dev, class Value>
SortPairs<Value> sort_pairs(Queue<Dev>& queue, const SortPairs<Value>& pairs, std::int64_t n, int bits,
                            View<Dev, std::byte, 1> /*workspace*/) {
  constexpr int kDigitBits = 11;
  require(bits >= 0 && bits <= 32, "sort_pairs", bits, " bits");
  SortPairs<Value> p = pairs;
  if (queue.metering()) return p;
  for (int shift = 0; shift < bits; shift += kDigitBits) {
    const auto digit = [&](std::uint32_t key) { return key >> shift & ((1U << kDigitBits) - 1); };
    std::array<std::int64_t, (1U << kDigitBits) + 1> start{};
    for (std::int64_t i = 0; i < n; ++i) ++start[digit(p.keys[i]) + 1];
    for (std::size_t d = 1; d < start.size(); ++d) start[d] += start[d - 1];
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t at = start[digit(p.keys[i])]++;
      p.spare_keys[at] = p.keys[i];
      p.spare_values[at] = p.values[i];
    }
    std::swap(p.keys, p.spare_keys);
    std::swap(p.values, p.spare_values);
  }
  return p;
}

template std::size_t sort_bytes<Cpu>(std::int64_t, int);
template SortPairs<std::int32_t> sort_pairs(Queue<Cpu>&, const SortPairs<std::int32_t>&, std::int64_t, int,
                                            View<Cpu, std::byte, 1>);
template SortPairs<std::uint32_t> sort_pairs(Queue<Cpu>&, const SortPairs<std::uint32_t>&, std::int64_t, int,
                                             View<Cpu, std::byte, 1>);

}  // namespace espalier
