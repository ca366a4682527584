#include "geometry/unwrap/chart_map.h"

#include <Eigen/LU>
#include <Eigen/SparseCholesky>
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "geometry/unwrap/chart_crossings.h"
#include "geometry/unwrap/chart_equations.h"

namespace espalier {
namespace {

using Eigen::Matrix2d;
using Eigen::Vector2d;
using Eigen::Vector3d;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// A triangle laid flat: gradients of its three hat functions, and its area.
struct Rest {
  std::array<Vector2d, 3> gradient;
  double area = 0;
};

// Needles get a height, so that their energy stays finite: a thousandth of their length is nothing one could see.
std::vector<Rest> lay_flat(const ChartSurface& surface, const ChartMesh& chart) {
  std::vector<Rest> rests(chart.corners.size());
  double total = 0;
  for (const std::int32_t f : chart.faces) total += surface.area[at(f)];
  const double shortest = 1e-4 * std::sqrt(total / static_cast<double>(chart.faces.size()));
  for (std::size_t f = 0; f < rests.size(); ++f) {
    const auto [a, b, c] = chart.corners[f];
    const Vector3d p = surface.points[at(chart.point[at(a)])];
    const Vector3d along = surface.points[at(chart.point[at(b)])] - p;
    const Vector3d other = surface.points[at(chart.point[at(c)])] - p;
    const double width = std::max(along.norm(), shortest);
    const double x = along.dot(other) / width;
    const double longest = std::max({width, std::abs(x), std::abs(x - width)});
    const double y = std::max(along.cross(other).norm() / width, 1e-3 * longest);
    Rest& rest = rests[f];
    rest.area = width * y / 2;
    rest.gradient[1] = Vector2d(1 / width, -x / (width * y));
    rest.gradient[2] = Vector2d(0, 1 / y);
    rest.gradient[0] = -rest.gradient[1] - rest.gradient[2];
  }
  return rests;
}

Matrix2d jacobian(const Rest& rest, const Corners& corners, const std::vector<Vector2d>& uv) {
  Matrix2d j = Matrix2d::Zero();
  for (std::size_t k = 0; k < 3; ++k) j += uv[at(corners[k])] * rest.gradient[k].transpose();
  return j;
}

// Singular values of a 2 x 2 matrix (the smaller one negative if it mirrors), its closest rotation, and the doubled angle
// of its left singular vectors.
struct Singular {
  Matrix2d rotation;
  double large, small, cos_left, sin_left;
};

Singular singular(const Matrix2d& m) {
  const double e = (m(0, 0) + m(1, 1)) / 2;
  const double f = (m(0, 0) - m(1, 1)) / 2;
  const double g = (m(1, 0) + m(0, 1)) / 2;
  const double h = (m(1, 0) - m(0, 1)) / 2;
  const double q = std::sqrt(e * e + h * h);
  const double r = std::sqrt(f * f + g * g);
  const double cos_turn = q > 0 ? e / q : 1;
  const double sin_turn = q > 0 ? h / q : 0;
  const double cos_skew = r > 0 ? f / r : 1;
  const double sin_skew = r > 0 ? g / r : 0;
  Singular out{{}, q + r, q - r, cos_turn * cos_skew - sin_turn * sin_skew, sin_turn * cos_skew + cos_turn * sin_skew};
  out.rotation << cos_turn, -sin_turn, sin_turn, cos_turn;
  return out;
}

// A first map of a chart that turns no triangle over, in one of three ways: each is false where it does not succeed.
class FirstMap {
 protected:
  FirstMap(const ChartSurface& surface, const ChartMesh& chart, const Monitor* monitor)
      : surface_(surface), chart_(chart), monitor_(monitor), rests_(lay_flat(surface, chart)) {
    for (const Rest& rest : rests_) area_ += rest.area;
  }

  void check() const {
    if (monitor_ != nullptr) monitor_->check();
  }

  ChartEquations& equations() {
    if (!equations_) equations_ = std::make_unique<ChartEquations>(chart_.vertex_count(), chart_.corners);
    return *equations_;
  }

  // The uniform scale of least energy: s^4 = sum a |J^-1|^2 / sum a |J|^2. False if a triangle is turned over, or so thin
  // that rounding decides.
  bool scale_to_rest() {
    double forth = 0;
    double back = 0;
    for (std::size_t f = 0; f < rests_.size(); ++f) {
      const Matrix2d j = jacobian(rests_[f], chart_.corners[f], uv_);
      const double det = j.determinant();
      if (!(det > 1e-9 * j.squaredNorm())) return false;
      forth += rests_[f].area * j.squaredNorm();
      back += rests_[f].area * j.squaredNorm() / (det * det);
    }
    const double scale = std::pow(back / forth, 0.25);
    if (!std::isfinite(scale)) return false;
    for (auto& p : uv_) p *= scale;
    return true;
  }

