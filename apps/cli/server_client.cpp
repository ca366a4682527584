#include "server_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <exception>
#include <memory>
#include <optional>

#include "base/file.h"
#include "base/json.h"
#include "espalier/error.h"
#include "server/serve.h"

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostAnswer = std::size_t{16} << 20U;  // bytes that are kept in memory
constexpr long kConnectSeconds = 10, kSilentSeconds = 60;

using Kind = ServerFailure::Kind;

bool is_http(const std::string& url) {
  const std::size_t scheme = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  return scheme > 0 && url.size() > scheme && url[scheme] != '/' && url.find_first_of("@?# ") == std::string::npos;
}

// A part of an address: identifiers and names of files as this server gives them.
bool is_plain(const std::string& text) {
  return !text.empty() && text.size() <= 200 && text.front() != '.' && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
  });
}

[[noreturn]] void not_ours(const std::string& what) {
  throw ServerFailure(Kind::refused, 0, "protocol", "the answer is not that of an Espalier server: " + what,
                      "check the address, and that both programs have the same version");
}

struct CurlCloser {
  void operator()(CURL* curl) const { ::curl_easy_cleanup(curl); }
};
struct ListCloser {
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};
struct MimeCloser {
  void operator()(curl_mime* mime) const { ::curl_mime_free(mime); }
};

}  // namespace

struct ServerClient::Call {
  std::string path;
  std::vector<fs::path> images{};  // sent with `options`, which a form needs
  std::string options{};
  std::string json{};          // a body instead of a form
  bool remove = false;         // DELETE
  std::string request{};       // Idempotency-Key; empty: none
  FileWriter* file = nullptr;  // takes the body of 200
  const std::function<bool()>* stopped = nullptr;
  CURL* curl = nullptr;
  // The answer.
  long status = 0;
  std::string body{};
  std::uint64_t written = 0;
  bool too_large = false;
  std::exception_ptr unwritten{};  // why the file could not take the body; no exception passes through libcurl

  static std::size_t take(char* bytes, std::size_t size, std::size_t count, void* self) {
    Call& call = *static_cast<Call*>(self);
    const std::size_t all = size * count;
    ::curl_easy_getinfo(call.curl, CURLINFO_RESPONSE_CODE, &call.status);
    if (call.file != nullptr && call.status == 200) {
      try {
        call.file->write({reinterpret_cast<const std::byte*>(bytes), all});
      } catch (const Error&) {
        call.unwritten = std::current_exception();
        return 0;
      }
      call.written += all;
      return all;
    }
    call.too_large = call.body.size() + all > kMostAnswer;
    if (call.too_large) return 0;
    call.body.append(bytes, all);
    return all;
  }
  // Method and body; a form lives as long as the transfer.
  [[nodiscard]] std::unique_ptr<curl_mime, MimeCloser> prepare_body() {
    std::unique_ptr<curl_mime, MimeCloser> form;
    if (remove) ::curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "DELETE");
    if (!json.empty()) {
      ::curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(json.size()));
      ::curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json.c_str());
    }
    if (options.empty()) return form;
    form.reset(::curl_mime_init(curl));
    for (const fs::path& image : images) {
      curl_mimepart* const part = ::curl_mime_addpart(form.get());
      ::curl_mime_name(part, "image");
      if (::curl_mime_filedata(part, image.c_str()) != CURLE_OK)
        throw Error(ErrorCode::io, image.string() + " cannot be read", "check its permissions");
    }
    curl_mimepart* const part = ::curl_mime_addpart(form.get());
    ::curl_mime_name(part, "options");
    ::curl_mime_data(part, options.data(), options.size());
    ::curl_easy_setopt(curl, CURLOPT_MIMEPOST, form.get());
    return form;
  }
  static int watch(void* self, curl_off_t /*down*/, curl_off_t /*downloaded*/, curl_off_t /*up*/, curl_off_t /*uploaded*/) {
    return (*static_cast<Call*>(self)->stopped)() ? 1 : 0;
  }
};

ServerClient::ServerClient(std::string url, std::string key, std::function<bool()> stopped)
    : url_(std::move(url)), key_(std::move(key)), stopped_(std::move(stopped)) {
  while (url_.ends_with('/')) url_.pop_back();
  if (!is_http(url_)) {
    throw Error(ErrorCode::invalid_argument, "--server: \"" + url_ + "\" is not the address of a server",
                "give one such as http://127.0.0.1:7860");
  }
  ::curl_global_init(CURL_GLOBAL_DEFAULT);
}

