// From regions of a surface to flat charts. Internal to unwrapping.
#pragma once

#include <cstdint>
#include <vector>

#include "base/monitor.h"
#include "geometry/unwrap/chart_map.h"
#include "geometry/unwrap/chart_segmentation.h"
#include "geometry/unwrap/chart_surface.h"

namespace espalier {

struct Chart {
  ChartMesh mesh;
  ChartMap map;
};

// Flattens every region; one that is no disc with holes, that would cover itself, be torn about or be too long for the
// texture is split and tried again.
[[nodiscard]] std::vector<Chart> flatten_regions(const ChartSurface& surface, const std::vector<Eigen::Vector3d>& normals,
                                                 const Segmentation& regions, const Monitor* monitor);

// Joins neighbours with a long common border where the joined chart keeps its stretch below `stretch_limit` (or below
// that of its parts) and a compact shape.
void join_charts(const ChartSurface& surface, double stretch_limit, std::vector<Chart>& charts, const Monitor* monitor);

// Takes the descent of every chart to its end.
void polish_charts(const ChartSurface& surface, std::vector<Chart>& charts, const Monitor* monitor);

}  // namespace espalier
