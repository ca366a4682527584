#include "geometry/unwrap/chart_borders.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <queue>
#include <span>

#include "geometry/unwrap/min_cut.h"
#include "parallel/parallel_for.h"

namespace espalier {
namespace {

using Eigen::Vector3d;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

class Straightener {
 public:
  Straightener(const ChartSurface& surface, const std::vector<Vector3d>& normals, Segmentation& regions)
      : surface_(surface), normals_(normals), regions_(regions), node_(surface.faces.size(), -1) {}

  void pass(const Monitor* monitor) {
    area_.assign(at(regions_.count), 0);
    axis_.assign(at(regions_.count), Vector3d::Zero());
    for (std::size_t f = 0; f < surface_.faces.size(); ++f) {
      area_[at(regions_.region[f])] += surface_.area[f];
      axis_[at(regions_.region[f])] += surface_.area[f] * normals_[f];
    }
    for (auto& axis : axis_) axis = axis.norm() > 0 ? Vector3d(axis.normalized()) : axis;
    const std::vector<Border> border = borders();
    std::vector<std::span<const Border>> waiting;  // one for each pair of neighbours
    for (std::size_t i = 0; i < border.size();) {
      std::size_t end = i;
      while (end < border.size() && border[end].a == border[i].a && border[end].b == border[i].b) ++end;
      waiting.emplace_back(border.data() + i, end - i);
      i = end;
    }
    std::stable_sort(waiting.begin(), waiting.end(), [](const auto& p, const auto& q) { return p.size() > q.size(); });
    // Pairs without a common region do not touch the same faces. Long borders first, so that a round's borders are alike.
    while (!waiting.empty()) {
      std::vector<char> busy(at(regions_.count), 0);
      std::vector<std::span<const Border>> chosen;
      std::erase_if(waiting, [&](const std::span<const Border>& pair) {
        char& a = busy[at(pair.front().a)];
        char& b = busy[at(pair.front().b)];
        if (a != 0 || b != 0) return false;
        a = b = 1;
        chosen.push_back(pair);
        return true;
      });
      parallel_for(static_cast<std::int64_t>(chosen.size()), 1, [&](std::int64_t i) {
        if (monitor != nullptr) monitor->check();
        straighten(chosen[at(i)].front().a, chosen[at(i)].front().b, chosen[at(i)], monitor);
      });
    }
  }

 private:
  struct Border {
    std::int32_t a, b, half_edge;  // of a, a < b
  };

  [[nodiscard]] std::vector<Border> borders() const {
    std::vector<Border> out;
    for (std::size_t h = 0; h < surface_.twin.size(); ++h) {
      if (surface_.twin[h] < 0) continue;
      const std::int32_t a = regions_.region[h / 3];
      const std::int32_t b = regions_.region[at(surface_.twin[h] / 3)];
      if (a < b) out.push_back({a, b, static_cast<std::int32_t>(h)});
    }
    std::sort(out.begin(), out.end(), [](const Border& p, const Border& q) {
      return p.a != q.a ? p.a < q.a : p.b != q.b ? p.b < q.b : p.half_edge < q.half_edge;
    });
    return out;
  }

  // Faces of other regions are only looked at for being that, which may change meanwhile.
  [[nodiscard]] std::int32_t region_of(std::int32_t face) const {
    return std::atomic_ref(regions_.region[at(face)]).load(std::memory_order_relaxed);
  }

  // A unit of length of a border through this half-edge: cheap in a crease.
  [[nodiscard]] double crease_factor(std::int32_t h) const {
    const double turn = 1 - normals_[at(h / 3)].dot(normals_[at(surface_.twin[at(h)] / 3)]);
    return 0.25 + 0.75 * std::exp(-turn / 0.03);
  }

  // Faces of a and b within reach of their border, nearest first; node_ numbers them.
  std::vector<std::int32_t> band(std::int32_t a, std::int32_t b, std::span<const Border> border, double reach) {
    using Step = std::pair<double, std::int32_t>;
    std::priority_queue<Step, std::vector<Step>, std::greater<>> queue;
    for (const Border& edge : border) {
      for (const std::int32_t f : {edge.half_edge / 3, surface_.twin[at(edge.half_edge)] / 3}) queue.emplace(0.0, f);
    }
    std::vector<std::int32_t> faces;
    while (!queue.empty()) {
      const auto [distance, f] = queue.top();
      queue.pop();
      const std::int32_t region = region_of(f);
      if ((region != a && region != b) || node_[at(f)] >= 0) continue;
      node_[at(f)] = static_cast<std::int32_t>(faces.size());
      faces.push_back(f);
      for (std::int64_t k = 0; k < 3; ++k) {
        const std::int32_t twin = surface_.twin[at(3L * f + k)];
        if (twin < 0) continue;
        // Half the heights over the common edge add up to the way from face to face.
        const double way =
            (surface_.area[at(f)] + surface_.area[at(twin / 3)]) / std::max(surface_.length[at(twin)], 1e-9) / 1.5;
        if (distance + way < reach) queue.emplace(distance + way, twin / 3);
      }
    }
    return faces;
  }

