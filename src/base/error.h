// Errors of the library. Every message says what went wrong, where, and what to do about it.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace espalier {

enum class ErrorCode {
  invalid_argument,  // the caller asked for something that cannot be done
  not_found,         // a file, folder or tensor that must exist does not
  format,            // bytes of an input do not mean what they should
  unsupported,       // understood, and deliberately refused by name
  io,                // the operating system refused to read or write
  out_of_memory,     // host or device memory is not enough
  device,            // a CUDA call failed
  cancelled,         // the caller asked to stop
  internal,          // a broken invariant: a bug in this program
};

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

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
