// Large copies between pageable host memory and a GPU. The driver moves such memory through a small pinned block of its own
// with one thread, at a fifth of what the bus carries; here the lanes of the queue do it, with a thread each.
#pragma once

#include <cstddef>
#include <span>

#include "runtime/queue.h"

namespace espalier::cuda {

// All return false, and do nothing, for small amounts and while another thread uses the lanes: the caller then copies plainly.

// Work that is queued later sees the values; `host` may be reused.
[[nodiscard]] bool upload_staged(Queue<Cuda>& queue, const void* host, void* device, std::size_t bytes);
// Waits for what is queued, and until everything has arrived.
[[nodiscard]] bool download_staged(Queue<Cuda>& queue, std::span<const Download> downloads);

}  // namespace espalier::cuda
