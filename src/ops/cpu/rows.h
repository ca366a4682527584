// Pieces that row-wise CPU ops share.
#pragma once

#include "tensor/view.h"

namespace espalier::cpu {

// The batch element of a row; without a table every row is of element 0.
inline std::int64_t batch_of(View<Cpu, const std::int32_t, 1> row_batch, std::int64_t row) {
  return row_batch.empty() ? 0 : row_batch(row);
}

// The row of gates of a batch element; null when the gate is empty, which means 1.
inline const float* gate_of(View<Cpu, const float, 2> gate, std::int64_t batch) {
  return gate.empty() ? nullptr : &gate(batch, 0);
}

// sum += gate * part for n floats.
inline void add_gated_row(float* sum, const float* part, const float* gate, std::int64_t n) {
  for (std::int64_t c = 0; c < n; ++c) sum[c] += gate == nullptr ? part[c] : gate[c] * part[c];
}

}  // namespace espalier::cpu
