// Base64 (RFC 4648, section 4) in pieces, as it comes in requests and goes out in answers.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace espalier::server {

// What of a text is no base64, as the end of a sentence that begins with the text's name, and what to do.
class Base64Error : public std::runtime_error {
 public:
  Base64Error(const std::string& what, std::string hint) : std::runtime_error(what), hint_(std::move(hint)) {}
  [[nodiscard]] const std::string& hint() const { return hint_; }

 private:
  std::string hint_;
};

// Strict: the standard alphabet, no white space, whole groups with their padding, no bits left over.
class Base64Decoder {
 public:
  // Appends the bytes that `text` completes to `out`: at most 3/4 of its length and 3. Throws Base64Error.
  void decode(std::string_view text, std::string& out);
  // The text has ended. Throws Base64Error when it ended within a group.
  void finish() const;

 private:
  void take_group(std::string& out);

  std::array<char, 4> group_{};
  std::size_t in_group_ = 0;
  std::uint64_t position_ = 0;  // of the next character
  bool padded_ = false;         // nothing may follow
};

// With padding. Texts of whole groups of three bytes can be joined.
[[nodiscard]] std::string base64_of(std::string_view bytes);
[[nodiscard]] constexpr std::uint64_t base64_length(std::uint64_t bytes) { return (bytes + 2) / 3 * 4; }

}  // namespace espalier::server
