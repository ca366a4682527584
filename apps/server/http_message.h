// Requests and responses of HTTP/1.1 (RFC 9112) as values, and the reading of a request's head.
#pragma once

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace espalier::server {

using Json = nlohmann::ordered_json;

// What a request is answered with when it cannot be served. `code` is the word of the API's error object.
class HttpError : public std::runtime_error {
 public:
  HttpError(int status, std::string code, const std::string& message, std::string hint = {})
      : std::runtime_error(message), status_(status), code_(std::move(code)), hint_(std::move(hint)) {}
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] const std::string& code() const { return code_; }
  [[nodiscard]] const std::string& hint() const { return hint_; }
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& headers() const { return headers_; }
  // Another header of the answer.
  [[nodiscard]] HttpError with(const std::string& name, const std::string& value) const {
    HttpError more = *this;
    more.headers_.emplace_back(name, value);
    return more;
  }

 private:
  int status_;
  std::string code_, hint_;
  std::vector<std::pair<std::string, std::string>> headers_;
};

// The error object of the API: {"error": {"code", "message", "hint"}}.
[[nodiscard]] Json error_json(const std::string& code, const std::string& message, const std::string& hint);
// Text of a JSON value; bytes that are no UTF-8 are replaced.
[[nodiscard]] std::string text_of(const Json& value);

struct HeadLimits {
  std::size_t bytes = 16384;  // request line and headers
  std::size_t target = 2048;  // bytes of the request target
  std::size_t headers = 64;
};

struct RequestHead {
  std::string method;
  std::vector<std::string> path;               // decoded segments; empty for "/"
  std::map<std::string, std::string> query;    // decoded; of a name that comes twice the last
  std::map<std::string, std::string> headers;  // names in lower case
  bool keep_alive = true;
  bool old_version = false;  // HTTP/1.0
  std::optional<std::uint64_t> content_length;
  bool chunked = false;  // the body comes in chunks, whose sum is not known beforehand

  [[nodiscard]] std::string header(const std::string& name) const;
  [[nodiscard]] bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

// Reads everything up to and with the empty line. Throws HttpError (400, 411, 414, 431, 505): the head is hostile input.
// Of the transfer encodings only "chunked" is taken. A target in absolute form says what Host is. HTTP/1.2 and later
// minor versions are read as HTTP/1.1.
[[nodiscard]] RequestHead parse_head(std::string_view text, const HeadLimits& limits = {});

// "Sun, 06 Nov 1994 08:49:37 GMT", as RFC 9110 wants it.
[[nodiscard]] std::string http_date(std::time_t time);

// "%41" and the like as bytes; nothing when an escape is broken or stands for a zero byte.
[[nodiscard]] std::optional<std::string> percent_decoded(std::string_view text);
[[nodiscard]] std::string lower_case(std::string_view text);
[[nodiscard]] std::string_view trimmed(std::string_view text);

struct ByteRange {
  std::uint64_t first = 0, last = 0;  // inclusive
};
// The one range that a Range header asks for of `size` bytes. Nothing when the header is to be ignored: absent, another
// unit, several ranges, nonsense. Throws HttpError 416 when it lies outside.
[[nodiscard]] std::optional<ByteRange> parse_range(const std::string& header, std::uint64_t size);

// Sends a piece of a body that has no known length; false when the client is gone.
using Sink = std::function<bool(std::string_view)>;

struct Response {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string_view constant;   // instead of body: bytes that outlive the server
  std::filesystem::path file;  // instead of body: a file, of which `range` is sent
  std::optional<ByteRange> range;
  std::function<void(const Sink&)> stream;  // instead of body: until it returns, then the connection is closed
  bool close = false;

  Response& header(std::string name, std::string value) {
    headers.emplace_back(std::move(name), std::move(value));
    return *this;
  }
};

// Whether an If-None-Match header names this ETag, or any.
[[nodiscard]] bool matches_tag(const std::string& header, const std::string& etag);

[[nodiscard]] Response json_response(int status, const Json& value);
// JSON that a client may ask for again and again: with a tag, 304 where the client has it already, and compressed for clients
// that take gzip.
[[nodiscard]] Response tagged_json(const RequestHead& head, const Json& value);
// FNV-1a over the bytes, which is enough to tell one state from the next.
[[nodiscard]] std::string tag_of(std::string_view bytes);
// A gzip stream; `level` 1 to 9.
[[nodiscard]] std::string gzipped(std::string_view bytes, int level);
[[nodiscard]] Response error_response(const HttpError& error);
[[nodiscard]] const char* reason_phrase(int status);

}  // namespace espalier::server
