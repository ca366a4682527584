#include "io/formats/compressed_ply.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "io/formats/byte_writer.h"
#include "io/formats/checks.h"
#include "io/formats/quarter_turn.h"
#include "io/formats/splat_files.h"

namespace espalier {

namespace {

constexpr const char* kFormat = "compressed PLY";
constexpr double kHarmonic = 0.28209479177387814;

std::uint32_t whole(double share, unsigned bits) {
  const double most = (1U << bits) - 1U;
  return static_cast<std::uint32_t>(std::clamp(std::floor(share * most + 0.5), 0.0, most));
}

// What a chunk's ranges are of: positions, logarithms of scales, colours.
using Row = std::array<double, 9>;

Row row_of(const Gaussians& g, std::size_t i) {
  constexpr double kMost = 20.0;  // of a logarithm, as the readers clamp it
  const auto place = turned_point(&g.xyz[3 * i], Quarter::forward);
  Row row{};
  for (std::size_t k = 0; k < 3; ++k) {
    row[k] = place[k];
    row[3 + k] = std::clamp(std::log(double{g.scale[3 * i + k]}), -kMost, kMost);
    row[6 + k] = kHarmonic * g.dc[3 * i + k] + 0.5;
  }
  return row;
}

// The first two bits say which component is left out; the order is w x y z.
std::uint32_t packed_rotation(const float* rotation) {
  const Quaternion q = turned(rotation, Quarter::forward);
  std::size_t largest = 0;
  for (std::size_t k = 1; k < 4; ++k) {
    if (std::abs(q[k]) > std::abs(q[largest])) largest = k;
  }
  const double sign = q[largest] < 0.0 ? -1.0 : 1.0;
  auto packed = static_cast<std::uint32_t>(largest);
  for (std::size_t k = 0; k < 4; ++k) {
    if (k != largest) packed = packed << 10U | whole(sign * q[k] * std::sqrt(0.5) + 0.5, 10);
  }
  return packed;
}

// Bits of three coordinates in turn (Morton 1966).
std::uint64_t place_on_curve(const Gaussians& g, std::size_t i, const std::array<float, 3>& low, double size) {
  std::uint64_t code = 0;
  std::array<std::uint32_t, 3> cell{};
  for (std::size_t k = 0; k < 3; ++k) cell[k] = whole((double{g.xyz[3 * i + k]} - low[k]) / size, 20);
  for (unsigned bit = 20; bit-- > 0;) {
    for (std::size_t k = 0; k < 3; ++k) code = code << 1U | (cell[k] >> bit & 1U);
  }
  return code;
}

std::vector<std::size_t> ordered(const Gaussians& g) {
  const auto n = static_cast<std::size_t>(g.count());
  std::array<float, 3> low = {g.xyz[0], g.xyz[1], g.xyz[2]}, high = low;
  for (std::size_t i = 0; i < g.xyz.size(); ++i) {
    low[i % 3] = std::min(low[i % 3], g.xyz[i]);
    high[i % 3] = std::max(high[i % 3], g.xyz[i]);
  }
  double size = 1e-30;
  for (std::size_t k = 0; k < 3; ++k) size = std::max(size, double{high[k]} - low[k]);
  std::vector<std::uint64_t> code(n);
  for (std::size_t i = 0; i < n; ++i) code[i] = place_on_curve(g, i, low, size);
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return code[a] < code[b]; });
  return order;
}

std::string header(std::size_t count, std::size_t harmonics, std::span<const std::string> comments) {
  std::string text = "ply\nformat binary_little_endian 1.0\n";
  for (const std::string& comment : comments) text += "comment " + comment + "\n";
  text += "element chunk " + std::to_string((count + packed_ply::kChunk - 1) / packed_ply::kChunk) + "\n";
  for (const std::string_view name : packed_ply::kRanges) text += "property float " + std::string(name) + "\n";
  text += "element vertex " + std::to_string(count) + "\n";
  for (const char* name : {"position", "rotation", "scale", "color"})
    text += std::string("property uint packed_") + name + "\n";
  if (harmonics > 0) text += "element sh " + std::to_string(count) + "\n";
  for (std::size_t k = 0; k < harmonics; ++k) text += "property uchar f_rest_" + std::to_string(k) + "\n";
  return text + "end_header\n";
}

