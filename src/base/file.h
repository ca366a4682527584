// Files: read-only mappings, bounded reads and writes that leave either the whole file or the old one.
// Every error names the path, the reason the system gave, and what to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "base/mapping_guard.h"

namespace espalier {

// A whole file mapped read-only. Move-only; the bytes stay valid until destruction. The size is the one found when the
// file was opened. What a file that another program shortens no longer has reads as zeros: call check_intact() after reading
// and before using what was read.
class MappedFile {
 public:
  MappedFile() = default;
  // Throws not_found when there is no such regular file, io when it cannot be opened or mapped.
  explicit MappedFile(std::filesystem::path path);
  MappedFile(MappedFile&& other) noexcept { swap(other); }
  MappedFile& operator=(MappedFile&& other) noexcept {
    MappedFile(std::move(other)).swap(*this);
    return *this;
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }
  // Throws io when bytes that were read are not those of the file, because it became shorter or the disk failed.
  void check_intact() const;
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  void swap(MappedFile& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(guard_, other.guard_);
  }

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  MappingGuard guard_;
};

// The whole file. Throws not_found, io, or format when it is larger than `limit` bytes (before anything is allocated).
[[nodiscard]] std::vector<std::byte> read_file(const std::filesystem::path& path, std::uint64_t limit);

// Writes `bytes` to a temporary file beside `path`, waits until the disk has them and renames it over `path`, so that
// no reader ever sees half a file; on failure the temporary file is removed and an existing `path` is untouched. A
// symbolic link is followed, also one that leads to nothing yet; an existing file keeps its mode and owner, and one with
// several names keeps all of them (it is then overwritten in place once the temporary file is whole). Throws not_found when the
// folder does not exist, invalid_argument when `path` exists and is no regular file (a folder, a device) or is a link that
// leads round in a circle, io when the system refuses (no permission, disk full) or the file is read-only, for the superuser,
// too.
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);

// The same in pieces, for files that do not fit into memory: write() appends, commit() puts the file in place. Without
// commit() nothing remains. Throws as write_file does; the constructor makes the temporary file.
class FileWriter {
 public:
  explicit FileWriter(const std::filesystem::path& path);
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  ~FileWriter();

  void write(std::span<const std::byte> bytes);
  // Once, as the last call.
  void commit();

 private:
  class TemporaryFile;
  std::unique_ptr<TemporaryFile> file_;
};

}  // namespace espalier
