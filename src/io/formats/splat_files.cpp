#include "io/formats/splat_files.h"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "io/formats/byte_writer.h"
#include "io/formats/checks.h"
#include "io/formats/deflate.h"
#include "io/formats/quarter_turn.h"
#include "io/formats/spz.h"

namespace espalier {

namespace {

std::uint8_t to_byte(double value) { return static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0, 255.0))); }

// As many bits behind the point as the 24 of a coordinate leave, but no more than 16: finer steps than a 65,000th of the
// object would only cost compression.
int fractional_bits(const Gaussians& g) {
  constexpr double kLargest = 8388607.0;  // 2^23 - 1
  constexpr int kMost = 16;
  double reach = 0.0;
  for (const float x : g.xyz) reach = std::max(reach, std::abs(double{x}));
  for (int bits = kMost; bits >= 0; --bits) {
    if (std::ldexp(reach, bits) <= kLargest) return bits;
  }
  fail(ErrorCode::invalid_argument, "SPZ: a position lies ", reach, " from the origin, but the format ends at ", kLargest);
}

// The three components that are not the largest, in ten bits each, and which one is left out (the order is x y z w).
std::uint32_t smallest_three(const std::array<double, 4>& q) {
  std::size_t largest = 0;
  for (std::size_t i = 1; i < 4; ++i) {
    if (std::abs(q[i]) > std::abs(q[largest])) largest = i;
  }
  auto packed = static_cast<std::uint32_t>(largest);
  for (std::size_t i = 0; i < 4; ++i) {
    if (i == largest) continue;
    const bool negative = (q[i] < 0.0) != (q[largest] < 0.0);
    const double magnitude = std::min(std::abs(q[i]) / std::sqrt(0.5), 1.0) * spz::kMagnitude;
    packed = packed << 10U | (negative ? 1U << 9U : 0U) | static_cast<std::uint32_t>(std::lround(magnitude));
  }
  return packed;
}

void put_rotation(ByteWriter& out, const float* rotation, int version) {
  const Quaternion q = turned(rotation, Quarter::back);
  if (version >= 3) {
    out.put(smallest_three({q[1], q[2], q[3], q[0]}));
    return;
  }
  // x y z of the quaternion whose w is not negative.
  const double sign = q[0] < 0.0 ? -1.0 : 1.0;
  for (std::size_t k = 1; k < 4; ++k) out.put(to_byte(127.5 + 127.5 * sign * q[k]));
}

// Positions, opacities, colours, scales, rotations and harmonics, each Gaussian by Gaussian.
using Columns = std::array<std::vector<std::byte>, 6>;

Columns columns_of(const Gaussians& g, int bits, int version) {
  const auto n = static_cast<std::size_t>(g.count());
  const std::size_t harmonics = g.sh.size() / (3 * n);
  ByteWriter places(9 * n), opacities(n), colours(3 * n), scales(3 * n), rotations(4 * n), rest(g.sh.size());
  for (std::size_t i = 0; i < n; ++i) {
    for (const float x : turned_point(&g.xyz[i * 3], Quarter::back)) {
      const auto fixed = static_cast<std::uint32_t>(static_cast<std::int32_t>(std::lround(std::ldexp(double{x}, bits))));
      for (const unsigned shift : {0U, 8U, 16U}) places.put(static_cast<std::uint8_t>(fixed >> shift & 0xFFU));
    }
    put_rotation(rotations, &g.rotation[i * 4], version);
    std::array<float, 45> values{};
    turn_harmonics(g.sh.data() + 3 * harmonics * i, harmonics, Quarter::back, values.data());
    for (std::size_t k = 0; k < 3 * harmonics; ++k) rest.put(to_byte(values[k] * spz::kHarmonicSteps + spz::kHarmonicZero));
  }
  for (const float opacity : g.opacity) opacities.put(to_byte(opacity * 255.0));
  for (const float dc : g.dc) colours.put(to_byte((dc * spz::kColourScale + 0.5) * 255.0));
  for (const float scale : g.scale) scales.put(to_byte((std::log(double{scale}) + spz::kScaleOffset) * spz::kScaleSteps));
  return {places.take(), opacities.take(), colours.take(), scales.take(), rotations.take(), rest.take()};
}

