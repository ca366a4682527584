// The surface that is cut into charts, and the charts cut from it. Internal to unwrapping.
#pragma once

#include <Eigen/Core>
#include <Eigen/Geometry>
#include <array>
#include <cstdint>
#include <vector>

#include "assets/mesh.h"
#include "base/monitor.h"

namespace espalier {

using Corners = std::array<std::int32_t, 3>;

// A mesh whose vertices at the same place are one, without faces that have a corner twice.
// Half-edge 3 f + k runs from corner k of face f to corner k + 1.
struct ChartSurface {
  std::vector<Eigen::Vector3d> points;   // scaled to a unit cube
  std::vector<Corners> faces;            // points
  std::vector<std::int32_t> twin;        // [3 F] the half-edge of the neighbour, or -1 at borders and irregular edges
  std::vector<std::int32_t> input_face;  // [F]
  std::vector<std::int32_t> point_of;    // [V of the input] point
  std::vector<double> area;              // [F] at least the smallest positive area that is told from none
  std::vector<double> length;            // [3 F] of half-edges
  std::vector<Eigen::Vector3d> normal;   // [F] unit; of the neighbours where a face has no area of its own
  [[nodiscard]] std::int32_t face_count() const { return static_cast<std::int32_t>(faces.size()); }
};

// Next half-edge of the same face.
[[nodiscard]] constexpr std::int32_t next_half_edge(std::int32_t h) { return h % 3 == 2 ? h - 2 : h + 1; }

// The mesh is one that check_mesh lets pass.
[[nodiscard]] ChartSurface make_chart_surface(const Mesh& mesh);

// Angle-weighted unit normals per point of the surface.
[[nodiscard]] std::vector<Eigen::Vector3d> point_normals(const ChartSurface& surface);

// Normals that follow the shape and not the noise: averaged over a few rings, then filtered again with weights that fall
// with the angle between averaged normals, so that creases stay (bilateral filtering with a guide).
[[nodiscard]] std::vector<Eigen::Vector3d> smoothed_normals(const ChartSurface& surface, const Monitor* monitor);

// A connected set of faces as a surface of its own. Corners that touch without sharing faces around them are different
// vertices, so that the chart is a manifold with border.
struct ChartMesh {
  std::vector<std::int32_t> faces;               // of the surface, ascending
  std::vector<Corners> corners;                  // [f] local vertices
  std::vector<std::int32_t> twin;                // [3 f] local half-edges, or -1 on the border
  std::vector<std::int32_t> point;               // [v] of the surface
  std::vector<std::vector<std::int32_t>> loops;  // borders as local half-edges in order, the longest first
  int genus = 0;                                 // handles; 0 for what can be laid out in the plane
  [[nodiscard]] std::size_t vertex_count() const { return point.size(); }
};

// `local` has one entry per face of the surface, all -1, and is left so.
[[nodiscard]] ChartMesh make_chart_mesh(const ChartSurface& surface, std::vector<std::int32_t> faces,
                                        std::vector<std::int32_t>& local);

// Segments of all loops as local vertices.
[[nodiscard]] std::vector<std::array<std::int32_t, 2>> border_of(const ChartMesh& chart);

}  // namespace espalier
