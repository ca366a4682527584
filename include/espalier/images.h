// Espalier: images before a pipeline sees them: what a file holds, the whole of it with its foreground, and masks that people
// made or mended.
//
//   const espalier::InputImage chair = espalier::with_mask("photo.heic", "mask.png");
//   espalier::Asset asset = pipeline.generate({.images = {chair}});
//
// Every function may throw espalier::Error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "espalier/espalier.h"

namespace espalier {

struct ImageInfo {
  std::string format;      // png, jpeg, webp, avif, heic, gif, tiff or bmp
  std::string ending;      // of its files: ".jpg"
  std::string media_type;  // image/jpeg
  // As the file announces them, which need not be true, and before it is turned upright; 0 when they stand far behind.
  std::uint64_t width = 0, height = 0;
};
// From the first bytes of a file alone. Throws format for anything that is none of these formats.
[[nodiscard]] ESPALIER_API ImageInfo image_info(const std::filesystem::path& file);

// The image with `mask` as its alpha channel, upright, as RGBA pixels of its own size. The mask is any image of the same
// shape and is brought to that size: its alpha channel if some of it is transparent, else its brightness, white for the object.
// What the image says of transparency itself counts no more. Throws invalid_argument for a mask of another shape, or one that
// leaves nothing.
[[nodiscard]] ESPALIER_API InputImage with_mask(const InputImage& image, const InputImage& mask);

// Memory in bytes that a network of background removal (an ONNX file) takes on the CPU while it runs: its weights, feature maps
// and working memory, beside that of the image. Nothing of it is allocated. Throws Error as removing a background with
// the file would.
[[nodiscard]] ESPALIER_API std::uint64_t background_network_memory(const std::filesystem::path& network);

// Pixels on a side of what whole_foreground makes, at most.
inline constexpr int kMostForeground = 1024;
// The whole image, upright and at most kMostForeground pixels on a side, with the foreground as its alpha: RGBA that keeps
// its colours under alpha 0, as PNG. For those who mend the mask by hand. Background::none takes everything as foreground.
// Notices as Pipeline::preprocess gives them.
[[nodiscard]] ESPALIER_API Pipeline::Foreground whole_foreground(const InputImage& image,
                                                                 const Pipeline::ForegroundRequest& request,
                                                                 const Observer& observer = {});

}  // namespace espalier