  // Charts that are nearly flat need no more than their view from above.
  bool project() {
    Vector3d axis = Vector3d::Zero();
    for (const std::int32_t f : chart_.faces) axis += surface_.area[at(f)] * surface_.normal[at(f)];
    if (!(axis.norm() > 0.9 * area_)) return false;
    axis.normalize();
    const Vector3d helper = std::abs(axis.z()) < 0.7 ? Vector3d::UnitZ() : Vector3d::UnitX();
    const Vector3d x = helper.cross(axis).normalized();
    const Vector3d y = axis.cross(x);
    uv_.resize(chart_.vertex_count());
    for (std::size_t v = 0; v < uv_.size(); ++v) {
      const Vector3d& p = surface_.points[at(chart_.point[v])];
      uv_[v] = Vector2d(p.dot(x), p.dot(y));
    }
    for (std::size_t f = 0; f < rests_.size(); ++f) {
      if (!(jacobian(rests_[f], chart_.corners[f], uv_).determinant() > 0.1)) return false;
    }
    return scale_to_rest();
  }

  // Two border vertices far from each other are held; all angles are kept as well as can be.
  bool conformal() {
    check();
    ChartEquations& eq = equations();
    eq.clear();
    for (std::size_t f = 0; f < rests_.size(); ++f) {
      const Rest& rest = rests_[f];
      ChartEquations::Element element;
      for (std::size_t k = 0; k < 3; ++k) {
        for (std::size_t l = 0; l < 3; ++l) {
          const double dot = rest.area * rest.gradient[k].dot(rest.gradient[l]);
          const double cross =
              rest.area * (rest.gradient[k].x() * rest.gradient[l].y() - rest.gradient[k].y() * rest.gradient[l].x());
          Matrix2d block;
          block << dot, -cross, cross, dot;
          element.block<2, 2>(static_cast<Eigen::Index>(2 * k), static_cast<Eigen::Index>(2 * l)) = block;
        }
      }
      eq.add(f, element);
    }
    const auto [a, b] = far_apart();
    const double hold = 1e4 * eq.mean_diagonal();
    const double distance = (surface_.points[at(chart_.point[at(a)])] - surface_.points[at(chart_.point[at(b)])]).norm();
    Eigen::VectorXd right = Eigen::VectorXd::Zero(static_cast<Eigen::Index>(2 * chart_.vertex_count()));
    for (const std::int32_t v : {a, b}) {
      eq.add_diagonal(at(2L * v), hold);
      eq.add_diagonal(at(2L * v + 1), hold);
    }
    right[2L * b] = hold * std::max(distance, 1e-6);
    return take(right) && scale_to_rest();
  }

  // Tutte (1963): the longest border on a circle, every other vertex in the middle of its neighbours. Inner borders are
  // closed by a vertex each.
  bool embed() {
    check();
    const std::size_t count = chart_.vertex_count();
    std::vector<Eigen::Triplet<double>> entries;
    const auto size = static_cast<Eigen::Index>(count + chart_.loops.size() - 1);
    require(size > 0, "flatten", "a chart without vertices");
    std::vector<double> degree(at(size), 0);
    const auto link = [&](std::int64_t a, std::int64_t b) {
      entries.emplace_back(a, b, -1.0);
      entries.emplace_back(b, a, -1.0);
      degree[at(a)] += 1;
      degree[at(b)] += 1;
    };
    for (std::size_t h = 0; h < chart_.twin.size(); ++h) {
      if (chart_.twin[h] >= 0 && chart_.twin[h] < static_cast<std::int32_t>(h)) continue;
      link(chart_.corners[h / 3][h % 3], chart_.corners[h / 3][(h + 1) % 3]);
    }
    for (std::size_t loop = 1; loop < chart_.loops.size(); ++loop) {
      for (const std::int32_t h : chart_.loops[loop]) {
        link(chart_.corners[at(h / 3)][at(h % 3)], static_cast<std::int64_t>(count + loop - 1));
      }
    }
    const double hold = 1e6;
    Eigen::MatrixX2d right = Eigen::MatrixX2d::Zero(size, 2);
    const auto& outer = chart_.loops.front();
    for (std::size_t i = 0; i < outer.size(); ++i) {
      const std::int32_t v = chart_.corners[at(outer[i] / 3)][at(outer[i] % 3)];
      const double angle = 2 * 3.14159265358979323846 * static_cast<double>(i) / static_cast<double>(outer.size());
      degree[at(v)] += hold;
      right.row(v) << hold * std::cos(angle), hold * std::sin(angle);
    }
    for (Eigen::Index i = 0; i < size; ++i) entries.emplace_back(i, i, degree[at(i)]);
    Eigen::SparseMatrix<double> matrix(size, size);
    matrix.setFromTriplets(entries.begin(), entries.end());
    Eigen::SimplicialLDLT<Eigen::SparseMatrix<double>> solver(matrix);
    if (solver.info() != Eigen::Success) return false;
    const Eigen::MatrixX2d found = solver.solve(right);
    uv_.resize(count);
    for (std::size_t v = 0; v < count; ++v) uv_[v] = found.row(static_cast<Eigen::Index>(v)).transpose();
    return scale_to_rest();
  }

