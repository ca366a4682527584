#include "geometry/repair/distance_field.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "base/error.h"
#include "geometry/mesh/closest_point.h"
#include "geometry/mesh/mesh_edit.h"
#include "parallel/parallel_for.h"

namespace espalier {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// Unsigned distances up to `reach` around a mesh; what is farther keeps the value that it has. Layers share the work.
void measure(DistanceField& field, const Mesh& mesh, double reach, std::vector<float>& distances, const Monitor* monitor) {
  constexpr std::int32_t kLayers = 8;
  const std::int64_t slabs = (field.size[2] + kLayers - 1) / kLayers;
  std::vector<std::vector<std::int32_t>> faces(at(slabs));
  for (std::int64_t f = 0; f < mesh.face_count(); ++f) {
    const std::int32_t* const v = face_of(mesh, f);
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (int k = 0; k < 3; ++k) {
      low = std::min(low, point_of(mesh, v[k])[2]);
      high = std::max(high, point_of(mesh, v[k])[2]);
    }
    const auto slab = [&](double z) {
      return std::clamp<std::int64_t>(static_cast<std::int64_t>(std::floor((z - field.low[2]) / field.step)) / kLayers, 0,
                                      slabs - 1);
    };
    for (std::int64_t s = slab(low - reach); s <= slab(high + reach); ++s) faces[at(s)].push_back(static_cast<std::int32_t>(f));
  }
  parallel_for(slabs, 1, [&](std::int64_t s) {
    if (monitor != nullptr && monitor->cancelled()) return;
    const double bottom = field.low[2] + field.step * (static_cast<double>(s * kLayers) - 0.5);
    const double top = bottom + field.step * kLayers;
    for (const std::int32_t f : faces[at(s)]) {
      const std::int32_t* const v = face_of(mesh, f);
      const Point a = point_of(mesh, v[0]), b = point_of(mesh, v[1]), c = point_of(mesh, v[2]);
      Point low = a.cwiseMin(b).cwiseMin(c).array() - reach, high = a.cwiseMax(b).cwiseMax(c).array() + reach;
      low[2] = std::max(low[2], bottom);
      high[2] = std::min(high[2], top);
      for_points(field, low, high, [&](std::int32_t x, std::int32_t y, std::int32_t z) {
        float& known = distances[field.index(x, y, z)];
        const double squared = closest_point(field.point(x, y, z), a, b, c).squared;
        if (squared < double{known} * known) known = static_cast<float>(std::sqrt(squared));
      });
    }
  });
  if (monitor != nullptr) monitor->check();
}

// On which side of the directed line a-b the point lies; faces on both sides of an edge get the same answer, turned.
bool left_of(const Point& a, const Point& b, double x, double y) {
  const bool turned = a[0] != b[0] ? a[0] > b[0] : a[1] > b[1];
  const Point& p = turned ? b : a;
  const Point& q = turned ? a : b;
  const bool left = (q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) >= 0;
  return left != turned;
}

struct Crossing {
  float z;
  std::int32_t turn;  // +1: the surface looks up, and what is below is inside
};

// Where upright lines through the columns of the grid cross the surface.
std::vector<std::vector<Crossing>> crossings_of(const DistanceField& field, const Mesh& mesh) {
  std::vector<std::vector<Crossing>> columns(at(field.size[0]) * at(field.size[1]));
  // Off the surface's own vertices, which like to lie on grids.
  const double shift = 1e-4 * field.step;
  for (std::int64_t f = 0; f < mesh.face_count(); ++f) {
    const std::int32_t* const v = face_of(mesh, f);
    const Point a = point_of(mesh, v[0]), b = point_of(mesh, v[1]), c = point_of(mesh, v[2]);
    const Point normal = (b - a).cross(c - a);
    if (normal[2] == 0) continue;
    Point low = a.cwiseMin(b).cwiseMin(c).array() - field.step, high = a.cwiseMax(b).cwiseMax(c).array() + field.step;
    low[2] = high[2] = field.low[2];
    for_points(field, low, high, [&](std::int32_t i, std::int32_t j, std::int32_t) {
      const double x = field.low[0] + field.step * i + shift * 0.7548777, y = field.low[1] + field.step * j + shift * 0.5698403;
      const bool up = normal[2] > 0;
      if (left_of(a, b, x, y) != up || left_of(b, c, x, y) != up || left_of(c, a, x, y) != up) return;
      const double z = a[2] - (normal[0] * (x - a[0]) + normal[1] * (y - a[1])) / normal[2];
      columns[at(j) * at(field.size[0]) + at(i)].push_back({static_cast<float>(z), up ? 1 : -1});
    });
  }
  return columns;
}

// Distances inside keep their sign, those outside become negative.
void sign(DistanceField& field, const Mesh& mesh) {
  std::vector<std::vector<Crossing>> columns = crossings_of(field, mesh);
  parallel_for(static_cast<std::int64_t>(columns.size()), 64, [&](std::int64_t column) {
    auto& crossings = columns[at(column)];
    std::sort(crossings.begin(), crossings.end(),
              [](const Crossing& a, const Crossing& b) { return a.z != b.z ? a.z > b.z : a.turn > b.turn; });
    const auto x = static_cast<std::int32_t>(column % field.size[0]), y = static_cast<std::int32_t>(column / field.size[0]);
    std::size_t next = 0;
    std::int32_t winding = 0;
    for (std::int32_t z = field.size[2] - 1; z >= 0; --z) {
      const double height = field.low[2] + field.step * z;
      for (; next < crossings.size() && double{crossings[next].z} > height; ++next) winding += crossings[next].turn;
      float& value = field.values[field.index(x, y, z)];
      if (winding <= 0) value = -value;
    }
  });
}

}  // namespace

