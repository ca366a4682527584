// Numbers as text, the same in every locale.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>

#include "io/byte_writer.h"

namespace espalier {

// The shortest decimal that reads back as the same float, without exponent: some readers know none.
inline void put_decimal(ByteWriter& out, float value) {
  std::array<char, 80> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed).ptr;
  out.raw(text.data(), static_cast<std::size_t>(end - text.data()));
}

inline void put_integer(ByteWriter& out, std::int64_t value) {
  std::array<char, 24> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  out.raw(text.data(), static_cast<std::size_t>(end - text.data()));
}

}  // namespace espalier
