#include "geometry/unwrap/chart_atlas.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>

#include "geometry/unwrap/chart_bits.h"
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

// Places are first looked for in blocks of this many rows and columns, which tells most of them to be taken.
constexpr int kBlock = 4;

// Texels that a chart touches, and the same grown by the padding on all sides.
struct Mask {
  int width = 0, height = 0;  // without the padding
  std::vector<Run> touched;
  std::vector<Run> grown;   // longest first; the mask starts `padding` rows and columns in
  std::vector<Run> blocks;  // that `grown` fills wherever in a block it starts; longest first
};

// A way to lay a chart: turned, then moved so that its box has a corner at the origin.
struct Pose {
  Vector2d turn;    // cosine and sine
  Vector2d origin;  // corner of the box, after turning
  Vector2d box;
  [[nodiscard]] Vector2d place(const Vector2d& p) const {
    return Vector2d(turn.x() * p.x() - turn.y() * p.y(), turn.y() * p.x() + turn.x() * p.y()) - origin;
  }
};

Pose pose_of(const std::vector<Vector2d>& uv, int eighths) {
  constexpr double kHalf = 0.70710678118654752440;
  constexpr std::array<double, 8> kCosine{1, kHalf, 0, -kHalf, -1, -kHalf, 0, kHalf};
  Pose pose{{kCosine[at(eighths)], kCosine[at((eighths + 6) % 8)]}, Vector2d::Zero(), Vector2d::Zero()};
  Vector2d low = Vector2d::Constant(std::numeric_limits<double>::infinity());
  Vector2d high = -low;
  for (const Vector2d& p : uv) {
    const Vector2d q = pose.place(p);
    low = low.cwiseMin(q);
    high = high.cwiseMax(q);
  }
  pose.origin = low;
  pose.box = high - low;
  return pose;
}

// Every cell that a segment touches.
void draw(const Vector2d& a, const Vector2d& b, BitRows& rows) {
  const Vector2d& low = a.y() <= b.y() ? a : b;
  const Vector2d& high = a.y() <= b.y() ? b : a;
  const double slope = high.y() > low.y() ? (high.x() - low.x()) / (high.y() - low.y()) : 0;
  const int last = std::clamp(static_cast<int>(high.y()), 0, rows.height() - 1);
  for (int y = std::clamp(static_cast<int>(low.y()), 0, last); y <= last; ++y) {
    // Where it enters and leaves the row of cells.
    const double from = y > low.y() ? low.x() + (y - low.y()) * slope : low.x();
    const double to = y + 1 < high.y() ? low.x() + (y + 1 - low.y()) * slope : high.x();
    const int begin = std::clamp(static_cast<int>(std::min(from, to)), 0, rows.width() - 1);
    const int end = std::clamp(static_cast<int>(std::max(from, to)), 0, rows.width() - 1) + 1;
    rows.set(y, begin, end);
  }
}

// Cells whose centre lies inside of closed borders.
void fill(const std::vector<Vector2d>& points, const std::vector<std::array<std::int32_t, 2>>& border, BitRows& rows) {
  // Calls found(row, column) where the border crosses the centres of a row.
  const auto each_crossing = [&](const auto& found) {
    for (const auto& segment : border) {
      const Vector2d& a = points[at(segment[0])];
      const Vector2d& b = points[at(segment[1])];
      const double low = std::min(a.y(), b.y()) - 0.5;
      const double high = std::max(a.y(), b.y()) - 0.5;
      // Rows with low <= y < high: a point where two segments meet counts once.
      for (int y = std::max(0, static_cast<int>(std::ceil(low))); y < high && y < rows.height(); ++y)
        found(y, a.x() + (y + 0.5 - a.y()) / (b.y() - a.y()) * (b.x() - a.x()));
    }
  };
  // The crossings of row y are columns[ends[y - 1]] to columns[ends[y] - 1].
  std::vector<std::size_t> ends(at(rows.height()) + 1, 0);
  each_crossing([&](int y, double) { ++ends[at(y) + 1]; });
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  std::vector<double> columns(ends.back());
  each_crossing([&](int y, double x) { columns[ends[at(y)]++] = x; });
  std::size_t first = 0;
  for (int y = 0; y < rows.height(); ++y) {
    const std::size_t end_of_row = ends[at(y)];
    std::sort(columns.begin() + static_cast<std::ptrdiff_t>(first), columns.begin() + static_cast<std::ptrdiff_t>(end_of_row));
    for (std::size_t i = first; i + 1 < end_of_row; i += 2) {
      const int begin = std::max(0, static_cast<int>(std::ceil(columns[i] - 0.5)));
      const int end = std::min(rows.width(), static_cast<int>(std::floor(columns[i + 1] - 0.5)) + 1);
      if (begin < end) rows.set(y, begin, end);
    }
    first = end_of_row;
  }
}

