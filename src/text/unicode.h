// What the tokenizer asks of Unicode.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

// Index of the first byte that does not continue well-formed UTF-8; npos when all do.
[[nodiscard]] std::size_t first_bad_byte(std::string_view text);

// The code points of well-formed UTF-8 in form NFC, then each in lower case by itself.
[[nodiscard]] std::vector<char32_t> normal_lower_case(std::string_view text);

enum class CharacterClass : std::uint8_t { space, letter, number, other };
[[nodiscard]] CharacterClass class_of(char32_t character);

[[nodiscard]] std::string to_utf8(const char32_t* begin, const char32_t* end);
inline void append_utf8(char32_t c, std::string& to) { to += to_utf8(&c, &c + 1); }

}  // namespace espalier
