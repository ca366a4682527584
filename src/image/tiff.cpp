// TIFF 6.0 as cameras, scanners and painting programs write it: strips or tiles, whole or one plane per channel, uncompressed,
// PackBits, LZW or deflate, gray, palette, RGB or CMYK of 1 to 16 bits. The rest is refused by name.
#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <vector>

#include "base/error.h"
#include "image/byte_reader.h"
#include "image/colour_profile.h"
#include "image/tiff_unpack.h"

namespace espalier::codec {

namespace {

enum Tag : std::uint32_t {
  kWidth = 256,
  kHeight = 257,
  kBits = 258,
  kCompression = 259,
  kPhotometric = 262,
  kFillOrder = 266,
  kStripOffsets = 273,
  kOrientation = 274,
  kSamples = 277,
  kRowsPerStrip = 278,
  kStripBytes = 279,
  kPlanar = 284,
  kPredictor = 317,
  kColours = 320,
  kTileWidth = 322,
  kTileHeight = 323,
  kTileOffsets = 324,
  kTileBytes = 325,
  kExtraSamples = 338,
  kSampleFormat = 339,
  kProfile = 34675,
};
enum Photometric : std::uint32_t { kWhiteIsZero = 0, kBlackIsZero = 1, kRgb = 2, kPalette = 3, kCmyk = 5 };

struct Field {
  std::uint32_t type = 0;
  std::uint32_t count = 0;
  std::uint64_t at = 0;  // of the values
};

constexpr std::uint32_t kMaxSamples = 8;

// The first directory.
class Directory {
 public:
  explicit Directory(const ByteReader& file) : file_(file) {
    const std::uint64_t start = file.u32(4);
    const std::uint32_t count = file.u16(start);
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint64_t entry = start + 2 + std::uint64_t{i} * 12;
      Field field{file.u16(entry + 2), file.u32(entry + 4), entry + 8};
      if (size_of(field.type) == 0) continue;
      if (std::uint64_t{field.count} * size_of(field.type) > 4) field.at = file.u32(entry + 8);
      fields_.emplace(file.u16(entry), field);
    }
    const std::uint64_t next = start + 2 + std::uint64_t{count} * 12;
    more_ = file.holds(next, 4) && file.u32(next) != 0;
  }
  [[nodiscard]] bool has(Tag tag) const { return fields_.contains(tag); }
  [[nodiscard]] bool more() const { return more_; }
  [[nodiscard]] std::uint64_t count(Tag tag) const {
    const auto found = fields_.find(tag);
    return found == fields_.end() ? 0 : found->second.count;
  }
  // The i-th value of a field of whole numbers.
  [[nodiscard]] std::uint64_t value(Tag tag, std::uint64_t i = 0) const {
    const auto found = fields_.find(tag);
    if (found == fields_.end() || i >= found->second.count)
      file_.damaged(str("tag ", static_cast<std::uint32_t>(tag), " is missing or too short"));
    const unsigned size = size_of(found->second.type);
    return file_.number(found->second.at + i * size, std::min(size, 4U));
  }
  [[nodiscard]] std::uint64_t value_or(Tag tag, std::uint64_t otherwise) const {
    return count(tag) == 0 ? otherwise : value(tag);
  }
  // A field of bytes.
  [[nodiscard]] Bytes bytes(Tag tag) const {
    const auto found = fields_.find(tag);
    if (found == fields_.end() || !file_.holds(found->second.at, found->second.count)) return {};
    return file_.part(found->second.at, found->second.count);
  }