std::vector<Run> runs_of(const BitRows& rows) {
  std::vector<Run> runs;
  for (int y = 0; y < rows.height(); ++y) {
    for (int x = rows.next(y, 0, true); x < rows.width();) {
      const int end = rows.next(y, x, false);
      runs.push_back({y, x, end});
      x = rows.next(y, end, true);
    }
  }
  return runs;
}

void longest_first(std::vector<Run>& runs) {
  std::stable_sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.end - a.begin > b.end - b.begin; });
}

BitRows grown_by(const std::vector<Run>& runs, int width, int height, int padding) {
  BitRows grown(width + 2 * padding, height + 2 * padding);
  for (const Run& run : runs) {
    for (int y = run.row; y <= run.row + 2 * padding; ++y) grown.set(y, run.begin, run.end + 2 * padding);
  }
  return grown;
}

// Blocks, counted from the block that the mask starts in, that it fills whichever texel of that block it starts at: the texels
// of the block and those up to kBlock - 1 before it, both ways.
std::vector<Run> filled_blocks(const BitRows& mask) {
  constexpr int kMore = kBlock - 1;
  std::vector<Run> runs;
  BitRows common(mask.width(), 1);
  for (int block = 1; block * kBlock + kMore < mask.height(); ++block) {
    std::copy_n(mask.row(block * kBlock - kMore), mask.words(), common.row(0));
    for (int y = block * kBlock - kMore + 1; y <= block * kBlock + kMore; ++y) {
      for (int i = 0; i < mask.words(); ++i) common.row(0)[i] &= mask.row(y)[i];
    }
    for (int x = common.next(0, 0, true); x < common.width();) {
      const int end = common.next(0, x, false);
      const int first = (x + kMore + kBlock - 1) / kBlock;
      const int last = end / kBlock;  // the block behind the last one
      if (first < last) runs.push_back({block, first, last});
      x = common.next(0, end, true);
    }
  }
  longest_first(runs);
  return runs;
}

// `whole_box`: the box instead of the shape.
Mask mask_of(const FlatChart& chart, const Pose& pose, double scale, int padding, bool whole_box) {
  const Vector2d size = scale * pose.box;
  Mask mask;
  mask.width = static_cast<int>(size.x()) + 1;
  mask.height = static_cast<int>(size.y()) + 1;
  BitRows rows(mask.width, mask.height);
  if (whole_box) {
    for (int y = 0; y < mask.height; ++y) rows.set(y, 0, mask.width);
  } else {
    std::vector<Vector2d> points(chart.uv.size());
    for (const auto& segment : chart.border) points[at(segment[0])] = scale * pose.place(chart.uv[at(segment[0])]);
    for (const auto& segment : chart.border) draw(points[at(segment[0])], points[at(segment[1])], rows);
    fill(points, chart.border, rows);
  }
  mask.touched = runs_of(rows);
  const BitRows grown = grown_by(mask.touched, mask.width, mask.height, padding);
  mask.grown = runs_of(grown);
  longest_first(mask.grown);
  mask.blocks = filled_blocks(grown);
  return mask;
}

// Where something lies, and which columns of a row have room for a set of runs.
class Rows {
 public:
  Rows(int width, int height) : side_(width) {
    for (int span = 1; span <= width; span *= 2) levels_.emplace_back(width, height);
  }
  [[nodiscard]] int words() const { return levels_[0].words(); }
  [[nodiscard]] int height() const { return levels_[0].height(); }

