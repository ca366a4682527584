// Encoders of the image files that the tests need, by the codecs' own writers.
#pragma once

// jpeglib.h needs FILE and size_t.
// clang-format off
#include <cstdio>
#include <jpeglib.h>
// clang-format on

#include <spng.h>
#include <webp/encode.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <vector>

#include "image/image.h"

namespace espalier::test {

using Bytes = std::vector<std::byte>;

// A smooth image with every channel different and nowhere fully transparent (WebP forgets colours there).
inline Image gradient(int width, int height, int channels) {
  Image image(width, height, channels);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) image.at(x, y)[c] = static_cast<std::uint8_t>((x * 5 + y * 3 + c * 60) % 255 + 1);
    }
  }
  return image;
}

struct PngForm {
  std::uint8_t colour_type = SPNG_COLOR_TYPE_TRUECOLOR;
  std::uint8_t bit_depth = 8;
  bool interlaced = false;
  const spng_plte* palette = nullptr;
  const spng_trns* transparency = nullptr;
  const std::vector<std::uint8_t>* exif = nullptr;
  const Bytes* profile = nullptr;
};

// `samples` are in the byte order of the file.
inline Bytes make_png(int width, int height, const PngForm& form, const std::vector<std::uint8_t>& samples) {
  spng_ctx* context = spng_ctx_new(SPNG_CTX_ENCODER);
  spng_set_option(context, SPNG_ENCODE_TO_BUFFER, 1);
  spng_ihdr header{};
  header.width = static_cast<std::uint32_t>(width);
  header.height = static_cast<std::uint32_t>(height);
  header.bit_depth = form.bit_depth;
  header.color_type = form.colour_type;
  header.interlace_method = form.interlaced ? 1 : 0;
  spng_set_ihdr(context, &header);
  if (form.palette != nullptr) {
    spng_plte palette = *form.palette;
    spng_set_plte(context, &palette);
  }
  if (form.transparency != nullptr) {
    spng_trns transparency = *form.transparency;
    spng_set_trns(context, &transparency);
  }
  std::vector<char> profile_bytes;
  if (form.profile != nullptr) {
    for (const std::byte b : *form.profile) profile_bytes.push_back(std::to_integer<char>(b));
    spng_iccp profile{"profile", profile_bytes.size(), profile_bytes.data()};
    spng_set_iccp(context, &profile);
  }
  std::vector<char> exif_bytes;
  if (form.exif != nullptr) {
    exif_bytes.assign(form.exif->begin(), form.exif->end());
    spng_exif exif{exif_bytes.size(), exif_bytes.data()};
    spng_set_exif(context, &exif);
  }
  const int error = spng_encode_image(context, samples.data(), samples.size(), SPNG_FMT_RAW, SPNG_ENCODE_FINALIZE);
  if (error != 0) throw std::runtime_error(spng_strerror(error));
  std::size_t size = 0;
  int buffer_error = 0;
  void* buffer = spng_get_png_buffer(context, &size, &buffer_error);
  const auto* data = static_cast<const std::byte*>(buffer);
  Bytes bytes(data, data + size);
  std::free(buffer);
  spng_ctx_free(context);
  return bytes;
}

struct JpegForm {
  J_COLOR_SPACE space = JCS_RGB;
  int quality = 95;
  bool progressive = false;
  const std::vector<std::uint8_t>* exif = nullptr;  // a TIFF block
  const Bytes* profile = nullptr;
  J_COLOR_SPACE stored = JCS_UNKNOWN;  // the default for `space`
};

inline Bytes make_jpeg(const Image& image, const JpegForm& form) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;  // NOLINT(google-runtime-int): libjpeg's type
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_width = static_cast<JDIMENSION>(image.width);
  info.image_height = static_cast<JDIMENSION>(image.height);
  info.input_components = image.channels;
  info.in_color_space = form.space;
  jpeg_set_defaults(&info);
  if (form.stored != JCS_UNKNOWN) jpeg_set_colorspace(&info, form.stored);
  jpeg_set_quality(&info, form.quality, TRUE);
  if (form.progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  if (form.exif != nullptr) {
    std::vector<std::uint8_t> block = {'E', 'x', 'i', 'f', 0, 0};
    block.insert(block.end(), form.exif->begin(), form.exif->end());
    jpeg_write_marker(&info, JPEG_APP0 + 1, block.data(), static_cast<unsigned>(block.size()));
  }
  if (form.profile != nullptr) {
    // In pieces of 1000 bytes, so that there are several.
    constexpr std::size_t kPiece = 1000;
    const std::size_t count = (form.profile->size() + kPiece - 1) / kPiece;
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<std::uint8_t> piece = {'I', 'C', 'C', '_', 'P', 'R', 'O', 'F', 'I', 'L', 'E', 0};
      piece.push_back(static_cast<std::uint8_t>(i + 1));
      piece.push_back(static_cast<std::uint8_t>(count));
      for (std::size_t k = i * kPiece; k < std::min((i + 1) * kPiece, form.profile->size()); ++k)
        piece.push_back(std::to_integer<std::uint8_t>((*form.profile)[k]));
      jpeg_write_marker(&info, JPEG_APP0 + 2, piece.data(), static_cast<unsigned>(piece.size()));
    }
  }
  while (info.next_scanline < info.image_height) {
    auto* row = const_cast<JSAMPROW>(image.at(0, static_cast<int>(info.next_scanline)));
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  const auto* data = reinterpret_cast<const std::byte*>(buffer);
  Bytes bytes(data, data + size);
  std::free(buffer);
  return bytes;
}

