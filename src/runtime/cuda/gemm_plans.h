// Matrix products that a queue has met: the algorithm is searched once per shape and kept here. Filled by ops/cuda/gemm.
// Shapes follow the number of voxels, so every asset brings new ones: at kMostGemmPlans all are forgotten.
#pragma once

#include <cublasLt.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>

namespace espalier::cuda {

// Everything the choice of an algorithm depends on: element type, epilogue, addend, sizes, row strides, products in a batch and
// the steps between them, alignments.
struct GemmKey {
  std::array<std::int64_t, 14> fields{};
  friend auto operator<=>(const GemmKey&, const GemmKey&) = default;
};

// Descriptors without memory of their own, so a plan needs no clean-up.
struct GemmPlan {
  cublasLtMatmulDescOpaque_t operation{};
  cublasLtMatrixLayoutOpaque_t w{}, x{}, residual{}, out{};
  cublasLtMatmulAlgo_t algorithm{};
  bool found = false;  // false: cuBLASLt offers nothing for this key
};

using GemmPlans = std::map<GemmKey, GemmPlan>;
inline constexpr std::size_t kMostGemmPlans = 2048;

}  // namespace espalier::cuda
