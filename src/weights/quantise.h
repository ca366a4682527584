// Tensors in 8 bits: which may be, how they become so, and how files hold them.
//
// In a file the matrix NAME [rows, columns] is I8 and beside it lies NAME_scale, F32 [rows]: element [r, c] is the whole number
// there, from -127 to 127, times the scale of its row, which is the largest magnitude of the row over 127.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "tensor/quantised.h"
#include "weights/tensor_source.h"

namespace espalier {

inline constexpr const char* kScaleEnding = "_scale";
// The longest row that is quantised; kernels hold one in fast memory.
inline constexpr std::int64_t kLongestQuantisedRow = 8192;

// Matrices of the linear layers inside transformer blocks (blocks.N. of TRELLIS and DINOv2, .layers.N. of CLIP): nine tenths of
// a flow. Everything else stays: layers that read the input and write the result, embeddings, convolutions, norms, biases.
[[nodiscard]] bool may_be_quantised(const std::string& name, std::span<const std::int64_t> extents);

// One row: to[c] = from[c] / scale, rounded to nearest even; returns the scale (tensor/quantised.h says which).
template <class Q>
float quantise_row(const float* from, std::int64_t columns, Q* to);

// Whether the tensor `name` holds the scales of another.
[[nodiscard]] bool holds_scales(const TensorSource& source, const std::string& name);

// `file` with its I8 tensors and their scales found together. Throws format where scales are missing, of another type or shape,
// negative or not finite.
[[nodiscard]] std::unique_ptr<const TensorSource> with_scales(std::unique_ptr<const TensorSource> file);

// `source` with every matrix that may be quantised as I8 and its scales; others as they are. Throws format on reading a matrix
// that holds an infinity or NaN.
[[nodiscard]] std::unique_ptr<const TensorSource> quantised_to_int8(const TensorSource& source);

}  // namespace espalier
