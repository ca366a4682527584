#include "archive.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "http_connection.h"

namespace espalier::server {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMostBytes = std::numeric_limits<std::uint32_t>::max() - 1;
constexpr std::size_t kMostMembers = std::numeric_limits<std::uint16_t>::max() - 1;
constexpr std::size_t kLocalHeader = 30, kEntry = 46, kEnd = 22;
constexpr std::size_t kBlock = 262144;

void put(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xFFU);
}

class OpenFile {
 public:
  explicit OpenFile(const fs::path& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  // False when it is gone, or no file.
  [[nodiscard]] bool status(struct stat& status) const {
    return fd_ >= 0 && ::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode);
  }
  // Calls `work` with all bytes in pieces; false when they cannot be read.
  template <class Work>
  [[nodiscard]] bool read(Work work) const {
    std::string block(kBlock, '\0');
    while (true) {
      const ssize_t n = ::read(fd_, block.data(), block.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return n == 0;
      work(std::string_view(block).substr(0, static_cast<std::size_t>(n)));
    }
  }

 private:
  int fd_;
};

std::uint32_t checksum(std::uint32_t before, std::string_view bytes) {
  return static_cast<std::uint32_t>(::crc32_z(before, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

[[noreturn]] void gone(const std::string& name) {
  throw HttpError(404, "not_found", "the file " + name + " is gone", "list the jobs again");
}

[[noreturn]] void too_large() {
  throw HttpError(413, "too_large", "the archive would have 4 GiB or more, or too many files", "ask for fewer jobs at a time");
}

}  // namespace

std::string MemberNames::unique(const std::string& stem, const std::string& ending) {
  std::string name = stem + ending;
  for (int& number = ++taken_[lower_case(name)]; number > 1; ++number) {
    name = stem + " (" + std::to_string(number) + ")" + ending;
    if (taken_.emplace(lower_case(name), 1).second) break;
  }
  return name;
}

void Archive::add(const std::string& name, const fs::path& path, const std::function<bool()>& left) {
  const OpenFile file(path);
  struct stat status {};
  if (!file.status(status)) gone(name);
  const std::uint64_t bytes = static_cast<std::uint64_t>(status.st_size);
  const std::uint64_t entry = kEntry + name.size(), local = kLocalHeader + name.size();
  const std::uint64_t before = data_bytes_ + directory_bytes_ + kEnd + entry + local;
  if (members_.size() >= kMostMembers || name.size() > 4096 || bytes > kMostBytes || before + bytes > kMostBytes) too_large();
  Member member{name, path, static_cast<std::uint32_t>(bytes), 0, static_cast<std::uint32_t>(data_bytes_), {}};
  std::uint64_t read = 0;
  const bool whole = file.read([&](std::string_view block) {
    if (left()) throw Gone();
    member.checksum = checksum(member.checksum, block);
    read += block.size();
  });
  if (!whole || read != bytes) gone(name);
  ::gmtime_r(&status.st_mtime, &member.time);
  data_bytes_ += local + bytes;
  directory_bytes_ += entry;
  members_.push_back(std::move(member));
}

std::uint64_t Archive::size() const { return data_bytes_ + directory_bytes_ + kEnd; }

// What the local header and the directory say alike.
std::string Archive::fields(const Member& member) {
  constexpr int kVersion = 20, kUtf8 = 1 << 11, kStored = 0, kFirstYear = 80, kLastYear = kFirstYear + 127;
  const std::tm& t = member.time;
  const int year = std::clamp(t.tm_year, kFirstYear, kLastYear) - kFirstYear;
  std::string out;
  put(out, kVersion, 2);
  put(out, kUtf8, 2);
  put(out, kStored, 2);
  put(out, static_cast<std::uint64_t>(t.tm_hour << 11 | t.tm_min << 5 | t.tm_sec / 2), 2);
  put(out, static_cast<std::uint64_t>(year << 9 | (t.tm_mon + 1) << 5 | t.tm_mday), 2);
  put(out, member.checksum, 4);
  put(out, member.bytes, 4);
  put(out, member.bytes, 4);
  put(out, member.name.size(), 2);
  put(out, 0, 2);  // extra field
  return out;
}

void Archive::send(const Sink& sink) const {
  constexpr int kMadeBy = 3 << 8 | 20;                            // Unix
  constexpr std::uint64_t kMode = std::uint64_t{0100644} << 16U;  // an ordinary file that its owner can write
  std::string directory;
  for (const Member& member : members_) {
    std::string head("PK\3\4");
    head += fields(member);
    head += member.name;
    sink(head);
    const OpenFile file(member.file);
    struct stat status {};
    std::uint64_t sent = 0;
    std::uint32_t sum = 0;
    // The length is promised already, so the connection must break.
    if (!file.status(status) || static_cast<std::uint64_t>(status.st_size) != member.bytes) throw Gone();
    const bool whole = file.read([&](std::string_view block) {
      sent += block.size();
      if (sent > member.bytes) throw Gone();
      sum = checksum(sum, block);
      sink(block);
    });
    if (!whole || sent != member.bytes || sum != member.checksum) throw Gone();
    directory += "PK\1\2";
    put(directory, kMadeBy, 2);
    directory += fields(member);
    for (int i = 0; i < 3; ++i) put(directory, 0, 2);  // comment, disk, internal attributes
    put(directory, kMode, 4);
    put(directory, member.offset, 4);
    directory += member.name;
  }
  directory += "PK\5\6";
  for (int i = 0; i < 2; ++i) put(directory, 0, 2);  // disks
  for (int i = 0; i < 2; ++i) put(directory, members_.size(), 2);
  put(directory, directory_bytes_, 4);
  put(directory, data_bytes_, 4);
  put(directory, 0, 2);  // comment
  sink(directory);
}

}  // namespace espalier::server
