#include "io/formats/zip_reader.h"

#include <zlib.h>

#include "base/printable.h"
#include "io/formats/deflate.h"

namespace espalier::reader {

ZipArchive::ZipArchive(const Source& source) : source_(source) {
  constexpr std::size_t kEnd = 22, kLongestComment = 65535, kEntry = 46, kMost = 100'000;
  const std::string_view text = text_of(source.bytes);
  if (text.size() < kEnd) source.cut_off("the archive ends early");
  const std::size_t at = text.rfind("PK\x05\x06", text.size() - kEnd);
  if (at == std::string_view::npos || text.size() - at - kEnd > kLongestComment) source.damaged("the archive has no directory");
  Cursor end(source.bytes.subspan(at + 8), source);
  (void)end.number<std::uint16_t>();
  const auto count = end.number<std::uint16_t>();
  const auto size = end.number<std::uint32_t>(), offset = end.number<std::uint32_t>();
  if (count == 0xFFFFU || offset == 0xFFFFFFFFU)
    source.unsupported("archives of the kind zip64 are not read", hint("unpack it first"));
  if (count > kMost || offset > at || size > at - offset) source.damaged("the directory of the archive is damaged");
  Cursor cursor(source.bytes.subspan(offset, size), source);
  for (std::uint32_t i = 0; i < count; ++i) {
    source.tick();
    if (cursor.left() < kEntry || text_of(cursor.take(4)) != "PK\x01\x02")
      source.damaged("the directory of the archive is damaged");
    cursor.take(4);
    Member m{};
    m.flags = cursor.number<std::uint16_t>();
    m.method = cursor.number<std::uint16_t>();
    cursor.take(4);
    m.crc = cursor.number<std::uint32_t>();
    m.packed = cursor.number<std::uint32_t>();
    m.size = cursor.number<std::uint32_t>();
    const auto name_bytes = cursor.number<std::uint16_t>(), extra = cursor.number<std::uint16_t>(),
               comment = cursor.number<std::uint16_t>();
    cursor.take(8);
    m.offset = cursor.number<std::uint32_t>();
    std::string name(text_of(cursor.take(name_bytes)));
    cursor.take(std::uint64_t{extra} + comment);
    std::replace(name.begin(), name.end(), '\\', '/');
    if (name.empty() || name.back() == '/') continue;
    if (!members_.emplace(name, m).second) continue;
    lower_.emplace(lower(name), name);
    names_.push_back(std::move(name));
  }
}

std::optional<std::string> ZipArchive::find(const std::string& name) const {
  if (members_.contains(name)) return name;
  const auto at = lower_.find(lower(name));
  return at == lower_.end() ? std::nullopt : std::optional(at->second);
}

const ZipArchive::Member& ZipArchive::member(const std::string& name) const {
  const auto at = members_.find(name);
  if (at == members_.end()) source_.damaged("the archive has no file \"", printable(name), "\"");
  return at->second;
}

std::vector<std::byte> ZipArchive::read(const std::string& name) const {
  constexpr std::uint64_t kSpare = std::uint64_t{160} << 20U, kPerByte = 4, kBestRatio = 1040;
  constexpr std::uint16_t kEncrypted = 1, kStored = 0, kDeflated = 8;
  const Member& m = member(name);
  if ((m.flags & kEncrypted) != 0) source_.unsupported("\"", printable(name), "\" in the archive is encrypted");
  if (m.method != kStored && m.method != kDeflated)
    source_.unsupported("\"", printable(name), "\" in the archive is packed by method ", m.method, ", only deflate is read");
  unpacked_ += m.size;
  if (unpacked_ > std::min(source_.options.max_bytes, kSpare + kPerByte * source_.bytes.size()))
    source_.damaged("the files of the archive unpack to more than ", unpacked_ >> 20U, " MiB");
  constexpr std::size_t kLocal = 30;
  if (m.offset > source_.bytes.size() || source_.bytes.size() - m.offset < kLocal) source_.cut_off("the archive ends early");
  Cursor local(source_.bytes.subspan(m.offset), source_);
  if (text_of(local.take(4)) != "PK\x03\x04") source_.damaged("\"", printable(name), "\" is not where the archive says");
  local.take(22);
  const auto name_bytes = local.number<std::uint16_t>(), extra = local.number<std::uint16_t>();
  local.take(std::uint64_t{name_bytes} + extra);
  const Bytes packed = local.take(m.packed);
  std::vector<std::byte> out;
  if (m.method == kStored) {
    if (m.size != m.packed) source_.damaged("\"", printable(name), "\" in the archive has two sizes");
    out.assign(packed.begin(), packed.end());
  } else {
    if (m.size > m.packed * kBestRatio + 64)
      source_.damaged("\"", printable(name), "\" in the archive cannot be as large as it says");
    out = inflated(packed, m.size, source_.name + ": " + printable(name));
  }
  if (::crc32_z(0, reinterpret_cast<const Bytef*>(out.data()), out.size()) != m.crc)
    source_.damaged("\"", printable(name), "\" in the archive is damaged: its checksum is wrong");
  return out;
}

}  // namespace espalier::reader