  void set(int row, int begin, int end) { levels_[0].set(row, begin, end); }
  // Call it after `set` in these rows.
  void update(int first_row, int last_row) {
    for (int y = first_row; y <= last_row; ++y) {
      for (std::size_t k = 1; k < levels_.size(); ++k) {
        const std::uint64_t* half = levels_[k - 1].row(y);
        std::uint64_t* full = levels_[k].row(y);
        std::copy_n(half, words(), full);
        or_shifted(half, 1 << (k - 1), words(), full, 0, words() - 1);
      }
    }
  }

  // Ones where the runs, moved down by `y` and right to that column, meet something, are added to `taken`. False if no zero
  // is left.
  [[nodiscard]] bool add_taken(const std::vector<Run>& runs, int y, std::vector<std::uint64_t>& taken) const {
    int first = 0;
    int last = words() - 1;
    const auto narrow = [&] {
      while (first <= last && taken[at(first)] == ~std::uint64_t{0}) ++first;
      while (last >= first && taken[at(last)] == ~std::uint64_t{0}) --last;
      return first <= last;
    };
    if (!narrow()) return false;
    int unchecked = 0;
    for (const Run& run : runs) {
      const unsigned span = std::bit_floor(static_cast<unsigned>(std::clamp(run.end - run.begin, 1, side_)));
      const std::uint64_t* row = levels_[at(std::countr_zero(span))].row(y + run.row);
      const int step = static_cast<int>(span);
      // Overlapping stretches of a power of two cover the run.
      for (int x = run.begin; x < run.end - step; x += step) or_shifted(row, x, words(), taken.data(), first, last);
      or_shifted(row, run.end - step, words(), taken.data(), first, last);
      if (++unchecked == 4) {
        unchecked = 0;
        if (!narrow()) return false;
      }
    }
    return narrow();
  }

 private:
  int side_;
  std::vector<BitRows> levels_;  // bit x of level k: one of the 2^k columns from x on is taken
};

// The square, and where in it something lies already.
class Canvas {
 public:
  // There are `padding` columns and rows around the square, in which the padding of masks may lie.
  Canvas(int side, int padding)
      : side_(side),
        padding_(padding),
        fine_(side + 2 * padding, side + 2 * padding),
        coarse_((side + 2 * padding) / kBlock + 1, (side + 2 * padding) / kBlock + 1),
        taken_(at(fine_.words())),
        taken_blocks_(at(coarse_.words())) {}

  struct Place {
    int x = 0, y = 0;
  };

  // The first place from row `from` on, and before row `before`, where the mask is free.
  [[nodiscard]] bool find(const Mask& mask, int from, int before, Place& place) {
    const int border = (padding_ + 1) / 2;
    const int last_x = side_ - border - mask.width;
    const int last_y = std::min(side_ - border - mask.height, before - 1);
    if (last_x < border) return false;
    for (int y = std::max(from, border); y <= last_y;) {
      const int next = std::min((y / kBlock + 1) * kBlock, last_y + 1);
      take_outside(border / kBlock, last_x / kBlock, taken_blocks_);
      if (!mask.blocks.empty() && !coarse_.add_taken(mask.blocks, y / kBlock, taken_blocks_)) {
        y = next;
        continue;
      }
      for (; y < next; ++y) {
        take_outside(border, last_x, taken_);
        take_blocks();
        if (fine_.add_taken(mask.grown, y, taken_)) {
          place = {first_free(), y};
          return true;
        }
      }
    }
    return false;
  }

  void put(const Mask& mask, const Place& place) {
    for (const Run& run : mask.touched) {
      const int row = place.y + run.row + padding_;
      const int begin = place.x + run.begin + padding_;
      const int end = place.x + run.end + padding_;
      fine_.set(row, begin, end);
      coarse_.set(row / kBlock, begin / kBlock, (end - 1) / kBlock + 1);
    }
    const int top = place.y + padding_;
    fine_.update(top, top + mask.height - 1);
    coarse_.update(top / kBlock, (top + mask.height - 1) / kBlock);
  }

