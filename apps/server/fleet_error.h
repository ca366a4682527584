// What a fleet has in other places cannot be reached.
#pragma once

#include <string>

#include "espalier/error.h"

namespace espalier::server {

// what() is for whoever runs the server; it names addresses, but no password. reason() is fit for clients.
class FleetError : public Error {
 public:
  FleetError(std::string reason, const std::string& message, const std::string& hint)
      : Error(ErrorCode::io, message, hint), reason_(std::move(reason)) {}
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  std::string reason_;
};

}  // namespace espalier::server
