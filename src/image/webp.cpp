#include <webp/decode.h>
#include <webp/encode.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "image/codec.h"
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

// The bytes are shown to the decoder piece by piece, and between them the monitor is asked.
VP8StatusCode decode_pieces(Bytes bytes, Picture& picture, const Monitor* monitor) {
  constexpr std::size_t kPiece = std::size_t{64} << 10U;
  const auto mode = picture.channels == 4 ? MODE_RGBA : MODE_RGB;
  const std::unique_ptr<WebPIDecoder, void (*)(WebPIDecoder*)> decoder(
      WebPINewRGB(mode, picture.pixels.data(), picture.pixels.size(), picture.width * picture.channels), WebPIDelete);
  if (!decoder) return VP8_STATUS_OUT_OF_MEMORY;
  VP8StatusCode status = VP8_STATUS_SUSPENDED;
  for (std::size_t shown = 0; status == VP8_STATUS_SUSPENDED && shown < bytes.size();) {
    if (monitor != nullptr) monitor->check();
    shown = monitor == nullptr ? bytes.size() : std::min(bytes.size(), shown + kPiece);
    status = WebPIUpdate(decoder.get(), reinterpret_cast<const std::uint8_t*>(bytes.data()), shown);
  }
  return status == VP8_STATUS_SUSPENDED ? VP8_STATUS_NOT_ENOUGH_DATA : status;
}

}  // namespace

Picture decode_webp(Bytes bytes, const std::string& name, const Monitor* monitor) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  WebPBitstreamFeatures features{};
  if (const VP8StatusCode status = WebPGetFeatures(data, bytes.size(), &features); status != VP8_STATUS_OK) {
    fail_damaged(name, "WebP", reason_of(status));
  }
  if (features.has_animation != 0) {
    fail(ErrorCode::unsupported, name, ": an animated WebP is not supported", hint("save one frame of it as a picture"));
  }
  check_size(static_cast<std::uint64_t>(features.width), static_cast<std::uint64_t>(features.height), name);
  Picture picture(features.width, features.height, features.has_alpha != 0 ? 4 : 3);
  if (const VP8StatusCode status = decode_pieces(bytes, picture, monitor); status != VP8_STATUS_OK) {
    if (status == VP8_STATUS_OUT_OF_MEMORY) fail(ErrorCode::out_of_memory, name, ": not enough memory to decode this WebP");
    fail_damaged(name, "WebP", reason_of(status));
  }
  return apply_orientation(std::move(picture), orientation_of(bytes));
}

}  // namespace espalier::codec

namespace espalier {

std::vector<std::byte> encode_webp(const Picture& picture, const WebpOptions& options) {
  codec::check_encodable(picture, "encode_webp");
  if (options.quality < 0 || options.quality > 100) {
    fail(ErrorCode::invalid_argument, "the quality of a WebP lies between 0 and 100, not ", options.quality);
  }
  if (picture.width > WEBP_MAX_DIMENSION || picture.height > WEBP_MAX_DIMENSION) {
    fail(ErrorCode::invalid_argument, picture.width, " x ", picture.height, " pixels are too many for a WebP (at most ",
         WEBP_MAX_DIMENSION, " on a side)", hint("scale the picture down"));
  }
  WebPConfig config;
  WebPMemoryWriter writer;
  struct Frame : WebPPicture {
    Frame() : WebPPicture() {}
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;
    ~Frame() { WebPPictureFree(this); }
  } frame;
  require(WebPConfigInit(&config) != 0 && WebPPictureInit(&frame) != 0, "encode_webp", "another libwebp than at build time");
  config.quality = static_cast<float>(options.quality);
  config.lossless = config.exact = options.lossless ? 1 : 0;
  frame.use_argb = options.lossless ? 1 : 0;
  frame.width = picture.width;
  frame.height = picture.height;
  frame.writer = WebPMemoryWrite;
  frame.custom_ptr = &writer;
  WebPMemoryWriterInit(&writer);
  const int stride = picture.width * picture.channels;
  const bool imported = picture.channels == 4 ? WebPPictureImportRGBA(&frame, picture.pixels.data(), stride) != 0
                                              : WebPPictureImportRGB(&frame, picture.pixels.data(), stride) != 0;
  const bool done = imported && WebPEncode(&config, &frame) != 0;
  std::vector<std::byte> bytes(done ? writer.size : 0);
  if (done) std::memcpy(bytes.data(), writer.mem, writer.size);
  WebPMemoryWriterClear(&writer);
  if (!done) {
    const bool memory = !imported || frame.error_code == VP8_ENC_ERROR_OUT_OF_MEMORY ||
                        frame.error_code == VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY;
    fail(memory ? ErrorCode::out_of_memory : ErrorCode::internal, "cannot encode a WebP: error ",
         static_cast<int>(frame.error_code), " of libwebp");
  }
  return bytes;
}

}  // namespace espalier
