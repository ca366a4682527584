#include "io/formats/placement.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace espalier {

Placement placement_of(const Mesh& mesh, double largest_side_mm, const char* format) {
  constexpr double kLargest = 1e30;
  if (!(largest_side_mm > 0.0) || largest_side_mm > kLargest) {
    fail(ErrorCode::invalid_argument, format, ": the size must be a positive number of millimetres, not ", largest_side_mm);
  }
  Vec3d low, high;
  low.fill(std::numeric_limits<double>::max());
  high.fill(std::numeric_limits<double>::lowest());
  for (std::size_t i = 0; i < mesh.vertices.size(); ++i) {
    low[i % 3] = std::min(low[i % 3], double{mesh.vertices[i]});
    high[i % 3] = std::max(high[i % 3], double{mesh.vertices[i]});
  }
  Placement p;
  for (std::size_t k = 0; k < 3; ++k) p.size[k] = high[k] - low[k];
  const double side = *std::max_element(p.size.begin(), p.size.end());
  if (side <= 0.0) fail(ErrorCode::invalid_argument, format, ": the mesh is a single point, so it cannot be scaled to a size");
  p.scale = largest_side_mm / side;
  for (double& s : p.size) s *= p.scale;
  p.origin = {(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]};
  return p;
}

}  // namespace espalier
