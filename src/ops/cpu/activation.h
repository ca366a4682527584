// Activations of the CPU back end, eight at a time.
#pragma once

#include <algorithm>

#include "ops/gemm.h"
#include "parallel/cpu/lanes.h"

namespace espalier::cpu {

inline Lanes sigmoid(Lanes x) { return fill(1.0F) / (fill(1.0F) + exponential(-x)); }
inline Lanes silu(Lanes x) { return x / (fill(1.0F) + exponential(-x)); }

inline Lanes quick_gelu(Lanes x) { return x / (fill(1.0F) + exponential(fill(-1.702F) * x)); }

// 0.5 (1 + tanh(u)) is the logistic function of 2 u.
inline Lanes gelu_tanh(Lanes x) {
  const Lanes u = x * multiply_add(x * x, fill(0.044715F * 0.7978845608F), fill(0.7978845608F));
  return x / (fill(1.0F) + exponential(fill(-2.0F) * u));
}

// x Phi(x) with erfc by Abramowitz and Stegun 7.1.26 (1.5e-7), used on the side where it is small.
inline Lanes gelu_erf(Lanes x) {
  const Lanes z = (x < fill(0.0F) ? -x : x) * fill(0.7071067812F);
  const Lanes t = fill(1.0F) / multiply_add(fill(0.3275911F), z, fill(1.0F));
  Lanes p = fill(1.061405429F);
  p = multiply_add(p, t, fill(-1.453152027F));
  p = multiply_add(p, t, fill(1.421413741F));
  p = multiply_add(p, t, fill(-0.284496736F));
  p = multiply_add(p, t, fill(0.254829592F));
  const Lanes half_erfc = fill(0.5F) * p * t * exponential(-z * z);
  return x * (x < fill(0.0F) ? half_erfc : fill(1.0F) - half_erfc);
}

template <class Function>
void transform_row(const float* x, std::int64_t n, float* out, Function f) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(out + i, f(load(x + i)));
  if (i < n) store_part(out + i, f(load_part(x + i, n - i)), n - i);
}

// out = activation(x) for n floats; out may be x.
inline void activate_row(const float* x, std::int64_t n, Activation activation, float* out) {
  switch (activation) {
    case Activation::none:
      if (out != x) std::copy_n(x, n, out);
      return;
    case Activation::silu: return transform_row(x, n, out, silu);
    case Activation::gelu_tanh: return transform_row(x, n, out, gelu_tanh);
    case Activation::gelu_erf: return transform_row(x, n, out, gelu_erf);
    case Activation::relu: return transform_row(x, n, out, [](Lanes v) { return maximum(v, fill(0.0F)); });
    case Activation::sigmoid: return transform_row(x, n, out, sigmoid);
    case Activation::quick_gelu: return transform_row(x, n, out, quick_gelu);
  }
}

}  // namespace espalier::cpu
