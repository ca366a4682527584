#include "hub/partial_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"

namespace espalier::hub {

namespace fs = std::filesystem;

void fail_to_write(const fs::path& path, int error) {
  const std::string where = "cannot write " + path.string() + ": " + std::generic_category().message(error);
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      fail(ErrorCode::io, where,
           hint("free some space, or choose a folder on another disk with --to or HF_HOME (what has come so far is kept)"));
    case EFBIG: fail(ErrorCode::io, where, hint("raise the limit (ulimit -f) or choose another disk with --to or HF_HOME"));
    case EACCES:
    case EPERM:
    case EROFS: fail(ErrorCode::io, where, hint("choose a folder that you may write to with --to or HF_HOME"));
    default: fail(ErrorCode::io, where, hint("check the disk, or choose another folder with --to or HF_HOME"));
  }
}

void make_folders(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail_to_write(folder, error.value());
}

PartialFile::PartialFile(Placement placement, Digest expected, std::uint64_t bytes)
    : placement_(std::move(placement)), expected_(std::move(expected)), bytes_(bytes) {}

std::unique_ptr<PartialFile> PartialFile::open(const Placement& placement, const Digest& expected, std::uint64_t bytes) {
  make_folders(placement.file.parent_path());
  make_folders(placement.partial.parent_path());
  make_folders(placement.lock.parent_path());
  std::unique_ptr<PartialFile> file(new PartialFile(placement, expected, bytes));
  file->lock_ = ::open(placement.lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file->lock_ < 0) fail_to_write(placement.lock, errno);
  if (::flock(file->lock_, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return nullptr;
    // A file system without locks: the hash still finds whatever two writers would do to each other.
  }
  std::error_code ignored;
  if (fs::is_regular_file(placement.file, ignored) && fs::file_size(placement.file, ignored) == bytes) {
    // A name that is the hash was given after verifying; any other says nothing of the content.
    const bool named_by_hash = placement.file.filename() == expected.hex;
    file->whole_ = named_by_hash || digest_of_file(placement.file, expected.kind) == expected;
    if (file->whole_) return file;
  }
  file->file_ = ::open(placement.partial.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (file->file_ < 0) fail_to_write(placement.partial, errno);
  struct stat status {};
  if (::fstat(file->file_, &status) != 0) fail_to_write(placement.partial, errno);
  file->size_ = static_cast<std::uint64_t>(status.st_size);
  if (file->size_ > bytes) file->restart();
  return file;
}

PartialFile::~PartialFile() {
  if (file_ >= 0) ::close(file_);
  if (lock_ >= 0) ::close(lock_);
}

void PartialFile::hash_existing(const HashProgress& go_on) {
  constexpr std::size_t kBlock = std::size_t{4} << 20U;
  hash_ = std::make_unique<DigestStream>(expected_.kind, bytes_);
  std::vector<std::byte> block(std::min<std::uint64_t>(kBlock, size_));
  for (std::uint64_t at = 0; at < size_;) {
    const ssize_t n = ::pread(file_, block.data(), block.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {  // unreadable: what cannot be hashed is fetched again
      restart();
      return;
    }
    hash_->update({block.data(), static_cast<std::size_t>(n)});
    at += static_cast<std::uint64_t>(n);
    if (go_on) go_on(static_cast<std::uint64_t>(n));
  }
}

void PartialFile::append(std::span<const std::byte> bytes) {
  require(hash_ != nullptr, "PartialFile::append", "hash_existing comes first");
  if (bytes.size() > bytes_ - size_) {
    fail(ErrorCode::format, placement_.file.string(), ": more bytes come than the ", bytes_, " that were announced",
         hint("try again, or another HF_ENDPOINT"));
  }
  hash_->update(bytes);
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_to_write(placement_.partial, errno);
    size_ += static_cast<std::uint64_t>(n);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void PartialFile::restart() {
  if (::ftruncate(file_, 0) != 0) fail_to_write(placement_.partial, errno);
  size_ = 0;
  hash_ = std::make_unique<DigestStream>(expected_.kind, bytes_);
}

void PartialFile::finish() {
  require(hash_ != nullptr, "PartialFile::finish", "hash_existing comes first");
  const std::string hex = hash_->finish();
  if (size_ != bytes_ || hex != expected_.hex) {
    const std::string found = size_ != bytes_
                                  ? str(size_, " bytes instead of ", bytes_)
                                  : str("the hash ", hex.substr(0, 12), "... instead of ", expected_.hex.substr(0, 12), "...");
    restart();
    fail(ErrorCode::format, "came with ", found);
  }
  // A name that stands for verified bytes must not outlive them when the power goes.
  if (::fsync(file_) != 0) fail_to_write(placement_.partial, errno);
  if (::rename(placement_.partial.c_str(), placement_.file.c_str()) != 0) fail_to_write(placement_.file, errno);
}

}  // namespace espalier::hub
