// Keys of people: a name, a hash, what the key may do, and how much.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "http_message.h"

namespace espalier::server {

// Who asks. Without keys of people everybody who gets in may do everything.
struct Caller {
  std::string name;  // of the key; empty: no key of a person
  bool submit = true, read = true, admin = true;
  std::int64_t jobs_a_day = 0;  // that it may send, exports aside; 0: any number
  double queue_share = 1.0;     // of the jobs that may wait
};

// A file with a JSON object on each line: name, salt, sha256 (of salt and key, in hexadecimal digits), scopes (some of submit,
// read, admin), and, where there are limits, jobs_a_day and queue_share. Empty lines and those that begin with # are skipped.
// Functions may be called from any thread.
class ApiKeys {
 public:
  // `report` gets why a file that was changed is not taken over. Throws Error for a file that cannot be read, naming the line.
  ApiKeys(std::filesystem::path file, std::function<void(const std::string&)> report);

  // Whose key this is. A file that was changed counts from its next use on, at most a second later; while it is damaged the
  // last good one does.
  [[nodiscard]] std::optional<Caller> find(const std::string& key);

 private:
  struct Entry {
    Caller caller;
    std::string salt, sha256;
  };
  struct Version {
    std::filesystem::file_time_type written{};
    std::uintmax_t bytes = 0;
    bool operator==(const Version&) const = default;
  };

  [[nodiscard]] std::vector<Entry> read() const;
  [[nodiscard]] static Entry entry_of(const std::string& line);
  [[nodiscard]] Version version_now() const;
  void look_again();

  std::filesystem::path file_;
  std::function<void(const std::string&)> report_;
  std::mutex mutex_;
  std::vector<Entry> entries_;
  Version version_;
  std::chrono::steady_clock::time_point looked_;
};

// Throws HttpError 403 for what the key's scopes do not cover: submit is for jobs and previews, read for looking at them, admin
// for everything, whatever it is; and 404 never. What is of no scope is admin's.
void check_scopes(const Caller& caller, const RequestHead& head);

}  // namespace espalier::server
