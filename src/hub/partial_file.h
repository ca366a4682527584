// A file on its way: grows under a name of its own, can be continued after an interruption, and gets its name only when size
// and hash are right.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "hub/digest.h"

namespace espalier::hub {

// Where one file goes. Their folders are made when needed.
struct Placement {
  std::filesystem::path file;     // when it is whole
  std::filesystem::path partial;  // until then; on the same file system
  std::filesystem::path lock;     // held while it grows, so that two programs do not write it at once
};

class PartialFile {
 public:
  // Takes the lock and opens what an earlier attempt left. Nothing when another program holds the lock. Throws io or not_found
  // when the system refuses.
  [[nodiscard]] static std::unique_ptr<PartialFile> open(const Placement& placement, const Digest& expected,
                                                         std::uint64_t bytes);
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;
  ~PartialFile();

  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::uint64_t expected_size() const { return bytes_; }
  // True when another program finished the file meanwhile: nothing is left to do.
  [[nodiscard]] bool already_whole() const { return whole_; }
  // Hashes what is there; once, before the first append. `go_on` may throw to stop.
  void hash_existing(const HashProgress& go_on);
  // Throws io, saying what to do, when the disk is full, and format when the bytes are more than expected.
  void append(std::span<const std::byte> bytes);
  // Throws away what is there.
  void restart();
  // Verifies, waits until the disk has it, and gives it its name. Throws format when size or hash are not as expected, and
  // throws the bytes away then.
  void finish();

 private:
  PartialFile(Placement placement, Digest expected, std::uint64_t bytes);

  Placement placement_;
  Digest expected_;
  std::uint64_t bytes_ = 0, size_ = 0;
  std::unique_ptr<DigestStream> hash_;
  int file_ = -1, lock_ = -1;
  bool whole_ = false;
};

// Makes a folder and those above it. Throws io, naming it.
void make_folders(const std::filesystem::path& folder);
// A full disk, a missing right and the like, with what to do.
[[noreturn]] void fail_to_write(const std::filesystem::path& path, int error);

}  // namespace espalier::hub
