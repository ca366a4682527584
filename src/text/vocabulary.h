// The merges that the program brings.
#pragma once

#include <string>

namespace espalier {

// merges.txt of openai/clip-vit-large-patch14: a line of version, then 48894 merges in their order.
[[nodiscard]] std::string embedded_merges();

}  // namespace espalier
