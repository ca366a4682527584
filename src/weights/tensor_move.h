// Tensors of a file on their way into the memory of a GPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/queue.h"
#include "tensor/quantised.h"

namespace espalier {

// The elements of one tensor [outer, inner, taps]: element (o, i, t) becomes (o, t, i), converted to the type `held`. Or those
// of a matrix [outer, inner] of floating-point numbers, which becomes one of 8 bits with scales.
struct TensorMove {
  const std::byte* from = nullptr;  // row by row, at any alignment
  DType stored = DType::f32;        // a floating-point type
  std::int64_t elements = 0, inner = 1, taps = 1;
  void* to = nullptr;       // in the memory of the device
  DType held = DType::f32;  // f32 or f16, or what is stored
  // Not plain: `to` has elements of that format, scales one for each row, and rows are no longer than kLongestQuantisedRow.
  MatrixFormat format = MatrixFormat::plain;
  float* scales = nullptr;  // in the memory of the device
};

// Moves all of them; they have arrived when it returns. Several threads read while copies and conversions of what was read
// before run on streams of their own, so the queue goes on with its work meanwhile; it may be called from another thread than
// the queue's. Host memory of kMoveMemory stays with the queue. Throws device, out_of_memory.
template <class Dev>
void move_tensors(Queue<Dev>& queue, std::span<const TensorMove> moves);

inline constexpr std::size_t kMoveMemory = std::size_t{32} << 20;  // bytes

}  // namespace espalier
