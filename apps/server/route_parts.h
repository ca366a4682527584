// What the handlers of several addresses share.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "espalier/error.h"
#include "http_message.h"
#include "job_store.h"

namespace espalier::server {

inline constexpr const char* kAssetFile = "asset.safetensors";
inline constexpr std::size_t kMostImages = 8;       // of a job
inline constexpr std::uint64_t kJsonBytes = 65536;  // of a body that is small JSON

[[noreturn]] void not_found(const std::string& what);
// A method that an address does not take; `allowed` such as "GET and POST".
[[noreturn]] void wrong_method(const std::string& allowed);
// A failure of the library as an answer: the client's fault where it is about what the client sent.
[[noreturn]] void rethrow_as_answer(const Error& error, const std::string& hint);
// Throws HttpError 415 for another content type.
void require_json(const RequestHead& head);

// What a client calls a file that it keeps: chair.glb, chair-input-1.png.
[[nodiscard]] std::string download_name(const std::string& job, const JobFile& file);
// The header Content-Disposition of RFC 6266: a name of ASCII for old clients, and the real one.
[[nodiscard]] std::string disposition(bool attach, const std::string& name);

// JSON for a header, which is ASCII.
[[nodiscard]] std::string ascii_of(const Json& value);

// One more of something costly, unless there are `most` already: then HttpError 503 that says so of `what`.
class Counted {
 public:
  Counted(std::atomic<int>& count, int most, const std::string& what, const std::string& hint);
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --count_; }

 private:
  std::atomic<int>& count_;
};

}  // namespace espalier::server
