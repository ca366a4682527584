// Flattening of charts. Internal to unwrapping.
#pragma once

#include <Eigen/Core>
#include <functional>
#include <vector>

#include "base/monitor.h"
#include "geometry/unwrap/chart_surface.h"

namespace espalier {

struct ChartMap {
  bool injective = false;           // no triangle turned over, and the borders cross nowhere
  std::vector<Eigen::Vector2d> uv;  // [v] counter-clockwise as the surface is seen from outside, in its unit of length
  double stretch = 1;               // area-weighted mean of the L2 stretch, 1 = nothing is distorted
};

struct FlattenOptions {
  int steps = 15;                                       // of descent, at most
  const std::vector<Eigen::Vector2d>* start = nullptr;  // a map without turned-over triangles to go on from
  // Asked after the first step with what is there by then; the chart is given up if it says no.
  std::function<bool(const ChartMap&)> promising;
};

// Flattens a chart with one border or more: from its least squares conformal map (Levy et al. 2002), or from Tutte's
// embedding where that one turns triangles over, down the symmetric Dirichlet energy by reweighted projections (SLIM,
// Rabinovich et al. 2017), which never turns a triangle over. The result has the chart's area.
[[nodiscard]] ChartMap flatten(const ChartSurface& surface, const ChartMesh& chart, const FlattenOptions& options,
                               const Monitor* monitor);

}  // namespace espalier
