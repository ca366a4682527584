#include "image/codec.h"

#include <array>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "image/codec_parts.h"

namespace espalier {

namespace codec {

void check_size(std::uint64_t width, std::uint64_t height, const std::string& name) {
  if (width == 0 || height == 0) fail(ErrorCode::format, name, ": the image is empty (", width, " x ", height, " pixels)");
  constexpr auto kSide = static_cast<std::uint64_t>(kMaxImageSide);
  if (width > kSide || height > kSide || width * height > static_cast<std::uint64_t>(kMaxImagePixels)) {
    fail(ErrorCode::format, name, ": ", width, " x ", height, " pixels are too many (at most ", kMaxImageSide,
         " on a side and ", kMaxImagePixels / 1'000'000, " million in all)", hint("scale the image down"));
  }
}

void check_encodable(const Image& image, const char* where) {
  require(image.width > 0 && image.height > 0 && (image.channels == 3 || image.channels == 4) &&
              image.pixels.size() == image.pixel_count() * static_cast<std::size_t>(image.channels),
          where, "an image of ", image.width, " x ", image.height, " x ", image.channels, " with ", image.pixels.size(),
          " bytes");
}

void fail_damaged(const std::string& name, const char* kind, const std::string& reason) {
  fail(ErrorCode::format, name, ": damaged ", kind, ": ", reason, hint("save the image again with another program"));
}

namespace {

// EXIF is a TIFF file of its own: byte order, 42, offset of the first directory; a directory is a count and entries of
// twelve bytes (tag, type, count, value).
class TiffReader {
 public:
  explicit TiffReader(Bytes bytes) : bytes_(bytes) {
    if (bytes.size() < 8) return;
    const auto first = std::to_integer<char>(bytes[0]);
    big_endian_ = first == 'M';
    valid_ = (first == 'M' || first == 'I') && bytes[1] == bytes[0] && u16(2) == 42;
  }
  [[nodiscard]] bool valid() const { return valid_; }
  [[nodiscard]] bool holds(std::uint64_t offset, std::uint64_t size) const {
    return offset <= bytes_.size() && size <= bytes_.size() - offset;
  }
  [[nodiscard]] std::uint32_t u16(std::uint64_t at) const {
    return big_endian_ ? u8(at) << 8U | u8(at + 1) : u8(at + 1) << 8U | u8(at);
  }
  [[nodiscard]] std::uint32_t u32(std::uint64_t at) const {
    return big_endian_ ? u16(at) << 16U | u16(at + 2) : u16(at + 2) << 16U | u16(at);
  }