inline Bytes make_webp(const Image& image) {
  std::uint8_t* buffer = nullptr;
  const int stride = image.width * image.channels;
  const std::size_t size = image.channels == 4
                               ? WebPEncodeLosslessRGBA(image.pixels.data(), image.width, image.height, stride, &buffer)
                               : WebPEncodeLosslessRGB(image.pixels.data(), image.width, image.height, stride, &buffer);
  const auto* data = reinterpret_cast<const std::byte*>(buffer);
  Bytes bytes(data, data + size);
  WebPFree(buffer);
  return bytes;
}

// Chunks of a RIFF container with the header that names them.
inline Bytes riff_chunk(const char* name, const Bytes& content) {
  Bytes out;
  for (std::size_t i = 0; i < 4; ++i) out.push_back(static_cast<std::byte>(name[i]));
  for (unsigned i = 0; i < 4; ++i) out.push_back(static_cast<std::byte>(content.size() >> (8U * i) & 255U));
  out.insert(out.end(), content.begin(), content.end());
  if (content.size() % 2 != 0) out.push_back(std::byte{0});
  return out;
}
inline Bytes extended_webp(int width, int height, unsigned flags, const std::vector<Bytes>& chunks) {
  Bytes head(10);
  head[0] = static_cast<std::byte>(flags);
  for (unsigned i = 0; i < 3; ++i) {
    head[4 + i] = static_cast<std::byte>((width - 1) >> (8U * i) & 255);
    head[7 + i] = static_cast<std::byte>((height - 1) >> (8U * i) & 255);
  }
  Bytes body;
  for (const char c : {'W', 'E', 'B', 'P'}) body.push_back(static_cast<std::byte>(c));
  const Bytes first = riff_chunk("VP8X", head);
  body.insert(body.end(), first.begin(), first.end());
  for (const Bytes& chunk : chunks) body.insert(body.end(), chunk.begin(), chunk.end());
  return riff_chunk("RIFF", body);
}
// A still one with another chunk before its pixels.
inline Bytes with_webp_chunk(const Bytes& still, int width, int height, const char* name, const Bytes& content, unsigned flag) {
  return extended_webp(width, height, flag, {riff_chunk(name, content), Bytes(still.begin() + 12, still.end())});
}
// `still` again and again, at an even place of a larger canvas.
inline Bytes animated_webp(int width, int height, int x, int y, int frame_width, int frame_height, const Bytes& still,
                           int frames) {
  Bytes frame(16);
  const int values[] = {x / 2, y / 2, frame_width - 1, frame_height - 1, 100};
  for (std::size_t k = 0; k < 5; ++k) {
    for (unsigned i = 0; i < 3; ++i) frame[k * 3 + i] = static_cast<std::byte>(values[k] >> (8U * i) & 255);
  }
  frame.insert(frame.end(), still.begin() + 12, still.end());
  std::vector<Bytes> chunks = {riff_chunk("ANIM", Bytes(6))};
  for (int i = 0; i < frames; ++i) chunks.push_back(riff_chunk("ANMF", frame));
  return extended_webp(width, height, 0x12, chunks);
}

// A TIFF block with one entry, the orientation: a SHORT as the standard has it, or a LONG as some programs write it.
inline std::vector<std::uint8_t> exif_block(int orientation, bool big_endian, bool as_long = false) {
  const auto low = static_cast<std::uint8_t>(orientation);
  const std::uint8_t type = as_long ? 4 : 3;
  if (!big_endian) return {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, type, 0, 1, 0, 0, 0, low, 0, 0, 0, 0, 0, 0, 0};
  std::vector<std::uint8_t> block = {'M',  'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0,
                                     type, 0,   0, 0,  1, 0, 0, 0, 0, 0, 0,    0,    0};
  block[as_long ? 21 : 19] = low;
  return block;
}

}  // namespace espalier::test
