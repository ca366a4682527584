// Points of a mesh in double precision, for code inside geometry.
#pragma once

#include <Eigen/Core>
#include <Eigen/Geometry>

#include "assets/mesh.h"

namespace espalier {

using Point = Eigen::Vector3d;

inline Point point_of(const Mesh& mesh, std::int32_t vertex) {
  const float* const p = mesh.vertices.data() + 3 * static_cast<std::size_t>(vertex);
  return {p[0], p[1], p[2]};
}
inline const std::int32_t* face_of(const Mesh& mesh, std::int64_t face) {
  return mesh.faces.data() + 3 * static_cast<std::size_t>(face);
}
// Twice the area along the normal.
inline Point face_cross(const Mesh& mesh, std::int64_t face) {
  const std::int32_t* const f = face_of(mesh, face);
  const Point a = point_of(mesh, f[0]);
  return (point_of(mesh, f[1]) - a).cross(point_of(mesh, f[2]) - a);
}

}  // namespace espalier
