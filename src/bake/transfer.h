// The look of one mesh carried over to the texture of another of nearly the same shape: meshes of other programs that were
// cleaned, simplified and unwrapped anew.
#pragma once

#include <cstdint>

#include "assets/appearance.h"
#include "assets/mesh.h"
#include "base/monitor.h"
#include "image/image.h"

namespace espalier {

struct TransferOptions {
  int size = 1024;      // texels on a side
  double reach = 0.05;  // how far from the new surface the old one may lie, in units of the mesh
};

// One atlas of all materials.
struct TransferredLook {
  Image texture;                        // RGB; RGBA where a material is not opaque
  Image emission;                       // RGB, of the same size; empty where nothing emits light
  float emission_strength = 0.0F;       // what the colours of `emission` are multiplied with; 0 without
  AlphaMode alpha = AlphaMode::opaque;  // blend where a material blends, else mask where one has a mask, of cutoff 0.5
  std::int64_t texels = 0;              // inside charts
  std::int64_t carried = 0;             // of these, within reach of the old surface; the others are filled from around them
};

// For each texel of `to`, which needs uvs, the look of the closest point of `from`: where several parts of it are nearly as
// close, of one that faces the same way, so that both sides of a thin wall keep theirs. Texels that show more than one of the
// old texture take the mean of several places. Gutters and what lies outside of charts are filled; the sides of seams match.
// Deterministic. The monitor, which may be null, gets progress. Throws invalid_argument for what SurfaceLook and texels_of
// refuse, cancelled.
[[nodiscard]] TransferredLook transferred_look(const Mesh& from, const Appearance& look, const Mesh& to,
                                               const TransferOptions& options, const Monitor* monitor = nullptr);

}  // namespace espalier
