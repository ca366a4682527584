#include "http_message.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <charconv>
#include <limits>

namespace espalier::server {
namespace {

constexpr const char* kBadRequest = "invalid_argument";

namespace http = boost::beast::http;
using HeadParser = http::request_parser<http::empty_body>;

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }
std::string text(boost::beast::string_view from) { return std::string(view(from)); }

[[noreturn]] void bad_head(const std::string& what) {
  throw HttpError(400, kBadRequest, "the request is not valid HTTP: " + what, "send HTTP/1.1 as RFC 9112 describes it");
}

[[noreturn]] void refuse_version() {
  throw HttpError(505, "unsupported", "the version of the request is neither HTTP/1.1 nor HTTP/1.0", "use HTTP/1.1");
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return value;
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decoded_or_refused(std::string_view text) {
  auto decoded = percent_decoded(text);
  if (!decoded) bad_head("a percent escape of the address is broken");
  return *std::move(decoded);
}

// "http://host:port/path" names the host that is meant, whatever Host says (RFC 9112, 3.2.2).
void take_authority(std::string_view& target, RequestHead& head) {
  const auto scheme_end = target.find("://");
  if (target.starts_with('/') || scheme_end == std::string_view::npos) return;
  const std::string scheme = lower_case(target.substr(0, scheme_end));
  if (scheme != "http" && scheme != "https") bad_head("the address has a scheme other than http");
  target.remove_prefix(scheme_end + 3);
  const std::string_view authority = target.substr(0, target.find_first_of("/?"));
  if (authority.empty() || authority.find('@') != std::string_view::npos) bad_head("the address names no host");
  target.remove_prefix(authority.size());
  head.headers["host"] = std::string(authority);
}

void parse_target(std::string_view target, RequestHead& head) {
  if (target.empty() || target.front() != '/') bad_head("the address does not begin with /");
  if (!std::all_of(target.begin(), target.end(), [](unsigned char c) { return c > 32 && c < 127; })) {
    bad_head("the address has bytes that must be escaped");
  }
  const auto question = target.find('?');
  std::string_view path = target.substr(1, question == std::string_view::npos ? question : question - 1);
  while (!path.empty()) {
    const auto slash = path.find('/');
    head.path.push_back(decoded_or_refused(path.substr(0, slash)));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
    if (path.empty()) head.path.emplace_back();
  }
  if (question == std::string_view::npos) return;
  std::string_view query = target.substr(question + 1);
  while (!query.empty()) {
    const auto end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    const auto equals = pair.find('=');
    const std::string_view value = equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
    if (!pair.empty()) head.query[decoded_or_refused(pair.substr(0, equals))] = decoded_or_refused(value);
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
}

void take_request_line(const HeadParser::value_type& message, const HeadLimits& limits, RequestHead& head) {
  if (message.method_string().size() > 16) bad_head("the method is not a word");
  if (message.target().size() > limits.target) {
    throw HttpError(414, kBadRequest, "the address has more than " + std::to_string(limits.target) + " bytes",
                    "use a shorter one");
  }
  if (message.version() != 11 && message.version() != 10) refuse_version();
  head.method = text(message.method_string());
  head.old_version = message.version() == 10;
}

void take_headers(const HeadParser::value_type& message, const HeadLimits& limits, RequestHead& head) {
  std::size_t count = 0;
  for (const auto& field : message) {
    if (++count > limits.headers) {
      throw HttpError(431, kBadRequest, "the request has more than " + std::to_string(limits.headers) + " headers",
                      "send fewer");
    }
    const std::string name = lower_case(view(field.name_string()));
    const bool fresh = head.headers.emplace(name, trimmed(view(field.value()))).second;
    if (!fresh && (name == "host" || name == "content-length" || name == "transfer-encoding" || name == "authorization" ||
                   name == "origin" || name == "content-type")) {
      bad_head(name + " is given twice");
    }
  }
  if (!head.old_version && head.headers.count("host") == 0) bad_head("Host is missing");
  std::string_view target = view(message.target());
  take_authority(target, head);
  parse_target(target.empty() || target.front() == '?' ? "/" + std::string(target) : std::string(target), head);
  if (head.headers.count("transfer-encoding") == 0) return;
  // Two ways to say where a body ends are two requests to some.
  if (head.old_version || head.headers.count("content-length") != 0) bad_head("Transfer-Encoding stands where it must not");
  if (lower_case(head.header("transfer-encoding")) != "chunked") {
    throw HttpError(411, kBadRequest, "the body comes in a transfer encoding that is not taken",
                    "send it in chunks or with Content-Length");
  }
  head.chunked = true;
}

}  // namespace

Json error_json(const std::string& code, const std::string& message, const std::string& hint) {
  return {{"error", {{"code", code}, {"message", message}, {"hint", hint}}}};
}

std::string text_of(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string RequestHead::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

std::string http_date(std::time_t time) {
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  std::array<char, 64> text{};
  // The program never sets a locale, so the names are English ones.
  const std::size_t n = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text.data(), n};
}

RequestHead parse_head(std::string_view given, const HeadLimits& limits) {
  std::string text(given);
  // A later minor version is understood by whoever understands 1.1 (RFC 9110, 2.5); Beast knows no other than 1.0 and 1.1.
  const std::string_view line = std::string_view(text).substr(0, text.find("\r\n"));
  constexpr std::string_view kVersion = " HTTP/1.";
  if (const auto at = line.rfind(kVersion);
      at != std::string_view::npos && line.size() == at + kVersion.size() + 1 && line.back() >= '2' && line.back() <= '9') {
    text[line.size() - 1] = '1';
  }
  HeadParser parser;
  parser.header_limit(
      static_cast<std::uint32_t>(std::min<std::size_t>(limits.bytes, std::numeric_limits<std::uint32_t>::max())));
  parser.body_limit(std::numeric_limits<std::uint64_t>::max());  // whoever reads the body has a limit of its own
  boost::system::error_code error;
  parser.put(boost::asio::buffer(text.data(), text.size()), error);
  if (error == http::error::bad_version) refuse_version();
  if (error && error != http::error::need_more) bad_head(error.message());
  if (!parser.is_header_done()) bad_head("its head does not end");
  RequestHead head;
  take_request_line(parser.get(), limits, head);
  take_headers(parser.get(), limits, head);
  head.keep_alive = parser.keep_alive();
  if (const auto length = parser.content_length()) head.content_length = *length;
  // "5, 5" is one length to some and none to others.
  if (head.headers.count("content-length") != 0 && whole_number(head.header("content-length")) != head.content_length) {
    bad_head("Content-Length is not a number");
  }
  return head;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? digit_of(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? digit_of(text[i + 2]) : -1;
    if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::optional<ByteRange> parse_range(const std::string& header, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!header.starts_with(kUnit) || header.find(',') != std::string::npos) return std::nullopt;
  const std::string_view range = trimmed(std::string_view(header).substr(kUnit.size()));
  const auto dash = range.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = whole_number(range.substr(0, dash));
  const auto last = whole_number(range.substr(dash + 1));
  if ((dash > 0 && !first) || (dash + 1 < range.size() && !last) || (!first && !last)) return std::nullopt;
  if (first && last && *first > *last) return std::nullopt;
  if (first ? *first >= size : *last == 0 || size == 0) {
    throw HttpError(416, kBadRequest, "the range lies outside of the " + std::to_string(size) + " bytes that there are",
                    "ask for another range")
        .with("Content-Range", "bytes */" + std::to_string(size));
  }
  if (!first) return ByteRange{size - std::min(*last, size), size - 1};
  return ByteRange{*first, last ? std::min(*last, size - 1) : size - 1};
}

bool matches_tag(const std::string& header, const std::string& etag) {
  return trimmed(header) == "*" || header.find(etag) != std::string::npos;
}

Response json_response(int status, const Json& value) {
  Response response;
  response.status = status;
  response.header("Content-Type", "application/json");
  response.header("Cache-Control", "no-store");
  response.body = text_of(value);
  return response;
}

Response error_response(const HttpError& error) {
  Response response = json_response(error.status(), error_json(error.code(), error.what(), error.hint()));
  if (error.status() == 401) response.header("WWW-Authenticate", "Bearer");
  for (const auto& [name, value] : error.headers()) response.header(name, value);
  if (error.status() == 429 || error.status() == 503) response.header("Retry-After", "5");
  return response;
}

const char* reason_phrase(int status) {
  static constexpr std::pair<int, const char*> kReasons[] = {{200, "OK"},
                                                             {202, "Accepted"},
                                                             {204, "No Content"},
                                                             {206, "Partial Content"},
                                                             {304, "Not Modified"},
                                                             {400, "Bad Request"},
                                                             {401, "Unauthorized"},
                                                             {403, "Forbidden"},
                                                             {404, "Not Found"},
                                                             {405, "Method Not Allowed"},
                                                             {408, "Request Timeout"},
                                                             {409, "Conflict"},
                                                             {411, "Length Required"},
                                                             {413, "Content Too Large"},
                                                             {414, "URI Too Long"},
                                                             {415, "Unsupported Media Type"},
                                                             {416, "Range Not Satisfiable"},
                                                             {421, "Misdirected Request"},
                                                             {422, "Unprocessable Content"},
                                                             {429, "Too Many Requests"},
                                                             {431, "Request Header Fields Too Large"},
                                                             {500, "Internal Server Error"},
                                                             {501, "Not Implemented"},
                                                             {503, "Service Unavailable"},
                                                             {504, "Gateway Timeout"},
                                                             {505, "HTTP Version Not Supported"},
                                                             {507, "Insufficient Storage"}};
  for (const auto& [code, text] : kReasons) {
    if (code == status) return text;
  }
  return "Other";
}

}  // namespace espalier::server