 private:
  static unsigned size_of(std::uint32_t type) {
    switch (type) {
      case 1:
      case 2:
      case 6:
      case 7: return 1;
      case 3:
      case 8: return 2;
      case 4:
      case 9:
      case 13: return 4;
      default: return 0;
    }
  }
  const ByteReader& file_;
  std::map<std::uint32_t, Field> fields_;
  bool more_ = false;
};

struct Layout {
  int width = 0, height = 0;
  std::uint32_t bits = 1, samples = 1, photometric = kBlackIsZero, predictor = 1;
  TiffCompression compression = TiffCompression::none;
  bool planar = false, tiled = false, big_endian = false;
  std::uint32_t piece_width = 0, piece_height = 0;  // of a strip or tile
  std::uint32_t colours = 1;                        // samples that are colour
  int alpha = 0;                                    // 0: none, 1: multiplied into the colours, 2: not
};

[[noreturn]] void refuse(const ByteReader& file, const std::string& what) {
  fail(ErrorCode::unsupported, file.name(), ": a TIFF ", what, " is not supported", hint("convert it to PNG"));
}

TiffCompression compression_of(const ByteReader& file, std::uint64_t code) {
  switch (code) {
    case 1: return TiffCompression::none;
    case 5: return TiffCompression::lzw;
    case 8:
    case 32946: return TiffCompression::deflate;
    case 32773: return TiffCompression::pack_bits;
    case 6:
    case 7: refuse(file, "with JPEG inside");
    case 2:
    case 3:
    case 4: refuse(file, "of a fax");
    default: refuse(file, str("with compression ", code));
  }
}

void read_colours(const ByteReader& file, const Directory& directory, Layout& l) {
  l.photometric = static_cast<std::uint32_t>(directory.value(kPhotometric));
  switch (l.photometric) {
    case kWhiteIsZero:
    case kBlackIsZero:
    case kPalette: l.colours = 1; break;
    case kRgb: l.colours = 3; break;
    case kCmyk: l.colours = 4; break;
    default: refuse(file, str("with colours of kind ", l.photometric));
  }
  if (l.samples < l.colours) file.damaged(str(l.samples, " samples for ", l.colours, " colours"));
  if (directory.count(kExtraSamples) > 0 && l.samples > l.colours) {
    const std::uint64_t kind = directory.value(kExtraSamples);
    l.alpha = kind == 1 || kind == 2 ? static_cast<int>(kind) : 0;
  }
  if (l.photometric == kPalette && (l.bits > 8 || directory.count(kColours) < std::uint64_t{3} << l.bits))
    file.damaged("its palette is too short");
  if (l.photometric == kCmyk && l.bits != 8) refuse(file, str("with CMYK samples of ", l.bits, " bits"));
}

Layout read_layout(const ByteReader& file, const Directory& directory, bool big_endian) {
  Layout l;
  l.big_endian = big_endian;
  check_size(directory.value(kWidth), directory.value(kHeight), file.name());
  l.width = static_cast<int>(directory.value(kWidth));
  l.height = static_cast<int>(directory.value(kHeight));
  const std::uint64_t samples = directory.value_or(kSamples, 1);
  if (samples == 0 || samples > kMaxSamples) refuse(file, str("with ", samples, " samples per pixel"));
  l.samples = static_cast<std::uint32_t>(samples);
  l.bits = static_cast<std::uint32_t>(directory.value_or(kBits, 1));
  for (std::uint64_t i = 1; i < directory.count(kBits) && i < samples; ++i) {
    if (directory.value(kBits, i) != l.bits) refuse(file, "with channels of different depths");
  }
  const bool packed = l.bits == 1 || l.bits == 2 || l.bits == 4;
  if (!(packed && l.samples == 1) && l.bits != 8 && l.bits != 16) refuse(file, str("with samples of ", l.bits, " bits"));
  if (directory.value_or(kSampleFormat, 1) != 1) refuse(file, "with signed or floating-point samples");
  if (directory.value_or(kFillOrder, 1) != 1) refuse(file, "with reversed bits");
  l.compression = compression_of(file, directory.value_or(kCompression, 1));
  l.predictor = static_cast<std::uint32_t>(directory.value_or(kPredictor, 1));
  if (l.predictor > 2 || (l.predictor == 2 && packed)) refuse(file, str("with predictor ", l.predictor));
  l.planar = directory.value_or(kPlanar, 1) == 2 && l.samples > 1;
  read_colours(file, directory, l);
  l.tiled = directory.has(kTileOffsets);
  const std::uint64_t width = l.tiled ? directory.value(kTileWidth) : static_cast<std::uint64_t>(l.width);
  const std::uint64_t height = l.tiled ? directory.value(kTileHeight) : directory.value_or(kRowsPerStrip, 0xFFFFFFFF);
  constexpr std::uint64_t kLeastTile = 16, kMostTile = 4096;  // the first is the standard's
  if (width == 0 || height == 0) file.damaged("its strips have no size");
  if (l.tiled && (std::min(width, height) < kLeastTile || std::max(width, height) > kMostTile))
    refuse(file, str("with tiles of ", width, " x ", height, " pixels"));
  l.piece_width = static_cast<std::uint32_t>(width);
  l.piece_height = static_cast<std::uint32_t>(std::min(height, std::max(static_cast<std::uint64_t>(l.height), kMostTile)));
  return l;
}

// Undoes the difference to the pixel before, and brings samples of 16 bits into the machine's order.
void undo_predictor(std::vector<std::uint8_t>& row, const Layout& l, std::size_t step) {
  if (l.bits == 16) {
    const std::size_t high = l.big_endian ? 0 : 1, low = 1 - high;
    for (std::size_t i = step; l.predictor == 2 && i < row.size() / 2; ++i) {
      const auto at = [&](std::size_t k) { return row[k * 2 + high] << 8U | row[k * 2 + low]; };
      const auto sum = static_cast<std::uint16_t>(at(i) + at(i - step));
      row[i * 2 + high] = static_cast<std::uint8_t>(sum >> 8U);
      row[i * 2 + low] = static_cast<std::uint8_t>(sum & 255U);
    }
    return;
  }
  for (std::size_t i = step; l.predictor == 2 && i < row.size(); ++i)
    row[i] = static_cast<std::uint8_t>(row[i] + row[i - step]);
}

// The high byte of a sample, or an index of `bits` bits.
std::uint8_t sample_at(const std::vector<std::uint8_t>& row, const Layout& l, std::size_t i) {
  if (l.bits == 8) return row[i];
  if (l.bits == 16) return row[i * 2 + (l.big_endian ? 0 : 1)];
  const std::size_t bit = i * l.bits;
  return static_cast<std::uint8_t>(row[bit / 8] >> (8 - l.bits - bit % 8) & ((1U << l.bits) - 1U));
}

// All samples, `kept` of every pixel: the colours, then alpha.
std::vector<std::uint8_t> read_samples(const ByteReader& file, const Directory& directory, const Layout& l,
                                       std::uint32_t kept) {
  const auto pieces = [](std::uint32_t whole, std::uint32_t part) { return (std::uint64_t{whole} + part - 1) / part; };
  const auto width = static_cast<std::uint32_t>(l.width), height = static_cast<std::uint32_t>(l.height);
  const std::uint64_t across = pieces(width, l.piece_width), down = pieces(height, l.piece_height);
  const std::uint32_t together = l.planar ? 1 : l.samples;
  std::vector<std::uint8_t> out(std::size_t{width} * height * kept);
  std::vector<std::uint8_t> row((std::size_t{l.piece_width} * together * l.bits + 7) / 8);
  for (std::uint64_t index = 0; index < across * down * (l.planar ? kept : 1); ++index) {
    const std::uint64_t plane = index / (across * down), place = index % (across * down);
    const auto x0 = static_cast<std::uint32_t>(place % across) * l.piece_width;
    const auto y0 = static_cast<std::uint32_t>(place / across) * l.piece_height;
    const std::uint64_t at = directory.value(l.tiled ? kTileOffsets : kStripOffsets, index);
    const Tag counts = l.tiled ? kTileBytes : kStripBytes;
    const std::uint64_t bytes =
        directory.has(counts) ? directory.value(counts, index) : file.size() - std::min(at, file.size());
    const auto unpacker = open_tiff_data(l.compression, file.part(at, bytes), file);
    const std::uint32_t rows = std::min(l.piece_height, height - y0), columns = std::min(l.piece_width, width - x0);
    for (std::uint32_t y = 0; y < rows; ++y) {
      unpacker->read(row);
      undo_predictor(row, l, together);
      for (std::uint32_t x = 0; x < columns; ++x) {
        std::uint8_t* pixel = &out[(std::size_t{y0 + y} * width + x0 + x) * kept];
        if (l.planar) {
          pixel[plane] = sample_at(row, l, x);
        } else {
          for (std::uint32_t c = 0; c < kept; ++c) pixel[c] = sample_at(row, l, std::size_t{x} * together + c);
        }
      }
    }
  }
  return out;
}

Image gray_or_palette(const Directory& directory, const Layout& l, const std::vector<std::uint8_t>& samples,
                      std::uint32_t kept) {
  const std::uint32_t most = l.bits >= 8 ? 255 : (1U << l.bits) - 1U;
  std::array<std::array<std::uint8_t, 3>, 256> colours{};
  for (std::uint32_t i = 0; i <= most; ++i) {
    for (std::uint32_t c = 0; c < 3; ++c) {
      if (l.photometric == kPalette) {
        colours[i][c] = static_cast<std::uint8_t>(directory.value(kColours, (std::uint64_t{c} << l.bits) + i) >> 8U);
      } else {
        const std::uint32_t level = i * 255 / most;
        colours[i][c] = static_cast<std::uint8_t>(l.photometric == kWhiteIsZero ? 255 - level : level);
      }
    }
  }
  Image image(l.width, l.height, kept == 2 ? 4 : 3);
  const auto channels = static_cast<std::size_t>(image.channels);
  for (std::size_t i = 0; i < image.pixel_count(); ++i) {
    std::copy_n(colours[samples[i * kept]].data(), 3, &image.pixels[i * channels]);
    if (kept == 2) image.pixels[i * channels + 3] = samples[i * kept + 1];
  }
  return image;
}

}  // namespace

