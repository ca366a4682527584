// Seams of a texture: both sides of a cut through the surface show the same colours.
#pragma once

#include <span>

#include "assets/mesh.h"

namespace espalier {

// Brings the two sides of every seam together: places on an edge that two faces share with different texture coordinates,
// every quarter of a texel, get the same bilinear colour on both sides, but for a few parts in a thousand. Only texels that
// such places look at change, each by what its own places need (Kaczmarz sweeps). texture [S * S * 3], all of it coloured.
// Deterministic.
void match_seams(const Mesh& mesh, int size, std::span<float> texture);

}  // namespace espalier
