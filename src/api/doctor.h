// The known-answer checks of each back end.
#pragma once

#include "espalier/diagnostics.h"

namespace espalier {

[[nodiscard]] std::vector<Check> check_cpu_kernels();
// On one GPU, in float32 and float16.
[[nodiscard]] std::vector<Check> check_cuda_kernels(int ordinal);

}  // namespace espalier
