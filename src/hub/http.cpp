#include "hub/http.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "base/error.h"
#include "base/version.h"

namespace espalier::hub {

namespace {

constexpr std::size_t kMaxHeaders = 256;
constexpr std::size_t kMaxHeader = 16384;

// libcurl's own state, once for the process.
class CurlLibrary {
 public:
  CurlLibrary() {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) fail(ErrorCode::internal, "libcurl cannot be started");
  }
  CurlLibrary(const CurlLibrary&) = delete;
  CurlLibrary& operator=(const CurlLibrary&) = delete;
  ~CurlLibrary() { curl_global_cleanup(); }
};

CURL* new_handle() {
  static const CurlLibrary library;
  CURL* const handle = curl_easy_init();
  if (handle == nullptr) fail(ErrorCode::out_of_memory, "libcurl cannot start a transfer", hint("close other programs"));
  return handle;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

struct UrlParts {
  UrlParts() : handle(curl_url()) {}
  UrlParts(const UrlParts&) = delete;
  UrlParts& operator=(const UrlParts&) = delete;
  ~UrlParts() { curl_url_cleanup(handle); }
  [[nodiscard]] bool set(const std::string& url) const {
    return handle != nullptr && curl_url_set(handle, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK;
  }
  [[nodiscard]] std::string get(CURLUPart part, unsigned flags = 0) const {
    char* text = nullptr;
    if (curl_url_get(handle, part, &text, flags) != CURLUE_OK) return {};
    std::string out = text;
    curl_free(text);
    return out;
  }
  CURLU* handle;
};

}  // namespace

HttpTransfer::HttpTransfer(const HttpRequest& request, const HttpOptions& options, Sink sink)
    : handle_(new_handle()), sink_(std::move(sink)), error_(CURL_ERROR_SIZE, '\0') {
  set_up(request, options);
}

HttpTransfer::~HttpTransfer() {
  curl_easy_cleanup(handle_);
  curl_slist_free_all(headers_);
}

void HttpTransfer::set_up(const HttpRequest& request, const HttpOptions& options) {
  const auto set = [&](auto option, auto value) { curl_easy_setopt(handle_, option, value); };
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  // Big files over several connections are faster than over one shared by HTTP/2.
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_BUFFERSIZE, 262144L);
  set(CURLOPT_USERAGENT, "espalier/" ESPALIER_VERSION);
  set(CURLOPT_CONNECTTIMEOUT_MS, std::lround(1000.0 * options.connect_seconds));
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, std::lround(std::ceil(request.head ? options.connect_seconds : options.stall_seconds)));
  set(CURLOPT_ERRORBUFFER, error_.data());
  set(CURLOPT_PRIVATE, this);
  if (!options.certificates.empty()) set(CURLOPT_CAINFO, options.certificates.c_str());
  if (request.head) set(CURLOPT_NOBODY, 1L);
  if (request.offset > 0) set(CURLOPT_RANGE, str(request.offset, "-").c_str());
  // Sizes and hashes are those of the bytes as stored.
  headers_ = curl_slist_append(headers_, "Accept-Encoding: identity");
  if (!request.token.empty()) headers_ = curl_slist_append(headers_, ("Authorization: Bearer " + request.token).c_str());
  set(CURLOPT_HTTPHEADER, headers_);
  set(CURLOPT_HEADERFUNCTION, &HttpTransfer::on_header);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, &HttpTransfer::on_body);
  set(CURLOPT_WRITEDATA, this);
}

std::size_t HttpTransfer::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  const std::string line(data, size * count);
  auto& answer = static_cast<HttpTransfer*>(self)->answer_;
  if (line.starts_with("HTTP/")) answer.clear();  // an answer to a proxy, or 100 Continue, came before
  const auto colon = line.find(':');
  if (colon != std::string::npos && answer.size() < kMaxHeaders && line.size() <= kMaxHeader) {
    answer[lower(trimmed(line.substr(0, colon)))] = trimmed(line.substr(colon + 1));
  }
  return size * count;
}

std::size_t HttpTransfer::on_body(char* data, std::size_t size, std::size_t count, void* self) {
  const std::size_t bytes = size * count;
  return static_cast<HttpTransfer*>(self)->sink_(std::as_bytes(std::span(data, bytes))) ? bytes : CURL_WRITEFUNC_ERROR;
}

long HttpTransfer::status() const {
  long code = 0;
  curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &code);
  return code;
}

std::string HttpTransfer::header(const std::string& name) const {
  const auto found = answer_.find(name);
  return found == answer_.end() ? "" : found->second;
}

std::string HttpTransfer::error_text(CURLcode code) const {
  const std::string detail = error_.data();
  return detail.empty() ? curl_easy_strerror(code) : detail;
}

std::string origin_of(const std::string& url) {
  const UrlParts parts;
  if (!parts.set(url)) return {};
  const std::string scheme = lower(parts.get(CURLUPART_SCHEME));
  if (scheme != "http" && scheme != "https") return {};
  return scheme + "://" + lower(parts.get(CURLUPART_HOST)) + ":" + parts.get(CURLUPART_PORT, CURLU_DEFAULT_PORT);
}

std::string host_of(const std::string& url) {
  const UrlParts parts;
  return parts.set(url) ? lower(parts.get(CURLUPART_HOST)) : std::string("the address");
}

bool is_loopback_address(const std::string& url) {
  const std::string host = host_of(url);
  const bool digits = host.find_first_not_of("0123456789.") == std::string::npos;
  return host == "localhost" || host == "[::1]" || (digits && host.starts_with("127."));
}

bool is_absolute_address(const std::string& location) {
  return location.find("://") != std::string::npos || location.starts_with("//");
}

std::string resolve_address(const std::string& base, const std::string& location) {
  const UrlParts parts;
  if (!parts.set(base) || !parts.set(location)) return {};
  return parts.get(CURLUPART_URL);
}

std::string escape(const std::string& text, bool keep_slashes) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (std::isalnum(byte) != 0 && byte < 0x80) || std::string_view("-._~").find(c) != std::string_view::npos;
    if (plain || (c == '/' && keep_slashes)) {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4U];
      out += kDigits[byte & 15U];
    }
  }
  return out;
}

}  // namespace espalier::hub
