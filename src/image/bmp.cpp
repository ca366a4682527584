#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "base/error.h"
#include "image/byte_reader.h"
#include "image/colour_profile.h"

namespace espalier::codec {

namespace {

enum Compression : std::uint32_t { kPlain = 0, kRle8 = 1, kRle4 = 2, kBitFields = 3, kAlphaBitFields = 6 };

struct Header {
  std::uint64_t pixels = 0;  // offset
  int width = 0, height = 0;
  bool top_down = false;
  std::uint32_t bits = 0, compression = kPlain;
  std::uint64_t palette = 0;
  std::uint32_t colours = 0, colour_bytes = 4;
  std::array<std::uint32_t, 4> masks{};  // red, green, blue, alpha
  Bytes profile;
};

constexpr int kMaxRun = 1 << 20;
constexpr std::uint64_t kFileHeader = 14;
constexpr std::uint32_t kCoreHeader = 12, kInfoHeader = 40, kWithMasks = 52, kWithAlpha = 56, kVersion5 = 124;

void read_masks(const ByteReader& file, std::uint32_t size, Header& h) {
  if (h.compression == kBitFields || h.compression == kAlphaBitFields) {
    const std::size_t count = h.compression == kAlphaBitFields || size >= kWithAlpha ? 4 : 3;
    for (std::size_t i = 0; i < count; ++i) h.masks[i] = file.u32(kFileHeader + kInfoHeader + i * 4);
    if (size < kWithMasks) h.palette += count * 4;
  } else if (h.bits == 16) {
    h.masks = {0x7C00, 0x03E0, 0x001F, 0};
  } else {
    h.masks = {0xFF0000, 0xFF00, 0xFF, 0};
  }
}

void read_profile(const ByteReader& file, std::uint32_t size, Header& h) {
  constexpr std::uint32_t kEmbedded = 0x4D424544;  // MBED
  if (size < kVersion5 || file.u32(kFileHeader + 56) != kEmbedded) return;
  const std::uint64_t at = kFileHeader + file.u32(kFileHeader + 112), length = file.u32(kFileHeader + 116);
  if (file.holds(at, length)) h.profile = file.part(at, length);
}

Header read_header(const ByteReader& file) {
  Header h;
  h.pixels = file.u32(10);
  const std::uint32_t size = file.u32(kFileHeader);
  if (size != kCoreHeader && (size < kInfoHeader || size > 1024)) file.damaged(str("a header of ", size, " bytes"));
  h.palette = kFileHeader + size;
  std::int64_t width = 0, height = 0;
  if (size == kCoreHeader) {
    width = file.u16(kFileHeader + 4);
    height = file.u16(kFileHeader + 6);
    h.bits = file.u16(kFileHeader + 10);
    h.colour_bytes = 3;
  } else {
    width = file.i32(kFileHeader + 4);
    height = file.i32(kFileHeader + 8);
    h.bits = file.u16(kFileHeader + 14);
    h.compression = file.u32(kFileHeader + 16);
    h.colours = file.u32(kFileHeader + 32);
  }
  h.top_down = height < 0;
  if (width < 0) file.damaged("its width is negative");
  check_size(static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(h.top_down ? -height : height), file.name());
  h.width = static_cast<int>(width);
  h.height = static_cast<int>(h.top_down ? -height : height);
  read_masks(file, size, h);
  read_profile(file, size, h);
  return h;
}

void check_kind(const ByteReader& file, Header& h) {
  const bool indexed = h.bits == 1 || h.bits == 4 || h.bits == 8;
  const bool known = h.compression == kPlain || (h.compression == kRle8 && h.bits == 8) ||
                     (h.compression == kRle4 && h.bits == 4) ||
                     ((h.compression == kBitFields || h.compression == kAlphaBitFields) && (h.bits == 16 || h.bits == 32));
  if (!known || (!indexed && h.bits != 16 && h.bits != 24 && h.bits != 32)) {
    fail(ErrorCode::unsupported, file.name(), ": a BMP of ", h.bits, " bits with compression ", h.compression,
         " is not supported", hint("convert it to PNG"));
  }
  if (!indexed) return;
  const std::uint32_t most = 1U << h.bits;
  if (h.colours == 0 || h.colours > most) h.colours = most;
  // Writers may leave out the colours that no pixel has.
  while (h.colours > 0 && !file.holds(h.palette, std::uint64_t{h.colours} * h.colour_bytes)) --h.colours;
}

// A sample of `mask`'s bits, scaled to 255.
std::uint8_t sample(std::uint32_t value, std::uint32_t mask) {
  if (mask == 0) return 0;
  const int shift = std::countr_zero(mask);
  const std::uint64_t most = mask >> shift;
  return static_cast<std::uint8_t>((std::uint64_t{(value & mask) >> shift} * 255 + most / 2) / most);
}

void put_colour(const ByteReader& file, const Header& h, std::uint32_t index, std::uint8_t* pixel) {
  if (index >= h.colours) file.damaged(str("there is no colour ", index));
  const std::uint64_t at = h.palette + std::uint64_t{index} * h.colour_bytes;
  for (std::uint64_t c = 0; c < 3; ++c) pixel[c] = static_cast<std::uint8_t>(file.u8(at + 2 - c));
}

void read_row(const ByteReader& file, const Header& h, const ByteReader& row, std::uint8_t* pixels, int channels) {
  for (int x = 0; x < h.width; ++x, pixels += channels) {
    const auto at = static_cast<std::uint64_t>(x);
    if (h.bits <= 8) {
      const std::uint64_t bit = at * h.bits;
      put_colour(file, h, row.u8(bit / 8) >> (8 - h.bits - bit % 8) & ((1U << h.bits) - 1U), pixels);
    } else if (h.bits == 24) {
      for (std::uint64_t c = 0; c < 3; ++c) pixels[c] = static_cast<std::uint8_t>(row.u8(at * 3 + 2 - c));
    } else {
      const std::uint32_t value = h.bits == 16 ? row.u16(at * 2) : row.u32(at * 4);
      for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) pixels[c] = sample(value, h.masks[c]);
    }
  }
}

// Runs and escapes: (count, value), (0, 0) end of the row, (0, 1) end of the image, (0, 2) a move, (0, n) n values as they
// are.
void read_runs(const ByteReader& file, const Header& h, Image& image) {
  std::uint64_t at = h.pixels;
  int x = 0, y = 0;  // y from the bottom
  const auto put = [&](std::uint32_t index) {
    if (x < h.width && y < h.height) put_colour(file, h, index, image.at(x, h.height - 1 - y));
    ++x;
  };
  const auto value = [&](std::uint64_t byte, std::uint32_t i) {
    if (h.bits == 8) return file.u8(byte + i);
    return i % 2 == 0 ? file.u8(byte + i / 2) >> 4U : file.u8(byte + i / 2) & 15U;
  };
  // What no run covers has the first colour.
  for (int column = 0; column < h.width; ++column) put_colour(file, h, 0, image.at(column, 0));
  const auto row_bytes = static_cast<std::size_t>(h.width) * static_cast<std::size_t>(image.channels);
  for (int row = 1; row < h.height; ++row) std::copy_n(image.at(0, 0), row_bytes, image.at(0, row));
  while (y < h.height) {
    const std::uint32_t count = file.u8(at), code = file.u8(at + 1);
    at += 2;
    if (count > 0) {
      for (std::uint32_t i = 0; i < count; ++i) put(h.bits == 8 ? code : i % 2 == 0 ? code >> 4U : code & 15U);
    } else if (code == 0) {
      x = 0;
      ++y;
    } else if (code == 1) {
      return;
    } else if (code == 2) {
      x += static_cast<int>(file.u8(at));
      y += static_cast<int>(file.u8(at + 1));
      at += 2;
    } else {
      for (std::uint32_t i = 0; i < code; ++i) put(value(at, i));
      const std::uint32_t bytes = h.bits == 8 ? code : (code + 1) / 2;
      at += bytes + bytes % 2;
    }
    if (x > kMaxRun) file.damaged("a row is too long");
  }
}

}  // namespace

Image decode_bmp(const Source& source) {
  const ByteReader file(source.bytes, source.name, "BMP", /*big_endian=*/false);
  Header h = read_header(file);
  check_kind(file, h);
  Image image(h.width, h.height, h.masks[3] != 0 && h.bits > 8 ? 4 : 3);
  if (h.compression == kRle8 || h.compression == kRle4) {
    read_runs(file, h, image);
  } else {
    const std::uint64_t stride = (static_cast<std::uint64_t>(h.width) * h.bits + 31) / 32 * 4;
    for (int y = 0; y < h.height; ++y) {
      const auto stored = static_cast<std::uint64_t>(h.top_down ? y : h.height - 1 - y);
      read_row(file, h, file.within(h.pixels + stored * stride, stride), image.at(0, y), image.channels);
    }
  }
  convert_to_srgb(image, h.profile, source);
  return image;
}

}  // namespace espalier::codec
