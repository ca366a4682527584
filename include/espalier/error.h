// What the library throws.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "espalier/export.h"

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

// what() is one line: the message and, behind "; ", the hint where there is one.
class ESPALIER_API Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message, const std::string& hint = {});
  Error(const Error&) noexcept;
  Error& operator=(const Error&) noexcept;
  ~Error() override;

  [[nodiscard]] ErrorCode code() const noexcept { return code_; }
  // What went wrong and where. Views live as long as the error.
  [[nodiscard]] std::string_view message() const noexcept { return std::string_view(what()).substr(0, message_bytes_); }
  // What to do; may be empty.
  [[nodiscard]] std::string_view hint() const noexcept {
    const std::string_view line = what();
    return line.size() > message_bytes_ + kBetween ? line.substr(message_bytes_ + kBetween) : std::string_view();
  }

 private:
  static constexpr std::size_t kBetween = 2;  // "; "
  ErrorCode code_;
  std::size_t message_bytes_;
};

}  // namespace espalier
