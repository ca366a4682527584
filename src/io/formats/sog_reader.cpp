// SOG of PlayCanvas: Gaussians in the pixels of WebP images, which a meta.json describes.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/printable.h"
#include "image/codec.h"
#include "image/image_header.h"
#include "io/formats/gaussian_builder.h"
#include "io/formats/zip_reader.h"

namespace espalier::reader {

namespace {

using Json = nlohmann::json;

class Sog {
 public:
  Sog(const Source& source, std::string_view meta, const ZipFolder* archive) : source_(source), archive_(archive) {
    constexpr JsonLimits kLimits{
        .bytes = std::size_t{16} << 20U, .values = 100'000, .string = std::size_t{1} << 20U, .depth = 16};
    std::string problem;
    meta_ = read_json<Json>(meta, kLimits, problem);
    if (!problem.empty()) source.damaged("its meta.json ", problem);
  }

  GaussianFile read() {
    const Json& version = member(meta_, "version", true);
    second_ = version.is_number_unsigned() && version.get<std::uint64_t>() == 2;
    if (!version.is_null() && !second_) source_.unsupported("this is not a SOG of version 1 or 2");
    const Json& means = member(meta_, "means");
    count_ = second_ ? natural(member(meta_, "count")) : first_of(member(means, "shape"));
    source_.check_counts(count_, 0);
    source_.unpacks(source_.bytes.size(), 16);  // images are packed well
    // Four bytes in each of up to six images.
    source_.take_memory(count_, 12);
    const Image low = image(means, 0), high = image(means, 1), quats = image(member(meta_, "quats"), 0),
                scales = image(member(meta_, "scales"), 0), colours = image(member(meta_, "sh0"), 0);
    load_harmonics();
    const auto bottom = numbers(means, "mins", 3), top = numbers(means, "maxs", 3);
    const Table scale_table = table(member(meta_, "scales"), 3), colour_table = table(member(meta_, "sh0"), 4);
    GaussianBuilder builder(source_, "SOG", count_, 3 * coefficients_, 0, Quarter::back);
    for (std::size_t i = 0; i < count_; ++i) {
      GaussianRow row;
      const std::uint8_t *l = texel(low, i), *h = texel(high, i), *s = texel(scales, i), *c = texel(colours, i);
      for (std::size_t k = 0; k < 3; ++k) {
        const double t = (l[k] | h[k] << 8U) / 65535.0, x = bottom[k] + (top[k] - bottom[k]) * t;
        row.place[k] = static_cast<float>(std::copysign(std::expm1(std::abs(x)), x));
        row.scale[k] = std::exp(scale_table.value(k, s[k]));
        row.dc[k] = colour_table.value(k, c[k]);
      }
      row.opacity = second_ ? c[3] / 255.0 : logistic(colour_table.value(3, c[3]));
      row.rotation = rotation(texel(quats, i));
      row.harmonics = harmonics(i);
      builder.add(row);
    }
    return builder.finish();
  }

 private:
  // What a byte means: an entry of a list, or a place between two values.
  struct Table {
    std::vector<double> book, low, high;
    [[nodiscard]] double value(std::size_t channel, std::uint8_t byte) const {
      return book.empty() ? low[channel] + (high[channel] - low[channel]) * byte / 255.0 : book[byte];
    }
  };

  const Json& member(const Json& object, const char* name, bool optional = false) const {
    static const Json kNothing;
    const auto at = object.is_object() ? object.find(name) : object.end();
    if (object.is_object() && at != object.end()) return *at;
    if (!optional) source_.damaged("its meta.json has no \"", name, "\"");
    return kNothing;
  }
  [[nodiscard]] std::size_t first_of(const Json& shape) const {
    if (!shape.is_array() || shape.empty()) source_.damaged("\"shape\" in its meta.json is not a list");
    return natural(shape.front());
  }
  [[nodiscard]] std::size_t natural(const Json& value) const {
    if (!value.is_number_unsigned()) source_.damaged("its meta.json has a count that is not a natural number");
    return static_cast<std::size_t>(value.get<std::uint64_t>());
  }
  [[nodiscard]] std::vector<double> numbers(const Json& object, const char* name, std::size_t least) const {
    const Json& list = member(object, name);
    if (!list.is_array() || list.size() < least)
      source_.damaged("\"", name, "\" in its meta.json has fewer than ", least, " numbers");
    std::vector<double> out;
    for (const Json& x : list) {
      if (!x.is_number() || !std::isfinite(x.get<double>()))
        source_.damaged("\"", name, "\" in its meta.json has a value that is not a number");
      out.push_back(x.get<double>());
    }
    return out;
  }
  [[nodiscard]] Table table(const Json& object, std::size_t channels) const {
    if (second_) return {numbers(object, "codebook", 256), {}, {}};
    return {{}, numbers(object, "mins", channels), numbers(object, "maxs", channels)};
  }

  // Before it is decoded: a few bytes may announce, and take, a lot. An image that is larger than what it holds helps nobody.
  void check_extent(Bytes file, const std::string& what, std::uint64_t most) const {
    constexpr std::uint64_t kMostSide = std::uint64_t{1} << 20U;
    const std::optional<ImageHeader> header = image_header(file);
    const std::uint64_t pixels = header ? std::min(header->width, kMostSide) * std::min(header->height, kMostSide) : 0;
    if (header && pixels == 0) source_.unsupported(what, " does not say its size at its beginning");
    if (pixels > most) source_.damaged(what, " has ", pixels, " pixels for ", count_, " Gaussians");
  }
  // Of at most `most` pixels.
  Image load(const Json& object, std::size_t which, std::uint64_t most) const {
    const Json& files = member(object, "files");
    if (!files.is_array() || which >= files.size() || !files[which].is_string())
      source_.damaged("its meta.json names no images");
    const std::string name = files[which].get<std::string>();
    const std::string what = source_.name + ": " + printable(name);
    const auto found = archive_ == nullptr ? std::optional(name) : archive_->find(name);
    if (!found) source_.damaged("the archive lacks its image \"", printable(name), "\"");
    const std::vector<std::byte> file = archive_ == nullptr ? source_.neighbour(name) : archive_->read(*found);
    check_extent(file, what, most);
    return decode_image(file, what);
  }
  Image image(const Json& object, std::size_t which) const {
    constexpr std::uint64_t kSpare = 65536;  // whole rows, and sides that are multiples of something
    Image p = load(object, which, 4 * count_ + kSpare);
    if (p.pixel_count() < count_) source_.damaged("an image has ", p.pixel_count(), " pixels for ", count_, " Gaussians");
    return with_alpha(std::move(p));
  }
  static Image with_alpha(Image p) {
    if (p.channels == 4) return p;
    Image out(p.width, p.height, 4);
    for (std::size_t i = 0; i < p.pixel_count(); ++i) {
      std::copy_n(&p.pixels[3 * i], 3, &out.pixels[4 * i]);
      out.pixels[4 * i + 3] = 255;
    }
    return out;
  }
  static const std::uint8_t* texel(const Image& p, std::size_t i) { return &p.pixels[4 * i]; }

  // w x y z: three bytes, and which one is left out.
  static std::array<float, 4> rotation(const std::uint8_t* texel) {
    constexpr std::uint8_t kFirst = 252;
    if (texel[3] < kFirst) return {1, 0, 0, 0};
    std::array<double, 4> q{};
    double rest = 1.0;
    std::size_t stored = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      if (i == std::size_t{texel[3]} - kFirst) continue;
      q[i] = (texel[stored++] / 255.0 * 2.0 - 1.0) * std::sqrt(0.5);
      rest -= q[i] * q[i];
    }
    q[std::size_t{texel[3]} - kFirst] = std::sqrt(std::max(rest, 0.0));
    return {static_cast<float>(q[0]), static_cast<float>(q[1]), static_cast<float>(q[2]), static_cast<float>(q[3])};
  }

