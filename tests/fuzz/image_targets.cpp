// Images of all formats, with colour profiles inside.
#include <numeric>

#include "base/file.h"
#include "image/codec.h"
#include "support/data.h"
#include "targets.h"
#include "unit/image/foreign_samples.h"

namespace espalier::test {
namespace {

bool read_image(std::span<const std::byte> bytes) {
  std::vector<std::string> notices;
  return attempt([&] { (void)decode_image(bytes, "image", nullptr, &notices); });
}

Bytes raw(const std::vector<std::uint8_t>& values) {
  const auto* data = reinterpret_cast<const std::byte*>(values.data());
  return {data, data + values.size()};
}

std::vector<Bytes> png_seeds() {
  const Image rgb = gradient(13, 9, 3), rgba = gradient(8, 11, 4);
  const auto exif = exif_block(6, true);
  const Bytes profile = wide_profile();
  PngForm plain, alpha, interlaced, rotated, profiled;
  alpha.colour_type = SPNG_COLOR_TYPE_TRUECOLOR_ALPHA;
  interlaced.interlaced = true;
  rotated.exif = &exif;
  profiled.profile = &profile;
  return {make_png(13, 9, plain, rgb.pixels),   make_png(8, 11, alpha, rgba.pixels),   make_png(13, 9, interlaced, rgb.pixels),
          make_png(13, 9, rotated, rgb.pixels), make_png(13, 9, profiled, rgb.pixels), encode_png(rgba)};
}

std::vector<Bytes> jpeg_seeds() {
  const auto exif = exif_block(8, false);
  const Bytes profile = wide_profile();
  JpegForm plain, progressive, rotated, grey, profiled;
  progressive.progressive = true;
  rotated.exif = &exif;
  grey.space = JCS_GRAYSCALE;
  profiled.profile = &profile;
  return {make_jpeg(gradient(19, 14, 3), plain), make_jpeg(gradient(16, 16, 3), progressive),
          make_jpeg(gradient(9, 21, 3), rotated), make_jpeg(gradient(12, 12, 1), grey), make_jpeg(gradient(8, 8, 3), profiled)};
}

std::vector<Bytes> cmyk_seeds() {
  const Bytes profile = gray_ink_profile();
  JpegForm plain, ycck, profiled;
  plain.space = ycck.space = profiled.space = JCS_CMYK;
  ycck.stored = JCS_YCCK;
  profiled.profile = &profile;
  return {make_jpeg(gradient(9, 9, 4), plain), make_jpeg(gradient(9, 9, 4), ycck), make_jpeg(gradient(9, 9, 4), profiled)};
}

std::vector<Bytes> webp_seeds() {
  const Image frame = gradient(9, 9, 4);
  return {make_webp(gradient(15, 10, 3)), make_webp(frame), animated_webp(16, 12, 2, 2, 9, 9, make_webp(frame), 2)};
}

std::vector<Bytes> gif_seeds() {
  std::vector<std::uint8_t> indices(30 * 21);
  std::iota(indices.begin(), indices.end(), std::uint8_t{0});
  const GifForm plain{.width = 30, .height = 21, .frame_width = 30, .frame_height = 21, .interlaced = true};
  const GifForm moving{
      .width = 40, .height = 31, .x = 4, .y = 2, .frame_width = 30, .frame_height = 21, .transparent = 3, .frames = 2};
  return {make_gif(plain, indices), make_gif(moving, indices)};
}

std::vector<Bytes> bmp_seeds() {
  return {make_bmp({.width = 2, .height = 2}, Bytes(16, std::byte{7})),
          make_bmp({.width = 3, .height = -2, .bits = 32, .compression = 3, .masks = {0xFF, 0xFF00, 0xFF0000, 0xFF000000}},
                   Bytes(24)),
          make_bmp({.width = 4, .height = 2, .bits = 8, .compression = 1, .palette = {1, 2, 3}},
                   raw({2, 1, 0, 3, 2, 0, 2, 0, 0, 0, 0, 2, 1, 0, 1, 2, 0, 1})),
          make_bmp({.width = 5, .height = 2, .bits = 4, .palette = {1, 2, 3}}, Bytes(8, std::byte{0x12}))};
}

std::vector<Bytes> tiff_seeds() {
  const Image image = gradient(20, 11, 3);
  const auto fields = [](std::uint32_t compression, std::uint32_t predictor) {
    return std::vector<TiffField>{{256, 4, {20}}, {257, 4, {11}}, {258, 3, {8, 8, 8}}, {259, 3, {compression}},
                                  {262, 3, {2}},  {277, 3, {3}},  {278, 4, {11}},      {317, 3, {predictor}}};
  };
  const std::vector<TiffField> palette = {{256, 3, {4}}, {257, 3, {1}}, {258, 3, {2}},
                                          {262, 3, {3}}, {277, 3, {1}}, {320, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}};
  return {make_tiff(false, fields(1, 1), {raw(image.pixels)}), make_tiff(true, fields(5, 2), {lzw(image.pixels, 8, false)}),
          make_tiff(false, palette, {raw({0x1B})})};
}

Bytes file(const char* name) { return read_file(data_path(std::string("images/foreign/") + name), 1 << 20); }
std::vector<Bytes> heic_seeds() { return {file("q.heic")}; }
std::vector<Bytes> avif_seeds() { return {file("q.avif"), file("q10.avif")}; }

}  // namespace

std::vector<FuzzTarget> image_targets() {
  return {{"png", read_image, png_seeds},   {"jpeg", read_image, jpeg_seeds}, {"cmyk", read_image, cmyk_seeds},
          {"webp", read_image, webp_seeds}, {"gif", read_image, gif_seeds},   {"bmp", read_image, bmp_seeds},
          {"tiff", read_image, tiff_seeds}, {"heic", read_image, heic_seeds}, {"avif", read_image, avif_seeds}};
}

}  // namespace espalier::test
