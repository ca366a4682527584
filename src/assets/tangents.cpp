#include "assets/tangents.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

namespace espalier {
namespace {

using Vector = std::array<double, 3>;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

double dot(const Vector& a, const Vector& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
Vector minus(const Vector& a, const Vector& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }
// a + t * b
Vector plus(const Vector& a, double t, const Vector& b) { return {a[0] + t * b[0], a[1] + t * b[1], a[2] + t * b[2]}; }
// Of length 1; what has no length stays.
Vector unit(const Vector& a) {
  const double length = std::sqrt(dot(a, a));
  return length > std::numeric_limits<float>::min() ? Vector{a[0] / length, a[1] / length, a[2] / length} : a;
}
// Without its part along `normal`, of length 1.
Vector upright(const Vector& a, const Vector& normal) { return unit(plus(a, -dot(normal, a), normal)); }

Vector vector_at(const std::vector<float>& values, std::int32_t vertex) {
  const float* const p = &values[3 * at(vertex)];
  return {p[0], p[1], p[2]};
}

// Where u grows on a face, and whether the texture is not mirrored there; nothing where it has no area.
struct FaceTangent {
  Vector along;
  bool preserves;
};
std::optional<FaceTangent> tangent_of(const Mesh& mesh, const std::int32_t* v) {
  const auto s = [&](std::size_t c) { return double{mesh.uvs[2 * at(v[c])]}; };
  const auto t = [&](std::size_t c) { return 1.0 - double{mesh.uvs[2 * at(v[c]) + 1]}; };  // upwards
  const double s1 = s(1) - s(0), t1 = t(1) - t(0), s2 = s(2) - s(0), t2 = t(2) - t(0), area = s1 * t2 - t1 * s2;
  const Vector p = vector_at(mesh.vertices, v[0]), d1 = minus(vector_at(mesh.vertices, v[1]), p),
               d2 = minus(vector_at(mesh.vertices, v[2]), p);
  Vector along{};
  for (std::size_t k = 0; k < 3; ++k) along[k] = t2 * d1[k] - t1 * d2[k];
  if (std::abs(area) <= std::numeric_limits<float>::min() || dot(along, along) == 0.0) return std::nullopt;
  if (area < 0) along = {-along[0], -along[1], -along[2]};
  return FaceTangent{unit(along), area > 0};
}

// The angle of a face at one of its corners, in the plane of the normal there.
double angle_at(const Mesh& mesh, const std::int32_t* v, std::size_t corner, const Vector& normal) {
  const Vector here = vector_at(mesh.vertices, v[corner]);
  const Vector to_next = upright(minus(vector_at(mesh.vertices, v[(corner + 1) % 3]), here), normal);
  const Vector to_last = upright(minus(vector_at(mesh.vertices, v[(corner + 2) % 3]), here), normal);
  return std::acos(std::clamp(dot(to_next, to_last), -1.0, 1.0));
}

// Of the faces around a vertex that the texture shows as they are, and of those that it mirrors.
struct Around {
  std::array<Vector, 2> sum{};
  std::array<double, 2> angle{};
};

// Any direction that is upright on a normal.
Vector any_upright(const Vector& normal) {
  const Vector axis = std::abs(normal[0]) < 0.9 ? Vector{1, 0, 0} : Vector{0, 1, 0};
  return upright(axis, normal);
}

}  // namespace

std::vector<float> tangents_of(const Mesh& mesh) {
  const std::size_t count = mesh.vertices.size() / 3;
  if (mesh.uvs.size() != 2 * count || mesh.normals.size() != 3 * count) return {};
  std::vector<Around> around(count);
  for (std::size_t f = 0; f + 2 < mesh.faces.size(); f += 3) {
    const std::int32_t* const v = &mesh.faces[f];
    const auto tangent = tangent_of(mesh, v);
    if (!tangent) continue;
    const std::size_t side = tangent->preserves ? 0 : 1;
    for (std::size_t c = 0; c < 3; ++c) {
      const Vector normal = unit(vector_at(mesh.normals, v[c]));
      const double angle = angle_at(mesh, v, c, normal);
      Around& here = around[at(v[c])];
      here.sum.at(side) = plus(here.sum.at(side), angle, upright(tangent->along, normal));
      here.angle.at(side) += angle;
    }
  }
  std::vector<float> tangents;
  tangents.reserve(4 * count);
  for (std::size_t i = 0; i < count; ++i) {
    const Vector normal = unit(vector_at(mesh.normals, static_cast<std::int32_t>(i)));
    const std::size_t side = around[i].angle[1] > around[i].angle[0] ? 1 : 0;
    Vector tangent = upright(around[i].sum.at(side), normal);
    if (!(dot(tangent, tangent) > 0.5)) tangent = any_upright(normal);
    for (const double x : tangent) tangents.push_back(static_cast<float>(x));
    tangents.push_back(side == 0 ? 1.0F : -1.0F);
  }
  return tangents;
}

}  // namespace espalier
