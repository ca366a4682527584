// A small coloured solid for the writers: a box of unequal sides, away from the origin.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "assets/mesh.h"

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

// Six times the signed volume: positive when faces run counter-clockwise seen from outside.
inline double volume(const std::vector<float>& v, const std::vector<std::uint32_t>& faces) {
  double sum = 0.0;
  for (std::size_t i = 0; i < faces.size(); i += 3) {
    const float *a = &v[faces[i] * 3], *b = &v[faces[i + 1] * 3], *c = &v[faces[i + 2] * 3];
    sum += a[0] * (double{b[1]} * c[2] - double{b[2]} * c[1]) + a[1] * (double{b[2]} * c[0] - double{b[0]} * c[2]) +
           a[2] * (double{b[0]} * c[1] - double{b[1]} * c[0]);
  }
  return sum;
}

// The box with a texture coordinate per vertex: x across, z down.
inline Mesh sample_box_with_uvs() {
  Mesh mesh = sample_box();
  for (int i = 0; i < 8; ++i) mesh.uvs.insert(mesh.uvs.end(), {(i & 1) != 0 ? 0.875F : 0.125F, (i & 4) != 0 ? 0.25F : 0.75F});
  return mesh;
}

// Anything that check_mesh lets pass: faces at random (so without area, repeated, non-manifold), vertices without a face,
// normals without length, attributes there or not.
inline Mesh random_mesh(unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](int n) { return static_cast<std::int32_t>(random() % static_cast<unsigned>(n)); };
  const auto unit = [&] { return static_cast<float>(random() % 1025U) / 1024.0F; };
  Mesh mesh;
  const int vertices = 1 + below(40), faces = 1 + below(60);
  const bool colours = below(2) != 0, normals = below(2) != 0, uvs = below(2) != 0;
  for (int i = 0; i < vertices; ++i) {
    const bool flat = below(8) == 0;
    for (int k = 0; k < 3; ++k) {
      mesh.vertices.push_back(unit() - 0.5F);
      if (colours) mesh.colours.push_back(unit());
      if (normals) mesh.normals.push_back(flat ? 0.0F : unit() - 0.5F);
    }
    if (uvs) mesh.uvs.insert(mesh.uvs.end(), {unit(), unit()});
  }
  for (int i = 0; i < 3 * faces; ++i) mesh.faces.push_back(below(vertices));
  return mesh;
}

}  // namespace espalier::test
