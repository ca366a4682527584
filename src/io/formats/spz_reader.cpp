// SPZ: versions 2 and 3 are one gzip stream; version 4 is a plain header and a Zstandard stream for each attribute.
#include <zstd.h>

#include <algorithm>
#include <cmath>

#include "io/formats/deflate.h"
#include "io/formats/gaussian_builder.h"
#include "io/formats/spz.h"

namespace espalier::reader {

namespace {

// w x y z.
std::array<float, 4> spz_rotation(const std::byte* raw, int version) {
  std::array<double, 4> q{};  // x y z w
  double rest = 1.0;
  if (version == 2) {
    for (std::size_t k = 0; k < 3; ++k) q[k] = std::to_integer<int>(raw[k]) / 127.5 - 1.0;
    for (std::size_t k = 0; k < 3; ++k) rest -= q[k] * q[k];
    q[3] = std::sqrt(std::max(rest, 0.0));
  } else {
    std::uint32_t packed = 0;
    std::memcpy(&packed, raw, 4);
    const std::size_t largest = packed >> 30U;
    for (std::size_t i = 4; i-- > 0;) {
      if (i == largest) continue;
      q[i] = std::sqrt(0.5) * (packed & spz::kMagnitude) / spz::kMagnitude * ((packed >> 9U & 1U) != 0 ? -1.0 : 1.0);
      rest -= q[i] * q[i];
      packed >>= 10U;
    }
    q[largest] = std::sqrt(std::max(rest, 0.0));
  }
  return {static_cast<float>(q[3]), static_cast<float>(q[0]), static_cast<float>(q[1]), static_cast<float>(q[2])};
}

struct Header {
  std::uint32_t version = 0;
  std::size_t count = 0;
  std::uint8_t degree = 0, fraction = 0, flags = 0, streams = 0;
};

// What both kinds of files begin with. `kept`: harmonics above degree 3 are passed over.
Header read_header(Cursor& cursor, const Source& source) {
  constexpr int kMaxFraction = 24, kMaxDegree = 4;
  Header h;
  if (cursor.number<std::uint32_t>() != spz::kMagic) source.damaged("this is not an SPZ file");
  h.version = cursor.number<std::uint32_t>();
  h.count = cursor.number<std::uint32_t>();
  h.degree = cursor.number<std::uint8_t>();
  h.fraction = cursor.number<std::uint8_t>();
  h.flags = cursor.number<std::uint8_t>();
  h.streams = cursor.number<std::uint8_t>();
  if (h.degree > kMaxDegree || h.fraction > kMaxFraction) source.damaged("the header makes no sense");
  source.check_counts(h.count, 0);
  return h;
}

std::size_t harmonics_of(int degree) { return degree == 4 ? 24 : kHarmonicsOfDegree[static_cast<std::size_t>(degree)]; }

std::array<std::size_t, 6> widths_of(const Header& h) {
  return {9, 1, 3, 3, h.version == 2 ? std::size_t{3} : std::size_t{4}, 3 * harmonics_of(h.degree)};
}

using Columns = std::array<std::vector<std::byte>, 6>;

// The records between header and table: those that turn the axes must not be passed over.
void check_extensions(Cursor cursor, std::size_t bytes, const Source& source) {
  constexpr std::uint32_t kCoordinateSystem = 0xADBE0003U;
  const std::size_t end = cursor.at() + bytes;
  while (cursor.at() + 8 <= end) {
    const auto type = cursor.number<std::uint32_t>(), size = cursor.number<std::uint32_t>();
    if (type == kCoordinateSystem)
      source.unsupported("SPZ with axes of its own (SPZ_ADOBE_coordinate_system) is not read",
                         hint("save it in the usual axes"));
    source.left_out("a record of an extension (0x", std::hex, type, ") is left out");
    cursor.take(size);
  }
}

Columns read_streams(const Header& h, const Source& source) {
  constexpr std::size_t kHeader = 32, kEntry = 16;
  constexpr std::uint8_t kExtensions = 2;
  Cursor cursor(source.bytes, source);
  cursor.take(16);
  const auto table = cursor.number<std::uint32_t>();
  cursor.take(12);
  if (table < kHeader || table > source.bytes.size()) source.damaged("the header makes no sense");
  if ((h.flags & kExtensions) != 0) check_extensions(cursor, table - kHeader, source);
  const auto widths = widths_of(h);
  const std::size_t wanted = h.degree == 0 ? 5 : 6;
  if (h.streams < wanted) source.damaged("it has ", int{h.streams}, " streams instead of ", wanted);
  if (h.streams > wanted) source.left_out(h.streams - wanted, " streams of an unknown kind are left out");
  Cursor entries(source.bytes.subspan(table), source);
  Cursor data(source.bytes.subspan(table), source);
  data.take(std::uint64_t{h.streams} * kEntry);
  Columns out;
  for (std::size_t s = 0; s < wanted; ++s) {
    const auto packed = entries.number<std::uint64_t>(), size = entries.number<std::uint64_t>();
    const Bytes from = data.take(packed);
    if (size != std::uint64_t{h.count} * widths[s]) source.damaged("stream ", s, " says that it has ", size, " bytes");
    out[s].resize(static_cast<std::size_t>(size));
    const std::size_t got = ZSTD_decompress(out[s].data(), out[s].size(), from.data(), from.size());
    if (ZSTD_isError(got) != 0U || got != out[s].size()) source.damaged("stream ", s, " makes no sense");
  }
  return out;
}

GaussianFile unpack(const Header& h, const Columns& columns, GaussianBuilder& builder) {
  const auto& [places, alphas, colours, scales, rotations, harmonics] = columns;
  const std::size_t kept = 3 * std::min<std::size_t>(harmonics_of(h.degree), 15), stored = 3 * harmonics_of(h.degree);
  std::vector<float> values(kept);
  const auto byte = [](const std::vector<std::byte>& from, std::size_t at) {
    return static_cast<double>(std::to_integer<int>(from[at]));
  };
  const std::size_t rotation_bytes = widths_of(h)[4];
  for (std::size_t i = 0; i < h.count; ++i) {
    GaussianRow row;
    for (std::size_t k = 0; k < 3; ++k) {
      std::uint32_t fixed = 0;
      std::memcpy(&fixed, places.data() + (i * 3 + k) * 3, 3);
      // The sign is the highest of 24 bits; moved to the top, an arithmetic shift spreads it.
      row.place[k] = static_cast<float>(std::ldexp(static_cast<std::int32_t>(fixed << 8U) >> 8, -int{h.fraction}));
      row.dc[k] = (byte(colours, i * 3 + k) / 255.0 - 0.5) / spz::kColourScale;
      row.scale[k] = std::exp(byte(scales, i * 3 + k) / spz::kScaleSteps - spz::kScaleOffset);
    }
    row.rotation = spz_rotation(rotations.data() + i * rotation_bytes, static_cast<int>(h.version));
    row.opacity = byte(alphas, i) / 255.0;
    for (std::size_t k = 0; k < kept; ++k) {
      values[k] = static_cast<float>((byte(harmonics, i * stored + k) - spz::kHarmonicZero) / spz::kHarmonicSteps);
    }
    row.harmonics = values;
    builder.add(row);
  }
  return builder.finish();
}

}  // namespace

GaussianFile read_spz(const Source& source) {
  constexpr std::uint64_t kBestRatio = 1040;  // deflate cannot do better
  const bool plain = text_of(source.bytes).starts_with("NGSP");
  std::array<std::byte, spz::kHeaderBytes> head{};
  std::optional<GzipReader> gzip;
  if (plain) {
    Cursor cursor(source.bytes, source);
    const Bytes begin = cursor.take(spz::kHeaderBytes);
    std::copy(begin.begin(), begin.end(), head.begin());
  } else {
    gzip.emplace(source.bytes, source.name);
    gzip->read(head);
  }
  Cursor cursor(head, source);
  const Header h = read_header(cursor, source);
  const bool known = plain ? h.version == 4 : h.version == 2 || h.version == 3;
  if (!known) source.unsupported("SPZ version ", h.version, " is not read, only 2, 3 and 4");
  const auto widths = widths_of(h);
  std::size_t row = 0;
  for (const std::size_t width : widths) row += width;
  if (!plain && std::uint64_t{h.count} * row > source.bytes.size() * kBestRatio)
    source.cut_off("it announces ", h.count, " Gaussians, but ends before");
  if (h.degree == 4) source.left_out("harmonics of degree 4 are left out");
  GaussianBuilder builder(source, "SPZ", h.count, 3 * std::min<std::size_t>(harmonics_of(h.degree), 15), row, Quarter::forward);
  Columns columns;
  if (plain) {
    columns = read_streams(h, source);
  } else {
    for (std::size_t s = 0; s < columns.size(); ++s) {
      columns[s].resize(h.count * widths[s]);
      gzip->read(columns[s]);
    }
  }
  return unpack(h, columns, builder);
}

}  // namespace espalier::reader
