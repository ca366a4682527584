#include "io/formats/appearance_files.h"

#include <algorithm>
#include <cmath>

#include "image/codec.h"
#include "image/colour.h"

namespace espalier {

EncodedPicture encoded_picture(const Picture& picture, PictureKind kind) {
  constexpr int kJpegQuality = 92;
  if (kind == PictureKind::webp) return {encode_webp(picture, {}), ".webp", "image/webp"};
  if (kind == PictureKind::jpeg && picture.channels == 3) return {encode_jpeg(picture, kJpegQuality), ".jpg", "image/jpeg"};
  return {encode_png(picture), ".png", "image/png"};
}

Picture tinted(const Picture& picture, const std::array<float, 4>& factor) {
  Picture out = picture;
  std::array<std::array<std::uint8_t, 256>, 4> table{};
  for (std::size_t c = 0; c < 4; ++c) {
    for (std::size_t v = 0; v < 256; ++v) {
      const float x = static_cast<float>(v) / 255.0F;
      const float made = c == 3 ? x * factor[3] : srgb_of_linear(std::clamp(linear_of_srgb(x) * factor[c], 0.0F, 1.0F));
      table[c][v] = static_cast<std::uint8_t>(std::lround(std::clamp(made, 0.0F, 1.0F) * 255.0F));
    }
  }
  const auto channels = static_cast<std::size_t>(picture.channels);
  for (std::size_t i = 0; i < out.pixels.size(); ++i) out.pixels[i] = table[i % channels][out.pixels[i]];
  return out;
}

}  // namespace espalier
