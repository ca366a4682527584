// Matrix products with the weights of linear layers.
#pragma once

#include "runtime/queue.h"

namespace espalier {

// Elementwise functions that a product or a norm may end with.
enum class Activation : std::uint8_t {
  none,
  silu,        // x * sigmoid(x)
  gelu_tanh,   // 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), all TRELLIS feed-forward layers
  gelu_erf,    // 0.5 x (1 + erf(x / sqrt 2)), DINOv2
  relu,        // max(x, 0), background removal
  sigmoid,     // 1 / (1 + exp(-x))
  quick_gelu,  // x * sigmoid(1.702 x), CLIP
};

// out = activation(x w^T + bias).  x [n, in] (rows may be strided), w [out, in], bias [out] or empty, out [n, out] (rows
// may be strided). Accumulates in float32. out must not alias x.
template <class Dev, class T>
void linear(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, T, 2> w, In<Dev, T, 1> bias, Activation activation,
            View<Dev, T, 2> out);

// out = residual + x w^T + bias.  residual [n, out], contiguous as out; out may be residual itself.
template <class Dev, class T>
void linear_add(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, T, 2> w, In<Dev, T, 1> bias, In<Dev, T, 2> residual,
                View<Dev, T, 2> out);

}  // namespace espalier
