#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"
#include "image/byte_reader.h"

namespace espalier::codec {

namespace {

// The blocks of data of one image in a row: a length and so many bytes, until a length of 0. Codes are read from the low bits.
class CodeReader {
 public:
  CodeReader(const ByteReader& file, std::uint64_t at) : file_(file), left_(file.u8(at)), next_(at + 1) {}
  // Nothing when the blocks have ended.
  bool read(unsigned width, std::uint32_t& code) {
    while (bits_ < width) {
      if (left_ == 0) return false;
      buffer_ |= file_.u8(next_++) << bits_;
      bits_ += 8;
      if (--left_ == 0) left_ = file_.u8(next_++);
    }
    code = buffer_ & ((1U << width) - 1U);
    buffer_ >>= width;
    bits_ -= width;
    return true;
  }

 private:
  const ByteReader& file_;
  std::uint32_t left_;
  std::uint64_t next_;
  std::uint32_t buffer_ = 0;
  unsigned bits_ = 0;
};

std::uint64_t after_blocks(const ByteReader& file, std::uint64_t at) {
  while (const std::uint32_t length = file.u8(at)) at += 1 + length;
  return at + 1;
}

// Lempel, Ziv and Welch as GIF has it: codes of 3 to 12 bits, a clear code and an end code behind the colours.
std::vector<std::uint8_t> unpack(const ByteReader& file, std::uint64_t at, std::size_t count) {
  const std::uint32_t depth = file.u8(at++);
  if (depth < 1 || depth > 8) file.damaged(str("codes of ", depth, " bits"));
  constexpr std::uint32_t kCodes = 4096, kNone = kCodes;
  const std::uint32_t clear = 1U << depth, end = clear + 1;
  std::array<std::uint16_t, kCodes> prefix{};
  std::array<std::uint8_t, kCodes> last{};
  std::array<std::uint8_t, kCodes> text{};  // of a code, backwards
  for (std::uint32_t i = 0; i < clear; ++i) last[i] = static_cast<std::uint8_t>(i);
  std::vector<std::uint8_t> out;
  out.reserve(count);
  CodeReader codes(file, at);
  std::uint32_t next = end + 1, previous = kNone, code = 0;
  unsigned width = depth + 1;
  std::uint8_t first = 0;
  while (out.size() < count && codes.read(width, code) && code != end) {
    if (code == clear) {
      next = end + 1;
      width = depth + 1;
      previous = kNone;
      continue;
    }
    if (code > next || (code == next && previous == kNone) || (previous == kNone && code > clear))
      file.damaged("a code that was not defined");
    std::size_t length = 0;
    std::uint32_t walk = code;
    if (code == next) {
      text[length++] = first;
      walk = previous;
    }
    for (; walk > end; walk = prefix[walk]) text[length++] = last[walk];
    text[length++] = first = last[walk];
    for (; length > 0 && out.size() < count; --length) out.push_back(text[length - 1]);
    if (previous != kNone && next < kCodes) {
      prefix[next] = static_cast<std::uint16_t>(previous);
      last[next] = first;
      ++next;
      if (next == 1U << width && width < 12) ++width;
    }
    previous = code;
  }
  if (out.size() < count) file.damaged("pixels are missing");
  return out;
}

// The row of the image that the n-th stored row of an interlaced frame is.
int interlaced_row(int n, int height) {
  constexpr std::array<std::array<int, 2>, 4> kPasses = {{{0, 8}, {4, 8}, {2, 4}, {1, 2}}};
  for (const auto& [start, step] : kPasses) {
    const int rows = height > start ? (height - start + step - 1) / step : 0;
    if (n < rows) return start + n * step;
    n -= rows;
  }
  return 0;
}

struct Palette {
  std::uint64_t at = 0;
  std::uint32_t colours = 0;
};

Palette palette_after(const ByteReader& file, std::uint32_t flags, std::uint64_t& at) {
  if ((flags & 0x80U) == 0) return {};
  const Palette palette{at, 2U << (flags & 7U)};
  at += std::uint64_t{palette.colours} * 3;
  (void)file.part(palette.at, at - palette.at);
  return palette;
}

struct Frame {
  int x = 0, y = 0, width = 0, height = 0;
  std::uint32_t flags = 0;
  int transparent = -1;  // index of a colour
  Palette palette;
  std::uint64_t data = 0;
};

Image paint(const ByteReader& file, int width, int height, const Frame& frame) {
  const std::vector<std::uint8_t> indices =
      unpack(file, frame.data, static_cast<std::size_t>(frame.width) * static_cast<std::size_t>(frame.height));
  const bool whole = frame.x <= 0 && frame.y <= 0 && frame.width >= width && frame.height >= height;
  Image image(width, height, whole && frame.transparent < 0 ? 3 : 4);
  for (int row = 0; row < frame.height; ++row) {
    const int y = frame.y + ((frame.flags & 0x40U) != 0 ? interlaced_row(row, frame.height) : row);
    if (y >= height) continue;
    const std::uint8_t* index = &indices[static_cast<std::size_t>(row) * static_cast<std::size_t>(frame.width)];
    for (int x = 0; x < frame.width && frame.x + x < width; ++x) {
      if (int{index[x]} == frame.transparent) continue;
      if (index[x] >= frame.palette.colours) file.damaged(str("there is no colour ", int{index[x]}));
      std::uint8_t* pixel = image.at(frame.x + x, y);
      for (std::uint32_t c = 0; c < 3; ++c)
        pixel[c] = static_cast<std::uint8_t>(file.u8(frame.palette.at + std::uint64_t{index[x]} * 3 + c));
      if (image.channels == 4) pixel[3] = 255;
    }
  }
  return image;
}

// Whether another image follows.
bool has_more_frames(const ByteReader& file, std::uint64_t at) {
  while (file.holds(at, 2)) {
    const std::uint32_t kind = file.u8(at);
    if (kind == 0x2C) return true;
    if (kind != 0x21) return false;
    at += 2;
    while (file.holds(at, 1) && file.u8(at) != 0) at += 1 + file.u8(at);
    ++at;
  }
  return false;
}

}  // namespace

Image decode_gif(const Source& source) {
  const ByteReader file(source.bytes, source.name, "GIF", /*big_endian=*/false);
  const std::uint32_t width = file.u16(6), height = file.u16(8), screen_flags = file.u8(10);
  check_size(width, height, source.name);
  std::uint64_t at = 13;
  const Palette global = palette_after(file, screen_flags, at);
  Frame frame;
  for (;;) {
    const std::uint32_t kind = file.u8(at++);
    if (kind == 0x3B) file.damaged("there is no image in it");
    if (kind == 0x21) {  // an extension; of them the graphic control block names the transparent colour
      const std::uint32_t label = file.u8(at++);
      if (label == 0xF9 && file.u8(at) >= 4)
        frame.transparent = (file.u8(at + 1) & 1U) != 0 ? static_cast<int>(file.u8(at + 4)) : -1;
      at = after_blocks(file, at);
      continue;
    }
    if (kind != 0x2C) file.damaged("an unknown block");
    frame.x = static_cast<int>(file.u16(at));
    frame.y = static_cast<int>(file.u16(at + 2));
    frame.width = static_cast<int>(file.u16(at + 4));
    frame.height = static_cast<int>(file.u16(at + 6));
    frame.flags = file.u8(at + 8);
    at += 9;
    break;
  }
  check_size(static_cast<std::uint64_t>(frame.width), static_cast<std::uint64_t>(frame.height), source.name);
  frame.palette = palette_after(file, frame.flags, at);
  if (frame.palette.colours == 0) frame.palette = global;
  frame.data = at;
  Image image = paint(file, static_cast<int>(width), static_cast<int>(height), frame);
  if (has_more_frames(file, after_blocks(file, frame.data + 1))) source.notice("an animated GIF; its first frame is used");
  return image;
}

}  // namespace espalier::codec
