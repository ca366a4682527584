// Who may ask: the key, and the browser's word on which page asks.
#pragma once

#include <string>
#include <vector>

#include "api_keys.h"
#include "http_message.h"

namespace espalier::server {

struct GuardRules {
  std::string api_key;                       // empty: none is asked for
  bool loopback = true;                      // bound to an address that only this machine reaches
  std::vector<std::string> allowed_origins;  // of other pages, "https://host[:port]"
  ApiKeys* keys = nullptr;                   // of people, each as good as api_key to get in; null: none
  [[nodiscard]] bool asks_for_key() const { return !api_key.empty() || keys != nullptr; }
};

// Throws HttpError: 403 for a Host that may be a foreign name that was made to lead here (on a loopback address every name but
// this machine's own; on a wider one without a key every name but addresses, this machine's, and those of allowed_origins), 403
// for requests of other pages, 401 without the key where one is needed.
// Returns who asks.
Caller guard(const RequestHead& head, const GuardRules& rules);

// The allowed origin that asks, for Access-Control-Allow-Origin; empty when none does.
[[nodiscard]] std::string allowed_origin(const RequestHead& head, const GuardRules& rules);

// Takes the same time wherever the texts differ.
[[nodiscard]] bool equal_in_constant_time(const std::string& given, const std::string& wanted);

}  // namespace espalier::server
