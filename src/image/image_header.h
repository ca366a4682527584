// What the beginning of an image file says, for those who decide whether to decode it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace espalier {

struct ImageHeader {
  const char* format = "";      // png, jpeg, webp, gif, bmp, tiff, heic or avif
  const char* ending = "";      // of its files: ".jpg"
  const char* media_type = "";  // image/jpeg
  // As announced, which need not be true; 0 when it is not said in these bytes.
  std::uint64_t width = 0, height = 0;
};

// `begin`: the first bytes of a file; 256 KiB suffice for what cameras write. Nothing for a format that decode_image does not
// know. Throws nothing but out of memory.
[[nodiscard]] std::optional<ImageHeader> image_header(std::span<const std::byte> begin);

}  // namespace espalier
