// Voxels of a mesh: the cells of a cubic grid that its triangles meet.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "assets/mesh.h"
#include "assets/voxels.h"
#include "base/monitor.h"

namespace espalier {

// Puts a mesh into the unit cube at the origin: (v - centre) / side, with the centre of its box and the largest side of it.
struct UnitPlacement {
  std::array<double, 3> centre{};
  double side = 1.0;
  [[nodiscard]] double place(double value, std::size_t axis) const { return (value - centre.at(axis)) / side; }
};

// Of all vertices [V * 3], whether a face uses them or not. Throws invalid_argument for vertices that are not finite, and for
// those without volume: all of them in one plane of the axes.
[[nodiscard]] UnitPlacement unit_placement(std::span<const double> vertices);
[[nodiscard]] UnitPlacement unit_placement(const Mesh& mesh);

// The voxels of resolution^3 in the unit cube that triangles meet, in lexicographic order, batch element 0. Vertices [V * 3]
// are placed, and those at the border moved inwards by 1e-6, as TRELLIS does; a cell counts with its border, so touching is
// meeting. Separating axes in float64 (Akenine-Moller 2001). Every core works; the same input gives the same voxels. Throws
// invalid_argument for faces [F * 3] that name no vertex and when there is no face, cancelled.
[[nodiscard]] Voxels voxelize(std::span<const double> vertices, std::span<const std::int32_t> faces,
                              const UnitPlacement& placement, int resolution, const Monitor* monitor = nullptr);
[[nodiscard]] Voxels voxelize(const Mesh& mesh, const UnitPlacement& placement, int resolution,
                              const Monitor* monitor = nullptr);

}  // namespace espalier
