#include "image/plane.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

namespace espalier {

namespace {

// Applies `line` to every row, then to every column of the result. line(in, out, n, stride) reads n values of `in` and
// writes n values of `out`, both `stride` apart.
template <class T, class Line>
Plane<T> separable(const Plane<T>& plane, Line line) {
  Plane<T> rows(plane.width, plane.height), out(plane.width, plane.height);
  const auto stride = static_cast<std::size_t>(plane.width);
  for (int y = 0; y < plane.height; ++y) line(&plane.values[plane.index(0, y)], &rows.values[rows.index(0, y)], plane.width, 1);
  for (int x = 0; x < plane.width; ++x)
    line(&rows.values[rows.index(x, 0)], &out.values[out.index(x, 0)], plane.height, stride);
  return out;
}

template <class Visit>
void for_neighbours(const Mask& mask, std::size_t at, Visit visit) {
  const auto width = static_cast<std::size_t>(mask.width);
  const std::size_t x = at % width;
  if (x > 0) visit(at - 1);
  if (x + 1 < width) visit(at + 1);
  if (at >= width) visit(at - width);
  if (at + width < mask.values.size()) visit(at + width);
}

}  // namespace

std::size_t count(const Mask& mask) { return std::accumulate(mask.values.begin(), mask.values.end(), std::size_t{0}); }

Plane<float> box_mean(const Plane<float>& plane, int radius) {
  return separable(plane, [radius](const float* in, float* out, int n, std::size_t stride) {
    const auto at = [&](int i) { return in[static_cast<std::size_t>(i) * stride]; };
    double sum = 0.0;
    for (int i = 0; i < std::min(radius, n); ++i) sum += at(i);
    for (int i = 0; i < n; ++i) {
      if (i + radius < n) sum += at(i + radius);
      if (i - radius > 0) sum -= at(i - radius - 1);
      const int inside = std::min(i + radius, n - 1) - std::max(i - radius, 0) + 1;
      out[static_cast<std::size_t>(i) * stride] = static_cast<float>(sum / inside);
    }
  });
}

Plane<float> box_maximum(const Plane<float>& plane, int radius) {
  return separable(plane, [radius](const float* in, float* out, int n, std::size_t stride) {
    for (int i = 0; i < n; ++i) {
      float largest = std::numeric_limits<float>::lowest();
      for (int k = std::max(i - radius, 0); k <= std::min(i + radius, n - 1); ++k) {
        largest = std::max(largest, in[static_cast<std::size_t>(k) * stride]);
      }
      out[static_cast<std::size_t>(i) * stride] = largest;
    }
  });
}

Mask dilated(const Mask& mask, int radius) {
  return separable(mask, [radius](const std::uint8_t* in, std::uint8_t* out, int n, std::size_t stride) {
    int last = -radius - 1;  // the last set pixel seen
    for (int i = 0; i < n; ++i) {
      if (in[static_cast<std::size_t>(i) * stride] != 0) last = i;
      out[static_cast<std::size_t>(i) * stride] = i - last <= radius ? 1 : 0;
    }
    last = n + radius;
    for (int i = n - 1; i >= 0; --i) {
      if (in[static_cast<std::size_t>(i) * stride] != 0) last = i;
      if (last - i <= radius) out[static_cast<std::size_t>(i) * stride] = 1;
    }
  });
}

Mask eroded(const Mask& mask, int radius) {
  const auto invert = [](Mask m) {
    for (std::uint8_t& v : m.values) v = v == 0 ? 1 : 0;
    return m;
  };
  return invert(dilated(invert(mask), radius));
}

void flood(Mask& reached, const Mask& open, int steps) {
  std::vector<std::size_t> front, next;
  const auto visit_from = [&](std::size_t at) {
    for_neighbours(reached, at, [&](std::size_t to) {
      if (reached.values[to] != 0 || open.values[to] == 0) return;
      reached.values[to] = 1;
      next.push_back(to);
    });
  };
  const Mask start = reached;
  for (std::size_t i = 0; i < start.values.size(); ++i) {
    if (start.values[i] != 0) visit_from(i);
  }
  for (int step = 1; step < steps && !next.empty(); ++step) {
    front.swap(next);
    next.clear();
    for (const std::size_t at : front) visit_from(at);
  }
}

Components components(const Mask& mask) {
  Components c{Plane<std::int32_t>(mask.width, mask.height), {0}};
  std::vector<std::size_t> stack;
  for (std::size_t start = 0; start < mask.values.size(); ++start) {
    if (mask.values[start] == 0 || c.label.values[start] != 0) continue;
    const auto number = static_cast<std::int32_t>(c.sizes.size());
    std::size_t size = 0;
    c.label.values[start] = number;
    stack.push_back(start);
    while (!stack.empty()) {
      const std::size_t at = stack.back();
      stack.pop_back();
      ++size;
      for_neighbours(mask, at, [&](std::size_t to) {
        if (mask.values[to] == 0 || c.label.values[to] != 0) return;
        c.label.values[to] = number;
        stack.push_back(to);
      });
    }
    c.sizes.push_back(size);
  }
  return c;
}

}  // namespace espalier
