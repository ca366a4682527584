// The innermost loop of attention and of sparse convolution: 6 rows times a panel of 16 columns, held in registers.
#pragma once

#include <array>

#include "parallel/cpu/lanes.h"

namespace espalier::cpu {

inline constexpr std::int64_t kPanelRows = 6;  // 6 x 2 accumulators, 2 panel vectors and a broadcast fill 16 registers
inline constexpr std::int64_t kPanelColumns = 16;

constexpr std::int64_t round_up(std::int64_t n, std::int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

using PanelRows = std::array<const float*, kPanelRows>;
struct PanelSum {
  Lanes low[kPanelRows];   // columns 0 to 7 of each row
  Lanes high[kPanelRows];  // columns 8 to 15
};

// sum[r] = sum over k < depth of rows[r][k] * panel[k, :], with panel [depth, 16] dense.
inline PanelSum panel_product(const PanelRows& rows, const float* panel, std::int64_t depth) {
  PanelSum sum{};
  const float* const a0 = rows[0];
  const float* const a1 = rows[1];
  const float* const a2 = rows[2];
  const float* const a3 = rows[3];
  const float* const a4 = rows[4];
  const float* const a5 = rows[5];
  const auto add = [&](std::int64_t r, float a, Lanes low, Lanes high) {
    const Lanes wide = fill(a);
    sum.low[r] = multiply_add(wide, low, sum.low[r]);
    sum.high[r] = multiply_add(wide, high, sum.high[r]);
  };
  for (std::int64_t k = 0; k < depth; ++k) {
    const Lanes low = load(panel + k * kPanelColumns);
    const Lanes high = load(panel + k * kPanelColumns + kLanes);
    add(0, a0[k], low, high);
    add(1, a1[k], low, high);
    add(2, a2[k], low, high);
    add(3, a3[k], low, high);
    add(4, a4[k], low, high);
    add(5, a5[k], low, high);
  }
  return sum;
}

}  // namespace espalier::cpu
