#include "image/image_header.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "image/byte_reader.h"
#include "image/codec.h"
#include "image/heif_boxes.h"

namespace espalier {

namespace {

using codec::ByteReader;
using codec::Bytes;

struct Size {
  std::uint64_t width = 0, height = 0;
};

ByteReader reader(Bytes bytes, bool big_endian) { return {bytes, "", "", big_endian}; }

// The first frame header.
Size jpeg_size(Bytes bytes) {
  const ByteReader file = reader(bytes, true);
  for (std::uint64_t at = 2;;) {
    const std::uint32_t marker = file.u16(at);
    if (marker == 0xFFFF) {  // fill bytes
      ++at;
      continue;
    }
    if (marker < 0xFF00) return {};
    const bool frame = marker >= 0xFFC0 && marker <= 0xFFCF && marker != 0xFFC4 && marker != 0xFFC8 && marker != 0xFFCC;
    if (frame) return {file.u16(at + 7), file.u16(at + 5)};
    at += 2 + std::uint64_t{file.u16(at + 2)};
  }
}

Size webp_size(Bytes bytes) {
  const ByteReader file = reader(bytes, false);
  const std::string kind = file.text(12, 4);
  if (kind == "VP8X") return {file.number(24, 3) + 1, file.number(27, 3) + 1};
  if (kind == "VP8L") {
    const std::uint32_t bits = file.u32(21);
    return {(bits & 0x3FFFU) + 1, (bits >> 14U & 0x3FFFU) + 1};
  }
  return {file.u16(26) & 0x3FFFU, file.u16(28) & 0x3FFFU};
}

Size bmp_size(Bytes bytes) {
  const ByteReader file = reader(bytes, false);
  if (file.u32(14) == 12) return {file.u16(18), file.u16(20)};
  const auto side = [&](std::uint64_t at) {
    const std::int64_t value = file.i32(at);
    return static_cast<std::uint64_t>(value < 0 ? -value : value);
  };
  return {side(18), side(22)};
}

Size tiff_size(Bytes bytes) {
  const ByteReader file = reader(bytes, bytes[0] == std::byte{'M'});
  const std::uint64_t start = file.u32(4);
  Size size;
  for (std::uint64_t i = 0; i < file.u16(start); ++i) {
    const std::uint64_t entry = start + 2 + i * 12;
    const std::uint64_t value = file.u16(entry + 2) == 3 ? file.u16(entry + 8) : file.u32(entry + 8);
    if (file.u16(entry) == 256) size.width = value;
    if (file.u16(entry) == 257) size.height = value;
  }
  return size;
}

// What is beyond the bytes may be missing: of the container only the tables are looked at.
Size heif_size(Bytes bytes) {
  const codec::HeifFile heif(bytes, "");
  const codec::HeifProperty* size = heif.item(heif.primary()).find("ispe");
  if (size == nullptr) return {};
  const ByteReader r = reader(size->content, true);
  return {r.u32(4), r.u32(8)};
}

bool is_avif(Bytes bytes) { return reader(bytes, true).text(8, 3) == "avi"; }

bool begins(Bytes bytes, std::string_view text) {
  return bytes.size() >= text.size() && std::memcmp(bytes.data(), text.data(), text.size()) == 0;
}

struct Kind {
  ImageHeader header;
  bool (*knows)(Bytes bytes);
  Size (*size)(Bytes bytes);
};

const Kind kKinds[] = {
    {{"png", ".png", "image/png"},
     [](Bytes b) { return image_format(b) == ImageFormat::png; },
     [](Bytes b) {
       return Size{reader(b, true).u32(16), reader(b, true).u32(20)};
     }},
    {{"jpeg", ".jpg", "image/jpeg"}, [](Bytes b) { return image_format(b) == ImageFormat::jpeg; }, jpeg_size},
    {{"webp", ".webp", "image/webp"}, [](Bytes b) { return image_format(b) == ImageFormat::webp; }, webp_size},
    {{"gif", ".gif", "image/gif"},
     [](Bytes b) { return begins(b, "GIF87a") || begins(b, "GIF89a"); },
     [](Bytes b) {
       return Size{reader(b, false).u16(6), reader(b, false).u16(8)};
     }},
    {{"tiff", ".tif", "image/tiff"}, codec::is_tiff, tiff_size},
    {{"bmp", ".bmp", "image/bmp"}, codec::is_bmp, bmp_size},
    {{"avif", ".avif", "image/avif"}, [](Bytes b) { return codec::is_heif(b) && is_avif(b); }, heif_size},
    {{"heic", ".heic", "image/heic"}, codec::is_heif, heif_size},
};

}  // namespace

std::optional<ImageHeader> image_header(std::span<const std::byte> begin) {
  for (const Kind& kind : kKinds) {
    if (!kind.knows(begin)) continue;
    ImageHeader header = kind.header;
    try {
      const Size size = kind.size(begin);
      header.width = size.width;
      header.height = size.height;
    } catch (const Error&) {
      header.width = header.height = 0;  // the bytes end before it is said
    }
    return header;
  }
  return std::nullopt;
}

}  // namespace espalier
