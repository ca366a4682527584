#include <webp/decode.h>
#include <webp/encode.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "base/error.h"
#include "image/codec.h"
#include "image/codec_parts.h"
#include "image/colour_profile.h"

namespace espalier::codec {

namespace {

std::uint32_t little_endian(Bytes bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value |= std::to_integer<std::uint32_t>(bytes[at + i]) << (8U * i);
  return value;
}

// The first chunk of the RIFF container with that name, a length and the bytes, padded to an even length; else nothing.
Bytes chunk_of(Bytes bytes, const char* name, std::size_t at = 12) {
  constexpr std::size_t kHead = 8;
  while (at + kHead <= bytes.size()) {
    const std::size_t length = little_endian(bytes, at + 4);
    if (length > bytes.size() - at - kHead) return {};
    if (std::memcmp(bytes.data() + at, name, 4) == 0) return bytes.subspan(at + kHead, length);
    at += kHead + length + length % 2;
  }
  return {};
}

int orientation_of(Bytes bytes) {
  Bytes content = chunk_of(bytes, "EXIF");
  // Some writers put the JPEG prefix before the TIFF header.
  if (content.size() > 6 && std::memcmp(content.data(), "Exif\0\0", 6) == 0) content = content.subspan(6);
  return exif_orientation(content);
}

std::string reason_of(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA: return "the file is cut short";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "it uses an unknown feature";
    default: return "the data make no sense";
  }
}

// The bytes are shown to the decoder piece by piece, and between them the monitor is asked.
VP8StatusCode decode_pieces(Bytes bytes, Image& image, const Monitor* monitor) {
  constexpr std::size_t kPiece = std::size_t{64} << 10U;
  const auto mode = image.channels == 4 ? MODE_RGBA : MODE_RGB;
  const std::unique_ptr<WebPIDecoder, void (*)(WebPIDecoder*)> decoder(
      WebPINewRGB(mode, image.pixels.data(), image.pixels.size(), image.width * image.channels), WebPIDelete);
  if (!decoder) return VP8_STATUS_OUT_OF_MEMORY;
  VP8StatusCode status = VP8_STATUS_SUSPENDED;
  for (std::size_t shown = 0; status == VP8_STATUS_SUSPENDED && shown < bytes.size();) {
    if (monitor != nullptr) monitor->check();
    shown = monitor == nullptr ? bytes.size() : std::min(bytes.size(), shown + kPiece);
    status = WebPIUpdate(decoder.get(), reinterpret_cast<const std::uint8_t*>(bytes.data()), shown);
  }
  return status == VP8_STATUS_SUSPENDED ? VP8_STATUS_NOT_ENOUGH_DATA : status;
}

Image decode_still(Bytes bytes, const Source& source) {
  const std::string& name = source.name;
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  WebPBitstreamFeatures features{};
  if (const VP8StatusCode status = WebPGetFeatures(data, bytes.size(), &features); status != VP8_STATUS_OK) {
    fail_damaged(name, "WebP", reason_of(status));
  }
  check_size(static_cast<std::uint64_t>(features.width), static_cast<std::uint64_t>(features.height), name);
  Image image(features.width, features.height, features.has_alpha != 0 ? 4 : 3);
  if (const VP8StatusCode status = decode_pieces(bytes, image, source.monitor); status != VP8_STATUS_OK) {
    if (status == VP8_STATUS_OUT_OF_MEMORY) fail(ErrorCode::out_of_memory, name, ": not enough memory to decode this WebP");
    fail_damaged(name, "WebP", reason_of(status));
  }
  return image;
}

// An animation's canvas with its first frame; what that leaves free is transparent.
Image decode_first_frame(const Source& source, int width, int height) {
  check_size(static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height), source.name);
  const Bytes frame = chunk_of(source.bytes, "ANMF");
  constexpr std::size_t kFrameHead = 16;
  if (frame.size() <= kFrameHead) fail_damaged(source.name, "WebP", "an animation without a frame");
  const auto three = [&](std::size_t at) { return static_cast<int>(little_endian(frame, at) & 0xFFFFFFU); };
  const int x0 = three(0) * 2, y0 = three(3) * 2, w = three(6) + 1, h = three(9) + 1;
  if (x0 + w > width || y0 + h > height) fail_damaged(source.name, "WebP", "a frame beyond the image");
  // The chunks of the frame as a file of their own.
  const Bytes chunks = frame.subspan(kFrameHead);
  std::vector<std::byte> file(30);
  const auto put = [&](std::size_t at, std::uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) file[at + i] = static_cast<std::byte>(value >> (8U * i));
  };
  std::memcpy(file.data(), "RIFF", 4);
  put(4, chunks.size() + 22, 4);
  std::memcpy(file.data() + 8, "WEBPVP8X", 8);
  put(16, 10, 4);
  put(20, chunk_of(chunks, "ALPH", 0).empty() ? 0 : 0x10, 4);
  put(24, static_cast<std::uint64_t>(w) - 1, 3);
  put(27, static_cast<std::uint64_t>(h) - 1, 3);
  file.insert(file.end(), chunks.begin(), chunks.end());
  const Image part = decode_still(file, source);
  if (part.width != w || part.height != h) fail_damaged(source.name, "WebP", "a frame of another size than it says");
  source.notice("an animated WebP; its first frame is used");
  if (part.width == width && part.height == height) return part;
  Image image(width, height, 4);
  for (int y = 0; y < h; ++y) {
    for (int x = 0; x < w; ++x) {
      std::copy_n(part.at(x, y), part.channels, image.at(x0 + x, y0 + y));
      if (part.channels == 3) image.at(x0 + x, y0 + y)[3] = 255;
    }
  }
  return image;
}

}  // namespace

Image decode_webp(const Source& source) {
  const Bytes bytes = source.bytes;
  WebPBitstreamFeatures features{};
  if (const VP8StatusCode status =
          WebPGetFeatures(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), &features);
      status != VP8_STATUS_OK) {
    fail_damaged(source.name, "WebP", reason_of(status));
  }
  Image image =
      features.has_animation != 0 ? decode_first_frame(source, features.width, features.height) : decode_still(bytes, source);
  convert_to_srgb(image, chunk_of(bytes, "ICCP"), source);
  return apply_orientation(std::move(image), orientation_of(bytes));
}

}  // namespace espalier::codec

namespace espalier {

std::vector<std::byte> encode_webp(const Image& image, const WebpOptions& options) {
  codec::check_encodable(image, "encode_webp");
  if (options.quality < 0 || options.quality > 100) {
    fail(ErrorCode::invalid_argument, "the quality of a WebP lies between 0 and 100, not ", options.quality);
  }
  if (image.width > WEBP_MAX_DIMENSION || image.height > WEBP_MAX_DIMENSION) {
    fail(ErrorCode::invalid_argument, image.width, " x ", image.height, " pixels are too many for a WebP (at most ",
         WEBP_MAX_DIMENSION, " on a side)", hint("scale the image down"));
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
  frame.width = image.width;
  frame.height = image.height;
  frame.writer = WebPMemoryWrite;
  frame.custom_ptr = &writer;
  WebPMemoryWriterInit(&writer);
  const int stride = image.width * image.channels;
  const bool imported = image.channels == 4 ? WebPPictureImportRGBA(&frame, image.pixels.data(), stride) != 0
                                            : WebPPictureImportRGB(&frame, image.pixels.data(), stride) != 0;
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
