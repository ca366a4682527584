// Triangle meshes of known shape, for tests and benchmarks of geometry.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "assets/mesh.h"

namespace espalier::test {

inline constexpr double kTurn = 6.283185307179586;

using P3 = std::array<double, 3>;

inline void add_vertex(Mesh& mesh, const P3& p) {
  for (const double c : p) mesh.vertices.push_back(static_cast<float>(c));
}
inline void add_face(Mesh& mesh, std::int32_t a, std::int32_t b, std::int32_t c) {
  mesh.faces.insert(mesh.faces.end(), {a, b, c});
}

// Both meshes in one.
inline Mesh joined(Mesh a, const Mesh& b) {
  const auto base = static_cast<std::int32_t>(a.vertex_count());
  a.vertices.insert(a.vertices.end(), b.vertices.begin(), b.vertices.end());
  a.colours.insert(a.colours.end(), b.colours.begin(), b.colours.end());
  a.normals.insert(a.normals.end(), b.normals.begin(), b.normals.end());
  for (const std::int32_t v : b.faces) a.faces.push_back(base + v);
  return a;
}

inline Mesh turned_inside_out(Mesh mesh) {
  for (std::size_t f = 0; f < mesh.faces.size(); f += 3) std::swap(mesh.faces[f + 1], mesh.faces[f + 2]);
  return mesh;
}

inline Mesh moved(Mesh mesh, const P3& by) {
  for (std::size_t i = 0; i < mesh.vertices.size(); ++i) mesh.vertices[i] += static_cast<float>(by[i % 3]);
  return mesh;
}

// Faces for which `keep` holds, by number; vertices stay.
inline Mesh kept(const Mesh& mesh, const std::function<bool(std::int64_t)>& keep) {
  Mesh result = mesh;
  result.faces.clear();
  for (std::int64_t f = 0; f < mesh.face_count(); ++f) {
    if (keep(f)) result.faces.insert(result.faces.end(), mesh.faces.begin() + 3 * f, mesh.faces.begin() + 3 * f + 3);
  }
  return result;
}

inline P3 centre_of_face(const Mesh& mesh, std::int64_t f) {
  P3 sum{};
  for (int corner = 0; corner < 3; ++corner) {
    const auto v = static_cast<std::size_t>(mesh.faces[static_cast<std::size_t>(3 * f + corner)]);
    for (std::size_t k = 0; k < 3; ++k) sum[k] += static_cast<double>(mesh.vertices[3 * v + k]) / 3;
  }
  return sum;
}

inline Mesh tetrahedron() {
  Mesh mesh;
  for (const P3& p : {P3{0, 0, 0}, P3{1, 0, 0}, P3{0, 1, 0}, P3{0, 0, 1}}) add_vertex(mesh, p);
  add_face(mesh, 0, 2, 1);
  add_face(mesh, 0, 1, 3);
  add_face(mesh, 1, 2, 3);
  add_face(mesh, 2, 0, 3);
  return mesh;
}

// A closed or open grid of quads, each of two triangles: (i, j) at place(i, j), wrapped in the directions asked for.
// Counter-clockwise seen from the side that (d place / di) x (d place / dj) points to.
inline Mesh grid(int rows, int columns, bool wrap_rows, bool wrap_columns, const std::function<P3(int, int)>& place) {
  Mesh mesh;
  const int vertex_rows = wrap_rows ? rows : rows + 1;
  const int vertex_columns = wrap_columns ? columns : columns + 1;
  for (int i = 0; i < vertex_rows; ++i) {
    for (int j = 0; j < vertex_columns; ++j) add_vertex(mesh, place(i, j));
  }
  const auto id = [&](int i, int j) { return i % vertex_rows * vertex_columns + j % vertex_columns; };
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < columns; ++j) {
      add_face(mesh, id(i, j), id(i + 1, j), id(i, j + 1));
      add_face(mesh, id(i, j + 1), id(i + 1, j), id(i + 1, j + 1));
    }
  }
  return mesh;
}

