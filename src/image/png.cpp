#include <spng.h>

#include <memory>

#include "base/error.h"
#include "image/codec.h"
#include "image/codec_parts.h"

namespace espalier {

namespace {

struct ContextDeleter {
  void operator()(spng_ctx* context) const { spng_ctx_free(context); }
};
using Context = std::unique_ptr<spng_ctx, ContextDeleter>;

Context make_context() {
  Context context(spng_ctx_new(0));
  if (!context) fail(ErrorCode::out_of_memory, "not enough memory to decode a PNG");
  return context;
}

}  // namespace

namespace codec {

Picture decode_png(Bytes bytes, const std::string& name) {
  const auto check = [&](int error) {
    if (error == SPNG_EMEM) fail(ErrorCode::out_of_memory, name, ": not enough memory to decode this PNG");
    if (error != 0) fail_damaged(name, "PNG", spng_strerror(error));
  };
  const Context context = make_context();
  // Metadata is never needed beyond this; a text or profile chunk that unpacks to more is an attack.
  constexpr std::size_t kChunkLimit = std::size_t{16} << 20U;
  check(spng_set_chunk_limits(context.get(), kChunkLimit, 2 * kChunkLimit));
  check(spng_set_png_buffer(context.get(), bytes.data(), bytes.size()));
  spng_ihdr header{};
  check(spng_get_ihdr(context.get(), &header));
  check_size(header.width, header.height, name);

  spng_trns transparent_colours{};
  const bool has_alpha = header.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA ||
                         header.color_type == SPNG_COLOR_TYPE_TRUECOLOR_ALPHA ||
                         spng_get_trns(context.get(), &transparent_colours) == 0;
  const int format = has_alpha ? SPNG_FMT_RGBA8 : SPNG_FMT_RGB8;
  Picture picture(static_cast<int>(header.width), static_cast<int>(header.height), has_alpha ? 4 : 3);
  std::size_t size = 0;
  check(spng_decoded_image_size(context.get(), format, &size));
  require(size == picture.pixels.size(), "decode_png", "the codec wants ", size, " bytes for ", picture.pixels.size());
  check(spng_decode_image(context.get(), picture.pixels.data(), size, format, has_alpha ? SPNG_DECODE_TRNS : 0));

  spng_exif exif{};
  const int orientation =
      spng_get_exif(context.get(), &exif) == 0 ? exif_orientation(std::as_bytes(std::span(exif.data, exif.length))) : 1;
  return apply_orientation(std::move(picture), orientation);
}

}  // namespace codec

}  // namespace espalier