// The header that all versions begin with.
void put_header(ByteWriter& out, const Gaussians& g, int bits, int version, std::uint8_t streams) {
  const std::size_t harmonics = g.sh.size() / (3 * static_cast<std::size_t>(g.count()));  // per colour: 0, 3, 8 or 15
  out.put(spz::kMagic);
  out.put(static_cast<std::uint32_t>(version));
  out.put(static_cast<std::uint32_t>(g.count()));
  out.put(static_cast<std::uint8_t>(harmonics == 0 ? 0 : harmonics == 3 ? 1 : harmonics == 8 ? 2 : 3));  // their degree
  out.put(static_cast<std::uint8_t>(bits));
  out.put(std::uint8_t{0});  // flags
  out.put(streams);
}

// Version 4: the header in plain bytes, the sizes of the streams, and each of them packed by Zstandard.
std::vector<std::byte> packed_streams(const Gaussians& g, int bits, const Columns& columns) {
  constexpr int kLevel = 12;
  constexpr std::uint32_t kHeader = 32;
  const std::size_t streams = columns.back().empty() ? 5 : 6;
  std::vector<std::vector<std::byte>> packed;
  for (std::size_t s = 0; s < streams; ++s) {
    std::vector<std::byte> to(ZSTD_compressBound(columns[s].size()));
    const std::size_t size = ZSTD_compress(to.data(), to.size(), columns[s].data(), columns[s].size(), kLevel);
    require(ZSTD_isError(size) == 0U, "encode_spz", "Zstandard failed: ", ZSTD_getErrorName(size));
    to.resize(size);
    packed.push_back(std::move(to));
  }
  ByteWriter out(64 + columns[0].size());
  put_header(out, g, bits, 4, static_cast<std::uint8_t>(streams));
  out.put(kHeader);
  for (int i = 0; i < 3; ++i) out.put(std::uint32_t{0});
  for (std::size_t s = 0; s < streams; ++s) {
    out.put(std::uint64_t{packed[s].size()});
    out.put(std::uint64_t{columns[s].size()});
  }
  for (const auto& stream : packed) out.raw(stream.data(), stream.size());
  return out.take();
}

}  // namespace

std::vector<std::byte> encode_spz(const Gaussians& g, const SpzOptions& options) {
  constexpr const char* kFormat = "SPZ";
  check_gaussians(g, kFormat);
  check_comments(options.comments, kFormat);
  if (options.version < 2 || options.version > 4) {
    fail(ErrorCode::invalid_argument, kFormat, ": versions 2 to 4 can be written, not ", options.version);
  }
  if (options.version < 4 && g.count() > spz::kMaxPoints) {
    fail(ErrorCode::invalid_argument, kFormat, ": ", g.count(), " Gaussians are more than its readers take (", spz::kMaxPoints,
         ")", hint("write version 4"));
  }
  const int bits = fractional_bits(g);
  const Columns columns = columns_of(g, bits, options.version);
  if (options.version == 4) return packed_streams(g, bits, columns);
  ByteWriter out(spz::kHeaderBytes + static_cast<std::size_t>(g.count()) * 20 + g.sh.size());
  put_header(out, g, bits, options.version, 0);
  for (const auto& column : columns) out.raw(column.data(), column.size());
  std::string comment;
  for (const std::string& line : options.comments) {
    if (!comment.empty()) comment += '\n';
    comment += line;
  }
  return gzipped(out.take(), comment);
}

std::vector<std::byte> encode_splat(const Gaussians& g) {
  constexpr double kHarmonic = 0.28209479177387814;
  check_gaussians(g, ".splat");
  const auto n = static_cast<std::size_t>(g.count());
  std::vector<double> weight(n);
  for (std::size_t i = 0; i < n; ++i)
    weight[i] = double{g.scale[i * 3]} * g.scale[i * 3 + 1] * g.scale[i * 3 + 2] * g.opacity[i];
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return weight[a] > weight[b]; });
  ByteWriter out(n * 32);
  for (const std::size_t i : order) {
    const auto place = turned_point(&g.xyz[i * 3], Quarter::forward);
    out.raw(place.data(), sizeof(place));
    out.raw(&g.scale[i * 3], 3 * sizeof(float));
    for (std::size_t k = 0; k < 3; ++k) out.put(to_byte((0.5 + kHarmonic * g.dc[i * 3 + k]) * 255.0));
    out.put(to_byte(g.opacity[i] * 255.0));
    for (const double x : turned(&g.rotation[i * 4], Quarter::forward)) out.put(to_byte(x * 128.0 + 128.0));
  }
  return out.take();
}

}  // namespace espalier
