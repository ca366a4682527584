#include "geometry/chart_atlas.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "geometry/chart_bits.h"
#include "parallel/parallel_for.h"

namespace espalier {
namespace {

using Eigen::Vector2d;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

double cross(const Vector2d& a, const Vector2d& b) { return a.x() * b.y() - a.y() * b.x(); }

// Counter-clockwise, without points on edges (Andrew's monotone chain).
std::vector<Vector2d> convex_hull(std::vector<Vector2d> points) {
  std::sort(points.begin(), points.end(),
            [](const Vector2d& a, const Vector2d& b) { return a.x() != b.x() ? a.x() < b.x() : a.y() < b.y(); });
  std::vector<Vector2d> hull;
  const auto half = [&](auto begin, auto end) {
    const std::size_t base = hull.size();
    for (auto p = begin; p != end; ++p) {
      while (hull.size() >= base + 2 && cross(hull.back() - hull[hull.size() - 2], *p - hull.back()) <= 0) hull.pop_back();
      hull.push_back(*p);
    }
    hull.pop_back();
  };
  half(points.begin(), points.end());
  half(points.rbegin(), points.rend());
  return hull;
}

// Turns a chart to its box of least area, longer side up, with the corner of the box at the origin.
void turn_to_box(std::vector<Vector2d>& uv) {
  const std::vector<Vector2d> hull = convex_hull(uv);
  Vector2d best_axis = Vector2d::UnitX();
  double best_area = std::numeric_limits<double>::infinity();
  // The box of least area has a side along an edge of the hull (Freeman and Shapira 1975).
  for (std::size_t i = 0; i < hull.size(); ++i) {
    const Vector2d edge = hull[(i + 1) % hull.size()] - hull[i];
    if (!(edge.norm() > 0)) continue;
    const Vector2d x = edge.normalized();
    Vector2d low = Vector2d::Constant(std::numeric_limits<double>::infinity());
    Vector2d high = -low;
    for (const Vector2d& p : hull) {
      const Vector2d q(x.dot(p), cross(x, p));
      low = low.cwiseMin(q);
      high = high.cwiseMax(q);
    }
    const double area = (high - low).prod();
    if (area < best_area * (1 - 1e-9)) {
      best_area = area;
      best_axis = (high - low).x() <= (high - low).y() ? x : Vector2d(-x.y(), x.x());
    }
  }
  Vector2d low = Vector2d::Constant(std::numeric_limits<double>::infinity());
  for (Vector2d& p : uv) {
    p = Vector2d(best_axis.dot(p), cross(best_axis, p));
    low = low.cwiseMin(p);
  }
  for (Vector2d& p : uv) p -= low;
}

struct Run {
  int row, begin, end;
};

// Texels that a chart touches, and the same grown by the padding on all sides.
struct Mask {
  int width = 0, height = 0;  // without the padding
  std::vector<Run> touched;
  std::vector<Run> grown;  // longest first; the mask starts `padding` rows and columns in
};

// Quarter turns of a box with one corner at the origin.
Vector2d turned(const Vector2d& p, const Vector2d& box, int quarters) {
  switch (quarters) {
    case 0: return p;
    case 1: return {box.y() - p.y(), p.x()};
    case 2: return box - p;
    default: return {p.y(), box.x() - p.x()};
  }
}

// Every cell that a triangle touches.
void draw(const std::array<Vector2d, 3>& p, BitRows& rows) {
  const double low = std::min({p[0].y(), p[1].y(), p[2].y()});
  const double high = std::max({p[0].y(), p[1].y(), p[2].y()});
  const int first = std::clamp(static_cast<int>(low), 0, rows.height() - 1);
  const int last = std::clamp(static_cast<int>(high), 0, rows.height() - 1);
  for (int y = first; y <= last; ++y) {
    double left = std::numeric_limits<double>::infinity();
    double right = -left;
    for (std::size_t k = 0; k < 3; ++k) {
      const Vector2d& a = p[k];
      const Vector2d& b = p[(k + 1) % 3];
      const double from = std::max(std::min(a.y(), b.y()), static_cast<double>(y));
      const double to = std::min(std::max(a.y(), b.y()), static_cast<double>(y + 1));
      if (from > to) continue;
      const auto x_at = [&](double height) {
        const double t = (height - a.y()) / (b.y() - a.y());
        return a.x() + std::clamp(t, 0.0, 1.0) * (b.x() - a.x());
      };
      const bool level = a.y() == b.y();
      const double one = level ? a.x() : x_at(from);
      const double two = level ? b.x() : x_at(to);
      left = std::min({left, one, two});
      right = std::max({right, one, two});
    }
    if (left > right) continue;
    const int begin = std::clamp(static_cast<int>(left), 0, rows.width() - 1);
    const int end = std::clamp(static_cast<int>(right), 0, rows.width() - 1) + 1;
    rows.set(y, begin, end);
  }
}

std::vector<Run> runs_of(const BitRows& rows) {
  std::vector<Run> runs;
  for (int y = 0; y < rows.height(); ++y) {
    for (int x = 0; x < rows.width();) {
      if (!rows.at(x, y)) {
        ++x;
        continue;
      }
      int end = x + 1;
      while (end < rows.width() && rows.at(end, y)) ++end;
      runs.push_back({y, x, end});
      x = end;
    }
  }
  return runs;
}

std::vector<Run> grown_runs(const std::vector<Run>& runs, int width, int height, int padding) {
  BitRows grown(width + 2 * padding, height + 2 * padding);
  for (const Run& run : runs) {
    for (int y = run.row; y <= run.row + 2 * padding; ++y) grown.set(y, run.begin, run.end + 2 * padding);
  }
  std::vector<Run> out = runs_of(grown);
  std::stable_sort(out.begin(), out.end(), [](const Run& a, const Run& b) { return a.end - a.begin > b.end - b.begin; });
  return out;
}

// `whole_box`: the box instead of the shape.
Mask mask_of(const FlatChart& chart, const Vector2d& box, double scale, int quarters, int padding, bool whole_box) {
  const Vector2d size = scale * (quarters % 2 == 0 ? box : Vector2d(box.y(), box.x()));
  Mask mask;
  mask.width = static_cast<int>(size.x()) + 1;
  mask.height = static_cast<int>(size.y()) + 1;
  BitRows rows(mask.width, mask.height);
  if (whole_box) {
    for (int y = 0; y < mask.height; ++y) rows.set(y, 0, mask.width);
  } else {
    for (const Corners& corners : chart.corners) {
      std::array<Vector2d, 3> p;
      for (std::size_t k = 0; k < 3; ++k) p[k] = scale * turned(chart.uv[at(corners[k])], box, quarters);
      draw(p, rows);
    }
  }
  mask.touched = runs_of(rows);
  mask.grown = grown_runs(mask.touched, mask.width, mask.height, padding);
  return mask;
}

// The square, and where in it something lies already.
class Canvas {
 public:
  // There are `padding` columns and rows around the square, in which the padding of masks may lie.
  Canvas(int side, int padding) : side_(side), padding_(padding), free_(at((side + 2 * padding + 63) / 64)) {
    for (int span = 1; span <= side; span *= 2) levels_.emplace_back(side + 2 * padding, side + 2 * padding);
  }

