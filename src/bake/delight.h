// Baked light taken out of a texture: an estimate of the surface's own colours.
#pragma once

#include <array>

#include "assets/mesh.h"
#include "base/monitor.h"
#include "image/image.h"

namespace espalier {

// The light that was found: what a white surface that looks along (x, y, z) reflects, as coefficients of 1, x, y, z, xy, yz,
// 3z^2 - 1, xz and x^2 - y^2 (real spherical harmonics up to the second order without their constants), 1 on average over
// the surface.
struct SurfaceLight {
  std::array<double, 9> coefficients{1};
  double least = 1, most = 1;  // over the texels
  [[nodiscard]] double at(const std::array<double, 3>& normal) const;
};

// Divides the light of second order that explains the texture best out of it, to the power `strength` (0: nothing happens; 1:
// all of it). Texels of one chromaticity are taken for one colour, so that differences between parts of different colours are
// none of the light's; what the light does not explain (patterns, shadows, highlights) loses its weight step by step (Tukey's
// biweight). One light falls on the whole object, and it is white. The mean luminance stays. The texture is square, RGB or
// RGBA; `mesh` needs uvs and normals. Deterministic. Throws invalid_argument for a strength outside [0, 1], a texture of
// another form, and what texels_of refuses; cancelled.
SurfaceLight delight(const Mesh& mesh, double strength, Image& texture, const Monitor* monitor = nullptr);

}  // namespace espalier
