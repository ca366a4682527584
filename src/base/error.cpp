#include "base/error.h"

namespace espalier {

namespace {

std::string line_of(const std::string& message, const std::string& hint) {
  return hint.empty() ? message : message + "; " + hint;
}

}  // namespace

Error::Error(ErrorCode code, const std::string& message, const std::string& hint)
    : std::runtime_error(line_of(message, hint)), code_(code), message_bytes_(message.size()) {}
Error::Error(const Error&) noexcept = default;
Error& Error::operator=(const Error&) noexcept = default;
Error::~Error() = default;

}  // namespace espalier
