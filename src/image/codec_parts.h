// The parts of codec.h, one file per format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/monitor.h"
#include "image/image.h"

namespace espalier::codec {

using Bytes = std::span<const std::byte>;

// A file to decode.
struct Source {
  Bytes bytes;
  std::string name;                     // for messages
  const Monitor* monitor = nullptr;     // asked between rows, unless null
  std::vector<std::string>* notices{};  // what the user should know about the image goes here, unless null
  bool ignores_profiles = false;        // numbers of colours are those of sRGB, whatever profile lies beside them

  void notice(std::string line) const {
    if (notices != nullptr) notices->push_back(std::move(line));
  }
};

[[nodiscard]] Image decode_png(const Source& source);
[[nodiscard]] Image decode_jpeg(const Source& source);
[[nodiscard]] Image decode_webp(const Source& source);
[[nodiscard]] Image decode_gif(const Source& source);
[[nodiscard]] Image decode_bmp(const Source& source);
[[nodiscard]] Image decode_tiff(const Source& source);
[[nodiscard]] Image decode_heif(const Source& source);  // HEIC and AVIF
// By their first bytes.
[[nodiscard]] bool is_tiff(Bytes bytes);
[[nodiscard]] bool is_bmp(Bytes bytes);
// Whether the brands at the beginning of an ISO base media file are those of HEIC, HEIF or AVIF.
[[nodiscard]] bool is_heif(Bytes bytes);
inline constexpr unsigned kRowsBetweenLooks = 64;  // at the monitor

// Throws format when an image of this size is refused.
void check_size(std::uint64_t width, std::uint64_t height, const std::string& name);
[[noreturn]] void fail_damaged(const std::string& name, const char* kind, const std::string& reason);

// For the encoders: 8-bit RGB or RGBA with as many bytes as its size says.
void check_encodable(const Image& image, const char* where);

// Orientation (1 to 8) in a block of EXIF data that begins with its TIFF header; 1 when there is none or the block is
// damaged, because an image is worth more than its metadata.
[[nodiscard]] int exif_orientation(Bytes tiff);
// The image as it should be seen: 1 is as stored, 3 upside down, 6 and 8 turned by a quarter, the others mirrored.
[[nodiscard]] Image apply_orientation(Image stored, int orientation);
// Colours that alpha was multiplied into, as they were before; where alpha is 0 they stay.
void divide_by_alpha(Image& image);

}  // namespace espalier::codec
