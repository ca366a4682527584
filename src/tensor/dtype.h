// Element types. A type is named in a signature; nothing converts silently.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace espalier {

// IEEE binary16 as stored in files and on the GPU; bit-compatible with CUDA's __half.
struct half {
  std::uint16_t bits = 0;
};
// bfloat16 as stored in files.
struct bfloat16 {
  std::uint16_t bits = 0;
};

[[nodiscard]] float to_float(half value) noexcept;
[[nodiscard]] float to_float(bfloat16 value) noexcept;
[[nodiscard]] half to_half(float value) noexcept;  // round to nearest even

enum class DType : std::uint8_t { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean };

[[nodiscard]] std::size_t size_of(DType type) noexcept;  // bytes of one element
[[nodiscard]] const char* name_of(DType type) noexcept;  // as in safetensors: "F32", "BF16", ...
[[nodiscard]] bool parse_dtype(const std::string& name, DType& type) noexcept;
[[nodiscard]] bool is_floating(DType type) noexcept;

template <class T>
struct dtype_of;
template <>
struct dtype_of<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct dtype_of<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct dtype_of<half> {
  static constexpr DType value = DType::f16;
};
template <>
struct dtype_of<bfloat16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct dtype_of<std::int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct dtype_of<std::int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct dtype_of<std::uint8_t> {
  static constexpr DType value = DType::u8;
};

}  // namespace espalier
