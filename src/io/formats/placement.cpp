#include "io/formats/placement.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace espalier {

namespace {

constexpr double kLargest = 1e30;

struct Bounds {
  Vec3d low, high;
};
Bounds bounds_of(const Mesh& mesh) {
  Bounds b;
  b.low.fill(std::numeric_limits<double>::max());
  b.high.fill(std::numeric_limits<double>::lowest());
  for (std::size_t i = 0; i < mesh.vertices.size(); ++i) {
    b.low[i % 3] = std::min(b.low[i % 3], double{mesh.vertices[i]});
    b.high[i % 3] = std::max(b.high[i % 3], double{mesh.vertices[i]});
  }
  return b;
}

Placement placement(const Bounds& bounds, double scale, const Vec3d& origin) {
  Placement p;
  p.scale = scale;
  p.origin = origin;
  for (std::size_t k = 0; k < 3; ++k) {
    p.size[k] = (bounds.high[k] - bounds.low[k]) * scale;
    p.low[k] = (bounds.low[k] - origin[k]) * scale;
  }
  return p;
}

double scale_for(const Bounds& b, double largest_side_mm, const char* format) {
  if (!(largest_side_mm > 0.0) || largest_side_mm > kLargest) {
    fail(ErrorCode::invalid_argument, format, ": the size must be a positive number of millimetres, not ", largest_side_mm);
  }
  double side = 0.0;
  for (std::size_t k = 0; k < 3; ++k) side = std::max(side, b.high[k] - b.low[k]);
  if (side <= 0.0) fail(ErrorCode::invalid_argument, format, ": the mesh is a single point, so it cannot be scaled to a size");
  return largest_side_mm / side;
}

}  // namespace

Placement placement_of(const Mesh& mesh, double largest_side_mm, const char* format) {
  const Bounds b = bounds_of(mesh);
  return placement(b, scale_for(b, largest_side_mm, format),
                   {(b.low[0] + b.high[0]) / 2, (b.low[1] + b.high[1]) / 2, b.low[2]});
}

Placement placement_in_place(const Mesh& mesh, double largest_side_mm, const char* format) {
  const Bounds b = bounds_of(mesh);
  return placement(b, scale_for(b, largest_side_mm, format), {});
}

Placement scaled_placement(const Mesh& mesh, double scale, const char* format) {
  if (!(scale > 0.0) || scale > kLargest)
    fail(ErrorCode::invalid_argument, format, ": the scale must be a positive number, not ", scale);
  return placement(bounds_of(mesh), scale, {});
}

}  // namespace espalier
