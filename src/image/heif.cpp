#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "image/codec.h"
#include "image/colour_profile.h"
#include "image/heif_boxes.h"
#include "image/video_frames.h"

namespace espalier::codec {

namespace {

struct Size {
  int width = 0, height = 0;
};

// Primaries, transfer and matrix by ITU-T H.273, where the container says them.
struct Signals {
  int primaries = 2, transfer = 2, matrix = 2;
  std::optional<bool> full_range;
};

[[noreturn]] void refuse(const HeifFile& heif, const std::string& what) {
  fail(ErrorCode::unsupported, heif.file().name(), ": a HEIF with ", what, " is not supported", hint("convert it to PNG"));
}

ByteReader reader(const HeifFile& heif, Bytes bytes) { return {bytes, heif.file().name(), "HEIF", /*big_endian=*/true}; }

Size size_of(const HeifFile& heif, const HeifItem& item) {
  const HeifProperty* extent = item.find("ispe");
  if (extent == nullptr) heif.file().damaged("an item without a size");
  const ByteReader r = reader(heif, extent->content);
  check_size(r.u32(4), r.u32(8), heif.file().name());
  return {static_cast<int>(r.u32(4)), static_cast<int>(r.u32(8))};
}

// Paints items, coded or put together of tiles, into one image.
class Painter {
 public:
  explicit Painter(const HeifFile& heif) : heif_(heif) {}

  void paint(std::uint32_t id, Image& to, bool alpha) {
    const HeifItem& item = heif_.item(id);
    if (item.type == "grid") {
      paint_grid(id, item, to, alpha);
    } else {
      paint_coded(id, item, to, 0, 0, alpha);
    }
  }
  // What the last image of colour says of itself.
  [[nodiscard]] const Signals& signals() const { return signals_; }

 private:
  void paint_coded(std::uint32_t id, const HeifItem& item, Image& to, int x, int y, bool alpha) {
    const bool hevc = item.type == "hvc1", av1 = item.type == "av01";
    if (!hevc && !av1) refuse(heif_, "an image of the kind \"" + item.type + "\"");
    if (item.needs_unknown) refuse(heif_, "properties of an unknown kind");
    const HeifProperty* configuration = item.find(hevc ? "hvcC" : "av1C");
    if (configuration == nullptr) heif_.file().damaged("an item without its codec's configuration");
    const Size size = size_of(heif_, item);
    const std::vector<std::byte> data = heif_.data(id);
    // Tiles may name the same bytes again and again.
    bytes_ += data.size();
    if (bytes_ > 2 * heif_.file().size()) heif_.file().damaged("its tiles overlap");
    const auto use = [&](const YuvImage& coded) { put(coded, item, to, x, y, alpha); };
    const CodedImage coded{configuration->content, data, size.width, size.height, heif_.file().name()};
    if (hevc) {
      decode_hevc(coded, use);
    } else {
      decode_av1(coded, use);
    }
  }

  void put(YuvImage coded, const HeifItem& item, Image& to, int x, int y, bool alpha) {
    if (alpha) return put_alpha(coded, to, x, y);
    for (const HeifProperty& property : item.properties) {
      if (property.type != "colr" || reader(heif_, property.content).text(0, 4) != "nclx") continue;
      const ByteReader r = reader(heif_, property.content);
      coded.primaries = static_cast<int>(r.u16(4));
      coded.transfer = static_cast<int>(r.u16(6));
      coded.matrix = static_cast<int>(r.u16(8));
      coded.full_range = (r.u8(10) & 0x80U) != 0;
    }
    if (!known_matrix(coded.matrix)) refuse(heif_, str("colours of matrix ", coded.matrix));
    signals_ = {coded.primaries, coded.transfer, coded.matrix, coded.full_range};
    put_rgb(coded, to, x, y);
  }

  void paint_grid(std::uint32_t id, const HeifItem& item, Image& to, bool alpha) {
    if (item.needs_unknown) refuse(heif_, "properties of an unknown kind");
    const std::vector<std::byte> bytes = heif_.data(id);
    const ByteReader r = reader(heif_, bytes);
    const unsigned wide = (r.u8(1) & 1U) != 0 ? 4 : 2;
    const std::uint32_t rows = r.u8(2) + 1, columns = r.u8(3) + 1;
    if (r.number(4, wide) != static_cast<std::uint64_t>(to.width) ||
        r.number(4 + wide, wide) != static_cast<std::uint64_t>(to.height))
      heif_.file().damaged("a grid of another size than its image");
    const std::vector<std::uint32_t> tiles = heif_.references("dimg", id);
    if (tiles.size() != std::size_t{rows} * columns)
      heif_.file().damaged(str(tiles.size(), " tiles for ", rows, " x ", columns));
    const Size tile = size_of(heif_, heif_.item(tiles.front()));
    const auto covers = [](int side, std::uint32_t count, int whole) {
      return std::int64_t{side} * count >= whole && std::int64_t{side} * (count - 1) < whole;
    };
    if (!covers(tile.width, columns, to.width) || !covers(tile.height, rows, to.height) ||
        std::int64_t{tile.width} * tile.height * rows * columns > 2 * kMaxImagePixels)
      heif_.file().damaged("its tiles do not cover the image");
    for (std::size_t i = 0; i < tiles.size(); ++i) {
      const HeifItem& part = heif_.item(tiles[i]);
      const Size size = size_of(heif_, part);
      if (size.width != tile.width || size.height != tile.height) heif_.file().damaged("tiles of different sizes");
      paint_coded(tiles[i], part, to, static_cast<int>(i % columns) * tile.width, static_cast<int>(i / columns) * tile.height,
                  alpha);
    }
  }

