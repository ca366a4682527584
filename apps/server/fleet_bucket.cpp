#include "fleet_bucket.h"

#include <curl/curl.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>

#include "job_store.h"

namespace espalier::server {

namespace fs = std::filesystem;

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int kTries = 4;
constexpr std::size_t kMostText = std::size_t{4} << 20U;  // of an answer that is kept in memory

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;
struct CloseList {
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};

std::string hex_of(const unsigned char* bytes, unsigned count) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (unsigned i = 0; i < count; ++i) {
    text += kDigits[bytes[i] >> 4U];
    text += kDigits[bytes[i] & 15U];
  }
  return text;
}

// SHA-256 of what is left of the file, or of nothing.
std::string hash_of(std::FILE* file) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&::EVP_MD_CTX_free)> context(::EVP_MD_CTX_new(), &::EVP_MD_CTX_free);
  bool good = context && ::EVP_DigestInit_ex(context.get(), ::EVP_sha256(), nullptr) == 1;
  std::array<char, 65536> block{};
  while (good && file != nullptr) {
    const std::size_t n = std::fread(block.data(), 1, block.size(), file);
    if (n == 0) break;
    good = ::EVP_DigestUpdate(context.get(), block.data(), n) == 1;
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (!good || ::EVP_DigestFinal_ex(context.get(), digest.data(), &size) != 1)
    throw Error(ErrorCode::internal, "SHA-256 is not available");
  return hex_of(digest.data(), size);
}

std::string escaped(std::string_view text) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                       c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kDigits[byte >> 4U];
      out += kDigits[byte & 15U];
    }
  }
  return out;
}

