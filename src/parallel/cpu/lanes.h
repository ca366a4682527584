// Eight floats that one instruction works on: the vocabulary of the hot CPU loops. GCC's vector type becomes one AVX
// register with -march=x86-64-v3 and pairs of smaller ones elsewhere.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#ifdef __AVX__
#include <immintrin.h>
#else
// How such vectors are passed without AVX has changed between compilers; everything here is inlined.
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

namespace espalier::cpu {

inline constexpr std::int64_t kLanes = 8;

typedef float Lanes __attribute__((vector_size(32)));             // NOLINT(modernize-use-using): the attribute needs it
typedef std::int32_t IntLanes __attribute__((vector_size(32)));   // NOLINT(modernize-use-using)
typedef std::uint32_t BitLanes __attribute__((vector_size(32)));  // NOLINT(modernize-use-using)

inline Lanes fill(float x) { return Lanes{x, x, x, x, x, x, x, x}; }
inline Lanes load(const float* p) {
  Lanes v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}
inline void store(float* p, Lanes v) { std::memcpy(p, &v, sizeof(v)); }
// The first n < 8 floats; the others are zero.
inline Lanes load_part(const float* p, std::int64_t n) {
  Lanes v{};
  std::memcpy(&v, p, static_cast<std::size_t>(n) * sizeof(float));
  return v;
}
inline void store_part(float* p, Lanes v, std::int64_t n) { std::memcpy(p, &v, static_cast<std::size_t>(n) * sizeof(float)); }

// a b + c, with one rounding where the processor can.
inline Lanes multiply_add(Lanes a, Lanes b, Lanes c) {
#ifdef __FMA__
  return _mm256_fmadd_ps(a, b, c);
#else
  return a * b + c;
#endif
}
// b where either is NaN, as the processor's own instructions have it.
inline Lanes maximum(Lanes a, Lanes b) {
#ifdef __AVX__
  return _mm256_max_ps(a, b);
#else
  return a > b ? a : b;
#endif
}
inline Lanes minimum(Lanes a, Lanes b) {
#ifdef __AVX__
  return _mm256_min_ps(a, b);
#else
  return a < b ? a : b;
#endif
}

inline float sum_of(Lanes v) { return ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7])); }
inline float maximum_of(Lanes v) {
  float m = v[0];
  for (int i = 1; i < 8; ++i) m = v[i] > m ? v[i] : m;
  return m;
}

// e^x to about one unit in the last place for x in [-87, 88]; anything else gives any value.
inline Lanes exponential_in_range(Lanes x) {
  // x = n ln 2 + r with |r| <= ln 2 / 2. Adding 1.5 * 2^23 rounds to an integer and leaves it in the low mantissa bits.
  const Lanes magic = fill(12582912.0F);
  const Lanes shifted = multiply_add(x, fill(1.44269504F), magic);
  const Lanes n = shifted - magic;
  Lanes r = multiply_add(n, fill(-0.693359375F), x);  // ln 2 in two parts, the first exact in products with n
  r = multiply_add(n, fill(2.12194440e-4F), r);
  // Taylor's series: r^8 / 8! is below 6e-9.
  Lanes p = fill(1.0F / 5040.0F);
  p = multiply_add(p, r, fill(1.0F / 720.0F));
  p = multiply_add(p, r, fill(1.0F / 120.0F));
  p = multiply_add(p, r, fill(1.0F / 24.0F));
  p = multiply_add(p, r, fill(1.0F / 6.0F));
  p = multiply_add(p, r, fill(0.5F));
  p = multiply_add(p, r, fill(1.0F));
  p = multiply_add(p, r, fill(1.0F));
  // 2^n: n is in the low bits of `shifted`; the shift drops the rest of them and reaches the exponent.
  const BitLanes exponent = (std::bit_cast<BitLanes>(shifted) << 23U) + (127U << 23U);
  return p * std::bit_cast<Lanes>(exponent);
}

// The same for any x: arguments outside [-87, 88] give the value at the end of that range. NaN stays NaN.
inline Lanes exponential(Lanes x) { return exponential_in_range(minimum(fill(88.0F), maximum(fill(-87.0F), x))); }

}  // namespace espalier::cpu
