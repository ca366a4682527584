#include "io/formats/zip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <set>

#include "base/error.h"
#include "io/formats/byte_writer.h"
#include "io/formats/deflate.h"

namespace espalier {

namespace {

constexpr std::uint64_t kLimit = std::numeric_limits<std::uint32_t>::max();  // the format's own mark for "see zip64"

void check_name(const std::string& name) {
  bool bad = name.empty() || name.size() > 1000 || name.front() == '/' || name.find('\\') != std::string::npos;
  for (std::size_t at = 0; !bad && at <= name.size();) {
    const std::size_t end = std::min(name.find('/', at), name.size());
    const std::string part = name.substr(at, end - at);
    bad = part.empty() || part == "." || part == "..";
    at = end + 1;
  }
  if (bad) fail(ErrorCode::invalid_argument, "zip: \"", name, "\" cannot be the name of a member");
}

void check_size(std::uint64_t bytes, const std::string& what) {
  if (bytes >= kLimit) {
    fail(ErrorCode::invalid_argument, "zip: ", what, " would have ", bytes, " bytes, but the format counts to 4 GiB",
         hint("simplify the mesh"));
  }
}

std::uint32_t checksum(std::span<const std::byte> bytes) {
  return static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

// What the local header and the central directory say alike.
struct Member {
  const NamedFile* file;
  std::uint32_t crc, packed_size, offset;
  std::uint16_t method;

  void put(ByteWriter& out, std::uint16_t extra_bytes) const {
    constexpr std::uint16_t kVersion = 20, kUtf8 = 1U << 11U, kMidnight = 0, kFirstOfJanuary1980 = 33;
    out.put(kVersion);
    out.put(kUtf8);
    out.put(method);
    out.put(kMidnight);
    out.put(kFirstOfJanuary1980);
    out.put(crc);
    out.put(packed_size);
    out.put(static_cast<std::uint32_t>(file->bytes.size()));
    out.put(static_cast<std::uint16_t>(file->name.size()));
    out.put(extra_bytes);
  }
};

constexpr std::size_t kLocalHeader = 30, kExtraHeader = 4;

// How large the extra field of a member has to be whose local header begins at `at`; 0 without alignment.
std::size_t extra_bytes(std::size_t at, const std::string& name, std::size_t alignment) {
  if (alignment == 1) return 0;
  const std::size_t over = (at + kLocalHeader + name.size()) % alignment;
  const std::size_t gap = over == 0 ? 0 : alignment - over;
  return gap == 0 || gap >= kExtraHeader ? gap : gap + alignment;
}

void put_extra(ByteWriter& out, std::size_t bytes) {
  if (bytes == 0) return;
  constexpr std::uint16_t kPadding = 0x1986;  // the tag that USD's own writer has for it
  out.put(kPadding);
  out.put(static_cast<std::uint16_t>(bytes - kExtraHeader));
  for (std::size_t i = kExtraHeader; i < bytes; ++i) out.put('\0');
}

std::vector<std::byte> encode(std::span<const NamedFile> files, bool deflate, std::size_t alignment) {
  constexpr std::uint16_t kStored = 0, kDeflated = 8, kMadeBy = 20;
  if (files.size() >= std::numeric_limits<std::uint16_t>::max()) {
    fail(ErrorCode::invalid_argument, "zip: ", files.size(), " members are more than the format can count");
  }
  std::set<std::string> names;
  std::vector<Member> members;
  ByteWriter out(0);
  for (const NamedFile& file : files) {
    check_name(file.name);
    if (!names.insert(file.name).second) fail(ErrorCode::invalid_argument, "zip: \"", file.name, "\" occurs twice");
    check_size(file.bytes.size(), file.name);
    const std::vector<std::byte> packed = deflate ? deflated(file.bytes) : std::vector<std::byte>();
    const bool smaller = deflate && packed.size() < file.bytes.size();
    const std::span<const std::byte> body = smaller ? packed : file.bytes;
    constexpr std::uint64_t kOverhead = 8192;  // more than headers and gaps take without the names
    check_size(std::uint64_t{out.size()} + body.size() + 2 * file.name.size() + kOverhead, "the archive");
    const Member member = {&file, checksum(file.bytes), static_cast<std::uint32_t>(body.size()),
                           static_cast<std::uint32_t>(out.size()), smaller ? kDeflated : kStored};
    const std::size_t extra = extra_bytes(out.size(), file.name, alignment);
    out.text("PK\3\4");
    member.put(out, static_cast<std::uint16_t>(extra));
    out.text(file.name);
    put_extra(out, extra);
    out.raw(body.data(), body.size());
    members.push_back(member);
  }
  const std::size_t directory = out.size();
  for (const Member& member : members) {
    out.text("PK\1\2");
    out.put(kMadeBy);
    member.put(out, 0);
    for (int i = 0; i < 3; ++i) out.put(std::uint16_t{0});  // comment, disk, internal attributes
    out.put(std::uint32_t{0});                              // external attributes
    out.put(member.offset);
    out.text(member.file->name);
  }
  check_size(std::uint64_t{out.size()}, "the archive");
  const auto directory_size = static_cast<std::uint32_t>(out.size() - directory);
  out.text("PK\5\6");
  for (int i = 0; i < 2; ++i) out.put(std::uint16_t{0});  // disks
  for (int i = 0; i < 2; ++i) out.put(static_cast<std::uint16_t>(members.size()));
  out.put(directory_size);
  out.put(static_cast<std::uint32_t>(directory));
  out.put(std::uint16_t{0});  // comment
  return out.take();
}

}  // namespace

std::vector<std::byte> encode_zip(std::span<const NamedFile> files) { return encode(files, true, 1); }

std::vector<std::byte> encode_stored_zip(std::span<const NamedFile> files, std::size_t alignment) {
  constexpr std::size_t kLeast = kExtraHeader, kMost = 4096;
  require(alignment >= kLeast && alignment <= kMost, "encode_stored_zip", "an alignment of ", alignment);
  return encode(files, false, alignment);
}

}  // namespace espalier