// [-1/2, 1/2]^3 with n x n quads on each side, watertight.
inline Mesh box(int n) {
  Mesh mesh;
  std::map<std::array<int, 3>, std::int32_t> known;
  const auto vertex = [&](const std::array<int, 3>& at) {
    const auto [found, fresh] = known.emplace(at, static_cast<std::int32_t>(mesh.vertex_count()));
    if (fresh)
      add_vertex(mesh, {static_cast<double>(at[0]) / n - 0.5, static_cast<double>(at[1]) / n - 0.5,
                        static_cast<double>(at[2]) / n - 0.5});
    return found->second;
  };
  for (std::size_t axis = 0; axis < 3; ++axis) {
    for (int side = 0; side < 2; ++side) {
      for (int i = 0; i < n; ++i) {
        for (int j = 0; j < n; ++j) {
          std::int32_t corner[4];
          for (int c = 0; c < 4; ++c) {
            std::array<int, 3> at{};
            at[axis] = side * n;
            at[(axis + 1) % 3] = i + (c & 1);
            at[(axis + 2) % 3] = j + (c >> 1);
            corner[c] = vertex(at);
          }
          if (side == 0) std::swap(corner[1], corner[2]);
          add_face(mesh, corner[0], corner[1], corner[3]);
          add_face(mesh, corner[0], corner[3], corner[2]);
        }
      }
    }
  }
  return mesh;
}

// A sphere of vertices on the box's rays: 12 n^2 faces, watertight, no poles.
inline Mesh sphere(int n, double radius) {
  Mesh mesh = box(n);
  for (std::size_t i = 0; i < mesh.vertices.size(); i += 3) {
    double length = 0;
    P3 p{};
    for (std::size_t k = 0; k < 3; ++k) {
      p[k] = std::tan(kTurn / 8 * 2 * static_cast<double>(mesh.vertices[i + k]));
      length += p[k] * p[k];
    }
    for (std::size_t k = 0; k < 3; ++k) mesh.vertices[i + k] = static_cast<float>(radius * p[k] / std::sqrt(length));
  }
  return mesh;
}

inline Mesh torus(int rows, int columns, double ring, double tube) {
  return grid(rows, columns, true, true, [&](int i, int j) {
    const double p = kTurn * i / rows;
    const double q = kTurn * j / columns;
    const double across = ring + tube * std::cos(q);
    return P3{across * std::cos(p), across * std::sin(p), tube * std::sin(q)};
  });
}

inline P3 knot_curve(double p) {
  const double across = 0.28 + 0.13 * std::cos(3 * p);
  return {across * std::cos(2 * p), across * std::sin(2 * p), 0.13 * std::sin(3 * p)};
}

// A wall around the trefoil knot_curve, rough by two parts in ten thousand so that no two triangles are alike.
inline Mesh knot_wall(int rings, int sides, double radius) {
  return grid(rings, sides, true, true, [&](int i, int j) {
    const P3 c = knot_curve(kTurn * i / rings);
    const P3 ahead = knot_curve(kTurn * (i + 0.01) / rings);
    P3 t{ahead[0] - c[0], ahead[1] - c[1], ahead[2] - c[2]};
    const double length = std::hypot(t[0], t[1], t[2]);
    for (double& x : t) x /= length;
    const double flat = std::hypot(t[0], t[1]);
    const P3 a{t[1] / flat, -t[0] / flat, 0};
    const P3 b{t[1] * a[2] - t[2] * a[1], t[2] * a[0] - t[0] * a[2], t[0] * a[1] - t[1] * a[0]};
    const double q = -kTurn * j / sides;
    const double rough = radius * (1 + 2e-4 * std::sin(12.9898 * i + 78.233 * j));
    P3 p{};
    for (std::size_t k = 0; k < 3; ++k) p[k] = c[k] + rough * (std::cos(q) * a[k] + std::sin(q) * b[k]);
    return p;
  });
}

// Outer and inner wall of a tube, as surfaces of networks come: many small triangles, nothing to see of the inner one. The
// outer wall's faces are the first half.
inline Mesh double_walled_tube(int rings, int sides) {
  return joined(knot_wall(rings, sides, 0.0763), turned_inside_out(knot_wall(rings, sides, 0.0637)));
}

