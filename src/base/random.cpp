#include "base/random.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

namespace espalier {

namespace {

constexpr std::size_t kBlock = 16;
constexpr std::size_t kHalf = kBlock / 2;

// Box-Muller on sixteen uniforms: the first eight give radii, the last eight angles. Everything in float32, as in torch:
// the rounding of the angle shows in the result.
void normal_from_uniform(std::span<float, kBlock> block) {
  constexpr float kTwoPi = 2.0F * std::numbers::pi_v<float>;
  for (std::size_t i = 0; i < kHalf; ++i) {
    const float radius = std::sqrt(-2.0F * std::log(1.0F - block[i]));
    const float angle = kTwoPi * block[i + kHalf];
    block[i] = radius * std::cos(angle);
    block[i + kHalf] = radius * std::sin(angle);
  }
}

}  // namespace

float TorchGenerator::uniform24() {
  constexpr std::uint32_t kMask = (1U << 24U) - 1U;
  return static_cast<float>(static_cast<std::uint32_t>(engine_()) & kMask) * 0x1p-24F;
}

double TorchGenerator::uniform53() {
  constexpr std::uint64_t kMask = (std::uint64_t{1} << 53U) - 1U;
  const std::uint64_t high = engine_();
  const std::uint64_t low = engine_();
  return static_cast<double>(((high << 32U) | low) & kMask) * 0x1p-53;
}

void TorchGenerator::fill_blocks(std::span<float> out) {
  const auto draw = [this](std::span<float> values) {
    std::generate(values.begin(), values.end(), [this] { return uniform24(); });
  };
  draw(out);
  for (std::size_t begin = 0; begin + kBlock <= out.size(); begin += kBlock) {
    normal_from_uniform(out.subspan(begin).first<kBlock>());
  }
  if (out.size() % kBlock != 0) {
    // The incomplete block is made whole by drawing the last sixteen values again.
    const auto tail = out.last<kBlock>();
    draw(tail);
    normal_from_uniform(tail);
  }
}

double TorchGenerator::next_of_pair() {
  if (second_of_pair_) {
    const double value = *second_of_pair_;
    second_of_pair_.reset();
    return value;
  }
  const double a = uniform53();
  const double b = uniform53();
  const double radius = std::sqrt(-2.0 * std::log1p(-b));
  const double angle = 2.0 * std::numbers::pi * a;
  second_of_pair_ = radius * std::sin(angle);
  return radius * std::cos(angle);
}

void TorchGenerator::randn(std::span<float> out) {
  if (out.size() >= kBlock) {
    fill_blocks(out);
  } else {
    std::generate(out.begin(), out.end(), [this] { return static_cast<float>(next_of_pair()); });
  }
}

}  // namespace espalier
