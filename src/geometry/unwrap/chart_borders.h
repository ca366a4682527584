// Shorter borders between regions of a surface. Internal to unwrapping.
#pragma once

#include "geometry/unwrap/chart_segmentation.h"

namespace espalier {

// Moves the border of each pair of neighbouring regions to the minimum cut of a band around it: short, along creases, and
// where the normals change sides. Pieces that come off go to the neighbour with the longest common border. Regions stay
// connected and are numbered anew.
void straighten_borders(const ChartSurface& surface, const std::vector<Eigen::Vector3d>& normals, Segmentation& regions,
                        const Monitor* monitor);

}  // namespace espalier