void divide_by_alpha(Image& image) {
  if (image.channels != 4) return;
  for (std::size_t i = 0; i < image.pixel_count(); ++i) {
    std::uint8_t* pixel = &image.pixels[i * 4];
    for (std::size_t c = 0; c < 3 && pixel[3] > 0; ++c)
      pixel[c] = static_cast<std::uint8_t>(std::min((pixel[c] * 255 + pixel[3] / 2) / pixel[3], 255));
  }
}

Image decode_tiff(const Source& source) {
  const bool big_endian = source.bytes[0] == std::byte{'M'};
  const ByteReader file(source.bytes, source.name, "TIFF", big_endian);
  if (file.u16(2) == 43) refuse(file, "of more than 4 GB (BigTIFF)");
  const Directory directory(file);
  const Layout l = read_layout(file, directory, big_endian);
  const bool cmyk = l.photometric == kCmyk;
  const std::uint32_t kept = l.colours + (l.alpha != 0 && !cmyk ? 1 : 0);
  std::vector<std::uint8_t> samples = read_samples(file, directory, l, kept);
  Image image;
  if (cmyk) {
    image = rgb_of_cmyk(l.width, l.height, std::move(samples), /*inverted=*/false, directory.bytes(kProfile), source);
  } else if (l.colours == 1) {
    image = gray_or_palette(directory, l, samples, kept);
  } else {
    image.width = l.width;
    image.height = l.height;
    image.channels = static_cast<int>(kept);
    image.pixels = std::move(samples);
  }
  if (l.alpha == 1) divide_by_alpha(image);
  if (!cmyk) convert_to_srgb(image, directory.bytes(kProfile), source);
  if (directory.more()) source.notice("a TIFF with several pages; the first one is used");
  const std::uint64_t orientation = directory.value_or(kOrientation, 1);
  return apply_orientation(std::move(image), orientation <= 8 ? static_cast<int>(orientation) : 1);
}

}  // namespace espalier::codec
