// Tangents of an unwrapped mesh, by the definition that renderers and baking tools share: MikkTSpace (Mikkelsen, Simulation of
// Wrinkled Surfaces Revisited, 2008, section "Tangent space"), as glTF asks for it.
#pragma once

#include <vector>

#include "assets/mesh.h"

namespace espalier {

// For each vertex the direction in which u grows, upright on its normal and of length 1, and the side of the bitangent:
// bitangent = w * cross(normal, tangent) points to where v falls, up in the image: [V * 4]. The tangents of the faces around
// a vertex are weighted with their angles there. Where faces of both orientations meet in one vertex, as in textures that are
// mirrored along an edge, the larger angle decides; vertices that no face with a texture area uses get any tangent.
// Needs uvs and normals; a mesh without either gets none.
[[nodiscard]] std::vector<float> tangents_of(const Mesh& mesh);

}  // namespace espalier
