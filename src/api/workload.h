// The benchmark workload: voxels and field of docs/performance.md.
#pragma once

#include <string>
#include <vector>

#include "sparse/structure.h"

namespace espalier {

// A torus-knot-like tube: cells of a 64^3 grid whose centre lies within t / 64 of the tube of radius rho around
// c(p) = ((R + r cos 3p) cos 2p, (R + r cos 3p) sin 2p, r sin 3p). name: "12k" or "24k". Throws invalid_argument otherwise.
[[nodiscard]] Voxels workload_voxels(const std::string& name);

// Signed distances at the 8 corners (x fastest) of the 64 cubes of each voxel, in subdivision order:
// 64 |distance to the tube| - 0.4, a double-walled shell. [64 * voxels * 8]
[[nodiscard]] std::vector<float> workload_distances(const std::string& name, const Voxels& voxels);

}  // namespace espalier
