// The 8-bit float e4m3 (Micikevicius et al. 2022, FP8 Formats for Deep Learning): 4 bits of exponent with bias 7, 3 of
// mantissa, no infinities, NaN where all bits but the sign are set. The largest value is 448, the smallest 2^-9.
#pragma once

#include <cstdint>

namespace espalier {

struct float8 {
  std::uint8_t bits = 0;
};

[[nodiscard]] float to_float(float8 value) noexcept;  // exact
// Rounds to nearest even; what is larger than 448 becomes 448, NaN stays NaN.
[[nodiscard]] float8 to_float8(float value) noexcept;

}  // namespace espalier