void ServerClient::run(Call& call) {
  const std::unique_ptr<CURL, CurlCloser> owned(::curl_easy_init());
  if (!owned) throw std::bad_alloc();
  CURL* const curl = owned.get();
  std::unique_ptr<curl_slist, ListCloser> headers;
  const auto add_header = [&](const std::string& line) {
    curl_slist* const longer = ::curl_slist_append(headers.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    (void)headers.release();  // it is the head of the longer list, or the list was empty
    headers.reset(longer);
  };
  if (!key_.empty()) add_header("Authorization: Bearer " + key_);
  if (!call.request.empty()) add_header("Idempotency-Key: " + call.request);
  if (!call.json.empty()) add_header("Content-Type: application/json");
  call.curl = curl;
  call.stopped = &stopped_;
  const std::string address = url_ + call.path;
  ::curl_easy_setopt(curl, CURLOPT_URL, address.c_str());
  ::curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  ::curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  ::curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  ::curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kSilentSeconds);
  ::curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Call::take);
  ::curl_easy_setopt(curl, CURLOPT_WRITEDATA, &call);
  ::curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  ::curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Call::watch);
  ::curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &call);
  std::array<char, CURL_ERROR_SIZE> why{};
  ::curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why.data());
  const std::unique_ptr<curl_mime, MimeCloser> form = call.prepare_body();
  const CURLcode code = ::curl_easy_perform(curl);
  ::curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &call.status);
  if (code == CURLE_ABORTED_BY_CALLBACK) throw Error(ErrorCode::cancelled, "stopped on request");
  if (call.too_large) not_ours("it has more than 16 MiB");
  if (call.unwritten) std::rethrow_exception(call.unwritten);
  const bool answered = code == CURLE_OK || (call.status >= 400 && !call.body.empty());  // also before all was sent
  if (answered) return;
  const bool unsent =
      code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY;
  const std::string reason = why.front() != '\0' ? why.data() : ::curl_easy_strerror(code);
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
    throw ServerFailure(Kind::refused, 0, "unreachable", url_ + ": " + reason, "install the certificate of its authority");
  throw ServerFailure(unsent ? Kind::unreachable : Kind::broken, 0, "unreachable", url_ + ": " + reason,
                      "check the address, and that espalier serve runs there");
}

Json ServerClient::json_of(const Call& call) const {
  std::string problem;
  const Json answer = read_json<Json>(call.body, {.bytes = kMostAnswer}, problem);
  if (call.status >= 200 && call.status < 300) {
    if (!answer.is_object()) not_ours("it is not a JSON object");
    return answer;
  }
  const auto status = static_cast<int>(call.status);
  const bool busy = status == 429 || status == 502 || status == 503 || status == 504;
  const Kind kind = busy ? Kind::busy : Kind::refused;
  const auto text = [&](const char* key) {
    const Json& error = answer["error"];
    return error.is_object() && error.contains(key) && error[key].is_string() ? error[key].get<std::string>() : "";
  };
  if (!answer.is_object() || !answer.contains("error") || text("code").empty()) {
    throw ServerFailure(kind, status, busy ? "unavailable" : "protocol",
                        url_ + " answers " + std::to_string(status) + " without saying why",
                        "check the address; something may stand between");
  }
  throw ServerFailure(kind, status, text("code"), text("message"), text("hint"));
}

Json ServerClient::submit(const std::vector<fs::path>& images, const std::string& options, const std::string& request) {
  Call call{.path = "/v1/jobs", .images = images, .options = options, .request = request};
  run(call);
  return json_of(call);
}

Json ServerClient::job(const std::string& id) {
  if (!is_plain(id)) not_ours("the identifier of a job is \"" + shortened(id) + '"');
  Call call{.path = "/v1/jobs/" + id};
  run(call);
  return json_of(call);
}

Json ServerClient::submit_export(const std::string& id, const std::string& options, const std::string& request) {
  if (!is_plain(id)) not_ours("the identifier of a job is \"" + shortened(id) + '"');
  Call call{.path = "/v1/jobs/" + id + "/exports", .json = options, .request = request};
  run(call);
  return json_of(call);
}

void ServerClient::cancel(const std::string& id) {
  if (!is_plain(id)) not_ours("the identifier of a job is \"" + shortened(id) + '"');
  Call call{.path = "/v1/jobs/" + id, .remove = true};
  run(call);
  if (call.status != 204) (void)json_of(call);
}

Json ServerClient::get(const std::string& path) {
  Call call{.path = path};
  run(call);
  return json_of(call);
}

std::string ServerClient::bytes(const std::string& id, const std::string& name) {
  if (!is_plain(id) || !is_plain(name)) not_ours("a file is called \"" + shortened(name) + '"');
  Call call{.path = "/v1/jobs/" + id + "/files/" + name};
  run(call);
  if (call.status != 200) (void)json_of(call);
  return std::move(call.body);
}

void ServerClient::download(const std::string& id, const std::string& name, const fs::path& path, std::uint64_t bytes) {
  if (!is_plain(id) || !is_plain(name)) not_ours("a file is called \"" + shortened(name) + '"');
  std::optional<FileWriter> file;
  try {
    file.emplace(path);
  } catch (const Error& error) {  // of this target alone; others may be fit to be written
    throw ServerFailure(Kind::refused, 0, server::word_of(error.code()), std::string(error.message()),
                        std::string(error.hint()));
  }
  Call call{.path = "/v1/jobs/" + id + "/files/" + name, .file = &*file};
  run(call);
  if (call.status != 200) (void)json_of(call);
  if (call.status != 200 || call.written != bytes) {
    throw ServerFailure(Kind::broken, static_cast<int>(call.status), "protocol",
                        name + " has " + std::to_string(call.written) + " bytes, and should have " + std::to_string(bytes),
                        "try again");
  }
  file->commit();
}

}  // namespace espalier::cli
