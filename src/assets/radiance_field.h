// A radiance field on the host.
#pragma once

#include <vector>

namespace espalier {

// Strivec radiance field (Gao et al. 2023): per voxel `rank` components, each a product of three vectors of `dim` samples.
struct RadianceField {
  int resolution = 0, rank = 0, dim = 0;
  std::vector<float> position;     // [N * 3] in [0, 1]
  std::vector<float> trivec;       // [N * rank * 3 * dim]
  std::vector<float> density;      // [N * rank]
  std::vector<float> features_dc;  // [N * rank * 3]
  // Octree depth of the voxels: log2 of the resolution.
  [[nodiscard]] int depth() const {
    int d = 0;
    while ((resolution >> (d + 1)) > 0) ++d;
    return d;
  }
};

}  // namespace espalier
