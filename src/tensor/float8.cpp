#include "tensor/float8.h"

#include <bit>
#include <cmath>

namespace espalier {
namespace {

constexpr std::uint8_t kNotANumber = 0x7F;
constexpr std::uint8_t kLargestBits = 0x7E;  // 448
constexpr std::uint32_t kBias = 7, kMantissa = 3;
constexpr float kSmallestNormal = 0x1p-6F;
constexpr float kStep = 0x1p-9F;  // of what is below

}  // namespace

float to_float(float8 value) noexcept {
  const std::uint32_t sign = static_cast<std::uint32_t>(value.bits & 0x80U) << 24U;
  const std::uint32_t magnitude = value.bits & 0x7FU;
  if (magnitude == kNotANumber) return std::bit_cast<float>(sign | 0x7FC00000U);
  if (magnitude >> kMantissa == 0) {
    const float small = static_cast<float>(magnitude) * kStep;
    return sign != 0 ? -small : small;
  }
  return std::bit_cast<float>(sign | ((magnitude << (23U - kMantissa)) + ((127U - kBias) << 23U)));
}

float8 to_float8(float value) noexcept {
  const auto sign = static_cast<std::uint8_t>(std::bit_cast<std::uint32_t>(value) >> 24U & 0x80U);
  const auto signed_bits = [&](std::uint32_t bits) { return float8{static_cast<std::uint8_t>(sign | bits)}; };
  if (std::isnan(value)) return signed_bits(kNotANumber);
  const float magnitude = std::fabs(value);
  if (magnitude < kSmallestNormal) return signed_bits(static_cast<std::uint32_t>(std::nearbyint(magnitude / kStep)));
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(magnitude);
  constexpr std::uint32_t kDropped = 23U - kMantissa;
  const std::uint32_t odd = bits >> kDropped & 1U;
  const std::uint32_t rounded = (bits + (1U << (kDropped - 1U)) - 1U + odd) >> kDropped;
  const std::uint32_t shifted = rounded - ((127U - kBias) << kMantissa);
  return signed_bits(rounded >= (std::bit_cast<std::uint32_t>(480.0F) >> kDropped) ? kLargestBits : shifted);
}

}  // namespace espalier
