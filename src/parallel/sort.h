// Sorting of keys with what belongs to them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/queue.h"

namespace espalier {

// Two arrays of each, of which a sort uses one as room: n keys and values, and as much memory beside them. Not owned.
template <class Value>
struct SortPairs {
  std::uint32_t* keys = nullptr;
  Value* values = nullptr;
  std::uint32_t* spare_keys = nullptr;
  Value* spare_values = nullptr;

  // The pairs from `rows` on.
  [[nodiscard]] SortPairs from(std::int64_t rows) const {
    return {keys + rows, values + rows, spare_keys + rows, spare_values + rows};
  }
};

// Bytes of workspace that sort_pairs takes for n pairs.
template <class Dev>
[[nodiscard]] std::size_t sort_bytes(std::int64_t n, int bits);

// Stable, ascending, by the low `bits` of the keys (0 to 32); other bits have to be zero. Returns where the sorted pairs are:
// in `pairs` or with its two halves exchanged. Any n.
template <class Dev, class Value>
[[nodiscard]] SortPairs<Value> sort_pairs(Queue<Dev>& queue, const SortPairs<Value>& pairs, std::int64_t n, int bits,
                                          View<Dev, std::byte, 1> workspace);

}  // namespace espalier
