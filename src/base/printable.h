// Names from foreign files inside error messages.
#pragma once

#include <string>
#include <string_view>

namespace espalier {

// `text` as one line of visible ASCII: every other byte becomes '?', and what is longer than `limit` bytes ends with "...".
[[nodiscard]] inline std::string printable(std::string_view text, std::size_t limit = 80) {
  std::string out(text.substr(0, limit));
  for (char& c : out) {
    if (c < ' ' || c > '~') c = '?';
  }
  return text.size() > limit ? out + "..." : out;
}

}  // namespace espalier
