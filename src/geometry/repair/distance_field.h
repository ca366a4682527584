// Signed distances from a surface on a regular grid, and surfaces out of them: for code inside geometry/repair.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "assets/mesh.h"
#include "base/monitor.h"
#include "geometry/mesh/mesh_points.h"

namespace espalier {

struct DistanceField {
  std::array<std::int32_t, 3> size{};  // points along x, y, z
  Point low = Point::Zero();           // the first point
  double step = 1;                     // between neighbours
  std::vector<float> values;           // positive inside; x runs fastest

  [[nodiscard]] std::size_t index(std::int32_t x, std::int32_t y, std::int32_t z) const {
    const auto w = static_cast<std::size_t>(size[0]), h = static_cast<std::size_t>(size[1]);
    return (static_cast<std::size_t>(z) * h + static_cast<std::size_t>(y)) * w + static_cast<std::size_t>(x);
  }
  [[nodiscard]] Point point(std::int32_t x, std::int32_t y, std::int32_t z) const { return low + step * Point(x, y, z); }
};

// What is measured. `closed` bounds what it winds around (once or more: pieces that overlap are one solid); `sheets` are
// surfaces without an inside, of which every point within `sheet_reach` is inside.
struct DistanceRequest {
  const Mesh* closed = nullptr;
  const Mesh* sheets = nullptr;  // null: none
  double sheet_reach = 0;
  double step = 0;
  double reach = 0;   // distances are exact up to here, and this far beyond
  double margin = 0;  // of the grid around the surfaces
  double base = 0;    // z of a plane that lies half-way between two layers of the grid
};
// Throws out_of_memory for more than `kMostFieldPoints` points.
[[nodiscard]] DistanceField distance_field(const DistanceRequest& request, const Monitor* monitor);
inline constexpr std::int64_t kMostFieldPoints = 100'000'000;

// The surface at distance 0 as a closed manifold that does not cross itself: each cube is cut into six tetrahedra, all along
// the same diagonals, and no face leaves its own. Points on the border of the grid count as outside.
[[nodiscard]] Mesh surface_of(const DistanceField& field, const Monitor* monitor);

// Calls visit(x, y, z) for the grid's points in the box.
template <class Visit>
void for_points(const DistanceField& field, const Point& low, const Point& high, Visit&& visit) {
  std::array<std::int32_t, 3> from{}, to{};
  for (int k = 0; k < 3; ++k) {
    const auto at = static_cast<std::size_t>(k);
    const double most = field.size[at] - 1.0;
    from[at] = static_cast<std::int32_t>(std::clamp(std::ceil((low[k] - field.low[k]) / field.step), 0.0, most + 1));
    to[at] = static_cast<std::int32_t>(std::clamp(std::floor((high[k] - field.low[k]) / field.step), -1.0, most));
  }
  for (std::int32_t z = from[2]; z <= to[2]; ++z) {
    for (std::int32_t y = from[1]; y <= to[1]; ++y) {
      for (std::int32_t x = from[0]; x <= to[0]; ++x) visit(x, y, z);
    }
  }
}

}  // namespace espalier
