#include "weights/zip_directory.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/printable.h"

namespace espalier {
namespace {

// APPNOTE.TXT of the zip format: signatures and lengths of the fixed parts.
constexpr std::uint64_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                        kLocator64 = 0x07064b50;
constexpr std::uint64_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocator64Bytes = 20;
constexpr std::uint64_t kNone16 = 0xFFFF, kNone32 = 0xFFFFFFFF;  // "see the zip64 record"
constexpr std::uint64_t kMaxComment = 0xFFFF;
constexpr std::uint64_t kMaxEntries = std::uint64_t{1} << 16U;
constexpr std::uint64_t kMaxDirectory = std::uint64_t{8} << 20U;

}  // namespace

template <class... Parts>
void ZipDirectory::broken(const Parts&... parts) const {
  fail(ErrorCode::format, label_, ": ", parts..., hint("the zip archive is truncated or damaged, fetch the file again"));
}

// Little-endian; the caller has made sure that it lies in the file.
std::uint64_t ZipDirectory::number(std::uint64_t at, unsigned width) const {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < width; ++i) {
    value |= std::to_integer<std::uint64_t>(bytes_[static_cast<std::size_t>(at) + i]) << (8U * i);
  }
  return value;
}

ZipDirectory::ZipDirectory(std::string label, std::span<const std::byte> bytes) : label_(std::move(label)), bytes_(bytes) {
  range_ = directory_range(find_end_record());
  if (range_.count > kMaxEntries || range_.end - range_.begin > kMaxDirectory) {
    fail(ErrorCode::format, label_, ": the zip archive lists ", range_.count, " entries in ", range_.end - range_.begin,
         " bytes", hint("that is not a file of weights"));
  }
  if (range_.count > (range_.end - range_.begin) / kCentralBytes) {
    broken("a directory of ", range_.end - range_.begin, " bytes cannot list ", range_.count, " entries");
  }
  entries_.reserve(static_cast<std::size_t>(range_.count));
  std::uint64_t at = range_.begin;
  for (std::uint64_t i = 0; i < range_.count; ++i) entries_.push_back(read_entry(at));
  if (at != range_.end) broken("the directory has ", range_.end - at, " bytes more than its entries take");
  std::sort(entries_.begin(), entries_.end(), [](const ZipEntry& a, const ZipEntry& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(entries_.begin(), entries_.end(),
                                        [](const ZipEntry& a, const ZipEntry& b) { return a.name == b.name; });
  if (twice != entries_.end()) {
    fail(ErrorCode::format, label_, ": the zip archive has two entries ", printable(twice->name),
         ", and which one counts is undecided", hint("save the file again"));
  }
}

// The end record lies before a comment whose length it states. A comment may itself look like one; when both readings are
// consistent, two programs could read two different files, so that neither is accepted.
std::uint64_t ZipDirectory::find_end_record() const {
  std::optional<std::uint64_t> found;
  const std::uint64_t size = bytes_.size();
  if (size >= kEndBytes) {
    const std::uint64_t first = size - kEndBytes > kMaxComment ? size - kEndBytes - kMaxComment : 0;
    for (std::uint64_t at = size - kEndBytes + 1; at-- > first;) {
      if (number(at, 4) != kEnd || at + kEndBytes + number(at + 20, 2) != size) continue;
      if (found) fail(ErrorCode::format, label_, ": the zip archive has two end records", hint("save the file again"));
      found = at;
    }
  }
  if (!found) broken("the end of the zip archive is missing (", size, " bytes are there)");
  return *found;
}

ZipDirectory::Range ZipDirectory::directory_range(std::uint64_t end_record) const {
  Range range;
  range.count = number(end_record + 10, 2);
  const std::uint64_t bytes = number(end_record + 12, 4);
  range.begin = number(end_record + 16, 4);
  range.end = range.begin + bytes;
  std::uint64_t limit = end_record;  // that the directory must end before
  if (end_record >= kLocator64Bytes && number(end_record - kLocator64Bytes, 4) == kLocator64) {
    Range wide;
    read_zip64(end_record - kLocator64Bytes, wide, limit);
    const bool agrees = (range.count == kNone16 || range.count == wide.count) &&
                        (bytes == kNone32 || bytes == wide.end - wide.begin) &&
                        (range.begin == kNone32 || range.begin == wide.begin);
    if (!agrees) broken("the end record and the zip64 record contradict each other");
    range = wide;
  } else if (number(end_record + 4, 2) != 0 || number(end_record + 6, 2) != 0 || number(end_record + 8, 2) != range.count) {
    broken("the archive is one part of several");
  }
  if (range.begin > limit || range.end > limit) {
    broken("the directory (bytes ", range.begin, " to ", range.end, ") does not lie before its end record at ", limit);
  }
  return range;
}

void ZipDirectory::read_zip64(std::uint64_t locator, Range& range, std::uint64_t& limit) const {
  const std::uint64_t at = number(locator + 8, 8);
  if (at > locator || locator - at < kEnd64Bytes || number(at, 4) != kEnd64)
    broken("the zip64 record is not where it should be");
  const std::uint64_t bytes = number(at + 40, 8);
  range.count = number(at + 32, 8);
  range.begin = number(at + 48, 8);
  if (bytes > at || range.begin > at - bytes) {
    broken("the directory (", bytes, " bytes from byte ", range.begin, " on) does not lie before the zip64 record at ", at);
  }
  if (number(at + 16, 4) != 0 || number(at + 20, 4) != 0 || number(at + 24, 8) != range.count) {
    broken("the archive is one part of several");
  }
  range.end = range.begin + bytes;
  limit = at;
}

ZipEntry ZipDirectory::read_entry(std::uint64_t& at) const {
  if (range_.end - at < kCentralBytes || number(at, 4) != kCentral) broken("an entry of the directory is missing at byte ", at);
  ZipEntry entry;
  entry.flags = static_cast<std::uint16_t>(number(at + 8, 2));
  entry.method = static_cast<std::uint16_t>(number(at + 10, 2));
  entry.stored_bytes = number(at + 20, 4);
  entry.bytes = number(at + 24, 4);
  entry.header_at = number(at + 42, 4);
  const std::uint64_t name = number(at + 28, 2), extra = number(at + 30, 2), comment = number(at + 32, 2);
  if (range_.end - at - kCentralBytes < name + extra + comment) broken("the entry at byte ", at, " leaves the directory");
  const std::uint64_t name_at = at + kCentralBytes;
  entry.name = {reinterpret_cast<const char*>(bytes_.data()) + name_at, static_cast<std::size_t>(name)};
  read_zip64_sizes(name_at + name, name_at + name + extra, entry);
  at = name_at + name + extra + comment;
  return entry;
}

// Replaces those numbers of `entry` that only the zip64 extra field has, which lists them in this order.
void ZipDirectory::read_zip64_sizes(std::uint64_t at, std::uint64_t end, ZipEntry& entry) const {
  if (entry.bytes != kNone32 && entry.stored_bytes != kNone32 && entry.header_at != kNone32) return;
  while (end - at >= 4) {
    const std::uint64_t kind = number(at, 2), bytes = number(at + 2, 2);
    at += 4;
    if (bytes > end - at) break;
    if (kind != 1) {
      at += bytes;
      continue;
    }
    const std::uint64_t field_end = at + bytes;
    for (std::uint64_t* wide : {&entry.bytes, &entry.stored_bytes, &entry.header_at}) {
      if (*wide != kNone32) continue;
      if (field_end - at < 8) broken("the zip64 sizes of ", printable(entry.name), " are incomplete");
      *wide = number(at, 8);
      at += 8;
    }
    return;
  }
  broken("the zip64 sizes of ", printable(entry.name), " are missing");
}

const ZipEntry* ZipDirectory::find(std::string_view name) const {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), name,
                                   [](const ZipEntry& e, std::string_view wanted) { return e.name < wanted; });
  return at != entries_.end() && at->name == name ? &*at : nullptr;
}

