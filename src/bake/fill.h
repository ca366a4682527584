// What no view shows: texels inside of charts take colours from the surface around them, texels outside from the nearest
// charts.
#pragma once

#include <cstdint>
#include <span>

#include "assets/mesh.h"

namespace espalier {

// Colours texels that are covered (face != 0) but not known. Known texels colour the vertices of their faces; vertices without
// take the mean of their neighbours, ring by ring, and are smoothed; pieces of the mesh that no view saw take the mesh's own
// vertex colours, or the mean colour. face [S * S]: index + 1; barycentric [S * S * 2]; texture [S * S * 3].
void fill_unseen(const Mesh& mesh, std::span<const std::int32_t> face, std::span<const float> barycentric,
                 std::span<const std::uint8_t> known, std::span<float> texture);

// Fills the texels of a square texture [S * S * 3] whose face is 0 from coarser and coarser means of the others (pull-push,
// Gortler et al. 1996), so that every mip level stays clear of a background colour.
void fill_outside(std::span<const std::int32_t> face, int size, std::span<float> texture);

}  // namespace espalier
