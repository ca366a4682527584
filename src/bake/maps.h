// Maps of a finished mesh: normals of the surface that it was made of, and how much of the sky each place sees.
#pragma once

#include "assets/mesh.h"
#include "base/monitor.h"
#include "image/image.h"

namespace espalier {

struct NormalMapOptions {
  int size = 1024;      // texels on a side
  double reach = 0.03;  // how far from the mesh the detailed surface may lie, in units of the mesh
  bool flat = false;    // faces of a detailed surface without normals of its own are flat; else it is smooth
};

// A normal map in the tangent space of tangents_of(mesh), RGB: the byte (1 + x) / 2 * 255 of each coordinate, x to the right, y
// up in the image, z off the surface. `mesh` needs uvs and normals. A texel shows the detailed surface where a line along the
// normal of the mesh meets it, at the nearest place that faces the same way; where it meets none, the closest such place; and
// where nothing is within reach, the mesh itself: (128, 128, 255). Gutters are filled.
//
// Deterministic. Throws invalid_argument for a mesh without uvs or normals and what texels_of refuses, cancelled.
[[nodiscard]] Image normal_map(const Mesh& mesh, const Mesh& detailed, const NormalMapOptions& options,
                               const Monitor* monitor = nullptr);

struct OcclusionOptions {
  int size = 512;  // texels on a side
  int rays = 64;   // of each texel, 1 to 1024
};

// Ambient occlusion, RGB with three equal channels: the share of the light of an even sky that reaches a place, 255 where
// nothing of the mesh is in its way. Rays have a fixed pattern (weighted with the cosine, turned from texel to texel), whose
// noise is then smoothed over places that are neighbours on the surface. `mesh` needs uvs; normals are smooth where it has
// them.
//
// Deterministic. Throws invalid_argument for a mesh without uvs, rays out of range and what texels_of refuses, cancelled.
[[nodiscard]] Image occlusion_map(const Mesh& mesh, const OcclusionOptions& options, const Monitor* monitor = nullptr);

}  // namespace espalier
