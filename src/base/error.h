// Throwing the errors of the library (espalier/error.h). Every message says what went wrong and where; what to do comes as a
// hint: fail(ErrorCode::not_found, path, ": no such folder", hint("create it first")).
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

struct Hint {
  std::string text;
};
// What to do about an error: the last part of fail(). An empty one is none.
template <class... Parts>
[[nodiscard]] Hint hint(const Parts&... parts) {
  return {str(parts...)};
}

// Message and hint while they are put together. Of several hints all are kept, in their order.
class ErrorText {
 public:
  void add(const Hint& more) { hint_ += (hint_.empty() || more.text.empty() ? "" : "; ") + more.text; }
  template <class Part>
  void add(const Part& part) {
    message_ << part;
  }
  [[nodiscard]] Error error(ErrorCode code) const { return {code, message_.str(), hint_}; }

 private:
  std::ostringstream message_;
  std::string hint_;
};

template <class... Parts>
[[noreturn]] void fail(ErrorCode code, const Parts&... parts) {
  ErrorText text;
  (text.add(parts), ...);
  throw text.error(code);
}

// The same error with `parts` in front of its message.
template <class... Parts>
[[noreturn]] void fail_again(const Error& error, const Parts&... parts) {
  fail(error.code(), parts..., error.message(), hint(error.hint()));
}

// A broken precondition inside the library; `where` names the function.
template <class... Parts>
void require(bool condition, const char* where, const Parts&... parts) {
  if (!condition) fail(ErrorCode::internal, where, ": ", parts...);
}

}  // namespace espalier