struct Range {
  Row low, high;
  [[nodiscard]] double share(const Row& row, std::size_t k) const {
    const double size = high[k] - low[k];
    return size > 0.0 ? (row[k] - low[k]) / size : 0.0;
  }
};

Range range_of(const Gaussians& g, std::span<const std::size_t> members) {
  Range range{row_of(g, members.front()), row_of(g, members.front())};
  for (const std::size_t i : members) {
    const Row row = row_of(g, i);
    for (std::size_t k = 0; k < row.size(); ++k) {
      range.low[k] = std::min(range.low[k], row[k]);
      range.high[k] = std::max(range.high[k], row[k]);
    }
  }
  // As the file will have them.
  for (std::size_t k = 0; k < range.low.size(); ++k) {
    range.low[k] = static_cast<float>(range.low[k]);
    range.high[k] = static_cast<float>(range.high[k]);
  }
  return range;
}

}  // namespace

std::vector<std::byte> encode_compressed_ply(const Gaussians& g, std::span<const std::string> comments) {
  check_gaussians(g, kFormat);
  check_comments(comments, kFormat);
  const auto n = static_cast<std::size_t>(g.count());
  const std::size_t coefficients = g.sh.size() / (3 * n);
  const std::vector<std::size_t> order = ordered(g);
  ByteWriter chunks(n), vertices(16 * n), rest(g.sh.size());
  for (std::size_t begin = 0; begin < n; begin += packed_ply::kChunk) {
    const std::span<const std::size_t> members(order.data() + begin, std::min(packed_ply::kChunk, n - begin));
    const Range range = range_of(g, members);
    for (std::size_t group = 0; group < 9; group += 3) {
      for (std::size_t k = 0; k < 3; ++k) chunks.put(static_cast<float>(range.low[group + k]));
      for (std::size_t k = 0; k < 3; ++k) chunks.put(static_cast<float>(range.high[group + k]));
    }
    for (const std::size_t i : members) {
      const Row row = row_of(g, i);
      const auto three = [&](std::size_t k) {
        return whole(range.share(row, k), 11) << 21U | whole(range.share(row, k + 1), 10) << 11U |
               whole(range.share(row, k + 2), 11);
      };
      vertices.put(three(0));
      vertices.put(packed_rotation(&g.rotation[4 * i]));
      vertices.put(three(3));
      vertices.put(whole(range.share(row, 6), 8) << 24U | whole(range.share(row, 7), 8) << 16U |
                   whole(range.share(row, 8), 8) << 8U | whole(g.opacity[i], 8));
      std::array<float, 45> turned_sh{};
      turn_harmonics(g.sh.data() + 3 * coefficients * i, coefficients, Quarter::forward, turned_sh.data());
      for (std::size_t colour = 0; colour < 3; ++colour) {
        for (std::size_t k = 0; k < coefficients; ++k)
          rest.put(
              static_cast<std::uint8_t>(std::clamp(std::trunc((turned_sh[3 * k + colour] / 8.0 + 0.5) * 256.0), 0.0, 255.0)));
      }
    }
  }
  const std::string head = header(n, 3 * coefficients, comments);
  const auto chunk_bytes = chunks.take(), vertex_bytes = vertices.take(), rest_bytes = rest.take();
  ByteWriter out(head.size() + chunk_bytes.size() + vertex_bytes.size() + rest_bytes.size());
  out.text(head);
  for (const auto* part : {&chunk_bytes, &vertex_bytes, &rest_bytes}) out.raw(part->data(), part->size());
  return out.take();
}

}  // namespace espalier
