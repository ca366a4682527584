// NVIDIA's cuBLASLt, which is looked for when it is first needed: the program starts, and works on the CPU, without it.
#pragma once

#include <string>

namespace espalier::cuda {

// Empty when the library is there; else what is missing and where it comes from. Of any thread.
[[nodiscard]] const std::string& cublaslt_problem();

}  // namespace espalier::cuda
