// Names for the inside of files.
#include <cstdint>
#include <string>

#include "espalier/espalier.h"

namespace espalier {
namespace {

struct Letter {
  std::uint32_t code = 0;  // 0: no valid UTF-8
  std::size_t bytes = 1;
};

Letter letter_at(const std::string& text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned lead = byte(at);
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4) return {};
  std::uint32_t code = lead & (0xFFU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(at + i) & 0xC0U) != 0x80U) return {};
    code = code << 6U | (byte(at + i) & 0x3FU);
  }
  constexpr std::uint32_t kLeastOfThree = 0x800, kLeastOfFour = 0x10000, kLast = 0x10FFFF;
  const bool overlong = (bytes == 3 && code < kLeastOfThree) || (bytes == 4 && code < kLeastOfFour);
  if (overlong || code > kLast || (code >= 0xD800 && code < 0xE000)) return {};
  return {code, bytes};
}

// Controls, and what hides or turns text around.
bool is_unseen(std::uint32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0xAD || code == 0x61C || (code >= 0x200B && code <= 0x200F) ||
         (code >= 0x2028 && code <= 0x202E) || (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF ||
         (code >= 0xFFF9 && code <= 0xFFFB) || (code >= 0xE0000 && code <= 0xE007F);
}

}  // namespace

std::string title_for_programs(const std::string& text) {
  constexpr std::size_t kMost = 60;  // Blender ends names at 63 bytes
  constexpr std::string_view kMeaningful = "/\\:.\"'[]{}<>|?*%@#=,;&`$";
  std::string title;
  for (std::size_t at = 0; at < text.size();) {
    const Letter letter = letter_at(text, at);
    std::string next = letter.code == 0 ? "_" : text.substr(at, letter.bytes);
    at += letter.bytes;
    if (letter.code != 0 && is_unseen(letter.code)) continue;
    if (next.size() == 1 && kMeaningful.find(next.front()) != std::string_view::npos) next = "_";
    if (title.size() + next.size() > kMost) break;
    title += next;
  }
  const auto first = title.find_first_not_of(' '), last = title.find_last_not_of(' ');
  if (first == std::string::npos || title.find_first_not_of("_ ") == std::string::npos) return "asset";
  return title.substr(first, last - first + 1);
}

}  // namespace espalier
