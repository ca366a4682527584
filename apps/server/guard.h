// Who may ask: the key, and the browser's word on which page asks.
#pragma once

#include <string>
#include <vector>

#include "http_message.h"

namespace espalier::server {

struct GuardRules {
  std::string api_key;                       // empty: none is asked for
  bool loopback = true;                      // bound to an address that only this machine reaches
  std::vector<std::string> allowed_origins;  // of other pages, "https://host[:port]"
};

// Throws HttpError: 403 for a Host that is no name of this server on a loopback address (a foreign name that was made to lead
// here), 403 for requests of other pages, 401 without the key where one is needed.
void guard(const RequestHead& head, const GuardRules& rules);

// The allowed origin that asks, for Access-Control-Allow-Origin; empty when none does.
[[nodiscard]] std::string allowed_origin(const RequestHead& head, const GuardRules& rules);

// Takes the same time wherever the texts differ.
[[nodiscard]] bool equal_in_constant_time(const std::string& given, const std::string& wanted);

}  // namespace espalier::server