  const ChartSurface& surface_;
  const ChartMesh& chart_;
  const Monitor* monitor_;
  std::vector<Rest> rests_;
  std::vector<Vector2d> uv_;
  std::unique_ptr<ChartEquations> equations_;
  double area_ = 0;

 private:
  [[nodiscard]] std::pair<std::int32_t, std::int32_t> far_apart() const {
    const auto start = [&](std::int32_t h) { return chart_.corners[at(h / 3)][at(h % 3)]; };
    const auto farthest_from = [&](std::int32_t v) {
      std::int32_t best = -1;
      double distance = -1;
      for (const std::int32_t h : chart_.loops.front()) {
        const double d =
            (surface_.points[at(chart_.point[at(start(h))])] - surface_.points[at(chart_.point[at(v)])]).squaredNorm();
        if (d > distance && start(h) != v) {
          distance = d;
          best = start(h);
        }
      }
      return best;
    };
    const std::int32_t a = farthest_from(start(chart_.loops.front().front()));
    return {a, farthest_from(a)};
  }

  bool take(const Eigen::VectorXd& right) {
    Eigen::VectorXd found;
    if (!equations().solve(right, found)) return false;
    uv_.resize(chart_.vertex_count());
    for (std::size_t v = 0; v < uv_.size(); ++v) uv_[v] = found.segment<2>(static_cast<Eigen::Index>(2 * v));
    return true;
  }
};

class Flattening : FirstMap {
 public:
  Flattening(const ChartSurface& surface, const ChartMesh& chart, const Monitor* monitor) : FirstMap(surface, chart, monitor) {}

  [[nodiscard]] ChartMap run(const FlattenOptions& options) {
    ChartMap map;
    if (options.start != nullptr) {
      uv_ = *options.start;
      if (!scale_to_rest()) return map;
    } else if (!(project() || conformal() || embed())) {
      return map;
    }
    bool more = true;
    if (options.promising) {
      more = descend(1);
      if (!options.promising(result())) return map;
    }
    if (more) descend(options.steps);
    map = result();
    map.injective = map.injective && borders_are_simple(chart_, uv_);
    return map;
  }

 private:
  // Mean of |J|^2 + |J^-1|^2; infinite where a triangle turns over.
  [[nodiscard]] double energy(const std::vector<Vector2d>& uv) const {
    double sum = 0;
    for (std::size_t f = 0; f < rests_.size(); ++f) {
      const Matrix2d j = jacobian(rests_[f], chart_.corners[f], uv);
      const double det = j.determinant();
      if (!(det > 0)) return std::numeric_limits<double>::infinity();
      sum += rests_[f].area * j.squaredNorm() * (1 + 1 / (det * det));
    }
    return sum / area_;
  }

  // False once there is nothing more to gain.
  bool descend(int steps) {
    double now = energy(uv_);
    constexpr double kFlat = 4.004;  // 4 is an isometry
    for (int i = 0; i < steps && now > kFlat; ++i) {
      check();
      std::vector<Vector2d> target;
      if (!projection_step(target)) return false;
      double step = std::min(1.0, 0.8 * longest_step(target));
      std::vector<Vector2d> moved(uv_.size());
      double next = now;
      for (int halving = 0; halving < 12; ++halving, step /= 2) {
        for (std::size_t v = 0; v < uv_.size(); ++v) moved[v] = uv_[v] + step * (target[v] - uv_[v]);
        next = energy(moved);
        if (next < now) break;
      }
      if (!(next < now)) return false;
      uv_.swap(moved);
      const double gain = now - next;
      now = next;
      if (gain < 1e-3 * now) return false;
    }
    return now > kFlat;
  }