// The text of each <name>...</name>, with the five entities of XML.
std::vector<std::string> elements(std::string_view xml, const std::string& name) {
  const std::string open = "<" + name + ">", close = "</" + name + ">";
  static constexpr std::array<std::pair<std::string_view, char>, 5> kEntities{
      {{"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}, {"&amp;", '&'}}};
  std::vector<std::string> found;
  for (std::size_t at = 0; (at = xml.find(open, at)) != std::string_view::npos;) {
    at += open.size();
    const auto end = xml.find(close, at);
    if (end == std::string_view::npos) break;
    std::string_view inside = xml.substr(at, end - at);
    std::string text;
    while (!inside.empty()) {
      const auto entity =
          std::find_if(kEntities.begin(), kEntities.end(), [&](const auto& e) { return inside.starts_with(e.first); });
      text += entity == kEntities.end() ? inside.front() : entity->second;
      inside.remove_prefix(entity == kEntities.end() ? 1 : entity->first.size());
    }
    found.push_back(std::move(text));
    at = end + close.size();
  }
  return found;
}

// Files that were fetched, in a folder of this machine that does not grow beyond a size.
class FetchedFiles {
 public:
  FetchedFiles(fs::path folder, std::uint64_t most) : folder_(std::move(folder)), most_(most) {
    std::error_code error;
    fs::remove_all(folder_, error);
    fs::create_directories(folder_, error);
    if (error)
      throw Error(ErrorCode::io, "cannot use " + folder_.string() + ": " + error.message(),
                  "choose another folder with --data");
  }

  [[nodiscard]] std::optional<fs::path> find(const std::string& name) {
    const std::scoped_lock lock(mutex_);
    const auto found = files_.find(name);
    if (found == files_.end()) return std::nullopt;
    found->second.used = Clock::now();
    return path_of(name);
  }
  // For a download; a new one each time.
  [[nodiscard]] fs::path part() const { return folder_ / (JobStore::new_id() + ".part"); }
  fs::path keep(const std::string& name, const fs::path& part) {
    const std::scoped_lock lock(mutex_);
    const std::uint64_t bytes = fs::file_size(part);
    fs::rename(part, path_of(name));
    total_ += bytes - std::exchange(files_[name].bytes, bytes);
    files_[name].used = Clock::now();
    shrink();
    return path_of(name);
  }
  void forget(const std::string& name) {
    const std::scoped_lock lock(mutex_);
    if (const auto found = files_.find(name); found != files_.end()) drop(found);
  }
  void forget_all(const std::string& folder) {
    const std::scoped_lock lock(mutex_);
    for (auto at = files_.lower_bound(folder + "/"); at != files_.end() && at->first.starts_with(folder + "/");) at = drop(at);
  }

 private:
  struct Fetched {
    std::uint64_t bytes = 0;
    Clock::time_point used;
  };
  using Files = std::map<std::string, Fetched>;

  // One folder for all: names are those of files with _ for each slash, which no name of a job has.
  [[nodiscard]] fs::path path_of(const std::string& name) const {
    std::string flat = name;
    std::replace(flat.begin(), flat.end(), '/', '_');
    return folder_ / flat;
  }
  Files::iterator drop(Files::iterator at) {
    std::error_code ignored;
    fs::remove(path_of(at->first), ignored);
    total_ -= at->second.bytes;
    return files_.erase(at);
  }
  // The least used first; what was used in the last minute may be on its way to a client.
  void shrink() {
    while (total_ > most_) {
      const auto oldest = std::min_element(files_.begin(), files_.end(),
                                           [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
      if (oldest == files_.end() || Clock::now() - oldest->second.used < 60s) return;
      drop(oldest);
    }
  }

  const fs::path folder_;
  const std::uint64_t most_;
  std::mutex mutex_;
  Files files_;
  std::uint64_t total_ = 0;
};

struct Call {
  const char* method = "GET";
  std::string path;         // behind the endpoint, with the slash
  std::string query{};      // sorted and escaped
  fs::path from{}, into{};  // files to send, and for the answer; empty: nothing, and memory
};
struct Answer {
  long status = 0;
  std::string text;
};

class BucketFiles : public FleetFiles {
 public:
  explicit BucketFiles(const FleetFilesOptions& options)
      : address_(parse_bucket_address(options.results)),
        endpoint_(options.endpoint),
        signing_("aws:amz:" + options.region + ":s3"),
        access_key_(options.access_key),
        secret_key_(options.secret_key),
        fetched_(options.cache, options.cache_bytes) {
    while (endpoint_.ends_with('/')) endpoint_.pop_back();
    check();
  }
  ~BucketFiles() override {
    for (CURL* curl : idle_) ::curl_easy_cleanup(curl);
  }

  void put(const std::string& name, const fs::path& from) override {
    expect(ask({.method = "PUT", .path = path_of(name), .from = from}), {200, 201, 204});
  }
  [[nodiscard]] fs::path get(const std::string& name) override {
    if (auto known = fetched_.find(name)) return *std::move(known);
    const fs::path part = fetched_.part();
    try {
      const Answer answer = ask({.path = path_of(name), .into = part});
      if (answer.status == 404) throw FileMissing(name);
      expect(answer, {200});
      return fetched_.keep(name, part);
    } catch (...) {
      std::error_code ignored;
      fs::remove(part, ignored);
      throw;
    }
  }
  void remove(const std::string& name) override {
    fetched_.forget(name);
    expect(ask({.method = "DELETE", .path = path_of(name)}), {200, 204, 404});
  }
  void remove_all(const std::string& folder) override {
    fetched_.forget_all(folder);
    const std::string prefix = address_.prefix + folder + "/";
    for (const std::string& name : list(prefix)) {
      if (name.starts_with(prefix))
        expect(ask({.method = "DELETE", .path = "/" + address_.bucket + "/" + name}), {200, 204, 404});
    }
  }
  void check() override { expect(ask({.path = "/" + address_.bucket, .query = "list-type=2&max-keys=1"}), {200}); }

 private:
  [[nodiscard]] std::string path_of(const std::string& name) const {
    return "/" + address_.bucket + "/" + address_.prefix + name;
  }

  [[nodiscard]] std::vector<std::string> list(const std::string& prefix) {
    std::vector<std::string> names;
    for (std::string next;;) {
      const std::string going_on = next.empty() ? "" : "continuation-token=" + escaped(next) + "&";
      const Answer answer = ask({.path = "/" + address_.bucket, .query = going_on + "list-type=2&prefix=" + escaped(prefix)});
      expect(answer, {200});
      BucketPage page = parse_bucket_page(answer.text);
      names.insert(names.end(), page.names.begin(), page.names.end());
      if (page.next.empty() || page.next == next) return names;
      next = page.next;
    }
  }

  [[noreturn]] void fail(const std::string& what, const std::string& hint) const {
    throw FleetError("the store of results cannot be used", "the bucket " + address_.bucket + " at " + endpoint_ + " " + what,
                     hint);
  }
  void expect(const Answer& answer, std::initializer_list<long> good) const {
    if (std::find(good.begin(), good.end(), answer.status) != good.end()) return;
    const auto codes = elements(answer.text, "Code");
    const std::string code = codes.empty() ? std::string() : " (" + codes.front().substr(0, 80) + ")";
    const bool refused = answer.status == 401 || answer.status == 403;
    fail("answers " + std::to_string(answer.status) + code, refused ? "check the keys, and what they may do"
                                                            : answer.status == 404
                                                                ? "make the bucket first"
                                                                : "check --results-endpoint and --results-region");
  }

  // What fails for reasons that pass is tried again.
  [[nodiscard]] Answer ask(const Call& call) {
    std::string problem;
    for (int i = 0; i < kTries; ++i) {
      if (i > 0) std::this_thread::sleep_for(200ms * (1 << (2 * (i - 1))));
      Answer answer;
      const CURLcode result = perform(call, answer);
      if (result == CURLE_OK && answer.status < 500 && answer.status != 429) return answer;
      problem = result == CURLE_OK ? "answers " + std::to_string(answer.status)
                                   : std::string("cannot be reached: ") + ::curl_easy_strerror(result);
      if (result == CURLE_WRITE_ERROR) problem = "cannot be read into a file; is the disk full?";
    }
    fail(problem, "start it, or check --results-endpoint");
  }

  static std::size_t take_text(const char* data, std::size_t size, std::size_t count, void* to) {
    auto& text = *static_cast<std::string*>(to);
    if (text.size() + size * count > kMostText) return 0;
    text.append(data, size * count);
    return size * count;
  }

  struct Body {
    CURL* curl;
    std::FILE* file;
    std::string* text;
  };
  // A file is for what was asked for; what the store says instead is kept apart.
  static std::size_t take_body(const char* data, std::size_t size, std::size_t count, void* to) {
    const auto& body = *static_cast<Body*>(to);
    long status = 0;
    ::curl_easy_getinfo(body.curl, CURLINFO_RESPONSE_CODE, &status);
    if (body.file == nullptr || status != 200) return take_text(data, size, count, body.text);
    return std::fwrite(data, size, count, body.file) * size;
  }

  [[nodiscard]] CURLcode perform(const Call& call, Answer& answer) {
    const File from(call.from.empty() ? nullptr : std::fopen(call.from.c_str(), "rbe"));
    const File into(call.into.empty() ? nullptr : std::fopen(call.into.c_str(), "wbe"));
    if ((!call.from.empty() && !from) || (!call.into.empty() && !into))
      throw Error(ErrorCode::io, "a file on its way to or from the store cannot be opened", "look at the disk of --data");
    const std::string hash = "x-amz-content-sha256: " + hash_of(from.get());
    CURL* const curl = borrowed();
    const auto set = [&](auto option, auto value) { ::curl_easy_setopt(curl, option, value); };
    const std::string url = endpoint_ + call.path + (call.query.empty() ? "" : "?" + call.query);
    std::unique_ptr<curl_slist, CloseList> headers(::curl_slist_append(nullptr, hash.c_str()));
    (void)::curl_slist_append(headers.get(), "Expect:");
    (void)::curl_slist_append(headers.get(), "Content-Type:");
    Body body{curl, into.get(), &answer.text};
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_CONNECTTIMEOUT_MS, 10'000L);
    set(CURLOPT_LOW_SPEED_LIMIT, 1024L);
    set(CURLOPT_LOW_SPEED_TIME, 30L);
    set(CURLOPT_AWS_SIGV4, signing_.c_str());
    set(CURLOPT_USERNAME, access_key_.c_str());
    set(CURLOPT_PASSWORD, secret_key_.c_str());
    set(CURLOPT_HTTPHEADER, headers.get());
    set(CURLOPT_WRITEFUNCTION, &take_body);
    set(CURLOPT_WRITEDATA, &body);
    if (from) {
      std::rewind(from.get());
      set(CURLOPT_UPLOAD, 1L);
      set(CURLOPT_READDATA, from.get());
      set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(fs::file_size(call.from)));
    } else if (std::string_view(call.method) != "GET") {
      set(CURLOPT_CUSTOMREQUEST, call.method);
    }
    CURLcode result = ::curl_easy_perform(curl);
    ::curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
    give_back(curl);
    if (into && std::fflush(into.get()) != 0) result = CURLE_WRITE_ERROR;
    return result;
  }

  // Handles keep their connections.
  [[nodiscard]] CURL* borrowed() {
    {
      const std::scoped_lock lock(mutex_);
      if (!idle_.empty()) {
        CURL* const curl = idle_.back();
        idle_.pop_back();
        return curl;
      }
    }
    CURL* const curl = ::curl_easy_init();
    if (curl == nullptr) throw std::bad_alloc();
    return curl;
  }
  void give_back(CURL* curl) {
    ::curl_easy_reset(curl);
    const std::scoped_lock lock(mutex_);
    idle_.push_back(curl);
  }

  const BucketAddress address_;
  std::string endpoint_;
  const std::string signing_, access_key_, secret_key_;
  FetchedFiles fetched_;
  std::mutex mutex_;
  std::vector<CURL*> idle_;
};

}  // namespace

BucketPage parse_bucket_page(std::string_view xml) {
  BucketPage page{elements(xml, "Key"), {}};
  const auto more = elements(xml, "IsTruncated"), next = elements(xml, "NextContinuationToken");
  if (!more.empty() && more.front() == "true" && !next.empty()) page.next = next.front();
  return page;
}

std::unique_ptr<FleetFiles> open_bucket(const FleetFilesOptions& options) {
  const auto need = [](bool good, const std::string& what, const std::string& hint) {
    if (!good) throw Error(ErrorCode::invalid_argument, what, hint);
  };
  need(options.endpoint.starts_with("https://") || options.endpoint.starts_with("http://"),
       "--results names a bucket, and --results-endpoint no address", "name it: https://HOST");
  const bool plain = std::all_of(options.region.begin(), options.region.end(),
                                 [](unsigned char c) { return std::isalnum(c) != 0 || c == '-'; });
  need(plain && !options.region.empty(), "--results-region is not a name of letters, digits and -",
       "leave it out for us-east-1");
  need(!options.access_key.empty() && !options.secret_key.empty(), "--results names a bucket, and there are no keys for it",
       "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  return std::make_unique<BucketFiles>(options);
}

}  // namespace espalier::server