  void load_harmonics() {
    const Json& rest = member(meta_, "shN", true);
    if (rest.is_null()) return;
    constexpr std::size_t kInARow = 64;
    constexpr std::uint64_t kMostPalette = std::uint64_t{1} << 20U;  // 65,536 entries of 15 pixels
    palette_ = with_alpha(load(rest, 0, kMostPalette));
    labels_ = image(rest, 1);
    const auto width = static_cast<std::size_t>(palette_.width);
    for (const std::size_t c : kHarmonicsOfDegree) {
      if (width == kInARow * c) coefficients_ = c;
    }
    if (coefficients_ == 0) source_.damaged("the image of harmonics is ", width, " pixels wide, which belongs to no degree");
    if (second_) {
      harmonic_table_.book = numbers(rest, "codebook", 256);
      const Json& entries = member(rest, "count", true);
      palette_size_ = entries.is_null() ? kInARow * static_cast<std::size_t>(palette_.height) : natural(entries);
    } else {
      harmonic_table_.low = {single(rest, "mins")};
      harmonic_table_.high = {single(rest, "maxs")};
      palette_size_ = kInARow * static_cast<std::size_t>(palette_.height);
    }
    palette_size_ = std::min(palette_size_, kInARow * static_cast<std::size_t>(palette_.height));
    values_.resize(3 * coefficients_);
  }
  [[nodiscard]] double single(const Json& object, const char* name) const {
    const Json& value = member(object, name);
    return value.is_number() ? value.get<double>() : numbers(object, name, 1).front();
  }

