// Launching kernels: the only place where grids are checked and launches are reported.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <utility>

#include "runtime/cuda/check.h"
#include "runtime/cuda/native.h"

namespace espalier::cuda {

inline constexpr std::int64_t kMaxGridX = 2147483647;
inline constexpr unsigned kMaxGridYZ = 65535;

[[nodiscard]] constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t by) { return (n + by - 1) / by; }

// Blocks of `per_block` items that cover n items, as the x dimension of a grid. Throws when a grid cannot be so large.
[[nodiscard]] inline unsigned blocks_for(const char* where, std::int64_t n, std::int64_t per_block) {
  const std::int64_t blocks = ceil_div(n, per_block);
  require(blocks <= kMaxGridX, where, n, " items in blocks of ", per_block, " do not fit into a grid");
  return static_cast<unsigned>(blocks);
}

// Blocks for a kernel that strides over n items: as many as keep the GPU busy, at most.
[[nodiscard]] inline unsigned striding_blocks(const Queue<Cuda>& queue, std::int64_t n, std::int64_t per_block) {
  const std::int64_t full = std::int64_t{queue.native().properties.multiProcessorCount} * 32;
  return static_cast<unsigned>(std::min(ceil_div(n, per_block), full));
}

// Runs kernel(args...) on the queue's stream. `where` names the op in errors. An empty grid is an error of the caller:
// ops return before they launch for no items. Dynamic shared memory above 48 KiB is allowed for as needed.
template <class... Params, class... Args>
void launch(Queue<Cuda>& queue, const char* where, void (*kernel)(Params...), dim3 grid, dim3 block, std::size_t shared,
            Args&&... args) {
  require(grid.x > 0 && grid.x <= kMaxGridX && grid.y > 0 && grid.y <= kMaxGridYZ && grid.z > 0 && grid.z <= kMaxGridYZ, where,
          "grid of ", grid.x, " x ", grid.y, " x ", grid.z, " blocks");
  const cudaStream_t stream = activate(queue);
  if (shared > std::size_t{48} << 10) {
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)), where, __FILE__,
          __LINE__);
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared;
  config.stream = stream;
  check(cudaLaunchKernelEx(&config, kernel, std::forward<Args>(args)...), where, __FILE__, __LINE__);
}

}  // namespace espalier::cuda
