// Activations inside kernels.
#pragma once

#include "ops/gemm.h"

namespace espalier::cuda {

__device__ __forceinline__ float activate_value(float x, Activation activation) {
  switch (activation) {
    case Activation::none: return x;
    case Activation::silu: return x / (1.0F + expf(-x));
    case Activation::gelu_tanh: {
      constexpr float kRootTwoOverPi = 0.7978845608028654F;
      return 0.5F * x * (1.0F + tanhf(kRootTwoOverPi * (x + 0.044715F * x * x * x)));
    }
    case Activation::gelu_erf: {
      constexpr float kRootHalf = 0.7071067811865476F;
      return 0.5F * x * (1.0F + erff(x * kRootHalf));
    }
  }
  return x;
}

}  // namespace espalier::cuda
