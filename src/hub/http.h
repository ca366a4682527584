// One request of libcurl: what it sends, what came back, and addresses. Redirects are not followed here, so that the caller
// decides where a token may go.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace espalier::hub {

struct HttpOptions {
  std::string certificates;  // a file; empty: the system's
  double connect_seconds = 10.0, stall_seconds = 10.0;
};

struct HttpRequest {
  std::string url;
  bool head = false;
  std::uint64_t offset = 0;  // of a GET: from this byte on
  std::string token;         // sent when not empty
};

// A transfer that can be given to a multi handle. Not movable: libcurl keeps its address.
class HttpTransfer {
 public:
  // Called with body bytes of any status; false aborts the transfer.
  using Sink = std::function<bool(std::span<const std::byte>)>;

  HttpTransfer(const HttpRequest& request, const HttpOptions& options, Sink sink);
  HttpTransfer(const HttpTransfer&) = delete;
  HttpTransfer& operator=(const HttpTransfer&) = delete;
  ~HttpTransfer();

  [[nodiscard]] CURL* handle() const { return handle_; }
  [[nodiscard]] long status() const;
  // Of the last answer; names in lower case. Empty when absent.
  [[nodiscard]] std::string header(const std::string& name) const;
  // What libcurl says of a failure.
  [[nodiscard]] std::string error_text(CURLcode code) const;

 private:
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
  void set_up(const HttpRequest& request, const HttpOptions& options);

  CURL* handle_;
  curl_slist* headers_ = nullptr;
  Sink sink_;
  std::map<std::string, std::string> answer_;
  std::vector<char> error_;
};

// scheme://host:port in lower case, with the port spelt out; empty for what is no http or https address.
[[nodiscard]] std::string origin_of(const std::string& url);
[[nodiscard]] std::string host_of(const std::string& url);
// True for 127.0.0.0/8, ::1 and localhost.
[[nodiscard]] bool is_loopback_address(const std::string& url);
// `location` as seen from `base`; empty when it is no address.
[[nodiscard]] std::string resolve_address(const std::string& base, const std::string& location);
[[nodiscard]] bool is_absolute_address(const std::string& location);
// Percent-encoded; slashes stay when `keep_slashes`.
[[nodiscard]] std::string escape(const std::string& text, bool keep_slashes);

}  // namespace espalier::hub
