// What a refused or broken request means to a person: one line with what to do.
#pragma once

#include <curl/curl.h>

#include <string>

#include "base/error.h"

namespace espalier::hub {

// What was asked for, for messages.
struct Asked {
  std::string file{};        // ckpts/NAME.safetensors; may be empty
  std::string repository{};  // OWNER/REPO; empty for a file with an address of its own
  std::string revision{};
  std::string url{};       // of the request
  std::string endpoint{};  // of the hub
  bool with_token = false;
};

struct Answer {
  long status = 0;
  std::string code, message, content_type;  // X-Error-Code, X-Error-Message, Content-Type
};

// An answer that no repetition changes.
[[noreturn]] void fail_for_status(const Asked& asked, const Answer& answer);
// A transfer that broke, after `attempts`.
[[noreturn]] void fail_for_transfer(const Asked& asked, CURLcode code, const std::string& detail, int attempts);
// A page where a file was expected.
[[noreturn]] void fail_for_page(const Asked& asked);
// A server that answers as no hub does.
[[noreturn]] void fail_for_stranger(const Asked& asked, const std::string& what);

// True for failures that another attempt may get over.
[[nodiscard]] bool is_passing(CURLcode code);
[[nodiscard]] bool is_passing_status(long status);
[[nodiscard]] bool is_page(const std::string& content_type);

}  // namespace espalier::hub
