// Cutting a surface into regions of similar direction. Internal to unwrapping.
#pragma once

#include <cstdint>
#include <vector>

#include "base/monitor.h"
#include "geometry/unwrap/chart_surface.h"

namespace espalier {

// Region per face in [0, count).
struct Segmentation {
  std::vector<std::int32_t> region;
  std::int32_t count = 0;
};

// Faces are joined to regions and regions with each other, cheapest first, while the normals of a region stay within a
// cone; then the borders are straightened. Every region is connected. `normals` [F] unit.
[[nodiscard]] Segmentation segment(const ChartSurface& surface, const std::vector<Eigen::Vector3d>& normals,
                                   const Monitor* monitor);

// Cuts one connected set of at least two faces into two connected sets by direction and place.
[[nodiscard]] std::array<std::vector<std::int32_t>, 2> split_in_two(const ChartSurface& surface,
                                                                    const std::vector<Eigen::Vector3d>& normals,
                                                                    const std::vector<std::int32_t>& faces,
                                                                    std::vector<std::int32_t>& local);

}  // namespace espalier
