// Values of options as JSON, as the command's documents and the server's records have them.
#pragma once

#include <nlohmann/json.hpp>
#include <type_traits>
#include <variant>

#include "espalier/options.h"

namespace espalier {

// null for a value that is not given.
template <class Json>
[[nodiscard]] Json json_of(const OptionValue& value) {
  return std::visit(
      [](const auto& v) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::monostate>) {
          return nullptr;
        } else {
          return v;
        }
      },
      value);
}

}  // namespace espalier
