#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "base/error.h"

namespace espalier {

namespace fs = std::filesystem;

namespace {

std::string advice_for(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT: return "free some space or choose another folder";
    case EACCES:
    case EPERM: return "change the permissions or choose another place";
    case EROFS: return "choose a folder that can be written to";
    case ENAMETOOLONG: return "choose a shorter name";
    case EMFILE:
    case ENFILE: return "raise the limit of open files (ulimit -n)";
    default: return "";
  }
}

[[noreturn]] void fail_system(const char* action, const fs::path& path, int error) {
  const bool missing = error == ENOENT || error == ENOTDIR;
  fail(missing ? ErrorCode::not_found : ErrorCode::io, "cannot ", action, " ", path.string(), ": ",
       std::generic_category().message(error), hint(missing ? "check the path" : advice_for(error)));
}

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  // Closes now, because a full disk may be reported only here. Returns errno, or 0.
  [[nodiscard]] int close() {
    const int fd = std::exchange(fd_, -1);
    return ::close(fd) == 0 ? 0 : errno;
  }

 private:
  int fd_;
};

struct OpenedFile {
  Descriptor descriptor;
  std::uint64_t size;
};

OpenedFile open_regular(const fs::path& path) {
  // Without O_NONBLOCK opening a named pipe would wait for its writer before the type can be seen.
  Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.get() < 0) fail_system("open", path, errno);
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) fail_system("examine", path, errno);
  if (!S_ISREG(status.st_mode)) {
    fail(ErrorCode::not_found, "cannot read ", path.string(), ": it is ",
         S_ISDIR(status.st_mode) ? "a folder" : "no regular file", hint("name a file"));
  }
  return {std::move(descriptor), static_cast<std::uint64_t>(status.st_size)};
}

}  // namespace

MappedFile::MappedFile(fs::path path) : path_(std::move(path)) {
  const OpenedFile file = open_regular(path_);
  if (file.size == 0) return;  // mmap refuses empty mappings
  void* data = ::mmap(nullptr, file.size, PROT_READ, MAP_PRIVATE, file.descriptor.get(), 0);
  if (data == MAP_FAILED) fail_system("map", path_, errno);
  data_ = static_cast<const std::byte*>(data);
  size_ = file.size;
  guard_ = MappingGuard(data_, size_);
}

void MappedFile::check_intact() const {
  if (!guard_.has_lost()) return;
  fail(ErrorCode::io, "cannot read ", path_.string(), ": it became shorter while it was read, or its disk failed",
       hint("try again when nothing else writes it"));
}