 private:
  [[nodiscard]] std::uint32_t u8(std::uint64_t at) const { return std::to_integer<std::uint32_t>(bytes_[at]); }
  Bytes bytes_;
  bool big_endian_ = false;
  bool valid_ = false;
};

}  // namespace

int exif_orientation(Bytes tiff) {
  constexpr std::uint32_t kOrientation = 0x0112;
  constexpr std::uint32_t kShort = 3, kLong = 4;  // as the standard has it, and as some cameras and programs write it
  const TiffReader reader(tiff);
  if (!reader.valid()) return 1;
  const std::uint64_t directory = reader.u32(4);
  if (!reader.holds(directory, 2)) return 1;
  const std::uint64_t count = reader.u16(directory);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t entry = directory + 2 + i * 12;
    if (!reader.holds(entry, 12)) return 1;
    if (reader.u16(entry) != kOrientation) continue;
    const std::uint32_t type = reader.u16(entry + 2);
    const std::uint32_t value = type == kShort ? reader.u16(entry + 8) : type == kLong ? reader.u32(entry + 8) : 1;
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Image apply_orientation(Image stored, int orientation) {
  if (orientation <= 1 || orientation > 8) return stored;
  const bool transposed = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image seen(transposed ? stored.height : stored.width, transposed ? stored.width : stored.height, stored.channels);
  for (int y = 0; y < seen.height; ++y) {
    for (int x = 0; x < seen.width; ++x) {
      const int along_width = transposed ? y : x;
      const int along_height = transposed ? x : y;
      const std::uint8_t* from = stored.at(from_right ? stored.width - 1 - along_width : along_width,
                                           from_bottom ? stored.height - 1 - along_height : along_height);
      std::memcpy(seen.at(x, y), from, static_cast<std::size_t>(stored.channels));
    }
  }
  return seen;
}

}  // namespace codec

namespace {

struct Signature {
  std::string_view bytes;
  std::size_t offset;
  const char* name;
};

bool begins(codec::Bytes bytes, std::string_view signature, std::size_t offset = 0) {
  return bytes.size() >= offset + signature.size() &&
         std::memcmp(bytes.data() + offset, signature.data(), signature.size()) == 0;
}

// Formats that people try, named so that they know what to convert.
const char* foreign_format(codec::Bytes bytes) {
  using std::string_view_literals::operator""sv;
  constexpr std::array kForeign = {
      Signature{"8BPS"sv, 0, "Photoshop"},
      Signature{"%PDF"sv, 0, "PDF"},
      Signature{"<svg"sv, 0, "SVG"},
      Signature{"\xFF\x0A"sv, 0, "JPEG XL"},
      Signature{"\0\0\0\x0CJXL "sv, 0, "JPEG XL"},
      Signature{"\0\0\0\x0CjP  "sv, 0, "JPEG 2000"},
      Signature{"ftyp"sv, 4, "a film"},
      Signature{"glTF"sv, 0, "GLB (a 3D asset)"},
  };
  for (const Signature& s : kForeign) {
    if (begins(bytes, s.bytes, s.offset)) return s.name;
  }
  return nullptr;
}

}  // namespace

bool codec::is_tiff(Bytes bytes) {
  using std::string_view_literals::operator""sv;
  return begins(bytes, "II*\0"sv) || begins(bytes, "MM\0*"sv) || begins(bytes, "II+\0"sv) || begins(bytes, "MM\0+"sv);
}

// "BM" alone also begins text.
bool codec::is_bmp(Bytes bytes) {
  return begins(bytes, "BM") && bytes.size() >= 26 && bytes[15] == std::byte{0} && bytes[16] == std::byte{0} &&
         bytes[17] == std::byte{0};
}

std::optional<ImageFormat> image_format(std::span<const std::byte> bytes) {
  if (begins(bytes, "\x89PNG\r\n\x1A\n")) return ImageFormat::png;
  if (begins(bytes, "\xFF\xD8\xFF")) return ImageFormat::jpeg;
  if (begins(bytes, "RIFF") && begins(bytes, "WEBP", 8)) return ImageFormat::webp;
  return std::nullopt;
}

namespace {

struct Decoder {
  bool (*knows)(codec::Bytes bytes);
  Image (*decode)(const codec::Source& source);
};

constexpr std::array kDecoders = {
    Decoder{[](codec::Bytes b) { return image_format(b) == ImageFormat::png; }, codec::decode_png},
    Decoder{[](codec::Bytes b) { return image_format(b) == ImageFormat::jpeg; }, codec::decode_jpeg},
    Decoder{[](codec::Bytes b) { return image_format(b) == ImageFormat::webp; }, codec::decode_webp},
    Decoder{[](codec::Bytes b) { return begins(b, "GIF87a") || begins(b, "GIF89a"); }, codec::decode_gif},
    Decoder{codec::is_tiff, codec::decode_tiff},
    Decoder{codec::is_bmp, codec::decode_bmp},
    Decoder{codec::is_heif, codec::decode_heif},
};

constexpr const char* kKnown = "PNG, JPEG, WebP, AVIF, HEIC, GIF, TIFF or BMP";

}  // namespace

Image decode_image(std::span<const std::byte> bytes, const std::string& name, const Monitor* monitor,
                   std::vector<std::string>* notices, ColourProfiles profiles) {
  if (bytes.size() > kMaxImageBytes) {
    fail(ErrorCode::format, name, ": ", bytes.size(), " bytes are too many for an image (at most ", kMaxImageBytes >> 20U,
         " MiB)", hint("scale the image down"));
  }
  if (monitor != nullptr) monitor->check();
  for (const Decoder& decoder : kDecoders) {
    if (decoder.knows(bytes)) return decoder.decode({bytes, name, monitor, notices, profiles == ColourProfiles::ignored});
  }
  if (bytes.empty()) fail(ErrorCode::format, name, ": the file is empty", hint("name an image (", kKnown, ")"));
  if (const char* foreign = foreign_format(bytes)) {
    fail(ErrorCode::unsupported, name, ": ", foreign, " is not supported", hint("convert it to PNG, JPEG or WebP"));
  }
  fail(ErrorCode::format, name, ": this is not an image of a known format (", kKnown, ")", hint("save it as PNG"));
}

Image load_image_file(const std::filesystem::path& path, const Monitor* monitor, std::vector<std::string>* notices) {
  return decode_image(read_file(path, kMaxImageBytes), path.string(), monitor, notices);
}

}  // namespace espalier
