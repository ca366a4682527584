#include "http_message.h"

#include <algorithm>
#include <charconv>

namespace espalier::server {
namespace {

constexpr const char* kBadRequest = "invalid_argument";

[[noreturn]] void bad_head(const std::string& what) {
  throw HttpError(400, kBadRequest, "the request is no valid HTTP: " + what, "send HTTP/1.1 as RFC 9112 describes it");
}

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kMarks.find(static_cast<char>(c)) != std::string_view::npos;
  });
}

bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c == '\t' || (c >= 32 && c != 127); });
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

void parse_request_line(std::string_view line, const HeadLimits& limits, RequestHead& head) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) bad_head("its first line is not METHOD ADDRESS VERSION");
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(method) || method.size() > 16) bad_head("the method is no word");
  if (target.size() > limits.target) {
    throw HttpError(414, kBadRequest, "the address has more than " + std::to_string(limits.target) + " bytes",
                    "use a shorter one");
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    throw HttpError(505, "unsupported", "the version of the request is neither HTTP/1.1 nor HTTP/1.0", "use HTTP/1.1");
  }
  head.method = method;
  head.old_version = version == "HTTP/1.0";
  head.keep_alive = !head.old_version;
  parse_target(target, head);
}

void parse_framing(RequestHead& head) {
  const std::string coding = lower_case(head.header("transfer-encoding"));
  const std::string length = head.header("content-length");
  if (head.headers.count("transfer-encoding") != 0) {
    if (coding != "chunked")
      throw HttpError(501, "unsupported", "the transfer coding is not chunked", "send the body plain or chunked");
    if (!length.empty() || head.old_version) bad_head("its length is given twice");
    head.chunked = true;
  }
  if (head.headers.count("content-length") != 0) {
    head.content_length = whole_number(length);
    if (!head.content_length) bad_head("Content-Length is no number");
  }
  const std::string connection = lower_case(head.header("connection"));
  if (connection.find("close") != std::string::npos) head.keep_alive = false;
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

RequestHead parse_head(std::string_view text, const HeadLimits& limits) {
  RequestHead head;
  const auto next_line = [&] {
    const auto end = text.find("\r\n");
    if (end == std::string_view::npos) bad_head("a line does not end");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 2);
    if (line.find('\n') != std::string_view::npos || line.find('\r') != std::string_view::npos)
      bad_head("a line ends in the wrong way");
    return line;
  };
  parse_request_line(next_line(), limits, head);
  for (std::string_view line = next_line(); !line.empty(); line = next_line()) {
    if (head.headers.size() >= limits.headers) {
      throw HttpError(431, kBadRequest, "the request has more than " + std::to_string(limits.headers) + " headers",
                      "send fewer");
    }
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) bad_head("a header has no name");
    const std::string name = lower_case(line.substr(0, colon));
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (!is_field_value(value)) bad_head("a header has control characters");
    const bool fresh = head.headers.emplace(name, value).second;
    if (!fresh && (name == "host" || name == "content-length" || name == "transfer-encoding" || name == "authorization" ||
                   name == "origin" || name == "content-type")) {
      bad_head(name + " is given twice");
    }
  }
  if (!head.old_version && head.headers.count("host") == 0) bad_head("Host is missing");
  parse_framing(head);
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
                    "ask for another range");
  }
  if (!first) return ByteRange{size - std::min(*last, size), size - 1};
  return ByteRange{*first, last ? std::min(*last, size - 1) : size - 1};
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
                                                             {505, "HTTP Version Not Supported"},
                                                             {507, "Insufficient Storage"}};
  for (const auto& [code, text] : kReasons) {
    if (code == status) return text;
  }
  return "Other";
}

}  // namespace espalier::server
