// Activations inside kernels.
#pragma once

#include <type_traits>

#include "ops/gemm.h"
#include "tensor/dtype.h"

namespace espalier::cuda {

// 1 / (1 + exp(-x)) times y. For results that are stored as T = half the fast intrinsics do: their relative error of a few
// 1e-7 is far below a half's 5e-4, and the exact division is most of an elementwise kernel's instructions.
template <class T>
__device__ __forceinline__ float logistic_times(float x, float y) {
  if constexpr (std::is_same_v<T, half>) {
    return __fdividef(y, 1.0F + __expf(-x));
  } else {
    return y / (1.0F + expf(-x));
  }
}

// activation(x) for a result that is stored as T.
template <class T>
__device__ __forceinline__ float activate_value(float x, Activation activation) {
  switch (activation) {
    case Activation::none: return x;
    case Activation::silu: return logistic_times<T>(x, x);
    case Activation::gelu_tanh: {
      // 0.5 (1 + tanh(u)) is the logistic function of 2 u.
      constexpr float kTwoRootTwoOverPi = 1.5957691216057308F;
      return logistic_times<T>(kTwoRootTwoOverPi * (x + 0.044715F * x * x * x), x);
    }
    case Activation::gelu_erf: {
      constexpr float kRootHalf = 0.7071067811865476F;
      return 0.5F * x * (1.0F + erff(x * kRootHalf));
    }
    case Activation::relu: return fmaxf(x, 0.0F);
    case Activation::sigmoid: return logistic_times<T>(x, 1.0F);
    case Activation::quick_gelu: return logistic_times<T>(1.702F * x, x);
  }
  return x;
}

}  // namespace espalier::cuda
