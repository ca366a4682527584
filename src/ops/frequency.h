// Frequencies of the timestep embedding, on host and device alike (constexpr, so that kernels may call it).
#pragma once

#include <cstdint>

namespace espalier {

// f_i = exp(-ln(10000) i / count) as the reference computes it in float32. At t = 1000 a difference in the last bit of f_i
// moves the embedding by 6e-5, so the exponential has to round like the one of the reference's CPU vector library: SLEEF's
// reduction and minimax polynomial (Shibata and Petrogalli 2020, 1.0 ULP variant) with fused multiply-adds. A fused
// float32 step is a float64 one, whose product is exact, rounded to float32.
constexpr float timestep_frequency(std::int64_t i, std::int64_t count) {
  const auto fused = [](float a, float b, float c) {
    return static_cast<float>(static_cast<double>(a) * static_cast<double>(b) + static_cast<double>(c));
  };
  const float scaled = -9.210340371976184F * static_cast<float>(i);
  const float x = scaled / static_cast<float>(count);
  // x = -n ln 2 + r, with ln 2 in two parts.
  const float turns = x * 1.4426950408889634F;
  const auto n = static_cast<std::int64_t>(0.5 - static_cast<double>(turns));
  const auto whole = static_cast<float>(n);
  const float r = fused(whole, 1.428606765330187e-06F, fused(whole, 0.693145751953125F, x));
  float p = 0.00019852761761285365F;
  p = fused(p, r, 0.0013930435525253415F);
  p = fused(p, r, 0.008333360776305199F);
  p = fused(p, r, 0.041666485369205475F);
  p = fused(p, r, 0.1666666716337204F);
  p = fused(p, r, 0.5F);
  const float squared = r * r;
  const float rest = fused(squared, p, r);
  return (1.0F + rest) / static_cast<float>(std::int64_t{1} << n);
}

}  // namespace espalier
