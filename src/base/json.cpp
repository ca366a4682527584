#include "base/json.h"

#include <algorithm>

namespace espalier {

std::string json_excess(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.bytes) return "has more than " + std::to_string(limits.bytes) + " bytes";
  std::size_t depth = 0;
  // Every object, list and comma begins at most one value more.
  std::size_t values = 1;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      const std::size_t begin = i + 1;
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\') ++i;
      }
      if (std::min(i, text.size()) - begin > limits.string)
        return "has a string of more than " + std::to_string(limits.string) + " bytes";
      continue;
    }
    if (c == '{' || c == '[') {
      ++values;
      if (++depth > limits.depth) return "is nested more than " + std::to_string(limits.depth) + " deep";
    } else if (c == '}' || c == ']') {
      if (depth > 0) --depth;
    } else if (c == ',') {
      ++values;
    }
    if (values > limits.values) return "has more than " + std::to_string(limits.values) + " values";
  }
  return {};
}

std::string shortened(std::string_view text, std::size_t most) {
  if (text.size() <= most) return std::string(text);
  // A character of UTF-8 is not cut in two.
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0U) == 0x80U) --most;
  return std::string(text.substr(0, most)) + "...";
}

}  // namespace espalier