  struct Place {
    int x = 0, y = 0;
  };

  // The first place from row `from` on, and before row `before`, where the mask is free.
  [[nodiscard]] bool find(const Mask& mask, int from, int before, Place& place) {
    const int border = (padding_ + 1) / 2;
    const int last_x = side_ - border - mask.width;
    const int last_y = std::min(side_ - border - mask.height, before - 1);
    if (last_x < border) return false;
    for (int y = std::max(from, border); y <= last_y; ++y) {
      if (free_columns(mask, y, border, last_x)) {
        place = {first_free(), y};
        return true;
      }
    }
    return false;
  }

  void put(const Mask& mask, const Place& place) {
    for (const Run& run : mask.touched) {
      levels_[0].set(place.y + run.row + padding_, place.x + run.begin + padding_, place.x + run.end + padding_);
    }
    const int words = levels_[0].words();
    for (int y = place.y + padding_; y < place.y + padding_ + mask.height; ++y) {
      for (std::size_t k = 1; k < levels_.size(); ++k) {
        const std::uint64_t* half = levels_[k - 1].row(y);
        std::uint64_t* full = levels_[k].row(y);
        std::copy_n(half, words, full);
        or_shifted(half, 1 << (k - 1), words, full);
      }
    }
  }

 private:
  // free_ gets a zero bit for every x in [first, last] at which the mask in row y is free; false if there is none.
  bool free_columns(const Mask& mask, int y, int first, int last) {
    const int words = levels_[0].words();
    for (int i = 0; i < words; ++i) {
      const int low = std::clamp(first - 64 * i, 0, 64);
      const int high = std::clamp(last + 1 - 64 * i, 0, 64);
      const std::uint64_t below_high = high == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << high) - 1;
      const std::uint64_t below_low = low == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << low) - 1;
      free_[at(i)] = ~(below_high & ~below_low);
    }
    int unchecked = 0;
    for (const Run& run : mask.grown) {
      const int k = std::bit_width(static_cast<unsigned>(std::min(run.end - run.begin, side_))) - 1;
      const std::uint64_t* row = levels_[at(k)].row(y + run.row);
      // Overlapping stretches of 2^k cover the run.
      for (int x = run.begin; x < run.end - (1 << k); x += 1 << k) or_shifted(row, x, words, free_.data());
      or_shifted(row, run.end - (1 << k), words, free_.data());
      if (++unchecked == 4) {
        unchecked = 0;
        if (none_free()) return false;
      }
    }
    return !none_free();
  }
  [[nodiscard]] bool none_free() const {
    return std::all_of(free_.begin(), free_.end(), [](std::uint64_t word) { return word == ~std::uint64_t{0}; });
  }
  [[nodiscard]] int first_free() const {
    for (std::size_t i = 0; i < free_.size(); ++i) {
      if (free_[i] != ~std::uint64_t{0}) return static_cast<int>(64 * i) + std::countr_one(free_[i]);
    }
    return 0;
  }

