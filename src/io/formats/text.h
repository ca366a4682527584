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

// A file name as a relative URI: everything but letters, digits and -._~ in percent notation (RFC 3986).
[[nodiscard]] inline std::string percent_notation(const std::string& name) {
  constexpr const char* kHex = "0123456789ABCDEF";
  std::string uri;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                       c == '_' || c == '~';
    if (plain) {
      uri += c;
    } else {
      uri += {'%', kHex[byte >> 4U], kHex[byte & 15U]};
    }
  }
  return uri;
}

// A name that readers who split lines at spaces take for one word.
[[nodiscard]] inline std::string plain_name(const std::string& stem) {
  std::string name = stem;
  for (char& c : name) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    if (!plain) c = '_';
  }
  return name;
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
