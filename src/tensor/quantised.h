// Matrices of weights in 8 bits with one scale for each row, which is an output channel of a linear layer.
#pragma once

#include <cstdint>
#include <limits>
#include <variant>

#include "tensor/dtype.h"
#include "tensor/float8.h"
#include "tensor/view.h"

namespace espalier {

// How the matrices of linear layers are held.
enum class MatrixFormat : std::uint8_t { plain, int8, float8 };

// The largest value of an 8-bit type: what the largest element of a row becomes.
template <class Q>
inline constexpr float kLargest = 127.0F;
template <>
inline constexpr float kLargest<float8> = 448.0F;

// Element [o, i] stands for values[o, i] * scales[o].
template <class Dev, class Q>
struct ScaledMatrix {
  View<Dev, const Q, 2> values;
  View<Dev, const float, 1> scales;
  [[nodiscard]] std::int64_t extent(int i) const { return values.extent(i); }
  [[nodiscard]] bool empty() const { return values.empty(); }
};
template <class Dev>
using Int8Matrix = ScaledMatrix<Dev, std::int8_t>;
template <class Dev>
using Float8Matrix = ScaledMatrix<Dev, float8>;

// What the weights of a layer on (Dev, T) may be held as. Products in float8 exist on GPUs, with float16 around them.
template <class Dev, class T>
struct WeightMatrixOf {
  using type = std::variant<View<Dev, const T, 2>, Int8Matrix<Dev>>;
};
template <>
struct WeightMatrixOf<Cuda, half> {
  using type = std::variant<View<Cuda, const half, 2>, Int8Matrix<Cuda>, Float8Matrix<Cuda>>;
};
template <class Dev, class T>
using WeightMatrix = typename WeightMatrixOf<Dev, T>::type;

// The scale of a row whose largest magnitude this is, infinite where the row holds an infinity or NaN. Then the scale is NaN,
// so that every product with the row is.
template <class Q>
[[nodiscard]] constexpr float scale_for(float largest) {
  using Limits = std::numeric_limits<float>;
  return largest < Limits::infinity() ? largest / kLargest<Q> : Limits::quiet_NaN();
}
// An element over the scale of its row, before it is rounded; 0 where the scale is 0 or NaN.
[[nodiscard]] constexpr float over_scale(float value, float scale) { return scale > 0.0F ? value / scale : 0.0F; }

}  // namespace espalier
