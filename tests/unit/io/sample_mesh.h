// A small coloured solid for the writers: a box of unequal sides, away from the origin.
#pragma once

#include "geometry/mesh.h"

namespace espalier::test {

inline Mesh sample_box() {
  Mesh mesh;
  for (int i = 0; i < 8; ++i) {
    const bool x = (i & 1) != 0, y = (i & 2) != 0, z = (i & 4) != 0;
    mesh.vertices.insert(mesh.vertices.end(), {x ? 0.3F : -0.1F, y ? 0.45F : 0.25F, z ? 0.05F : -0.15F});
    mesh.colours.insert(mesh.colours.end(), {x ? 1.0F : 0.0F, y ? 0.5F : 0.02F, z ? 0.75F : 0.25F});
    mesh.normals.insert(mesh.normals.end(), {x ? 1.0F : -1.0F, y ? 1.0F : -1.0F, z ? 1.0F : -1.0F});
  }
  mesh.faces = {0, 2, 1, 1, 2, 3, 4, 5, 6, 5, 7, 6, 0, 1, 4, 1, 5, 4, 2, 6, 3, 3, 6, 7, 0, 4, 2, 2, 4, 6, 1, 3, 5, 3, 7, 5};
  return mesh;
}

}  // namespace espalier::test
