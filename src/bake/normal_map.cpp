#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <vector>

#include "assets/tangents.h"
#include "bake/fill.h"
#include "bake/maps.h"
#include "bake/texels.h"
#include "base/error.h"
#include "geometry/mesh/mesh_points.h"
#include "geometry/mesh/normals.h"
#include "geometry/mesh/triangle_tree.h"

namespace espalier {
namespace {

constexpr double kFacing = 0.2;  // cosine from which a place of the detailed surface faces as the mesh does

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

Point point_from(const std::array<double, 3>& p) { return {p[0], p[1], p[2]}; }

class NormalBaker {
 public:
  NormalBaker(const Mesh& mesh, const Mesh& detailed, const NormalMapOptions& options)
      : mesh_(mesh), detailed_(detailed), options_(options), tree_(detailed), tangents_(tangents_of(mesh)) {
    if (tangents_.empty() || detailed.faces.empty()) {
      fail(ErrorCode::invalid_argument, "normal map: ",
           detailed.faces.empty() ? "there is no detailed surface" : "the mesh has no normals or texture coordinates",
           hint("unwrap the mesh first"));
    }
    own_normals_ = detailed.normals.size() == detailed.vertices.size() && !detailed.normals.empty();
    if (!own_normals_ && !options.flat) smooth_ = smooth_normals(detailed);
  }

  Image run(const Monitor* monitor) const {
    const Texels texels = texels_of(mesh_, options_.size);
    std::vector<float> values(3 * texels.face.size(), 0.0F);
    for_rows(options_.size, monitor, [&](int row) {
      for (int x = 0; x < options_.size; ++x) {
        const std::size_t i = at(row) * at(options_.size) + at(x);
        if (texels.face[i] == 0) continue;
        const Point n = in_tangent_space(texels.face[i] - 1, texels.weights(i));
        for (int k = 0; k < 3; ++k) values[3 * i + at(k)] = static_cast<float>(0.5 + 0.5 * n[k]);
      }
    });
    fill_outside(texels.face, options_.size, values);
    for (std::size_t i = 0; i < texels.face.size(); ++i) {
      if (texels.face[i] == 0) make_unit(&values[3 * i]);
    }
    return image_of(values, options_.size);
  }

 private:
  static void make_unit(float* value) {
    Point n{2.0 * value[0] - 1.0, 2.0 * value[1] - 1.0, 2.0 * value[2] - 1.0};
    n = n.norm() > 0.1 ? Point(n / n.norm()) : Point(Point::UnitZ());
    for (int k = 0; k < 3; ++k) value[k] = static_cast<float>(0.5 + 0.5 * n[k]);
  }

  [[nodiscard]] Point detailed_normal(std::int64_t face, const std::array<double, 3>& weights) const {
    const Point flat = face_cross(detailed_, face).normalized();
    if (!own_normals_ && smooth_.empty()) return flat;
    const Point n = point_from(value_at<3>(detailed_, own_normals_ ? detailed_.normals : smooth_, face, weights));
    return n.norm() > 0 ? Point(n / n.norm()) : flat;
  }

  [[nodiscard]] bool faces_as(const Point& normal, std::int32_t face) const {
    const Point cross = face_cross(detailed_, face);
    return cross.squaredNorm() > 0 && cross.dot(normal) >= kFacing * cross.norm();
  }

  // Where the line meets a face, as weights of its corners.
  [[nodiscard]] std::array<double, 3> weights_on(std::int32_t face, const Point& p) const {
    const std::int32_t* const v = face_of(detailed_, face);
    const Point a = point_of(detailed_, v[0]), ab = point_of(detailed_, v[1]) - a, ac = point_of(detailed_, v[2]) - a;
    const Point cross = ab.cross(ac), ap = p - a;
    const double area = cross.squaredNorm();
    std::array<double, 3> w{0, std::clamp(ap.cross(ac).dot(cross) / area, 0.0, 1.0),
                            std::clamp(ab.cross(ap).dot(cross) / area, 0.0, 1.0)};
    w[0] = std::max(0.0, 1 - w[1] - w[2]);
    return w;
  }

  // The normal of the detailed surface that belongs to a place of the mesh, whose own one it is where there is none.
  [[nodiscard]] Point seen_from(const Point& p, const Point& normal) const {
    TriangleTree::Hit best;
    best.distance = options_.reach;
    double side = 0;
    for (const double way : {1.0, -1.0}) {
      const TriangleTree::Hit hit = tree_.first_hit(p, way * normal, -1e-9);
      if (hit.face < 0 || hit.distance > best.distance || !faces_as(normal, hit.face)) continue;
      best = hit;
      side = way;
    }
    if (best.face >= 0) return detailed_normal(best.face, weights_on(best.face, p + side * best.distance * normal));
    const TriangleTree::Facing facing{normal, kFacing};
    const TriangleTree::Near near = tree_.closest(p, options_.reach, &facing);
    return near.face >= 0 ? detailed_normal(near.face, near.weights) : normal;
  }

  // As MikkTSpace has it, the axes are interpolated as they are, neither made unit length nor upright again.
  [[nodiscard]] Point in_tangent_space(std::int64_t face, const std::array<double, 3>& weights) const {
    const Point normal = point_from(value_at<3>(mesh_, mesh_.normals, face, weights));
    const double length = normal.norm();
    if (!(length > 0)) return Point::UnitZ();
    const Point p = point_from(value_at<3>(mesh_, mesh_.vertices, face, weights)), wanted = seen_from(p, normal / length);
    const std::array<double, 4> t = value_at<4>(mesh_, tangents_, face, weights);
    Eigen::Matrix3d axes;
    axes.col(0) = Point(t[0], t[1], t[2]);
    axes.col(2) = normal;
    axes.col(1) = (t[3] < 0 ? -1.0 : 1.0) * normal.cross(axes.col(0));
    if (!(std::abs(axes.determinant()) > 1e-9)) return Point::UnitZ();
    Point n = axes.inverse() * wanted;
    // What faces away from the mesh cannot be shown by it.
    constexpr double kSteepest = 0.02;
    n /= n.norm();
    n[2] = std::max(n[2], kSteepest);
    n /= n.norm();
    // 0 is the middle between two bytes, which rounding must not choose from.
    constexpr double kNothing = 1e-5;
    for (int k = 0; k < 3; ++k) {
      if (std::abs(n[k]) < kNothing) n[k] = 0;
    }
    return n;
  }

  const Mesh& mesh_;
  const Mesh& detailed_;
  const NormalMapOptions& options_;
  TriangleTree tree_;
  std::vector<float> tangents_, smooth_;
  bool own_normals_ = false;
};

}  // namespace

Image normal_map(const Mesh& mesh, const Mesh& detailed, const NormalMapOptions& options, const Monitor* monitor) {
  return NormalBaker(mesh, detailed, options).run(monitor);
}

}  // namespace espalier
