#include "route_parts.h"

#include <cctype>

#include "http_connection.h"
#include "json_upload.h"
#include "serve.h"

namespace espalier::server {

void not_found(const std::string& what) { throw HttpError(404, "not_found", what, "list the jobs again"); }

void wrong_method(const std::string& allowed) {
  std::string list = allowed;
  if (const auto at = list.find(" and "); at != std::string::npos) list.replace(at, 5, ", ");
  throw HttpError(405, "invalid_argument", "this address takes " + allowed + " only", "see /openapi.json").with("Allow", list);
}

void rethrow_as_answer(const Error& error, const std::string& hint) {
  const ErrorCode code = error.code();
  if (code == ErrorCode::cancelled) throw Gone();  // nothing but the client's leaving cancels
  const bool of_client = code == ErrorCode::invalid_argument || code == ErrorCode::format || code == ErrorCode::unsupported;
  throw HttpError(of_client ? 422 : 500, word_of(code), std::string(error.message()),
                  error.hint().empty() ? hint : std::string(error.hint()));
}

void require_json(const RequestHead& head) {
  if (is_json(head)) return;
  throw HttpError(415, "unsupported", "the content type is not application/json", "send the options as JSON");
}

std::string download_name(const std::string& job, const JobFile& file) {
  const std::string title = title_for_programs(job);
  constexpr std::string_view kOwn = "asset.";
  return file.name.starts_with(kOwn) ? title + "." + file.name.substr(kOwn.size()) : title + "-" + file.name;
}

std::string disposition(bool attach, const std::string& name) {
  std::string plain, escaped;
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool word = std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_';
    plain += byte >= ' ' && byte < 0x7F ? c : '_';
    escaped += word && byte < 0x80 ? std::string(1, c) : std::string{'%', kHex[byte >> 4U], kHex[byte & 15U]};
  }
  return std::string(attach ? "attachment" : "inline") + "; filename=\"" + plain + "\"; filename*=UTF-8''" + escaped;
}

std::string ascii_of(const Json& value) { return value.dump(-1, ' ', true, Json::error_handler_t::replace); }

Counted::Counted(std::atomic<int>& count, int most, const std::string& what, const std::string& hint) : count_(count) {
  if (++count_ <= most) return;
  --count_;
  throw HttpError(503, "unavailable", std::to_string(most) + " " + what + ", which is the most", hint);
}

}  // namespace espalier::server
