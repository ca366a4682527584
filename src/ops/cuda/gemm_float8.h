// Products of two float8 matrices through cuBLASLt.
#pragma once

#include "ops/gemm.h"
#include "tensor/quantised.h"

namespace espalier::cuda {

// How such a product is made.
struct Float8Way {
  // The library multiplies by the scales, which it does on compute capability 9.0 alone. Otherwise it multiplies by 1 / 448^2,
  // with which no sum leaves the range of float16, and a pass of our own over the result brings the scales in.
  bool scaled_inside = true;
  // Sums stay in the tensor cores, which keep 14 bits of them, instead of being added up in float32 every few products.
  bool fast_sums = false;
};
// The one for the queue's GPU.
[[nodiscard]] Float8Way usual_way(const Queue<Cuda>& queue);

// Whether linear_float8 takes these sizes and this output.
[[nodiscard]] bool float8_fits(std::int64_t in, View<Cuda, half, 2> out);

// out = activation((x.values w.values^T) * x.scales * w.scales + bias). x is a matrix like w: a scale for each row. Accumulates
// in float32, as far as `way` says. Throws device where the library has no kernel.
void linear_float8(Queue<Cuda>& queue, const Float8Matrix<Cuda>& x, const Float8Matrix<Cuda>& w, View<Cuda, const half, 1> bias,
                   Activation activation, View<Cuda, half, 2> out, Float8Way way);

}  // namespace espalier::cuda
