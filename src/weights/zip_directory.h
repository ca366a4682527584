// The table of contents of a zip archive of stored (not compressed) entries, as PyTorch writes it. Only the central directory
// counts: local headers may say that sizes are 0 (a descriptor follows the data) and may be padded. zip64 is read. Memory is a
// few dozen bytes for each entry, of which there may be 65,536.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

struct ZipEntry {
  std::string_view name;
  std::uint64_t header_at = 0;  // of the local header
  std::uint64_t bytes = 0, stored_bytes = 0;
  std::uint16_t method = 0, flags = 0;
};

class ZipDirectory {
 public:
  // `bytes` is the whole archive and must outlive this object; `label` begins every error. Throws format when the end
  // record is missing or may be meant in two ways, when records contradict each other or leave the file, and when two entries
  // have one name.
  ZipDirectory(std::string label, std::span<const std::byte> bytes);

  // In name order.
  [[nodiscard]] const std::vector<ZipEntry>& entries() const { return entries_; }
  // Null where there is no such entry.
  [[nodiscard]] const ZipEntry* find(std::string_view name) const;
  // The bytes of an entry. Throws unsupported when it is compressed or encrypted, format when it does not lie in the file or
  // its local header has another name.
  [[nodiscard]] std::span<const std::byte> content(const ZipEntry& entry) const;

 private:
  struct Range {
    std::uint64_t begin = 0, end = 0, count = 0;
  };
  [[nodiscard]] std::uint64_t number(std::uint64_t at, unsigned width) const;
  [[nodiscard]] std::uint64_t find_end_record() const;
  [[nodiscard]] Range directory_range(std::uint64_t end_record) const;
  void read_zip64(std::uint64_t locator, Range& range, std::uint64_t& limit) const;
  [[nodiscard]] ZipEntry read_entry(std::uint64_t& at) const;
  void read_zip64_sizes(std::uint64_t at, std::uint64_t end, ZipEntry& entry) const;
  template <class... Parts>
  [[noreturn]] void broken(const Parts&... parts) const;

  std::string label_;
  std::span<const std::byte> bytes_;
  Range range_;
  std::vector<ZipEntry> entries_;
};

}  // namespace espalier