 private:
  // Ones but for the columns [first, last].
  static void take_outside(int first, int last, std::vector<std::uint64_t>& taken) {
    for (int i = 0; i < static_cast<int>(taken.size()); ++i) {
      const int low = std::clamp(first - 64 * i, 0, 64);
      const int high = std::clamp(last + 1 - 64 * i, 0, 64);
      const std::uint64_t below_high = high == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << high) - 1;
      const std::uint64_t below_low = low == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << low) - 1;
      taken[at(i)] = ~(below_high & ~below_low);
    }
  }
  // The columns of blocks that are taken.
  void take_blocks() {
    static_assert(64 % kBlock == 0);
    constexpr int kPerWord = 64 / kBlock;
    constexpr std::uint64_t kOnes = (std::uint64_t{1} << kBlock) - 1;
    for (int i = 0; i < fine_.words(); ++i) {
      const int block = i * kPerWord;
      std::uint64_t blocks = taken_blocks_[at(block / 64)] >> (block % 64) & ((std::uint64_t{1} << kPerWord) - 1);
      for (; blocks != 0; blocks &= blocks - 1) taken_[at(i)] |= kOnes << (kBlock * std::countr_zero(blocks));
    }
  }
  [[nodiscard]] int first_free() const {
    for (std::size_t i = 0; i < taken_.size(); ++i) {
      if (taken_[i] != ~std::uint64_t{0}) return static_cast<int>(64 * i) + std::countr_one(taken_[i]);
    }
    return 0;
  }

  int side_, padding_;
  Rows fine_;
  Rows coarse_;  // the same in blocks of kBlock columns and rows
  std::vector<std::uint64_t> taken_, taken_blocks_;
};

struct Placed {
  Canvas::Place place;
  std::size_t pose = 0;
};

struct Layout {
  bool complete = false;
  double scale = 0;  // cells per unit
  std::vector<Placed> charts;
};

// All charts in all poses at one scale.
struct MaskSet {
  double scale = 0;
  std::vector<std::vector<Mask>> masks;
  std::vector<char> as_box;
};

class Packer {
 public:
  Packer(const std::vector<FlatChart>& charts, int side, int padding, const Monitor* monitor)
      : charts_(charts), side_(side), padding_(padding), monitor_(monitor), order_(charts.size()), poses_(charts.size()) {
    std::vector<double> areas(charts.size(), 0);
    for (std::size_t i = 0; i < charts.size(); ++i) {
      for (const auto& [from, to] : charts[i].border) areas[i] += cross(charts[i].uv[at(from)], charts[i].uv[at(to)]) / 2;
      area_ += areas[i];
      for (const int eighths : {0, 2, 4, 6}) poses_[i].push_back(pose_of(charts[i].uv, eighths));
    }
    const auto size = [&](std::int32_t i) { return poses_[at(i)][0].box.prod() + areas[at(i)]; };
    std::iota(order_.begin(), order_.end(), 0);
    std::stable_sort(order_.begin(), order_.end(), [&](std::int32_t a, std::int32_t b) { return size(a) > size(b); });
    by_length_ = order_;
    const auto length = [&](std::int32_t i) { return poses_[at(i)][0].box.maxCoeff(); };
    std::stable_sort(by_length_.begin(), by_length_.end(),
                     [&](std::int32_t a, std::int32_t b) { return length(a) > length(b); });
    // Turns by 45 degrees pay for large charts alone.
    constexpr std::size_t kSlantedCharts = 40;
    for (std::size_t i = 0; i < std::min(charts.size(), kSlantedCharts); ++i) {
      const std::size_t chart = at(order_[i]);
      for (const int eighths : {1, 3, 5, 7}) poses_[chart].push_back(pose_of(charts[chart].uv, eighths));
    }
    // Among many charts small ones count as boxes: a box that did not fit once will not fit later, so that its search goes
    // on where the last one of the same size ended.
    box_limit_ = charts.size() <= 300 ? 0 : charts.size() <= 1500 ? 8 : 32;
  }

  [[nodiscard]] const Pose& pose(std::size_t chart, const Placed& placed) const { return poses_[chart][placed.pose]; }

