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

  void put(ByteWriter& out) const {
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
    out.put(std::uint16_t{0});  // extra field
  }
};

}  // namespace

std::vector<std::byte> encode_zip(std::span<const NamedFile> files) {
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
    const std::vector<std::byte> packed = deflated(file.bytes);
    const bool smaller = packed.size() < file.bytes.size();
    const std::span<const std::byte> body = smaller ? packed : file.bytes;
    check_size(std::uint64_t{out.size()} + body.size() + 2 * file.name.size() + 1024, "the archive");
    const Member member = {&file, checksum(file.bytes), static_cast<std::uint32_t>(body.size()),
                           static_cast<std::uint32_t>(out.size()), smaller ? kDeflated : kStored};
    out.text("PK\3\4");
    member.put(out);
    out.text(file.name);
    out.raw(body.data(), body.size());
    members.push_back(member);
  }
  const std::size_t directory = out.size();
  for (const Member& member : members) {
    out.text("PK\1\2");
    out.put(kMadeBy);
    member.put(out);
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

}  // namespace espalier
