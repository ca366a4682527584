// The parts of codec.h, one file per format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/monitor.h"
#include "image/picture.h"

namespace espalier::codec {

using Bytes = std::span<const std::byte>;

// `monitor` may be null.
[[nodiscard]] Picture decode_png(Bytes bytes, const std::string& name, const Monitor* monitor);
[[nodiscard]] Picture decode_jpeg(Bytes bytes, const std::string& name, const Monitor* monitor);
[[nodiscard]] Picture decode_webp(Bytes bytes, const std::string& name, const Monitor* monitor);

inline constexpr unsigned kRowsBetweenLooks = 64;  // at the monitor

// Throws format when a picture of this size is refused.
void check_size(std::uint64_t width, std::uint64_t height, const std::string& name);
[[noreturn]] void fail_damaged(const std::string& name, const char* kind, const std::string& reason);

// For the encoders: 8-bit RGB or RGBA with as many bytes as its size says.
void check_encodable(const Picture& picture, const char* where);

// Orientation (1 to 8) in a block of EXIF data that begins with its TIFF header; 1 when there is none or the block is
// damaged, because a picture is worth more than its metadata.
[[nodiscard]] int exif_orientation(Bytes tiff);
// The picture as it should be seen: 1 is as stored, 3 upside down, 6 and 8 turned by a quarter, the others mirrored.
[[nodiscard]] Picture apply_orientation(Picture stored, int orientation);

}  // namespace espalier::codec
