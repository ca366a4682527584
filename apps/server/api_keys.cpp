#include "api_keys.h"

#include <openssl/evp.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <set>

#include "base/json.h"
#include "guard.h"
#include "job_store.h"
#include "serve.h"

namespace espalier::server {

namespace fs = std::filesystem;

namespace {

constexpr std::uintmax_t kMostBytes = std::uintmax_t{1} << 20U;
constexpr std::size_t kMostKeys = 1000, kLongestName = 64, kHashDigits = 64, kLeastSalt = 16;

std::string hexadecimal(const unsigned char* bytes, std::size_t count) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    text += kDigits[bytes[i] >> 4U];
    text += kDigits[bytes[i] & 15U];
  }
  return text;
}

std::string random_digits(std::size_t bytes) {
  std::vector<unsigned char> random(bytes);
  if (::getrandom(random.data(), bytes, 0) != static_cast<ssize_t>(bytes))
    throw Error(ErrorCode::io, "the system gives no random numbers");
  return hexadecimal(random.data(), bytes);
}

std::string sha256_of(const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned int size = 0;
  if (::EVP_Digest(text.data(), text.size(), hash.data(), &size, ::EVP_sha256(), nullptr) != 1)
    throw Error(ErrorCode::internal, "libcrypto has no SHA-256");
  return hexadecimal(hash.data(), size);
}

bool is_hexadecimal(const std::string& text) { return text.find_first_not_of("0123456789abcdef") == std::string::npos; }

bool is_name(const std::string& text) {
  return !text.empty() && text.size() <= kLongestName && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
  });
}

[[noreturn]] void refuse(const std::string& what) { throw Error(ErrorCode::format, what, "espalier key makes such a line"); }

std::string text_at(const Json& json, const char* key) {
  const auto at = json.find(key);
  if (at == json.end() || !at->is_string()) refuse(std::string(key) + " is missing");
  return at->get<std::string>();
}

}  // namespace

NewKey new_key(const std::string& name, const std::vector<std::string>& scopes, std::int64_t jobs_a_day, double queue_share) {
  constexpr std::size_t kKeyBytes = 32;
  if (!is_name(name)) {
    throw Error(ErrorCode::invalid_argument, "a key cannot be called \"" + shortened(name) + '"',
                "use up to 64 letters, digits, dots, hyphens and underscores");
  }
  NewKey made{"esp_" + random_digits(kKeyBytes), {}};
  const std::string salt = random_digits(kLeastSalt);
  Json line{{"name", name}, {"salt", salt}, {"sha256", sha256_of(salt + made.key)}, {"scopes", scopes}};
  if (jobs_a_day > 0) line["jobs_a_day"] = jobs_a_day;
  if (queue_share < 1.0) line["queue_share"] = queue_share;
  made.line = text_of(line);
  return made;
}

ApiKeys::ApiKeys(fs::path file, std::function<void(const std::string&)> report)
    : file_(std::move(file)), report_(std::move(report)), version_(version_now()), looked_(std::chrono::steady_clock::now()) {
  entries_ = read();
}

ApiKeys::Version ApiKeys::version_now() const {
  std::error_code error;
  Version version{fs::last_write_time(file_, error), 0};
  if (!error) version.bytes = fs::file_size(file_, error);
  return error ? Version() : version;
}

ApiKeys::Entry ApiKeys::entry_of(const std::string& line) {
  std::string problem;
  const Json json = read_json<Json>(line, {.bytes = 4096, .values = 32, .string = 1024, .depth = 3}, problem);
  if (!problem.empty()) refuse("the line " + problem);
  if (!json.is_object()) refuse("the line is not an object");
  const std::set<std::string> known{"name", "salt", "sha256", "scopes", "jobs_a_day", "queue_share"};
  for (const auto& [key, value] : json.items()) {
    if (!known.contains(key)) refuse(shortened(key) + " is unknown");
  }
  Entry entry;
  entry.caller.name = text_at(json, "name");
  if (!is_name(entry.caller.name)) refuse("name is not one");
  entry.salt = text_at(json, "salt");
  entry.sha256 = text_at(json, "sha256");
  if (entry.salt.size() < kLeastSalt || !is_hexadecimal(entry.salt)) refuse("salt has fewer than 16 hexadecimal digits");
  if (entry.sha256.size() != kHashDigits || !is_hexadecimal(entry.sha256)) refuse("sha256 has not 64 hexadecimal digits");
  const auto scopes = json.find("scopes");
  if (scopes == json.end() || !scopes->is_array()) refuse("scopes is missing");
  entry.caller.submit = entry.caller.read = entry.caller.admin = false;
  for (const Json& scope : *scopes) {
    bool& allowed = scope == "submit" ? entry.caller.submit : scope == "read" ? entry.caller.read : entry.caller.admin;
    if (scope != "submit" && scope != "read" && scope != "admin") refuse("scopes has something other than submit, read, admin");
    allowed = true;
  }
  if (const auto jobs = json.find("jobs_a_day"); jobs != json.end()) {
    if (!jobs->is_number_unsigned() || *jobs < 1) refuse("jobs_a_day is not a number from 1");
    entry.caller.jobs_a_day = jobs->get<std::int64_t>();
  }
  if (const auto share = json.find("queue_share"); share != json.end()) {
    if (!share->is_number() || !(share->get<double>() > 0.0 && share->get<double>() <= 1.0))
      refuse("queue_share is not a number above 0 and up to 1");
    entry.caller.queue_share = share->get<double>();
  }
  return entry;
}

