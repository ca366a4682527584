// Numbers as text, the same in every locale, and text in XML.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <string>

#include "io/formats/byte_writer.h"

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

// Text between tags or in an attribute. Control characters, which XML cannot hold, must not be in it.
[[nodiscard]] inline std::string escaped_xml(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&apos;"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace espalier