  std::span<const float> harmonics(std::size_t i) {
    if (coefficients_ == 0) return {};
    const std::uint8_t* label = texel(labels_, i);
    const std::size_t entry = label[0] | static_cast<std::size_t>(label[1]) << 8U;
    std::fill(values_.begin(), values_.end(), 0.0F);
    if (entry >= palette_size_) return values_;
    for (std::size_t c = 0; c < coefficients_; ++c) {
      const std::uint8_t* p = palette_.at(static_cast<int>(entry % 64 * coefficients_ + c), static_cast<int>(entry / 64));
      for (std::size_t k = 0; k < 3; ++k) values_[3 * c + k] = static_cast<float>(harmonic_table_.value(0, p[k]));
    }
    return values_;
  }

  const Source& source_;
  const ZipFolder* archive_;  // where the images are; null for the disk
  Json meta_;
  bool second_ = false;
  std::size_t count_ = 0, coefficients_ = 0, palette_size_ = 0;
  Image palette_, labels_;
  Table harmonic_table_;
  std::vector<float> values_;
};

}  // namespace

std::optional<std::string> sog_meta(const ZipArchive& archive) {
  if (auto plain = archive.find("meta.json")) return plain;
  std::vector<std::string> found;
  for (const std::string& name : archive.names()) {
    if (lower(name).ends_with("/meta.json") && !name.starts_with("__MACOSX/")) found.push_back(name);
  }
  if (found.size() != 1) return std::nullopt;
  // Other programs have files of that name, too.
  const std::string folder = found.front().substr(0, found.front().rfind('/') + 1);
  const auto is_image = [&](const std::string& name) { return name.starts_with(folder) && lower(name).ends_with(".webp"); };
  const bool images = std::any_of(archive.names().begin(), archive.names().end(), is_image);
  return images ? std::optional(found.front()) : std::nullopt;
}

GaussianFile read_sog(const Source& source) {
  if (!text_of(source.bytes).starts_with("PK\x03\x04")) return Sog(source, without_mark(text_of(source.bytes)), nullptr).read();
  const ZipArchive archive(source);
  const auto meta = sog_meta(archive);
  if (!meta) source.unsupported("this archive is not a SOG: it has no meta.json");
  const std::vector<std::byte> bytes = archive.read(*meta);
  const ZipFolder folder(archive, *meta);
  return Sog(source, without_mark(text_of(bytes)), &folder).read();
}

}  // namespace espalier::reader
