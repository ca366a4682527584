// The compressed PLY of PlayCanvas: 256 Gaussians share the ranges that their packed numbers lie in.
#include <bit>
#include <cmath>

#include "io/formats/compressed_ply.h"
#include "io/formats/gaussian_builder.h"

namespace espalier::reader {

namespace {

using packed_ply::kChunk;
using packed_ply::kRanges;

// The low `bits` of a number as a share of the largest that they can hold.
double share(std::uint32_t value, unsigned bits) {
  const std::uint32_t most = (1U << bits) - 1U;
  return static_cast<double>(value & most) / most;
}

// w x y z: the largest is left out, the first two bits say which.
std::array<float, 4> rotation_of(std::uint32_t packed) {
  std::array<double, 4> q{};
  const std::size_t largest = packed >> 30U;
  double rest = 1.0;
  unsigned shift = 20;
  for (std::size_t i = 0; i < 4; ++i) {
    if (i == largest) continue;
    q[i] = (share(packed >> shift, 10) - 0.5) * std::sqrt(2.0);
    rest -= q[i] * q[i];
    shift -= 10;
  }
  q[largest] = std::sqrt(std::max(rest, 0.0));
  return {static_cast<float>(q[0]), static_cast<float>(q[1]), static_cast<float>(q[2]), static_cast<float>(q[3])};
}

}  // namespace

GaussianFile read_compressed_ply(const Source& source) {
  constexpr std::array<std::string_view, 4> kPacked = {"packed_position", "packed_rotation", "packed_scale", "packed_color"};
  std::vector<std::string> names;
  for (const std::string_view range : kRanges) names.push_back("chunk:" + std::string(range));
  for (std::size_t k = 0; k <= kMostHarmonics; ++k) names.push_back("sh:f_rest_" + std::to_string(k));
  std::vector<std::string_view> wanted(kPacked.begin(), kPacked.end());
  wanted.insert(wanted.end(), names.begin(), names.end());
  const Ply ply = parse_ply(source, wanted);
  const auto n = static_cast<std::size_t>(ply.vertices);
  const auto column = [&](std::string_view name) {
    const std::vector<float>* values = ply.column(name);
    if (values == nullptr) source.damaged("this compressed PLY has no ", name);
    return values;
  };
  std::array<const std::vector<float>*, 4> packed{};
  for (std::size_t k = 0; k < 4; ++k) packed[k] = column(kPacked[k]);
  // Older files have no ranges of colours, which then count from 0 to 1.
  const bool coloured = ply.column("chunk:min_r") != nullptr;
  std::array<const std::vector<float>*, kRanges.size()> range{};
  for (std::size_t k = 0; k < (coloured ? kRanges.size() : 12); ++k) {
    range[k] = column(names[k]);
    if (range[k]->size() < (n + kChunk - 1) / kChunk) source.damaged("this compressed PLY has too few chunks");
  }
  std::vector<const float*> harmonics;
  for (std::size_t k = 0; k <= kMostHarmonics; ++k) {
    const std::vector<float>* values = ply.column("sh:f_rest_" + std::to_string(k));
    if (values == nullptr) break;
    if (values->size() != n) source.damaged("this compressed PLY has harmonics of another number of Gaussians");
    harmonics.push_back(values->data());
  }
  if (harmonics.size() != 0 && harmonics.size() != 9 && harmonics.size() != 24 && harmonics.size() != kMostHarmonics)
    source.damaged("this compressed PLY has ", harmonics.size(), " harmonics, which belongs to no degree");
  source.unpacks(source.bytes.size(), 8);
  GaussianBuilder builder(source, "compressed PLY", n, harmonics.size(), 0, Quarter::back);
  const std::size_t coefficients = harmonics.size() / 3;
  std::vector<float> mixed(harmonics.size());
  for (std::size_t i = 0; i < n; ++i) {
    const auto bits = [&](std::size_t k) { return std::bit_cast<std::uint32_t>((*packed[k])[i]); };
    const std::size_t c = i / kChunk;
    const auto between = [&](std::size_t low, double t) {
      return double{(*range[low])[c]} * (1.0 - t) + double{(*range[low + 3])[c]} * t;
    };
    const std::uint32_t place = bits(0), scale = bits(2), colour = bits(3);
    const std::array<unsigned, 3> shift = {21, 11, 0}, width = {11, 10, 11};
    GaussianRow row;
    for (std::size_t k = 0; k < 3; ++k) {
      row.place[k] = static_cast<float>(between(k, share(place >> shift[k], width[k])));
      row.scale[k] = std::exp(between(6 + k, share(scale >> shift[k], width[k])));
      const double t = share(colour >> (24U - 8U * static_cast<unsigned>(k)), 8);
      row.dc[k] = ((coloured ? between(12 + k, t) : t) - 0.5) / kHarmonic;
    }
    row.rotation = rotation_of(bits(1));
    row.opacity = share(colour, 8);
    for (std::size_t k = 0; k < mixed.size(); ++k) {
      const float b = harmonics[k][i];
      const double t = b <= 0.0F ? 0.0 : b >= 255.0F ? 1.0 : (double{b} + 0.5) / 256.0;
      mixed[3 * (k % coefficients) + k / coefficients] = static_cast<float>((t - 0.5) * 8.0);
    }
    row.harmonics = mixed;
    builder.add(row);
  }
  return builder.finish();
}

}  // namespace espalier::reader
