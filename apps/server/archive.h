// Files as one ZIP archive that is sent as it is read.
#pragma once

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "http_message.h"

namespace espalier::server {

// A name that no member has yet, on systems that do not tell capitals apart either: "chair.glb", then "chair (2).glb".
class MemberNames {
 public:
  // `stem` and `ending` together are the name that is wanted.
  [[nodiscard]] std::string unique(const std::string& stem, const std::string& ending);

 private:
  std::map<std::string, int> taken_;  // in lower case -> how often it was asked for
};

// As APPNOTE.TXT 2.0 describes it, names in UTF-8. Members are stored as they are: the formats are compressed already, and the
// archive's size is known before its first byte.
class Archive {
 public:
  // Adds a file, which is read once for its checksum. Throws HttpError 404 when it is gone, 413 when the archive would reach
  // 4 GiB, which the format cannot count, Gone when `left` says that nobody waits any more.
  void add(const std::string& name, const std::filesystem::path& file, const std::function<bool()>& left);

  [[nodiscard]] bool empty() const { return members_.empty(); }
  [[nodiscard]] std::uint64_t size() const;
  // Throws Gone when a file is not what it was when it was added.
  void send(const Sink& sink) const;

 private:
  struct Member {
    std::string name;
    std::filesystem::path file;
    std::uint32_t bytes, checksum, offset;
    std::tm time;
  };

  [[nodiscard]] static std::string fields(const Member& member);

  std::vector<Member> members_;
  std::uint64_t data_bytes_ = 0, directory_bytes_ = 0;  // so far
};

}  // namespace espalier::server