  const HeifFile& heif_;
  std::uint64_t bytes_ = 0;
  Signals signals_;
};

Image cropped(const HeifFile& heif, const Image& image, const HeifProperty& aperture) {
  const ByteReader r = reader(heif, aperture.content);
  const auto ratio = [&](std::uint64_t at) {
    const double below = r.i32(at + 4);
    if (below == 0) heif.file().damaged("a crop that makes no sense");
    return r.i32(at) / below;
  };
  const double width = ratio(0), height = ratio(8);
  const double x = (image.width - width) / 2 + ratio(16), y = (image.height - height) / 2 + ratio(24);
  if (!(width >= 1 && height >= 1 && x >= -0.5 && y >= -0.5 && x + width <= image.width + 0.5 &&
        y + height <= image.height + 0.5))
    heif.file().damaged("a crop beyond the image");
  const int x0 = std::max(static_cast<int>(std::lround(x)), 0), y0 = std::max(static_cast<int>(std::lround(y)), 0);
  Image out(std::min(static_cast<int>(std::lround(width)), image.width - x0),
            std::min(static_cast<int>(std::lround(height)), image.height - y0), image.channels);
  for (int row = 0; row < out.height; ++row)
    std::copy_n(image.at(x0, y0 + row), static_cast<std::ptrdiff_t>(out.width) * out.channels, out.at(0, row));
  return out;
}

// Crops, turns and mirrors in the order in which the item has them.
Image transformed(const HeifFile& heif, Image image, const HeifItem& item) {
  constexpr std::array<int, 4> kTurned = {1, 8, 3, 6};  // EXIF's numbers for quarters to the left
  for (const HeifProperty& property : item.properties) {
    const ByteReader r = reader(heif, property.content);
    if (property.type == "clap") image = cropped(heif, image, property);
    if (property.type == "irot") image = apply_orientation(std::move(image), kTurned[r.u8(0) & 3U]);
    if (property.type == "imir") image = apply_orientation(std::move(image), (r.u8(0) & 1U) != 0 ? 2 : 4);
  }
  return image;
}

void convert_colours(const HeifItem& item, const Signals& signals, Image& image, const HeifFile& heif, const Source& source) {
  constexpr int kBt2020 = 9, kDisplayP3 = 12, kPq = 16, kHlg = 18;
  if (signals.transfer == kPq || signals.transfer == kHlg)
    source.notice("an image of high dynamic range; its brightness is taken as it is stored and may look flat");
  for (const HeifProperty& property : item.properties) {
    if (property.type != "colr" || property.content.size() < 4) continue;
    const std::string kind = reader(heif, property.content).text(0, 4);
    if (kind == "prof" || kind == "rICC") return convert_to_srgb(image, property.content.subspan(4), source);
  }
  if (signals.primaries == kBt2020) convert_to_srgb(image, Primaries::bt2020);
  if (signals.primaries == kDisplayP3) convert_to_srgb(image, Primaries::display_p3);
}

}  // namespace

Image decode_heif(const Source& source) {
  const HeifFile heif(source.bytes, source.name);
  const HeifItem& item = heif.item(heif.primary());
  const Size size = size_of(heif, item);
  const std::uint32_t alpha = heif.alpha_of(heif.primary());
  Image image(size.width, size.height, alpha != 0 ? 4 : 3);
  Painter painter(heif);
  painter.paint(heif.primary(), image, /*alpha=*/false);
  const Signals signals = painter.signals();
  if (alpha != 0) {
    const Size of_alpha = size_of(heif, heif.item(alpha));
    if (of_alpha.width != size.width || of_alpha.height != size.height) refuse(heif, "an alpha channel of another size");
    painter.paint(alpha, image, /*alpha=*/true);
    if (heif.refers("prem", heif.primary(), alpha)) divide_by_alpha(image);
  }
  convert_colours(item, signals, image, heif, source);
  if (heif.images() > 1) source.notice(str("a file with ", heif.images(), " images; the primary one is used"));
  return transformed(heif, std::move(image), item);
}

}  // namespace espalier::codec