  int side_, padding_;
  std::vector<BitRows> levels_;      // bit x of level k: one of the 2^k columns from x on is taken
  std::vector<std::uint64_t> free_;  // ones where it is not free
};

struct Placed {
  Canvas::Place place;
  int quarters = 0;
};

struct Layout {
  bool complete = false;
  double scale = 0;  // cells per unit
  std::vector<Placed> charts;
};

class Packer {
 public:
  Packer(const std::vector<FlatChart>& charts, int side, const Monitor* monitor)
      : charts_(charts), side_(side), monitor_(monitor), order_(charts.size()), boxes_(charts.size()) {
    std::vector<double> areas(charts.size(), 0);
    for (std::size_t i = 0; i < charts.size(); ++i) {
      boxes_[i] = Vector2d::Zero();
      for (const Vector2d& p : charts[i].uv) boxes_[i] = boxes_[i].cwiseMax(p);
      for (const Corners& c : charts[i].corners) {
        const auto& uv = charts[i].uv;
        areas[i] += cross(uv[at(c[1])] - uv[at(c[0])], uv[at(c[2])] - uv[at(c[0])]) / 2;
      }
      area_ += areas[i];
    }
    std::iota(order_.begin(), order_.end(), 0);
    std::stable_sort(order_.begin(), order_.end(), [&](std::int32_t a, std::int32_t b) {
      return boxes_[at(a)].prod() + areas[at(a)] > boxes_[at(b)].prod() + areas[at(b)];
    });
  }

  [[nodiscard]] const std::vector<Vector2d>& boxes() const { return boxes_; }

  // The scale at which the charts cover this share of the square.
  [[nodiscard]] double scale_for(double use) const { return side_ * std::sqrt(use / area_); }

  [[nodiscard]] Layout try_scale(double scale, int padding) const {
    Layout layout;
    layout.scale = scale;
    layout.charts.resize(charts_.size());
    Canvas canvas(side_, padding);
    // Among many charts small ones count as boxes: a box that did not fit once will not fit later, so that its search goes
    // on where the last one of the same size ended.
    const std::size_t n = charts_.size();
    const int box_limit = n <= 300 ? 0 : n <= 1500 ? 8 : 32;
    std::vector<int> start(at((box_limit + 1) * (box_limit + 1)), 0);
    for (const std::int32_t i : order_) {
      if (monitor_ != nullptr) monitor_->check();
      const Vector2d size = scale * boxes_[at(i)];
      if (std::max(size.x(), size.y()) > side_) return layout;
      const bool as_box = static_cast<int>(std::max(size.x(), size.y())) < box_limit;
      int best_top = side_ + 1;
      Mask best_mask;
      for (int quarters = 0; quarters < (as_box ? 2 : 4); ++quarters) {
        Mask mask = mask_of(charts_[at(i)], boxes_[at(i)], scale, quarters, padding, as_box);
        int none = 0;
        int& from = as_box ? start[at(mask.height * (box_limit + 1) + mask.width)] : none;
        Canvas::Place place;
        if (!canvas.find(mask, from, best_top - mask.height, place)) continue;
        if (as_box) from = place.y;
        best_top = place.y + mask.height;
        layout.charts[at(i)] = {place, quarters};
        best_mask = std::move(mask);
      }
      if (best_top > side_) return layout;
      canvas.put(best_mask, layout.charts[at(i)].place);
    }
    layout.complete = true;
    return layout;
  }