  void straighten(std::int32_t a, std::int32_t b, std::span<const Border> border, const Monitor* monitor) {
    const double size = std::sqrt(std::min(area_[at(a)], area_[at(b)]));
    const std::vector<std::int32_t> faces = band(a, b, border, 0.18 * size);
    const auto count = static_cast<std::int32_t>(faces.size());
    MinCut cut(count);
    constexpr double kPinned = 1e9;
    std::array<bool, 2> pinned{};
    const auto pin = [&](std::int32_t node, bool to_a) {
      to_a ? cut.link_source(node, kPinned) : cut.link_sink(node, kPinned);
      pinned[to_a ? 0 : 1] = true;
    };
    for (std::int32_t i = 0; i < count; ++i) {
      const std::int32_t f = faces[at(i)];
      const bool in_a = regions_.region[at(f)] == a;
      bool inner = false;
      for (std::int64_t k = 0; k < 3; ++k) {
        const std::int32_t h = static_cast<std::int32_t>(3L * f + k);
        const std::int32_t twin = surface_.twin[at(h)];
        if (twin < 0) continue;
        const std::int32_t region = region_of(twin / 3);
        if (region != a && region != b) continue;
        const std::int32_t other = node_[at(twin / 3)];
        if (other > i) {
          cut.link(i, other, 0.1 * size * surface_.length[at(h)] * crease_factor(h));
        } else if (other < 0 && region == (in_a ? a : b)) {
          inner = true;
        }
      }
      if (inner) pin(i, in_a);
      const double for_a = surface_.area[at(f)] * normals_[at(f)].dot(axis_[at(a)] - axis_[at(b)]);
      for_a > 0 ? cut.link_source(i, for_a) : cut.link_sink(i, -for_a);
    }
    // A region that lies in the band as a whole keeps its innermost face.
    for (std::int32_t i = count; i-- > 0 && !(pinned[0] && pinned[1]);) {
      const bool in_a = regions_.region[at(faces[at(i)])] == a;
      if (!pinned[in_a ? 0 : 1]) pin(i, in_a);
    }
    if (pinned[0] && pinned[1]) {
      cut.solve(monitor);
      for (std::int32_t i = 0; i < count; ++i) {
        std::atomic_ref(regions_.region[at(faces[at(i)])]).store(cut.with_source(i) ? a : b, std::memory_order_relaxed);
      }
    }
    for (const std::int32_t f : faces) node_[at(f)] = -1;
  }

  const ChartSurface& surface_;
  const std::vector<Vector3d>& normals_;
  Segmentation& regions_;
  std::vector<std::int32_t> node_;  // -1 outside the band
  std::vector<double> area_;
  std::vector<Vector3d> axis_;
};

// Connected pieces of regions, numbered by their first face.
Segmentation pieces_of(const ChartSurface& surface, const std::vector<std::int32_t>& region) {
  Segmentation out;
  out.region.assign(region.size(), -1);
  std::vector<std::int32_t> stack;
  for (std::size_t first = 0; first < region.size(); ++first) {
    if (out.region[first] >= 0) continue;
    out.region[first] = out.count;
    stack.push_back(static_cast<std::int32_t>(first));
    while (!stack.empty()) {
      const std::int32_t f = stack.back();
      stack.pop_back();
      for (std::int64_t k = 0; k < 3; ++k) {
        const std::int32_t twin = surface.twin[at(3L * f + k)];
        if (twin < 0 || out.region[at(twin / 3)] >= 0 || region[at(twin / 3)] != region[at(f)]) continue;
        out.region[at(twin / 3)] = out.count;
        stack.push_back(twin / 3);
      }
    }
    ++out.count;
  }
  return out;
}

// Pieces that are a small part of the region they come from join the neighbour with the longest common border.
void give_away_splinters(const ChartSurface& surface, Segmentation& regions) {
  const Segmentation pieces = pieces_of(surface, regions.region);
  std::vector<double> whole(at(regions.count), 0);
  std::vector<double> part(at(pieces.count), 0);
  std::vector<std::int32_t> from(at(pieces.count), -1);
  for (std::size_t f = 0; f < regions.region.size(); ++f) {
    whole[at(regions.region[f])] += surface.area[f];
    part[at(pieces.region[f])] += surface.area[f];
    from[at(pieces.region[f])] = regions.region[f];
  }
  struct Contact {
    std::int32_t piece, other;
    double length;
  };
  std::vector<Contact> contacts;
  const auto splinter = [&](std::int32_t piece) { return part[at(piece)] < 0.2 * whole[at(from[at(piece)])]; };
  for (std::size_t h = 0; h < surface.twin.size(); ++h) {
    if (surface.twin[h] < 0) continue;
    const std::int32_t a = pieces.region[h / 3];
    const std::int32_t b = pieces.region[at(surface.twin[h] / 3)];
    if (a != b && splinter(a) && !splinter(b)) contacts.push_back({a, b, surface.length[h]});
  }
  std::stable_sort(contacts.begin(), contacts.end(), [](const Contact& p, const Contact& q) {
    return p.piece != q.piece ? p.piece < q.piece : p.other < q.other;
  });
  std::vector<std::int32_t> target(at(pieces.count));
  for (std::int32_t i = 0; i < pieces.count; ++i) target[at(i)] = i;
  std::vector<double> longest(at(pieces.count), 0);
  for (std::size_t i = 0; i < contacts.size();) {
    double length = 0;
    std::size_t end = i;
    while (end < contacts.size() && contacts[end].piece == contacts[i].piece && contacts[end].other == contacts[i].other) {
      length += contacts[end++].length;
    }
    const std::size_t piece = at(contacts[i].piece);
    if (length > longest[piece]) {
      longest[piece] = length;
      target[piece] = contacts[i].other;
    }
    i = end;
  }
  std::vector<std::int32_t> moved(pieces.region.size());
  for (std::size_t f = 0; f < moved.size(); ++f) moved[f] = target[at(pieces.region[f])];
  regions = pieces_of(surface, moved);
}

}  // namespace

void straighten_borders(const ChartSurface& surface, const std::vector<Vector3d>& normals, Segmentation& regions,
                        const Monitor* monitor) {
  constexpr int kPasses = 2;
  for (int i = 0; i < kPasses; ++i) {
    Straightener(surface, normals, regions).pass(monitor);
    give_away_splinters(surface, regions);
  }
}

}  // namespace espalier