  // At the scale at which the charts cover the share `use` of the square; `slanted`: with turns by 45 degrees.
  [[nodiscard]] MaskSet draw_masks(double use, bool slanted) const {
    MaskSet set;
    set.scale = side_ * std::sqrt(use / area_);
    set.masks.resize(charts_.size());
    set.as_box.resize(charts_.size());
    std::vector<std::array<std::size_t, 2>> todo;  // chart and pose, so that cores share the poses of a large chart
    for (std::size_t i = 0; i < charts_.size(); ++i) {
      const auto& poses = poses_[i];
      set.as_box[i] = static_cast<int>(set.scale * poses[0].box.maxCoeff()) < box_limit_ ? 1 : 0;
      const std::size_t count = set.as_box[i] != 0 ? 2 : slanted ? poses.size() : 4;
      set.masks[i].resize(count);
      for (std::size_t k = 0; k < count; ++k) {
        if (set.scale * poses[k].box.maxCoeff() <= side_) todo.push_back({i, k});  // the others stay without rows
      }
    }
    parallel_for(static_cast<std::int64_t>(todo.size()), 1, [&](std::int64_t n) {
      if (monitor_ != nullptr) monitor_->check();
      const auto [i, k] = todo[at(n)];
      set.masks[i][k] = mask_of(charts_[i], poses_[i][k], set.scale, padding_, set.as_box[i] != 0);
    });
    return set;
  }

  // Variants 0 to 3 take the charts from large to small, 4 to 7 from long to short, and so on by turns; those from 8 on swap
  // some. Every second one prefers the lowest place to the lowest upper end, two of four use the quarter turns only.
  [[nodiscard]] Layout pack(const MaskSet& set, std::uint64_t variant) const {
    Layout layout;
    layout.scale = set.scale;
    layout.charts.resize(charts_.size());
    Canvas canvas(side_, padding_);
    std::vector<int> start(at((box_limit_ + 1) * (box_limit_ + 1)), 0);
    for (const std::int32_t i : order_of(variant)) {
      if (monitor_ != nullptr) monitor_->check();
      const auto& masks = set.masks[at(i)];
      int best = side_ + 1;
      const std::size_t count = variant / 2 % 2 == 0 ? std::min<std::size_t>(masks.size(), 4) : masks.size();
      Placed& placed = layout.charts[at(i)];
      for (std::size_t k = 0; k < count; ++k) {
        const Mask& mask = masks[k];
        if (mask.touched.empty()) continue;
        int none = 0;
        int& from = set.as_box[at(i)] != 0 ? start[at(mask.height * (box_limit_ + 1) + mask.width)] : none;
        const int weight = variant % 2 == 1 ? 0 : mask.height;
        Canvas::Place place;
        if (!canvas.find(mask, from, best - weight, place)) continue;
        if (set.as_box[at(i)] != 0) from = place.y;
        best = place.y + weight;
        placed = {place, k};
      }
      if (best > side_) return layout;
      canvas.put(masks[placed.pose], placed.place);
    }
    layout.complete = true;
    return layout;
  }

 private:
  [[nodiscard]] std::vector<std::int32_t> order_of(std::uint64_t variant) const {
    std::vector<std::int32_t> order = variant / 4 % 2 == 0 ? order_ : by_length_;
    if (variant < 8 || order.size() < 3) return order;
    std::uint64_t state = variant * 0x9E3779B97F4A7C15U;
    const auto below = [&](std::size_t n) {  // splitmix64
      std::uint64_t z = state += 0x9E3779B97F4A7C15U;
      z = (z ^ z >> 30U) * 0xBF58476D1CE4E5B9U;
      z = (z ^ z >> 27U) * 0x94D049BB133111EBU;
      return static_cast<std::size_t>((z ^ z >> 31U) % n);
    };
    const std::size_t movable = std::min<std::size_t>(order.size() - 1, 60);
    for (std::size_t swaps = 1 + below(std::max<std::size_t>(movable / 3, 1)); swaps > 0; --swaps) {
      const std::size_t i = below(movable);
      std::swap(order[i], order[std::min(i + 1 + below(4), order.size() - 1)]);
    }
    return order;
  }

  const std::vector<FlatChart>& charts_;
  int side_, padding_, box_limit_ = 0;
  const Monitor* monitor_;
  std::vector<std::int32_t> order_;      // large charts first
  std::vector<std::int32_t> by_length_;  // long ones first
  std::vector<std::vector<Pose>> poses_;
  double area_ = 0;
};

// The largest layout found. Four attempts at a time, whatever the number of cores is, so that the result does not depend
// on it.
class Search {
 public:
  explicit Search(const Packer& packer) : packer_(packer) {}

