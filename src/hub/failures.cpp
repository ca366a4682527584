#include "hub/failures.h"

#include <algorithm>

#include "hub/http.h"

namespace espalier::hub {

namespace {

// Text of a server: one short line without control characters.
std::string plain(const std::string& text) {
  std::string out = text.substr(0, 200);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < ' ' || c == 0x7F; }, ' ');
  return out;
}

std::string page_of(const Asked& asked) { return asked.endpoint + "/" + asked.repository; }

std::string subject(const Asked& asked) {
  if (asked.repository.empty()) return asked.file;
  return asked.file.empty() ? asked.repository : asked.repository + ": " + asked.file;
}

[[noreturn]] void fail_gated(const Asked& asked) {
  fail(ErrorCode::io, asked.repository, " is gated",
       hint("accept its terms at ", page_of(asked),
            asked.with_token ? " with the account of the token that is set in HF_TOKEN"
                             : ", then set HF_TOKEN to a token of that account"));
}

[[noreturn]] void fail_missing_repository(const Asked& asked) {
  fail(ErrorCode::not_found, "there is no repository ", asked.repository, " at ", asked.endpoint,
       asked.with_token ? " that the account of HF_TOKEN may see" : ", or it is private",
       hint(asked.with_token ? "check the spelling and the token" : "check the spelling, or set HF_TOKEN"));
}

// A file with an address of its own.
[[noreturn]] void fail_direct(const Asked& asked, const Answer& answer) {
  const std::string host = host_of(asked.url);
  if (answer.status == 404 || answer.status == 410) {
    fail(ErrorCode::not_found, host, " has no ", asked.file, " (", answer.status, ")",
         hint("set ESPALIER_MIRROR to a place that has it, or fetch it elsewhere"));
  }
  fail(ErrorCode::io, host, " refuses ", asked.file, " (", answer.status, "), as it does in some networks",
       hint("use another network, or set ESPALIER_MIRROR to a place that has the file"));
}

}  // namespace

void fail_for_status(const Asked& asked, const Answer& answer) {
  const std::string host = host_of(asked.url);
  const std::string said = answer.message.empty() ? "" : ": " + plain(answer.message);
  if (asked.repository.empty()) fail_direct(asked, answer);
  if (answer.code == "GatedRepo") fail_gated(asked);
  if (answer.code == "RevisionNotFound") {
    fail(ErrorCode::not_found, asked.repository, " has no revision ", asked.revision,
         hint("check what follows the @ (main is usual)"));
  }
  if (answer.code == "EntryNotFound") {
    fail(ErrorCode::not_found, asked.repository, " has no file ", asked.file, " at revision ", asked.revision,
         hint("try again, or name another revision with ", asked.repository, "@REVISION"));
  }
  if (answer.code == "RepoNotFound") fail_missing_repository(asked);
  if (answer.status == 401 && asked.with_token) {
    fail(ErrorCode::io, host, " does not accept the token of HF_TOKEN", said,
         hint("make another at ", asked.endpoint, "/settings/tokens, or unset it"));
  }
  if (answer.status == 401) fail_missing_repository(asked);
  if (answer.status == 403) {
    fail(ErrorCode::io, host, " refuses ", subject(asked), " (403)", said,
         hint("check what the token of HF_TOKEN may read, or set HF_ENDPOINT to a mirror where this network filters"));
  }
  if (answer.status == 404) {
    fail(ErrorCode::not_found, host, " has no ", subject(asked), " (404)", said,
         hint("check the name, and HF_ENDPOINT if it is set"));
  }
  if (answer.status == 407) fail(ErrorCode::io, "the proxy wants a name and a password (407)", hint("set them in https_proxy"));
  fail(ErrorCode::io, host, " answers ", answer.status, " for ", subject(asked), said,
       hint("try again later, or set HF_ENDPOINT to a mirror"));
}

void fail_for_transfer(const Asked& asked, CURLcode code, const std::string& detail, int attempts) {
  const std::string host = host_of(asked.url);
  const std::string tried = attempts > 1 ? str(" (", attempts, " attempts)") : "";
  const char* const mirror = asked.repository.empty() ? "ESPALIER_MIRROR" : "HF_ENDPOINT";
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      fail(ErrorCode::io, "the name ", host, " cannot be resolved", tried,
           hint("check the network, or set ", mirror, " to a mirror, or use --offline"));
    case CURLE_COULDNT_RESOLVE_PROXY: fail(ErrorCode::io, "the proxy's name cannot be resolved", hint("check https_proxy"));
    case CURLE_COULDNT_CONNECT:
      fail(ErrorCode::io, host, " does not take connections", tried,
           hint("check the network, or set ", mirror, " to a mirror"));
    case CURLE_OPERATION_TIMEDOUT:
      fail(ErrorCode::io, host, " sends nothing", tried,
           hint("run the command again later, it goes on where it stopped, or wait longer with HF_HUB_DOWNLOAD_TIMEOUT"));
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      fail(ErrorCode::io, "the certificate of ", host,
           " is not trusted: sign in to the network in a browser, check the clock, or name your proxy's certificates with "
           "SSL_CERT_FILE");
    default:
      fail(ErrorCode::io, "the transfer of ", subject(asked), " from ", host, " broke", tried, ": ", plain(detail),
           hint("run the command again, it goes on where it stopped"));
  }
}

void fail_for_page(const Asked& asked) {
  fail(ErrorCode::io, host_of(asked.url), " answers with a page instead of ", subject(asked),
       ": this network probably wants you to sign in", hint("open a browser, sign in, and run the command again"));
}

void fail_for_stranger(const Asked& asked, const std::string& what) {
  if (asked.repository.empty()) {
    fail(ErrorCode::io, host_of(asked.url), " does not give ", asked.file, " (", what, ")",
         hint("sign in to the network in a browser if it asks for that, or set ESPALIER_MIRROR to a place that has the file"));
  }
  fail(ErrorCode::io, host_of(asked.url), " does not answer as a model hub does (", what, ") for ", subject(asked),
       hint("sign in to the network in a browser if it asks for that, or check HF_ENDPOINT"));
}

bool is_passing(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_WEIRD_SERVER_REPLY: return true;
    default: return false;
  }
}

bool is_passing_status(long status) {
  return status == 408 || status == 429 || (status >= 500 && status != 501 && status != 507);
}

bool is_page(const std::string& content_type) {
  return content_type.starts_with("text/html") || content_type.starts_with("application/xhtml");
}

}  // namespace espalier::hub
