// Running sums.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/queue.h"

namespace espalier {

// Bytes of workspace that the sums below take for n values.
template <class Dev>
[[nodiscard]] std::size_t sum_bytes(std::int64_t n);

// Replaces every value by the sum of those before it. Sums have to fit into 32 bits.
template <class Dev>
void exclusive_sum(Queue<Dev>& queue, View<Dev, std::int32_t, 1> values, View<Dev, std::byte, 1> workspace);

// out[i] = the sum of values[order[k]] for k < i. order and out have n elements; the rows in `order` are rows of `values`.
template <class Dev>
void exclusive_sum(Queue<Dev>& queue, In<Dev, std::uint32_t, 1> values, In<Dev, std::uint32_t, 1> order,
                   View<Dev, std::uint32_t, 1> out, View<Dev, std::byte, 1> workspace);

}  // namespace espalier
