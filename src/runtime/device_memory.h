// How much memory a device has.
#pragma once

#include <cstddef>

#include "runtime/queue.h"

namespace espalier {

// Bytes of the host or of a GPU, free or not; free_memory() says what is free.
template <class Dev>
[[nodiscard]] std::size_t total_memory(int ordinal);
template <>
[[nodiscard]] std::size_t total_memory<Cpu>(int ordinal);
template <>
[[nodiscard]] std::size_t total_memory<Cuda>(int ordinal);

}  // namespace espalier
