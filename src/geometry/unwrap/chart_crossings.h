// Whether a flattened chart covers itself. Internal to unwrapping.
#pragma once

#include <Eigen/Core>
#include <vector>

#include "geometry/unwrap/chart_surface.h"

namespace espalier {

// A map without turned-over triangles is one-to-one if its borders cross neither themselves nor each other, one of them
// runs counter-clockwise and all others clockwise: then every point of the plane is covered once or not at all, because
// the number of times it is covered is the sum of the winding numbers of the borders.
[[nodiscard]] bool borders_are_simple(const ChartMesh& chart, const std::vector<Eigen::Vector2d>& uv);

}  // namespace espalier
