// Picture files: PNG, JPEG and WebP in, PNG out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "image/picture.h"

namespace espalier {

// Nothing larger is decoded; the sizes are checked before pixels are allocated.
inline constexpr int kMaxPictureSide = 16384;
inline constexpr std::int64_t kMaxPicturePixels = 100'000'000;
inline constexpr std::uint64_t kMaxPictureBytes = std::uint64_t{256} << 20U;

// Decodes by content, whatever the name says. The result has 4 channels when the file has an alpha channel or transparent
// colours, else 3. As Pillow does: 16-bit samples keep their high byte, colour profiles and gamma are ignored. The EXIF
// orientation is applied. `name` is for messages. Throws format for damaged or foreign bytes and for pictures beyond the
// limits, unsupported for what is refused by name: CMYK JPEG, animated WebP, other well-known formats.
[[nodiscard]] Picture decode_picture(std::span<const std::byte> bytes, const std::string& name);

// Reads and decodes a file; throws also as read_file does.
[[nodiscard]] Picture load_picture(const std::filesystem::path& path);

// An 8-bit PNG (RGB or RGBA, not interlaced). The same picture gives the same bytes.
[[nodiscard]] std::vector<std::byte> encode_png(const Picture& picture);

}  // namespace espalier
