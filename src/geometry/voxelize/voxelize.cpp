#include "geometry/voxelize/voxelize.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "parallel/parallel_for.h"

namespace espalier {
namespace {

using Vector = std::array<double, 3>;
using Triangle = std::array<Vector, 3>;

constexpr double kInside = 0.5 - 1e-6;

Vector minus(const Vector& a, const Vector& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }
Vector cross(const Vector& a, const Vector& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}
double dot(const Vector& a, const Vector& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

// Whether an axis separates the triangle, whose corners are relative to the cell's centre, from the cell.
bool separates(const Vector& axis, const Triangle& t, double half) {
  const double a = dot(axis, t[0]);
  const double b = dot(axis, t[1]);
  const double c = dot(axis, t[2]);
  const double reach = half * (std::abs(axis[0]) + std::abs(axis[1]) + std::abs(axis[2]));
  return std::min({a, b, c}) > reach || std::max({a, b, c}) < -reach;
}

bool meets(const Triangle& triangle, const Vector& centre, double half) {
  const Triangle t{minus(triangle[0], centre), minus(triangle[1], centre), minus(triangle[2], centre)};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (std::min({t[0][axis], t[1][axis], t[2][axis]}) > half || std::max({t[0][axis], t[1][axis], t[2][axis]}) < -half)
      return false;
  }
  const std::array<Vector, 3> edges{minus(t[1], t[0]), minus(t[2], t[1]), minus(t[0], t[2])};
  if (separates(cross(edges[0], edges[1]), t, half)) return false;
  for (const Vector& e : edges) {
    if (separates({0.0, -e[2], e[1]}, t, half) || separates({e[2], 0.0, -e[0]}, t, half) ||
        separates({-e[1], e[0], 0.0}, t, half))
      return false;
  }
  return true;
}

// Marks the cells of a grid. Blocks of cells are looked at first, so that a large triangle costs what its area does.
class Grid {
 public:
  explicit Grid(int resolution)
      : resolution_(resolution),
        cells_(static_cast<std::size_t>(resolution) * static_cast<std::size_t>(resolution) *
               static_cast<std::size_t>(resolution)) {}

  void add(const Triangle& triangle) {
    int side = 1;
    while (side < resolution_) side *= 2;
    descend(triangle, {0, 0, 0}, side);
  }

  [[nodiscard]] Voxels voxels() const {
    std::vector<std::int32_t> coords;
    std::size_t at = 0;
    for (std::int32_t x = 0; x < resolution_; ++x) {
      for (std::int32_t y = 0; y < resolution_; ++y) {
        for (std::int32_t z = 0; z < resolution_; ++z) {
          if (cells_[at++] != 0) coords.insert(coords.end(), {0, x, y, z});
        }
      }
    }
    return make_voxels(std::move(coords), 1, resolution_);
  }

 private:
  void descend(const Triangle& triangle, const std::array<int, 3>& low, int side) {
    // Blocks are a little larger than their cells together, so that rounding loses none of these.
    const double half = 0.5 * side / resolution_ + (side > 1 ? 1e-9 : 0.0);
    Vector centre{};
    for (std::size_t axis = 0; axis < 3; ++axis) {
      if (low.at(axis) >= resolution_) return;
      centre.at(axis) = -0.5 + (low.at(axis) + 0.5 * side) / resolution_;
    }
    if (!meets(triangle, centre, half)) return;
    if (side == 1) {
      const auto n = static_cast<std::size_t>(resolution_);
      const std::size_t cell =
          (static_cast<std::size_t>(low[0]) * n + static_cast<std::size_t>(low[1])) * n + static_cast<std::size_t>(low[2]);
      std::atomic_ref<std::uint8_t>(cells_[cell]).store(1, std::memory_order_relaxed);
      return;
    }
    const int part = side / 2;
    for (int child = 0; child < 8; ++child) {
      descend(triangle, {low[0] + (child / 4) * part, low[1] + (child / 2 % 2) * part, low[2] + (child % 2) * part}, part);
    }
  }

  int resolution_;
  std::vector<std::uint8_t> cells_;
};

std::vector<double> wide(const Mesh& mesh) { return {mesh.vertices.begin(), mesh.vertices.end()}; }

}  // namespace

UnitPlacement unit_placement(std::span<const double> vertices) {
  Vector low, high;
  low.fill(std::numeric_limits<double>::infinity());
  high.fill(-std::numeric_limits<double>::infinity());
  for (std::size_t i = 0; i < vertices.size(); ++i) {
    if (!std::isfinite(vertices[i])) fail(ErrorCode::invalid_argument, "the mesh has a vertex that is not finite");
    low.at(i % 3) = std::min(low.at(i % 3), vertices[i]);
    high.at(i % 3) = std::max(high.at(i % 3), vertices[i]);
  }
  UnitPlacement placement;
  double smallest = std::numeric_limits<double>::infinity();
  placement.side = 0.0;
  for (std::size_t axis = 0; axis < 3 && !vertices.empty(); ++axis) {
    placement.centre.at(axis) = (low.at(axis) + high.at(axis)) / 2;
    placement.side = std::max(placement.side, high.at(axis) - low.at(axis));
    smallest = std::min(smallest, high.at(axis) - low.at(axis));
  }
  if (!(placement.side > 0.0) || !(smallest > 1e-6 * placement.side)) {
    fail(ErrorCode::invalid_argument, "the mesh has no volume: it is flat, or has no extent at all",
         hint("give a mesh that has some depth"));
  }
  return placement;
}

UnitPlacement unit_placement(const Mesh& mesh) { return unit_placement(wide(mesh)); }

Voxels voxelize(std::span<const double> vertices, std::span<const std::int32_t> faces, const UnitPlacement& placement,
                int resolution, const Monitor* monitor) {
  require(resolution >= 1 && resolution <= 1024, "voxelize", "a resolution of ", resolution);
  if (faces.empty()) fail(ErrorCode::invalid_argument, "the mesh has no faces, so it has no voxels");
  const auto count = static_cast<std::int64_t>(vertices.size() / 3);
  for (const std::int32_t v : faces) {
    if (v < 0 || v >= count) fail(ErrorCode::invalid_argument, "the mesh has a face with the vertex ", v, " of ", count);
  }
  Grid grid(resolution);
  parallel_for(static_cast<std::int64_t>(faces.size() / 3), 256, [&](std::int64_t f) {
    if (monitor != nullptr && f % 1024 == 0) monitor->check();
    Triangle triangle;
    for (std::size_t corner = 0; corner < 3; ++corner) {
      const auto v = static_cast<std::size_t>(faces[static_cast<std::size_t>(f) * 3 + corner]);
      for (std::size_t axis = 0; axis < 3; ++axis)
        triangle.at(corner).at(axis) = std::clamp(placement.place(vertices[v * 3 + axis], axis), -kInside, kInside);
    }
    grid.add(triangle);
  });
  return grid.voxels();
}

Voxels voxelize(const Mesh& mesh, const UnitPlacement& placement, int resolution, const Monitor* monitor) {
  return voxelize(wide(mesh), mesh.faces, placement, resolution, monitor);
}

}  // namespace espalier
