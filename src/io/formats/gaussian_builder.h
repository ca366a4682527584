// What the readers of Gaussians share.
#pragma once

#include <array>
#include <cmath>
#include <optional>
#include <span>
#include <string>

#include "io/formats/gaussian_reader.h"
#include "io/formats/quarter_turn.h"
#include "io/formats/reader_parts.h"

namespace espalier::reader {

inline constexpr std::size_t kMostHarmonics = 45;
inline constexpr double kHarmonic = 0.28209479177387814;
inline constexpr std::array<std::size_t, 4> kHarmonicsOfDegree = {0, 3, 8, 15};  // coefficients of each colour

// One Gaussian as its values mean, not as formats store them.
struct GaussianRow {
  std::array<float, 3> place{};
  std::array<double, 3> dc{}, scale{};
  std::array<float, 4> rotation{};  // w x y z of any length
  double opacity = 0.0;
  std::span<const float> harmonics{};  // colours innermost, 3, 8 or 15 coefficients
};

// Collects rows, and leaves out those that no Gaussian can have: values that are not finite, negative scales, a rotation of
// length zero.
class GaussianBuilder {
 public:
  // `harmonics`: coefficients of all channels that each of the Gaussians has; `raw`: bytes of each that are unpacked first.
  // `turn` leads back to our axes.
  GaussianBuilder(const Source& source, std::string format, std::uint64_t count, std::size_t harmonics, std::size_t raw,
                  Quarter turn);
  void add(const GaussianRow& row);
  // Says how many rows were left out. Throws format when none is left.
  [[nodiscard]] GaussianFile finish();

 private:
  const Source& source_;
  Quarter turn_;
  std::uint64_t read_ = 0, left_out_ = 0, first_ = 0;
  GaussianFile file_;
};

// 1 / (1 + e^-x).
[[nodiscard]] inline double logistic(double x) { return 1.0 / (1.0 + std::exp(-x)); }

[[nodiscard]] GaussianFile read_compressed_ply(const Source& source);
[[nodiscard]] GaussianFile read_spz(const Source& source);
[[nodiscard]] GaussianFile read_ksplat(const Source& source);
// SOG: from its archive, or from the meta.json beside its images.
[[nodiscard]] GaussianFile read_sog(const Source& source);
[[nodiscard]] GaussianFile read_gltf_gaussians(const Source& source);

}  // namespace espalier::reader
