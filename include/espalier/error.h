// What the library throws.
#pragma once

#include <stdexcept>
#include <string>

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

// The message is one line: what went wrong, where, and what to do.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace espalier