  // Where all triangles together come closest to their closest rotations, in the metric that has the gradient of the
  // symmetric Dirichlet energy.
  bool projection_step(std::vector<Vector2d>& target) {
    ChartEquations& eq = equations();
    eq.clear();
    Eigen::VectorXd right = Eigen::VectorXd::Zero(static_cast<Eigen::Index>(2 * uv_.size()));
    for (std::size_t f = 0; f < rests_.size(); ++f) {
      const Rest& rest = rests_[f];
      const Singular s = singular(jacobian(rest, chart_.corners[f], uv_));
      const auto weight = [](double value) {
        const double off = value - 1;
        return std::abs(off) < 1e-6 ? 4.0 : (value - 1 / (value * value * value)) / off;
      };
      const double large = weight(s.large);
      const double small = weight(s.small);
      Matrix2d metric;
      metric << (large + small) / 2 + (large - small) / 2 * s.cos_left, (large - small) / 2 * s.sin_left,
          (large - small) / 2 * s.sin_left, (large + small) / 2 - (large - small) / 2 * s.cos_left;
      metric *= rest.area;
      const Matrix2d goal = metric * s.rotation;
      ChartEquations::Element element;
      for (std::size_t k = 0; k < 3; ++k) {
        right.segment<2>(2L * chart_.corners[f][k]) += goal * rest.gradient[k];
        for (std::size_t l = 0; l < 3; ++l) {
          element.block<2, 2>(static_cast<Eigen::Index>(2 * k), static_cast<Eigen::Index>(2 * l)) =
              rest.gradient[k].dot(rest.gradient[l]) * metric;
        }
      }
      eq.add(f, element);
    }
    const double near = 1e-4 * eq.mean_diagonal();  // holds the position of the whole
    for (std::size_t v = 0; v < uv_.size(); ++v) {
      eq.add_diagonal(2 * v, near);
      eq.add_diagonal(2 * v + 1, near);
      right.segment<2>(static_cast<Eigen::Index>(2 * v)) += near * uv_[v];
    }
    Eigen::VectorXd found;
    if (!eq.solve(right, found)) return false;
    target.resize(uv_.size());
    for (std::size_t v = 0; v < uv_.size(); ++v) target[v] = found.segment<2>(static_cast<Eigen::Index>(2 * v));
    return true;
  }

  // The step at which the first triangle loses its area: the least positive root of det(J + t D).
  [[nodiscard]] double longest_step(const std::vector<Vector2d>& target) const {
    double longest = std::numeric_limits<double>::infinity();
    for (std::size_t f = 0; f < rests_.size(); ++f) {
      const Matrix2d j = jacobian(rests_[f], chart_.corners[f], uv_);
      const Matrix2d d = jacobian(rests_[f], chart_.corners[f], target) - j;
      const double a = d.determinant();
      const double b = j(0, 0) * d(1, 1) + j(1, 1) * d(0, 0) - j(0, 1) * d(1, 0) - j(1, 0) * d(0, 1);
      const double c = j.determinant();
      const double inner = b * b - 4 * a * c;
      if (inner < 0) continue;
      // Both roots without cancellation.
      const double q = -(b + std::copysign(std::sqrt(inner), b)) / 2;
      for (const double root : {a != 0 ? q / a : -1.0, q != 0 ? c / q : -1.0}) {
        if (root > 0) longest = std::min(longest, root);
      }
    }
    return longest;
  }

  // As uv_ is now, at the area of the chart; injective if no triangle is turned over or next to nothing.
  [[nodiscard]] ChartMap result() const {
    ChartMap map;
    map.uv = uv_;
    double sum = 0;
    double flat = 0;
    double smallest = 1;
    for (std::size_t f = 0; f < rests_.size(); ++f) {
      const Matrix2d j = jacobian(rests_[f], chart_.corners[f], uv_);
      const double det = j.determinant();
      sum += rests_[f].area * std::sqrt(j.squaredNorm() / 2) / det;
      flat += rests_[f].area * det;
      smallest = std::min(smallest, det);
    }
    map.stretch = sum / area_ * std::sqrt(flat / area_);
    const double scale = std::sqrt(area_ / flat);
    for (auto& p : map.uv) p *= scale;
    constexpr double kCollapsed = 1e-3;
    map.injective = std::isfinite(map.stretch) && smallest > kCollapsed;
    return map;
  }
};

}  // namespace

ChartMap flatten(const ChartSurface& surface, const ChartMesh& chart, const FlattenOptions& options, const Monitor* monitor) {
  if (chart.loops.empty() || chart.genus != 0) return {};
  return Flattening(surface, chart, monitor).run(options);
}

}  // namespace espalier