// The same with a window of `across` x `around` quads cut through both walls and its sides closed, so that the walls are one
// surface. Faces of the outer wall come first, then those of the inner one, then the window's sides.
inline Mesh tube_with_window(int rings, int sides, int across, int around) {
  const Mesh whole = double_walled_tube(rings, sides);
  const std::int64_t wall = whole.face_count() / 2;
  Mesh mesh = kept(whole, [&](std::int64_t f) {
    const std::int64_t quad = f % wall / 2;
    return quad / sides >= across || quad % sides >= around;
  });
  const auto id = [&](int i, int j, int inner) { return (inner * rings + i) * sides + j; };
  const auto side = [&](int i0, int j0, int i1, int j1) {
    add_face(mesh, id(i0, j0, 0), id(i1, j1, 0), id(i1, j1, 1));
    add_face(mesh, id(i0, j0, 0), id(i1, j1, 1), id(i0, j0, 1));
  };
  for (int i = 0; i < across; ++i) {
    side(i, 0, i + 1, 0);
    side(i + 1, around, i, around);
  }
  for (int j = 0; j < around; ++j) {
    side(across, j, across, j + 1);
    side(0, j + 1, 0, j);
  }
  return mesh;
}

// The distance of a point from a triangle (Ericson, Real-Time Collision Detection, 5.1.5).
inline double distance_to_triangle(const P3& p, const P3& a, const P3& b, const P3& c) {
  const auto minus = [](const P3& x, const P3& y) { return P3{x[0] - y[0], x[1] - y[1], x[2] - y[2]}; };
  const auto dot = [](const P3& x, const P3& y) { return x[0] * y[0] + x[1] * y[1] + x[2] * y[2]; };
  const auto from = [&](double u, double v) {
    P3 d{};
    for (std::size_t k = 0; k < 3; ++k) d[k] = a[k] + u * (b[k] - a[k]) + v * (c[k] - a[k]) - p[k];
    return std::sqrt(dot(d, d));
  };
  const P3 ab = minus(b, a), ac = minus(c, a), ap = minus(p, a), bp = minus(p, b), cp = minus(p, c);
  const double d1 = dot(ab, ap), d2 = dot(ac, ap), d3 = dot(ab, bp), d4 = dot(ac, bp), d5 = dot(ab, cp), d6 = dot(ac, cp);
  if (d1 <= 0 && d2 <= 0) return from(0, 0);
  if (d3 >= 0 && d4 <= d3) return from(1, 0);
  const double vc = d1 * d4 - d3 * d2;
  if (vc <= 0 && d1 >= 0 && d3 <= 0) return from(d1 / (d1 - d3), 0);
  if (d6 >= 0 && d5 <= d6) return from(0, 1);
  const double vb = d5 * d2 - d1 * d6;
  if (vb <= 0 && d2 >= 0 && d6 <= 0) return from(0, d2 / (d2 - d6));
  const double va = d3 * d6 - d5 * d4;
  if (va <= 0 && d4 - d3 >= 0 && d5 - d6 >= 0) {
    const double w = (d4 - d3) / ((d4 - d3) + (d5 - d6));
    return from(1 - w, w);
  }
  const double sum = va + vb + vc;
  return from(vb / sum, vc / sum);
}

// The largest distance of a vertex or face centre of `from` to the surface of `to`.
inline double one_sided_distance(const Mesh& from, const Mesh& to) {
  const auto vertex = [](const Mesh& mesh, std::int32_t v) {
    const float* const p = mesh.vertices.data() + 3 * static_cast<std::size_t>(v);
    return P3{p[0], p[1], p[2]};
  };
  const auto distance = [&](const P3& p) {
    double best = 1e300;
    for (std::size_t f = 0; f < to.faces.size(); f += 3) {
      best = std::min(
          best, distance_to_triangle(p, vertex(to, to.faces[f]), vertex(to, to.faces[f + 1]), vertex(to, to.faces[f + 2])));
    }
    return best;
  };
  double worst = 0;
  for (const std::int32_t v : from.faces) worst = std::max(worst, distance(vertex(from, v)));
  for (std::int64_t f = 0; f < from.face_count(); ++f) worst = std::max(worst, distance(centre_of_face(from, f)));
  return worst;
}

}  // namespace espalier::test