  void run(std::size_t charts) {
    double high = 1;
    grow({0.5, 0.6, 0.7, 0.8}, high);
    while (use_ == 0 && high > 1e-7) grow({high / 16, high / 8, high / 4, high / 2}, high);
    if (use_ == 0) return;
    while (high - use_ > 0.02 * std::min(1.0, 2 * use_)) {
      const double step = (high - use_) / 5;
      grow({use_ + step, use_ + 2 * step, use_ + 3 * step, use_ + 4 * step}, high);
    }
    refine(charts <= 100 ? 12 : charts <= 400 ? 4 : 0);
  }

  [[nodiscard]] double use() const { return use_; }
  [[nodiscard]] Layout take() { return std::move(best_); }

 private:
  static constexpr std::int64_t kAttempts = 4;
  static constexpr std::int64_t kOrders = 8;

  // Rising uses: the last one that fits is kept, the first one that does not is the new `high`.
  void grow(const std::array<double, kAttempts>& uses, double& high) {
    std::array<Layout, kAttempts> layouts;
    parallel_for(kAttempts, 1,
                 [&](std::int64_t i) { layouts[at(i)] = packer_.pack(packer_.draw_masks(uses[at(i)], false), 0); });
    for (std::size_t i = 0; i < layouts.size(); ++i) {
      if (!layouts[i].complete) {
        high = uses[i];
        return;
      }
      use_ = uses[i];
      best_ = std::move(layouts[i]);
    }
  }

  // A little larger, in other orders, until nothing fits any more.
  void refine(int rounds) {
    constexpr double kGain = 1.01;
    MaskSet set;
    std::uint64_t variant = 1;
    for (int round = 0; round < rounds; ++round) {
      if (set.masks.empty()) set = packer_.draw_masks(kGain * use_, true);
      std::array<Layout, kOrders> layouts;
      parallel_for(kOrders, 1,
                   [&](std::int64_t i) { layouts[at(i)] = packer_.pack(set, variant + static_cast<std::uint64_t>(i)); });
      variant += kOrders;
      const auto fits = std::find_if(layouts.begin(), layouts.end(), [](const Layout& layout) { return layout.complete; });
      if (fits == layouts.end()) continue;
      use_ *= kGain;
      best_ = std::move(*fits);
      set = {};
    }
  }

  const Packer& packer_;
  double use_ = 0;  // 0 as long as nothing fits
  Layout best_;
};

// One cell of a regular grid for each chart: for more charts than there are texels.
void pack_in_grid(std::vector<FlatChart>& charts) {
  std::size_t columns = 1;
  while (columns * columns < charts.size()) ++columns;
  double extent = 0;
  for (const FlatChart& chart : charts) {
    for (const Vector2d& p : chart.uv) extent = std::max(extent, p.maxCoeff());
  }
  const double cell = 1 / static_cast<double>(columns);
  const double scale = extent > 0 ? 0.9 * cell / extent : 1;
  for (std::size_t i = 0; i < charts.size(); ++i) {
    const std::size_t row = i / columns;
    const Vector2d corner(static_cast<double>(i - row * columns), static_cast<double>(row));
    for (Vector2d& p : charts[i].uv) p = cell * corner + scale * p;
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
  Layout layout;
  std::unique_ptr<Packer> packer;
  double use = 0;
  for (int cells = (padding + cell - 1) / cell;; cells /= 2) {
    auto next = std::make_unique<Packer>(charts, side, cells, monitor);
    Search search(*next);
    search.run(charts.size());
    if (search.use() > 1.2 * use) {
      use = search.use();
      layout = search.take();
      packer = std::move(next);
    }
    if (use > 0.3 || cells == 0) break;
  }
  if (!layout.complete) {
    pack_in_grid(charts);
    return;
  }
  for (std::size_t i = 0; i < charts.size(); ++i) {
    const Placed& placed = layout.charts[i];
    const Pose& pose = packer->pose(i, placed);
    const Vector2d corner(placed.place.x, placed.place.y);
    for (Vector2d& p : charts[i].uv) p = (corner + layout.scale * pose.place(p)) * (static_cast<double>(cell) / size);
  }
}

}  // namespace espalier