DistanceField distance_field(const DistanceRequest& request, const Monitor* monitor) {
  Point low = Point::Constant(std::numeric_limits<double>::infinity()), high = -low;
  for (const Mesh* mesh : {request.closed, request.sheets}) {
    for (std::int32_t v = 0; mesh != nullptr && v < mesh->vertex_count(); ++v) {
      low = low.cwiseMin(point_of(*mesh, v));
      high = high.cwiseMax(point_of(*mesh, v));
    }
  }
  DistanceField field;
  field.step = request.step;
  field.low = low.array() - request.margin;
  // The base lies half-way between layers, so that the surface there is plane to the last bit.
  const double layers = std::ceil((request.base - field.low[2]) / field.step + 0.5) - 0.5;
  field.low[2] = request.base - layers * field.step;
  double points = 1;
  for (int k = 0; k < 3; ++k) {
    const double side = std::ceil((high[k] + request.margin - field.low[k]) / field.step) + 1;
    points *= side;
    field.size[at(k)] = static_cast<std::int32_t>(std::min(side, 1e9));
  }
  if (!(points <= static_cast<double>(kMostFieldPoints))) {
    fail(ErrorCode::out_of_memory, "a grid of ", points, " points is needed, more than ", kMostFieldPoints,
         hint("ask for thicker walls, or a smaller object"));
  }
  field.values.assign(static_cast<std::size_t>(points), static_cast<float>(request.reach));
  if (request.closed != nullptr && !request.closed->faces.empty()) {
    measure(field, *request.closed, request.reach, field.values, monitor);
    sign(field, *request.closed);
  } else {
    for (float& value : field.values) value = -value;
  }
  if (request.sheets != nullptr && !request.sheets->faces.empty()) {
    std::vector<float> distances(field.values.size(), static_cast<float>(request.reach + request.sheet_reach));
    measure(field, *request.sheets, request.reach + request.sheet_reach, distances, monitor);
    for (std::size_t i = 0; i < distances.size(); ++i)
      field.values[i] = std::max(field.values[i], static_cast<float>(request.sheet_reach) - distances[i]);
  }
  return field;
}

namespace {

// The six tetrahedra of a cube around the diagonal from corner 0 to corner 7; corner bits are x, y, z.
constexpr std::array<std::array<int, 4>, 6> kTetrahedra{
    {{0, 1, 3, 7}, {0, 3, 2, 7}, {0, 2, 6, 7}, {0, 6, 4, 7}, {0, 4, 5, 7}, {0, 5, 1, 7}}};

class Marcher {
 public:
  explicit Marcher(const DistanceField& field) : field_(field) {
    const std::size_t layer = at(field.size[0]) * at(field.size[1]) * kDirections;
    for (auto& vertices : vertices_) vertices.assign(layer, -1);
  }

  Mesh run(const Monitor* monitor) {
    for (std::int32_t z = 0; z + 1 < field_.size[2]; ++z) {
      if (monitor != nullptr) monitor->check();
      for (std::int32_t y = 0; y + 1 < field_.size[1]; ++y) {
        for (std::int32_t x = 0; x + 1 < field_.size[0]; ++x) cube(x, y, z);
      }
      vertices_[0].swap(vertices_[1]);
      std::fill(vertices_[1].begin(), vertices_[1].end(), -1);
    }
    return std::move(mesh_);
  }

