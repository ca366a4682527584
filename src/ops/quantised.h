// Products with weights in 8 bits (tensor/quantised.h), and what they are made of.
#pragma once

#include "ops/gemm.h"
#include "tensor/quantised.h"

namespace espalier {

// out = values * scales of its row, rounded once. [rows, columns], contiguous.
template <class Dev, class T, class Q>
void expand(Queue<Dev>& queue, const ScaledMatrix<Dev, Q>& from, View<Dev, T, 2> out);

// Each row of x [rows, columns] (rows may be strided) in float8: scales[r] = max |x[r, :]| / 448, values = x / scales rounded
// to nearest even. A row of zeros has the scale 0; one with an infinity or NaN has the scale NaN and values of 0, so that
// nothing made of it is finite. values is contiguous.
template <class Dev, class T>
void quantise_rows(Queue<Dev>& queue, In<Dev, T, 2> x, View<Dev, float8, 2> values, View<Dev, float, 1> scales);

// As linear of ops/gemm.h, with weights in 8 bits. int8: the weights are expanded to T in the scratch arena.
// float8: from kFewestFloat8Rows rows on x is quantised too and both are multiplied as they are, accumulated in the tensor
// cores, which keep 14 bits of a sum; products of fewer rows, and of matrices whose sides are no multiples of 16, are done as
// for int8.
template <class Dev, class T, class Q>
void linear(Queue<Dev>& queue, In<Dev, T, 2> x, const ScaledMatrix<Dev, Q>& w, In<Dev, T, 1> bias, Activation activation,
            View<Dev, T, 2> out);

// Whether products in float8 exist on the queue's device: GPUs of compute capability 8.9 and newer.
template <class Dev>
[[nodiscard]] bool multiplies_float8(const Queue<Dev>& queue);

// Below it the pass over x costs more than the faster product saves.
inline constexpr std::int64_t kFewestFloat8Rows = 4096;

}  // namespace espalier
