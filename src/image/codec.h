// Image files: PNG, JPEG and WebP in and out; AVIF, HEIC, GIF, TIFF and BMP in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/monitor.h"
#include "image/image.h"

namespace espalier {

// Nothing larger is decoded; the sizes are checked before pixels are allocated.
inline constexpr int kMaxImageSide = 16384;
inline constexpr std::int64_t kMaxImagePixels = 100'000'000;
inline constexpr std::uint64_t kMaxImageBytes = std::uint64_t{256} << 20U;

// Whether colour profiles (ICC) that a file carries count. glTF says of its textures that they do not.
enum class ColourProfiles : bool { applied, ignored };

// Decodes by content, whatever the name says. The result has 4 channels when the file has an alpha channel or transparent
// colours, else 3. 16-bit samples keep their high byte; colours of a profile (ICC) that is not sRGB are converted unless
// `profiles` are ignored, gamma without a profile is ignored; the orientation (EXIF, HEIF) is applied. Of animations and files
// with several images it is the first or the primary one. What the user should know of that goes to `notices`, one line each,
// unless it is null. `name` is for messages. Throws format for damaged or foreign bytes and for images beyond the limits,
// unsupported for what is refused by name: kinds of these formats that are not read, other well-known formats; cancelled when
// `monitor`, which is asked between rows or pieces of an image, wants so.
[[nodiscard]] Image decode_image(std::span<const std::byte> bytes, const std::string& name, const Monitor* monitor = nullptr,
                                 std::vector<std::string>* notices = nullptr,
                                 ColourProfiles profiles = ColourProfiles::applied);

enum class ImageFormat { png, jpeg, webp };
// The format that the first bytes announce, if it is one of these.
[[nodiscard]] std::optional<ImageFormat> image_format(std::span<const std::byte> bytes);

// Reads and decodes a file; throws also as read_file does.
[[nodiscard]] Image load_image_file(const std::filesystem::path& path, const Monitor* monitor = nullptr,
                                    std::vector<std::string>* notices = nullptr);

// small: for files that are given away. quick: a quarter of the time or less, and somewhat larger.
enum class PngEffort { small, quick };
// An 8-bit PNG (RGB or RGBA, not interlaced). The same image and effort give the same bytes.
[[nodiscard]] std::vector<std::byte> encode_png(const Image& image, PngEffort effort = PngEffort::small);

// A baseline JPEG of an RGB image, quality 1 to 100; chroma keeps the full resolution from quality 90 on. The same
// image gives the same bytes. Throws invalid_argument for another quality, an alpha channel or more than 65500 pixels on
// a side.
[[nodiscard]] std::vector<std::byte> encode_jpeg(const Image& image, int quality);

struct WebpOptions {
  int quality = 90;       // 0 to 100; lossless: the effort
  bool lossless = false;  // then RGBA keeps the colours under alpha 0
};
// A WebP of an RGB or RGBA image. The same image gives the same bytes. Throws invalid_argument for another quality or
// more than 16383 pixels on a side.
[[nodiscard]] std::vector<std::byte> encode_webp(const Image& image, const WebpOptions& options);

}  // namespace espalier