std::span<const std::byte> ZipDirectory::content(const ZipEntry& entry) const {
  const std::string name = printable(entry.name);
  if ((entry.flags & 1U) != 0)
    fail(ErrorCode::unsupported, label_, ": ", name, " is encrypted", hint("save the file again without a password"));
  if (entry.method != 0) {
    fail(ErrorCode::unsupported, label_, ": ", name, " is compressed, which torch.save never does",
         hint("pack the archive again "
              "without compression (zip -0), or save it with torch"));
  }
  if (entry.stored_bytes != entry.bytes) broken("the sizes of ", name, " contradict each other");
  const std::uint64_t at = entry.header_at, limit = range_.begin;  // entries lie before the directory
  if (at > limit || limit - at < kLocalBytes || number(at, 4) != kLocal) broken(name, " does not begin at byte ", at);
  const std::uint64_t name_bytes = number(at + 26, 2), extra = number(at + 28, 2);
  const std::uint64_t room = limit - at - kLocalBytes;
  if (name_bytes + extra > room || entry.bytes > room - name_bytes - extra) {
    broken(name, " of ", entry.bytes, " bytes at byte ", at, " does not fit into the file of ", bytes_.size());
  }
  const std::uint64_t name_at = at + kLocalBytes;
  const std::string_view local(reinterpret_cast<const char*>(bytes_.data()) + name_at, static_cast<std::size_t>(name_bytes));
  if (local != entry.name) broken(name, " is called ", printable(local), " at byte ", at);
  return bytes_.subspan(static_cast<std::size_t>(name_at + name_bytes + extra), static_cast<std::size_t>(entry.bytes));
}

}  // namespace espalier