std::vector<ApiKeys::Entry> ApiKeys::read() const {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(file_, error);
  std::ifstream file(file_, std::ios::binary);
  if (error || !file)
    throw Error(ErrorCode::not_found, "the file of keys " + file_.string() + " cannot be read", "check --keys");
  if (size > kMostBytes)
    throw Error(ErrorCode::format, "the file of keys " + file_.string() + " has more than 1 MiB", "check --keys");
  std::vector<Entry> entries;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.find_first_not_of(" \t") == std::string::npos || line.starts_with('#')) continue;
    const std::string where = file_.string() + ", line " + std::to_string(number) + ": ";
    try {
      entries.push_back(entry_of(line));
    } catch (const Error& problem) {
      throw Error(ErrorCode::format, where + std::string(problem.message()), std::string(problem.hint()));
    }
    const auto same = [&](const Entry& other) { return other.caller.name == entries.back().caller.name; };
    if (std::count_if(entries.begin(), entries.end(), same) > 1)
      throw Error(ErrorCode::format, where + "the name " + entries.back().caller.name + " comes twice",
                  "give each key its own");
    if (entries.size() > kMostKeys) throw Error(ErrorCode::format, where + "there are more than 1000 keys", "remove some");
  }
  return entries;
}

void ApiKeys::look_again() {
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_ < std::chrono::milliseconds(500)) return;
  looked_ = now;
  const Version version = version_now();
  if (version == version_) return;
  version_ = version;
  try {
    entries_ = read();
  } catch (const Error& error) {
    report_(std::string(error.what()) + "; the keys stay as they were");
  }
}

std::optional<Caller> ApiKeys::find(const std::string& key) {
  const std::scoped_lock lock(mutex_);
  look_again();
  std::optional<Caller> found;
  for (const Entry& entry : entries_) {
    if (equal_in_constant_time(sha256_of(entry.salt + key), entry.sha256)) found = entry.caller;
  }
  return found;
}

void check_scopes(const Caller& caller, const RequestHead& head) {
  if (caller.admin || head.path.empty()) return;
  const auto need = [&](bool allowed, const char* scope) {
    if (allowed) return;
    throw HttpError(403, "forbidden", std::string("the key ") + caller.name + " may not do this: it takes the scope " + scope,
                    "use another key, or let its owner ask for the scope");
  };
  const std::vector<std::string>& path = head.path;
  const bool looks = head.method == "GET" || head.method == "HEAD";
  if (path.front() != "v1") return need(path.front() != "metrics", "admin");
  const std::string& what = path.size() > 1 ? path[1] : path[0];
  const bool list = what == "jobs" && path.size() == 2 && (looks || head.method == "POST");
  const bool job = what == "jobs" && path.size() > 2 && JobStore::is_id(path[2]);
  if (list || job) return looks ? need(caller.read, "read") : need(caller.submit, "submit");
  if (looks && path.size() == 2 && (what == "models" || what == "storage")) return need(caller.read || caller.submit, "read");
  if (looks && path.size() == 2 && what == "queue") return need(caller.read, "read");  // shows the caller's own jobs
  if (head.method == "POST" && path.size() == 2 && what == "preprocess") return need(caller.submit, "submit");
  const bool several = head.method == "POST" && what == "jobs" && path.size() == 3;  // each job's owner is looked at by itself
  if (several && path[2] == "delete") return need(caller.submit, "submit");
  if (several && path[2] == "archive") return need(caller.read, "read");
  if (head.method == "POST" && path.size() == 3 && what == "3d" && path[2] == "generations") {
    need(caller.submit, "submit");
    return need(caller.read, "read");
  }
  need(false, "admin");
}

}  // namespace espalier::server
