// Throwing the errors of the library (espalier/error.h). Every message says what went wrong, where, and what to do.
#pragma once

#include <sstream>
#include <string>
#include <utility>

#include "espalier/error.h"

namespace espalier {

// Joins any streamable values into one string: str("row ", 3, " of ", n).
template <class... Parts>
[[nodiscard]] std::string str(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return std::move(out).str();
}

template <class... Parts>
[[noreturn]] void fail(ErrorCode code, const Parts&... parts) {
  throw Error(code, str(parts...));
}

// A broken precondition inside the library; `where` names the function.
template <class... Parts>
void require(bool condition, const char* where, const Parts&... parts) {
  if (!condition) fail(ErrorCode::internal, where, ": ", parts...);
}

}  // namespace espalier
