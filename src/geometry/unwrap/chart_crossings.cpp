#include "geometry/unwrap/chart_crossings.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace espalier {
namespace {

using Eigen::Vector2d;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

double cross(const Vector2d& a, const Vector2d& b) { return a.x() * b.y() - a.y() * b.x(); }

struct Segment {
  std::int32_t from, to;
};

// Whether the inner points of two segments meet in one point.
bool cross_properly(const std::vector<Vector2d>& uv, const Segment& s, const Segment& t) {
  const Vector2d& a = uv[at(s.from)];
  const Vector2d& b = uv[at(s.to)];
  const Vector2d& c = uv[at(t.from)];
  const Vector2d& d = uv[at(t.to)];
  const double one = cross(b - a, c - a);
  const double two = cross(b - a, d - a);
  const double three = cross(d - c, a - c);
  const double four = cross(d - c, b - c);
  return (one > 0) != (two > 0) && (three > 0) != (four > 0);
}

// Segments by the cells of a grid that their boxes touch.
class Grid {
 public:
  Grid(const std::vector<Vector2d>& uv, const std::vector<Segment>& segments) {
    Vector2d high = Vector2d::Constant(-std::numeric_limits<double>::infinity());
    low_ = -high;
    double length = 0;
    for (const Segment& s : segments) {
      low_ = low_.cwiseMin(uv[at(s.from)]);
      high = high.cwiseMax(uv[at(s.from)]);
      length += (uv[at(s.to)] - uv[at(s.from)]).norm();
    }
    const Vector2d extent = (high - low_).cwiseMax(1e-300);
    const double cells = 4 * static_cast<double>(segments.size()) + 16;
    cell_ = std::max(
        {length / static_cast<double>(segments.size()), std::sqrt(extent.prod() / cells), extent.maxCoeff() / 4096, 1e-300});
    columns_ = static_cast<std::int64_t>(extent.x() / cell_) + 1;
    rows_ = static_cast<std::int64_t>(extent.y() / cell_) + 1;
    cells_.resize(at(columns_ * rows_));
  }

  // Calls body(cell) until it returns false.
  template <class Body>
  bool visit(const Vector2d& a, const Vector2d& b, Body&& body) {
    const Vector2d low = (a.cwiseMin(b) - low_) / cell_;
    const Vector2d high = (a.cwiseMax(b) - low_) / cell_;
    const auto clamped = [](double v, std::int64_t count) {
      return std::clamp<std::int64_t>(static_cast<std::int64_t>(v), 0, count - 1);
    };
    for (std::int64_t y = clamped(low.y(), rows_); y <= clamped(high.y(), rows_); ++y) {
      for (std::int64_t x = clamped(low.x(), columns_); x <= clamped(high.x(), columns_); ++x) {
        if (!body(cells_[at(y * columns_ + x)])) return false;
      }
    }
    return true;
  }

 private:
  Vector2d low_;
  double cell_ = 1;
  std::int64_t columns_ = 1, rows_ = 1;
  std::vector<std::vector<std::int32_t>> cells_;
};

}  // namespace

bool borders_are_simple(const ChartMesh& chart, const std::vector<Vector2d>& uv) {
  std::vector<Segment> segments;
  int counter_clockwise = 0;
  for (const auto& loop : chart.loops) {
    double area = 0;
    const Vector2d& origin = uv[at(chart.corners[at(loop.front() / 3)][at(loop.front() % 3)])];
    for (const std::int32_t h : loop) {
      const Segment s{chart.corners[at(h / 3)][at(h % 3)], chart.corners[at(h / 3)][at((h + 1) % 3)]};
      segments.push_back(s);
      area += cross(uv[at(s.from)] - origin, uv[at(s.to)] - origin);
    }
    counter_clockwise += area > 0 ? 1 : 0;
  }
  if (counter_clockwise != 1) return false;
  Grid grid(uv, segments);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const Segment& s = segments[i];
    const bool clear = grid.visit(uv[at(s.from)], uv[at(s.to)], [&](std::vector<std::int32_t>& cell) {
      for (const std::int32_t j : cell) {
        const Segment& t = segments[at(j)];
        if (at(j) == i || s.from == t.to || s.to == t.from || s.from == t.from || s.to == t.to) continue;
        if (cross_properly(uv, s, t)) return false;
      }
      cell.push_back(static_cast<std::int32_t>(i));
      return true;
    });
    if (!clear) return false;
  }
  return true;
}

}  // namespace espalier