 private:
  const std::vector<FlatChart>& charts_;
  int side_;
  const Monitor* monitor_;
  std::vector<std::int32_t> order_;
  std::vector<Vector2d> boxes_;
  double area_ = 0;
};

// The largest scale that fits, to half a percent of the texture's area. Four scales are tried at a time, whatever the
// number of cores is.
Layout search(const Packer& packer, int padding) {
  constexpr std::size_t kTries = 4;
  Layout best;
  const auto attempt = [&](const std::array<double, kTries>& uses, double& low, double& high) {
    std::array<Layout, kTries> layouts;
    parallel_for(kTries, 1, [&](std::int64_t i) { layouts[at(i)] = packer.try_scale(packer.scale_for(uses[at(i)]), padding); });
    for (std::size_t i = 0; i < kTries; ++i) {
      if (layouts[i].complete) {
        low = uses[i];
        best = std::move(layouts[i]);
      } else {
        high = uses[i];
        return;
      }
    }
  };
  double low = 0;
  double high = 1;
  attempt({0.5, 0.6, 0.7, 0.8}, low, high);
  while (low == 0 && high > 1e-7) attempt({high / 16, high / 8, high / 4, high / 2}, low, high);
  while (low > 0 && high - low > 0.005 * std::min(1.0, 2 * low)) {
    const double step = (high - low) / 5;
    attempt({low + step, low + 2 * step, low + 3 * step, low + 4 * step}, low, high);
  }
  return best;
}

// One cell of a regular grid for each chart: for more charts than there are texels.
void pack_in_grid(std::vector<FlatChart>& charts) {
  const auto columns = static_cast<double>(std::ceil(std::sqrt(static_cast<double>(charts.size()))));
  double extent = 0;
  for (const FlatChart& chart : charts) {
    for (const Vector2d& p : chart.uv) extent = std::max(extent, p.maxCoeff());
  }
  const double scale = extent > 0 ? 0.9 / (columns * extent) : 1;
  for (std::size_t i = 0; i < charts.size(); ++i) {
    const Vector2d corner(static_cast<double>(i % static_cast<std::size_t>(columns)),
                          static_cast<double>(i / static_cast<std::size_t>(columns)));
    for (Vector2d& p : charts[i].uv) p = corner / columns + scale * p;
  }
}

}  // namespace

void pack(std::vector<FlatChart>& charts, int size, int padding, const Monitor* monitor) {
  parallel_for(static_cast<std::int64_t>(charts.size()), 1, [&](std::int64_t i) {
    if (monitor != nullptr) monitor->check();
    turn_to_box(charts[at(i)].uv);
  });
  constexpr int kMostCells = 1024;  // finer masks gain nothing
  const int cell = (size + kMostCells - 1) / kMostCells;
  const int side = size / cell;
  const Packer packer(charts, side, monitor);
  Layout layout;
  double use = 0;
  for (int cells = (padding + cell - 1) / cell;; cells /= 2) {
    Layout next = search(packer, cells);
    const double next_use = next.complete ? std::pow(next.scale / packer.scale_for(1), 2) : 0;
    if (next_use > 1.2 * use) {
      layout = std::move(next);
      use = next_use;
    }
    if (use > 0.3 || cells == 0) break;
  }
  if (!layout.complete) {
    pack_in_grid(charts);
    return;
  }
  for (std::size_t i = 0; i < charts.size(); ++i) {
    const Placed& placed = layout.charts[i];
    const Vector2d corner(placed.place.x, placed.place.y);
    for (Vector2d& p : charts[i].uv) {
      p = (corner + layout.scale * turned(p, packer.boxes()[i], placed.quarters)) * (static_cast<double>(cell) / size);
    }
  }
}

}  // namespace espalier
