// A mesh that stays as it is while a texture is baked onto it.
#pragma once

#include <cstdint>
#include <vector>

#include "assets/mesh.h"
#include "geometry/voxelize/voxelize.h"

namespace espalier {

struct KeptMesh {
  UnitPlacement placement;  // where it is while the texture is baked
  bool uvs = false;         // its own texture coordinates stay, too
};

// The mesh inside the unit cube. With kept texture coordinates it has normals, its own or smooth ones. Throws invalid_argument
// for texture coordinates that are missing or leave the unit square, as those of tiled textures do.
[[nodiscard]] Mesh placed(const Mesh& mesh, const KeptMesh& how);

// Gives the vertices of `mesh`, each a copy of one of the original, their original positions again. `source`: [V] of which
// one; empty: of the same number.
void move_back(const Mesh& original, const std::vector<std::int32_t>& source, Mesh& mesh);

}  // namespace espalier
