#include <webp/decode.h>

#include <cstring>

#include "base/error.h"
#include "image/codec_parts.h"

namespace espalier::codec {

namespace {

std::uint32_t little_endian(Bytes bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value |= std::to_integer<std::uint32_t>(bytes[at + i]) << (8U * i);
  return value;
}

// The EXIF chunk of the RIFF container: a name, a length and the bytes, padded to an even length.
int orientation_of(Bytes bytes) {
  constexpr std::size_t kHead = 8;
  for (std::size_t at = 12; at + kHead <= bytes.size();) {
    const std::size_t length = little_endian(bytes, at + 4);
    if (length > bytes.size() - at - kHead) return 1;
    Bytes content = bytes.subspan(at + kHead, length);
    if (std::memcmp(bytes.data() + at, "EXIF", 4) == 0) {
      // Some writers put the JPEG prefix before the TIFF header.
      if (length > 6 && std::memcmp(content.data(), "Exif\0\0", 6) == 0) content = content.subspan(6);
      return exif_orientation(content);
    }
    at += kHead + length + length % 2;
  }
  return 1;
}

std::string reason_of(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA: return "the file is cut short";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "it uses an unknown feature";
    default: return "the data make no sense";
  }
}

}  // namespace

Picture decode_webp(Bytes bytes, const std::string& name) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  WebPBitstreamFeatures features{};
  if (const VP8StatusCode status = WebPGetFeatures(data, bytes.size(), &features); status != VP8_STATUS_OK) {
    fail_damaged(name, "WebP", reason_of(status));
  }
  if (features.has_animation != 0) {
    fail(ErrorCode::unsupported, name, ": an animated WebP is not supported; save one frame of it as a picture");
  }
  check_size(static_cast<std::uint64_t>(features.width), static_cast<std::uint64_t>(features.height), name);
  Picture picture(features.width, features.height, features.has_alpha != 0 ? 4 : 3);
  const int stride = picture.width * picture.channels;
  const std::uint8_t* done = picture.channels == 4
                                 ? WebPDecodeRGBAInto(data, bytes.size(), picture.pixels.data(), picture.pixels.size(), stride)
                                 : WebPDecodeRGBInto(data, bytes.size(), picture.pixels.data(), picture.pixels.size(), stride);
  if (done == nullptr) fail_damaged(name, "WebP", "the data end early or make no sense");
  return apply_orientation(std::move(picture), orientation_of(bytes));
}

}  // namespace espalier::codec