 private:
  static constexpr std::size_t kDirections = 7;  // of edges from their lower end: the bits of where they go

  [[nodiscard]] float value(std::int32_t x, std::int32_t y, std::int32_t z) const {
    const bool border =
        x == 0 || y == 0 || z == 0 || x + 1 == field_.size[0] || y + 1 == field_.size[1] || z + 1 == field_.size[2];
    const float inside = field_.values[field_.index(x, y, z)];
    return border ? std::min(inside, -1e-3F * static_cast<float>(field_.step)) : inside;
  }

  void cube(std::int32_t x, std::int32_t y, std::int32_t z) {
    std::array<float, 8> values{};
    int inside = 0;
    for (int corner = 0; corner < 8; ++corner) {
      values[at(corner)] = value(x + (corner & 1), y + (corner >> 1 & 1), z + (corner >> 2));
      inside += values[at(corner)] > 0 ? 1 : 0;
    }
    if (inside == 0 || inside == 8) return;
    for (const auto& t : kTetrahedra) tetrahedron({x, y, z}, t, values);
  }

  void tetrahedron(const std::array<std::int32_t, 3>& cube, const std::array<int, 4>& t, const std::array<float, 8>& values) {
    std::array<int, 4> in{}, out{};
    std::size_t ins = 0, outs = 0;
    for (const int corner : t) (values[at(corner)] > 0 ? in[ins++] : out[outs++]) = corner;
    if (ins == 0 || outs == 0) return;
    const auto vertex = [&](int a, int b) { return vertex_on(cube, a, b, values); };
    if (ins == 1) {
      add(in, out, {vertex(in[0], out[0]), vertex(in[0], out[1]), vertex(in[0], out[2])});
    } else if (outs == 1) {
      add(in, out, {vertex(in[0], out[0]), vertex(in[1], out[0]), vertex(in[2], out[0])});
    } else {
      const std::array<std::int32_t, 4> q{vertex(in[0], out[0]), vertex(in[0], out[1]), vertex(in[1], out[1]),
                                          vertex(in[1], out[0])};
      add(in, out, {q[0], q[1], q[2]});
      add(in, out, {q[0], q[2], q[3]});
    }
  }

  [[nodiscard]] static Point corner_point(int corner) {
    return {static_cast<double>(corner & 1), static_cast<double>(corner >> 1 & 1), static_cast<double>(corner >> 2)};
  }

  // A face that looks from the corner that is inside to the one that is not.
  void add(const std::array<int, 4>& in, const std::array<int, 4>& out, std::array<std::int32_t, 3> face) {
    const Point a = point_of(mesh_, face[0]), b = point_of(mesh_, face[1]), c = point_of(mesh_, face[2]);
    // Every corner inside lies behind the plane of the face, and every other one before it.
    const Point outwards = corner_point(out[0]) - corner_point(in[0]);
    if ((b - a).cross(c - a).dot(outwards) < 0) std::swap(face[1], face[2]);
    mesh_.faces.insert(mesh_.faces.end(), face.begin(), face.end());
  }

  std::int32_t vertex_on(const std::array<std::int32_t, 3>& cube, int from, int to, const std::array<float, 8>& values) {
    const int low = from & to, direction = from ^ to;
    const std::int32_t x = cube[0] + (low & 1), y = cube[1] + (low >> 1 & 1);
    std::int32_t& known = vertices_[at(low >> 2)][(at(y) * at(field_.size[0]) + at(x)) * kDirections + at(direction - 1)];
    if (known >= 0) return known;
    known = static_cast<std::int32_t>(mesh_.vertices.size() / 3);
    // Away from the ends, where faces would have no area. Always from the same end, so that rounding is the same.
    const int high = low ^ direction;
    const double a = values[at(low)], b = values[at(high)];
    const double t = std::clamp(a / (a - b), 0.02, 0.98);
    const Point start = field_.point(cube[0], cube[1], cube[2]);
    const Point p = start + field_.step * (corner_point(low) + t * (corner_point(high) - corner_point(low)));
    for (int k = 0; k < 3; ++k) mesh_.vertices.push_back(static_cast<float>(p[k]));
    return known;
  }

  const DistanceField& field_;
  std::array<std::vector<std::int32_t>, 2> vertices_;  // on edges that begin in a layer of the grid
  Mesh mesh_;
};

}  // namespace

Mesh surface_of(const DistanceField& field, const Monitor* monitor) { return Marcher(field).run(monitor); }

}  // namespace espalier
