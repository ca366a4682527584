#include "io/formats/polygon.h"

#include <algorithm>
#include <cmath>
#include <deque>

namespace espalier {

std::span<const std::int32_t> PolygonCutter::cut(std::span<const Point> corners) {
  triangles_.clear();
  const auto count = static_cast<std::int32_t>(corners.size());
  if (count < 3) return triangles_;
  if (count == 3) {
    fan(count);
    return triangles_;
  }
  flatten(corners);
  const bool finite =
      std::all_of(flat_.begin(), flat_.end(), [](const Flat& f) { return std::isfinite(f.x) && std::isfinite(f.y); });
  if (!finite || convex()) {
    fan(count);
  } else {
    clip_all(count);
  }
  return triangles_;
}

// Onto the two axes that the polygon's normal (Newell's) is furthest from, so that it runs counter-clockwise.
void PolygonCutter::flatten(std::span<const Point> corners) {
  std::array<double, 3> normal{};
  const std::size_t n = corners.size();
  for (std::size_t i = 0; i < n; ++i) {
    const Point &a = corners[i], &b = corners[i + 1 == n ? 0 : i + 1];
    for (std::size_t k = 0; k < 3; ++k) {
      const std::size_t y = (k + 1) % 3, z = (k + 2) % 3;
      normal[k] += (double{a[y]} - b[y]) * (double{a[z]} + b[z]);
    }
  }
  std::size_t axis = 0;
  for (std::size_t k = 1; k < 3; ++k) {
    if (std::abs(normal[k]) > std::abs(normal[axis])) axis = k;
  }
  const std::size_t x = (axis + 1) % 3, y = (axis + 2) % 3;
  const double side = normal[axis] < 0.0 ? -1.0 : 1.0;
  flat_.resize(n);
  for (std::size_t i = 0; i < n; ++i) flat_[i] = {corners[i][x], side * double{corners[i][y]}};
}

// No corner turns inwards, and the ring goes around once.
bool PolygonCutter::convex() const {
  const std::size_t n = flat_.size();
  int turns = 0;
  double last = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    const Flat &a = flat_[i], &b = flat_[(i + 1) % n], &c = flat_[(i + 2) % n];
    if (turn(a, b, c) < 0.0) return false;
    const double step = b.x - a.x;
    if (step != 0.0) {
      if (step * last < 0.0) ++turns;
      last = step;
    }
  }
  // A ring that goes around once changes its direction along an axis twice; where the first step ends is one of the two.
  return turns <= 2;
}

void PolygonCutter::fan(std::int32_t count) {
  for (std::int32_t i = 2; i < count; ++i) triangles_.insert(triangles_.end(), {0, i - 1, i});
}

bool PolygonCutter::is_ear(std::int32_t corner) {
  const auto at = [&](std::int32_t i) { return flat_[static_cast<std::size_t>(i)]; };
  const std::int32_t p = before_[static_cast<std::size_t>(corner)], n = next_[static_cast<std::size_t>(corner)];
  const Flat a = at(p), b = at(corner), c = at(n);
  work_left_ -= std::min<std::uint64_t>(work_left_, 1);
  if (!(turn(a, b, c) > 0.0)) return false;
  const double left = std::min({a.x, b.x, c.x}), right = std::max({a.x, b.x, c.x});
  const auto first = std::partition_point(hollow_.begin(), hollow_.end(), [&](std::int32_t h) { return at(h).x < left; });
  const auto behind = std::partition_point(first, hollow_.end(), [&](std::int32_t h) { return at(h).x <= right; });
  work_left_ -= std::min(work_left_, static_cast<std::uint64_t>(behind - first));
  return std::none_of(first, behind, [&](std::int32_t h) {
    if (!left_[static_cast<std::size_t>(h)] || h == p || h == corner || h == n) return false;
    const Flat q = at(h);
    const auto same = [&](const Flat& r) { return q.x == r.x && q.y == r.y; };
    if (same(a) || same(b) || same(c)) return false;  // a ring that touches itself
    return turn(a, b, q) >= 0.0 && turn(b, c, q) >= 0.0 && turn(c, a, q) >= 0.0;
  });
}

void PolygonCutter::link(std::int32_t count) {
  const auto n = static_cast<std::size_t>(count);
  next_.resize(n);
  before_.resize(n);
  left_.assign(n, true);
  hollow_.clear();
  for (std::size_t i = 0; i < n; ++i) {
    next_[i] = static_cast<std::int32_t>(i + 1 == n ? 0 : i + 1);
    before_[i] = static_cast<std::int32_t>(i == 0 ? n - 1 : i - 1);
  }
  for (std::int32_t i = 0; i < count; ++i) {
    if (!turns_out(i)) hollow_.push_back(i);
  }
  std::sort(hollow_.begin(), hollow_.end(), [&](std::int32_t a, std::int32_t b) {
    return flat_[static_cast<std::size_t>(a)].x < flat_[static_cast<std::size_t>(b)].x;
  });
}

bool PolygonCutter::turns_out(std::int32_t corner) const {
  const auto i = static_cast<std::size_t>(corner);
  return turn(flat_[static_cast<std::size_t>(before_[i])], flat_[i], flat_[static_cast<std::size_t>(next_[i])]) > 0.0;
}

// Corners that may be ears wait in a row; a cut changes its two neighbours alone, which go to its end: ears that share a corner
// make slivers.
void PolygonCutter::clip_all(std::int32_t count) {
  link(count);
  std::deque<std::int32_t> waiting;
  std::vector<bool> waits(static_cast<std::size_t>(count), false);
  const auto add = [&](std::int32_t corner) {
    const auto i = static_cast<std::size_t>(corner);
    if (waits[i] || !turns_out(corner)) return;
    waits[i] = true;
    waiting.push_back(corner);
  };
  for (std::int32_t i = 0; i < count; ++i) add(i);
  std::int32_t at = 0, rest = count;
  std::size_t refused = 0;  // since the last cut
  while (rest > 3) {
    // Where nothing is an ear, as in a ring that crosses itself, some corner goes.
    const bool stuck = refused >= waiting.size();
    if (!waiting.empty()) {
      at = waiting.front();
      waiting.pop_front();
      waits[static_cast<std::size_t>(at)] = false;
      if (!left_[static_cast<std::size_t>(at)]) continue;
    }
    while (!left_[static_cast<std::size_t>(at)]) at = next_[static_cast<std::size_t>(at)];
    if (work_left_ == 0) gave_up_ = true;
    if (!stuck && work_left_ > 0 && !is_ear(at)) {
      add(at);
      ++refused;
      continue;
    }
    const std::int32_t p = before_[static_cast<std::size_t>(at)], q = next_[static_cast<std::size_t>(at)];
    triangles_.insert(triangles_.end(), {p, at, q});
    next_[static_cast<std::size_t>(p)] = q;
    before_[static_cast<std::size_t>(q)] = p;
    left_[static_cast<std::size_t>(at)] = false;
    --rest;
    refused = 0;
    add(p);
    add(q);
    at = q;
    if (hollow_.size() > 64 && hollow_.size() > 2 * static_cast<std::size_t>(rest))
      std::erase_if(hollow_, [&](std::int32_t h) { return !left_[static_cast<std::size_t>(h)]; });
  }
  while (!left_[static_cast<std::size_t>(at)]) at = next_[static_cast<std::size_t>(at)];
  triangles_.insert(triangles_.end(), {before_[static_cast<std::size_t>(at)], at, next_[static_cast<std::size_t>(at)]});
}

}  // namespace espalier