MappedFile::~MappedFile() {
  guard_ = MappingGuard();  // before the addresses may mean something else
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

std::vector<std::byte> read_file(const fs::path& path, std::uint64_t limit) {
  const OpenedFile file = open_regular(path);
  if (file.size > limit) {
    fail(ErrorCode::format, path.string(), " has ", file.size, " bytes, but at most ", limit, " are accepted here",
         hint("use a smaller file"));
  }
  std::vector<std::byte> bytes(file.size);
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::read(file.descriptor.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_system("read", path, errno);
    if (n == 0) fail(ErrorCode::io, "cannot read ", path.string(), ": it became shorter while it was read", hint("try again"));
    done += static_cast<std::size_t>(n);
  }
  return bytes;
}

namespace {

// What a chain of links leads to, whether it exists or not.
fs::path follow_links(const fs::path& path) {
  constexpr int kMostLinks = 40;  // as Linux has it
  fs::path target = path;
  std::error_code error;
  for (int i = 0; fs::is_symlink(fs::symlink_status(target, error)); ++i) {
    const fs::path next = fs::read_symlink(target, error);
    if (error) fail_system("read the link", target, error.value());
    if (i == kMostLinks) {
      fail(ErrorCode::invalid_argument, "cannot write ", path.string(), ": it is a link that leads round in a circle",
           hint("remove it or choose another name"));
    }
    target = next.is_absolute() ? next : target.parent_path() / next;
  }
  return target;
}

struct Target {
  fs::path path;  // where the bytes go in the end: what the caller names, or what that links to
  bool exists = false;
  struct stat status {};
};

Target resolve_target(const fs::path& path) {
  Target target{follow_links(path)};
  if (::lstat(target.path.c_str(), &target.status) != 0) return target;  // what stands in the way is found when it is made
  target.exists = true;
  if (!S_ISREG(target.status.st_mode)) {
    fail(ErrorCode::invalid_argument, "cannot write ", path.string(), ": it exists and is ",
         S_ISDIR(target.status.st_mode) ? "a folder" : "no regular file", hint("name a file"));
  }
  constexpr mode_t kWritable = S_IWUSR | S_IWGRP | S_IWOTH;
  if ((target.status.st_mode & kWritable) == 0 || ::access(target.path.c_str(), W_OK) != 0) {
    fail(ErrorCode::io, "cannot write ", path.string(), ": it exists and is read-only",
         hint("choose another name or make it writable"));
  }
  return target;
}

void write_all(const Descriptor& descriptor, std::span<const std::byte> bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_system("write", path, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

// Puts all bytes of `from` into a file with other names beside this one: a new file would part it from them.
void overwrite(const fs::path& path, const Descriptor& from) {
  Descriptor to(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (to.get() < 0) fail_system("write", path, errno);
  std::vector<std::byte> bytes(std::size_t{1} << 20U);
  off_t size = 0;
  while (true) {
    const ssize_t n = ::pread(from.get(), bytes.data(), bytes.size(), size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_system("write", path, errno);
    if (n == 0) break;
    write_all(to, std::span(bytes).first(static_cast<std::size_t>(n)), path);
    size += n;
  }
  if (::ftruncate(to.get(), size) != 0) fail_system("write", path, errno);
  if (::fsync(to.get()) != 0) fail_system("write", path, errno);
  if (const int error = to.close(); error != 0) fail_system("write", path, error);
}

}  // namespace

// The temporary file, removed again unless it was renamed.
class FileWriter::TemporaryFile {
 public:
  explicit TemporaryFile(const Target& target)
      : target_(target.path), has_other_names_(target.exists && target.status.st_nlink > 1), descriptor_(create()) {
    if (!target.exists) return;
    // Who may read the old file may read the new one, and nobody else. Giving files away takes rights that few have.
    [[maybe_unused]] const int ignored = ::fchown(descriptor_.get(), target.status.st_uid, target.status.st_gid);
    if (::fchmod(descriptor_.get(), target.status.st_mode & 0777U) != 0) fail_system("set the mode of", target_, errno);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (!renamed_) ::unlink(path_.c_str());
  }

  void write(std::span<const std::byte> bytes) { write_all(descriptor_, bytes, target_); }

  void commit() {
    if (has_other_names_) return overwrite(target_, descriptor_);
    if (::fsync(descriptor_.get()) != 0) fail_system("write", target_, errno);
    if (const int error = descriptor_.close(); error != 0) fail_system("write", target_, error);
    if (::rename(path_.c_str(), target_.c_str()) != 0) fail_system("rename a temporary file to", target_, errno);
    renamed_ = true;
  }

 private:
  // O_EXCL with names of our own instead of mkstemp, so that the file gets the permissions the user's umask asks for.
  int create() {
    for (int attempt = 0; attempt < 1000; ++attempt) {
      path_ = target_.parent_path() / str(".espalier-", ::getpid(), "-", attempt, ".part");
      const int fd = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (fd >= 0) return fd;
      if (errno == ENOENT || errno == ENOTDIR) {
        fail(ErrorCode::not_found, "cannot write ", target_.string(), ": the folder ",
             fs::absolute(target_).parent_path().string(), " does not exist", hint("create it first"));
      }
      if (errno != EEXIST) fail_system("write", target_, errno);
    }
    fail(ErrorCode::io, "cannot write ", target_.string(), ": too many files named .espalier-*.part in its folder",
         hint("remove them"));
  }

  fs::path target_;
  bool has_other_names_;
  fs::path path_;
  Descriptor descriptor_;
  bool renamed_ = false;
};

FileWriter::FileWriter(const fs::path& path) {
  if (!path.has_filename()) {
    fail(ErrorCode::invalid_argument, "cannot write to \"", path.string(), "\": it names no file", hint("add a file name"));
  }
  file_ = std::make_unique<TemporaryFile>(resolve_target(path));
}

FileWriter::~FileWriter() = default;

void FileWriter::write(std::span<const std::byte> bytes) { file_->write(bytes); }

void FileWriter::commit() { file_->commit(); }

void write_file(const fs::path& path, std::span<const std::byte> bytes) {
  FileWriter file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace espalier
