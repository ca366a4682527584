// UV unwrapping: a mesh is cut into charts, each chart is flattened with little distortion, and all are packed into one
// square texture. docs/decisions/unwrapping.md has the reasons for the methods.
#pragma once

#include <cstdint>
#include <vector>

#include "assets/mesh.h"
#include "base/monitor.h"

namespace espalier {

struct UnwrapOptions {
  int texture_size = 1024;     // texels per side of the square texture, 16 to 16384
  float padding_texels = 4;    // free texels between any two charts, and half as many to the border; 0 to 64
  float chart_stretch = 1.1F;  // charts are joined while the stretch of the result stays below this; above 1
};

struct Unwrapped {
  // The input's faces in their order. Vertices are split at seams only. With uvs in [0, 1] and smooth normals, which are
  // computed before splitting; colours are carried over.
  Mesh mesh;
  std::vector<std::int32_t> chart;          // [F] in [0, charts)
  std::vector<std::int32_t> source_vertex;  // [V] the input's vertex that a vertex is a copy of
  int charts = 0;
  // Area-weighted mean over the faces of the L2 stretch (Sander et al. 2001, root mean square of the singular values of
  // the map from texture to surface), times sqrt(texture area / surface area): 1 where nothing is distorted.
  float mean_stretch = 1;
  // Share of the texture's texels whose centre lies in a chart.
  float use = 0;
};

// Unwraps any triangles: several components, holes, edges of more than two faces, faces without area. The triangles of
// the result overlap nowhere in the texture; all charts have the same texel density, and none is mirrored. Vertices at
// the same place count as one vertex. Faces that have two corners at one place lie on one point of the texture. The
// padding gives way when there are too many charts for it.
//
// The same input gives the same bytes, whatever the number of cores. `monitor` (may be null) hears of progress in percent
// and can cancel. Throws invalid_argument for what check_mesh refuses, a mesh without faces and options out of range;
// cancelled on request.
[[nodiscard]] Unwrapped unwrap(const Mesh& mesh, const UnwrapOptions& options = {}, const Monitor* monitor = nullptr);

}  // namespace espalier
