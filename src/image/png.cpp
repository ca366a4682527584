#include <spng.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "image/codec.h"
#include "image/codec_parts.h"
#include "image/colour_profile.h"

namespace espalier {

namespace {

struct ContextDeleter {
  void operator()(spng_ctx* context) const { spng_ctx_free(context); }
};
using Context = std::unique_ptr<spng_ctx, ContextDeleter>;

Context make_context(int flags) {
  Context context(spng_ctx_new(flags));
  if (!context) fail(ErrorCode::out_of_memory, "not enough memory for the codec of a PNG");
  return context;
}

// spng_decode_image, which cannot be stopped, row by row. 0 or an error of libspng.
int decode_rows(spng_ctx* context, Image& image, int format, int flags, const Monitor* monitor) {
  if (const int error = spng_decode_image(context, nullptr, 0, format, flags | SPNG_DECODE_PROGRESSIVE); error != 0)
    return error;
  const std::size_t stride = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.channels);
  unsigned rows = 0;
  int error = 0;
  while (error == 0) {
    if (monitor != nullptr && rows++ % codec::kRowsBetweenLooks == 0) monitor->check();
    spng_row_info row{};
    error = spng_get_row_info(context, &row);
    if (error == 0) error = spng_decode_row(context, image.at(0, static_cast<int>(row.row_num)), stride);
  }
  return error == SPNG_EOI ? 0 : error;
}

}  // namespace

namespace codec {

namespace {

Bytes profile_in(spng_ctx* context) {
  spng_iccp profile{};
  if (spng_get_iccp(context, &profile) != 0) return {};
  return std::as_bytes(std::span(profile.profile, profile.profile_len));
}

}  // namespace

Image decode_png(const Source& source) {
  const std::string& name = source.name;
  const auto check = [&](int error) {
    if (error == SPNG_EMEM) fail(ErrorCode::out_of_memory, name, ": not enough memory to decode this PNG");
    if (error != 0) fail_damaged(name, "PNG", spng_strerror(error));
  };
  const Context context = make_context(0);
  // Metadata is never needed beyond this; a text or profile chunk that unpacks to more is an attack.
  constexpr std::size_t kChunkLimit = std::size_t{16} << 20U;
  check(spng_set_chunk_limits(context.get(), kChunkLimit, 2 * kChunkLimit));
  check(spng_set_png_buffer(context.get(), source.bytes.data(), source.bytes.size()));
  spng_ihdr header{};
  check(spng_get_ihdr(context.get(), &header));
  check_size(header.width, header.height, name);

  spng_trns transparent_colours{};
  const bool has_alpha = header.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA ||
                         header.color_type == SPNG_COLOR_TYPE_TRUECOLOR_ALPHA ||
                         spng_get_trns(context.get(), &transparent_colours) == 0;
  const int format = has_alpha ? SPNG_FMT_RGBA8 : SPNG_FMT_RGB8;
  Image image(static_cast<int>(header.width), static_cast<int>(header.height), has_alpha ? 4 : 3);
  std::size_t size = 0;
  check(spng_decoded_image_size(context.get(), format, &size));
  require(size == image.pixels.size(), "decode_png", "the codec wants ", size, " bytes for ", image.pixels.size());
  check(decode_rows(context.get(), image, format, has_alpha ? SPNG_DECODE_TRNS : 0, source.monitor));

  convert_to_srgb(image, profile_in(context.get()), source);
  spng_exif exif{};
  const int orientation =
      spng_get_exif(context.get(), &exif) == 0 ? exif_orientation(std::as_bytes(std::span(exif.data, exif.length))) : 1;
  return apply_orientation(std::move(image), orientation);
}

}  // namespace codec

std::vector<std::byte> encode_png(const Image& image, PngEffort effort) {
  codec::check_encodable(image, "encode_png");
  const auto check = [](int error) {
    if (error == SPNG_EMEM) fail(ErrorCode::out_of_memory, "not enough memory to encode a PNG");
    require(error == 0, "encode_png", spng_strerror(error));
  };
  const Context context = make_context(SPNG_CTX_ENCODER);
  check(spng_set_option(context.get(), SPNG_ENCODE_TO_BUFFER, 1));
  // Level 6, the default, takes 1.2 to 1.8 times as long for textures that are at most 2.5 % smaller.
  constexpr int kLevel = 5;
  constexpr int kQuickLevel = 1;
  const bool quick = effort == PngEffort::quick;
  check(spng_set_option(context.get(), SPNG_IMG_COMPRESSION_LEVEL, quick ? kQuickLevel : kLevel));
  // Otherwise each row is filtered in all five ways, to find the best.
  if (quick) check(spng_set_option(context.get(), SPNG_FILTER_CHOICE, SPNG_FILTER_CHOICE_UP));
  spng_ihdr header{};
  header.width = static_cast<std::uint32_t>(image.width);
  header.height = static_cast<std::uint32_t>(image.height);
  header.bit_depth = 8;
  header.color_type = image.channels == 4 ? SPNG_COLOR_TYPE_TRUECOLOR_ALPHA : SPNG_COLOR_TYPE_TRUECOLOR;
  check(spng_set_ihdr(context.get(), &header));
  check(spng_encode_image(context.get(), image.pixels.data(), image.pixels.size(), SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE));
  std::size_t size = 0;
  int error = 0;
  const std::unique_ptr<void, void (*)(void*)> png(spng_get_png_buffer(context.get(), &size, &error), std::free);
  check(error);
  const std::span<const std::byte> bytes(static_cast<const std::byte*>(png.get()), size);
  return {bytes.begin(), bytes.end()};
}

}  // namespace espalier
