// Gaussians as the small files that splat viewers read; gaussian_ply.h has the large one. Every function returns the bytes of a
// whole file (base/file.h writes them); docs/formats.md says which axes each format gets.
//
// All throw invalid_argument when there are no Gaussians, arrays differ in length, a value is not finite, a scale not
// positive or a rotation zero.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "assets/gaussians.h"

namespace espalier {

struct SpzOptions {
  int version = 3;                             // 2, whose rotations are coarser, 3 or 4
  std::span<const std::string> comments = {};  // single lines of ASCII, in the gzip header; version 4 has no place for them
};
// SPZ (Niantic): columns of 24-bit positions and bytes, about 20 bytes per Gaussian before compression; versions 2 and 3 as one
// gzip stream, 4 as a Zstandard stream for each column. Y up as in OpenGL: (x, y, z) -> (x, z, -y). Positions are exact to
// 2^-16 if they lie within 128 of the origin (else to what 24 bits leave); scales to 3 %, clamped to 4.5e-5 ... 380; colours
// and opacity to 8 bits; harmonics of degree 1 and higher to 1/256, clamped to [-1, 1). Throws invalid_argument also for
// another version, for more than 10 million Gaussians in versions 2 and 3, where their readers stop, and for positions beyond 8
// million.
[[nodiscard]] std::vector<std::byte> encode_spz(const Gaussians& gaussians, const SpzOptions& options = {});

// The compressed PLY of PlayCanvas: 16 bytes for each Gaussian, and one for each harmonic, in ranges that 256 of them share;
// axes as in the PLY. They are ordered along a curve, so that neighbours have small ranges.
[[nodiscard]] std::vector<std::byte> encode_compressed_ply(const Gaussians& gaussians,
                                                           std::span<const std::string> comments = {});

// glTF 2.0 binary with KHR_gaussian_splatting: Y up, all values as floats, colours as points for programs without the
// extension.
[[nodiscard]] std::vector<std::byte> encode_gaussian_glb(const Gaussians& gaussians, const std::string& generator,
                                                         const std::string& extras_json);

// The .splat of antimatter15/splat: 32 bytes per Gaussian, axes as in the PLY, the large and opaque first because viewers
// show the file while it loads. It has no room for comments, nor for harmonics
// beyond degree 0.
[[nodiscard]] std::vector<std::byte> encode_splat(const Gaussians& gaussians);

}  // namespace espalier
