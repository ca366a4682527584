#include "geometry/unwrap/chart_segmentation.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <queue>

#include "geometry/unwrap/chart_borders.h"

namespace espalier {
namespace {

using Eigen::Vector3d;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// 1 - |mean normal|: 0 for a plane, 1/4 for a spherical cap out to 60 degrees, 0.36 for half a cylinder.
constexpr double kConeLimit = 0.25;
// Regions below this share of the surface join others whatever their normals are: spikes, folds, dirt.
constexpr double kSplinter = 4e-4;
// Weight of compactness against agreement of normals.
constexpr double kCompactness = 0.1;

struct Region {
  double area = 0;
  Vector3d normal = Vector3d::Zero();  // integral
  Vector3d centre = Vector3d::Zero();  // integral
  std::vector<std::int32_t> neighbours;
  std::int32_t version = 0;  // negative once it went into another
};

class Merger {
 public:
  Merger(const ChartSurface& surface, const std::vector<Vector3d>& normals) : regions_(surface.faces.size()) {
    parent_.resize(regions_.size());
    std::iota(parent_.begin(), parent_.end(), 0);
    double total = 0;
    for (std::size_t f = 0; f < regions_.size(); ++f) {
      Region& region = regions_[f];
      region.area = surface.area[f];
      region.normal = region.area * normals[f];
      const auto [a, b, c] = surface.faces[f];
      region.centre = region.area * (surface.points[at(a)] + surface.points[at(b)] + surface.points[at(c)]) / 3;
      total += region.area;
      for (std::size_t k = 0; k < 3; ++k) {
        const std::int32_t other = surface.twin[3 * f + k];
        if (other >= 0) region.neighbours.push_back(other / 3);
      }
      std::sort(region.neighbours.begin(), region.neighbours.end());
      region.neighbours.erase(std::unique(region.neighbours.begin(), region.neighbours.end()), region.neighbours.end());
    }
    place_weight_ = kCompactness / (total / 12);
    total_ = total;
  }

  void run(const Monitor* monitor) {
    for (std::int32_t a = 0; a < static_cast<std::int32_t>(regions_.size()); ++a) {
      for (const std::int32_t b : regions_[at(a)].neighbours) {
        if (a < b) offer(a, b);
      }
    }
    for (std::int64_t step = 0; !queue_.empty(); ++step) {
      if (monitor != nullptr && step % 4096 == 0) monitor->check();
      const Offer best = queue_.top();
      queue_.pop();
      if (regions_[at(best.a)].version != best.version_a || regions_[at(best.b)].version != best.version_b) continue;
      merge(best.a, best.b);
    }
  }

  [[nodiscard]] Segmentation result() {
    Segmentation out;
    out.region.resize(regions_.size());
    std::vector<std::int32_t> number(regions_.size(), -1);
    for (std::size_t f = 0; f < regions_.size(); ++f) {
      std::int32_t root = static_cast<std::int32_t>(f);
      while (parent_[at(root)] != root) root = parent_[at(root)] = parent_[at(parent_[at(root)])];
      if (number[at(root)] < 0) number[at(root)] = out.count++;
      out.region[f] = number[at(root)];
    }
    return out;
  }

 private:
  struct Offer {
    double cost;
    std::int32_t a, b, version_a, version_b;
    bool operator<(const Offer& other) const {  // the top of the queue is the cheapest
      return cost != other.cost ? cost > other.cost : a != other.a ? a > other.a : b > other.b;
    }
  };

  // What joining adds to the deviation of normals from their mean, and to the spread in space.
  void offer(std::int32_t a, std::int32_t b) {
    const Region& p = regions_[at(a)];
    const Region& q = regions_[at(b)];
    const double area = p.area + q.area;
    const double length = (p.normal + q.normal).norm();
    const bool outside = area - length > kConeLimit * area;
    if (outside && std::min(p.area, q.area) > kSplinter * total_) return;
    const double turn = p.normal.norm() + q.normal.norm() - length;
    const double apart = p.area * q.area / area * (p.centre / p.area - q.centre / q.area).squaredNorm();
    const double last = outside ? total_ : 0;  // after all others
    queue_.push({turn + place_weight_ * apart + last, a, b, p.version, q.version});
  }

  void merge(std::int32_t a, std::int32_t b) {
    if (regions_[at(a)].neighbours.size() < regions_[at(b)].neighbours.size()) std::swap(a, b);
    Region& kept = regions_[at(a)];
    Region& gone = regions_[at(b)];
    kept.area += gone.area;
    kept.normal += gone.normal;
    kept.centre += gone.centre;
    ++kept.version;
    gone.version = -1;
    parent_[at(b)] = a;
    for (const std::int32_t c : gone.neighbours) {
      if (c == a) continue;
      auto& theirs = regions_[at(c)].neighbours;
      theirs.erase(std::lower_bound(theirs.begin(), theirs.end(), b));
      const auto place = std::lower_bound(theirs.begin(), theirs.end(), a);
      if (place == theirs.end() || *place != a) theirs.insert(place, a);
    }
    std::vector<std::int32_t> all;
    all.reserve(kept.neighbours.size() + gone.neighbours.size());
    std::set_union(kept.neighbours.begin(), kept.neighbours.end(), gone.neighbours.begin(), gone.neighbours.end(),
                   std::back_inserter(all));
    std::erase_if(all, [&](std::int32_t c) { return c == a || c == b; });
    kept.neighbours = std::move(all);
    gone.neighbours = {};
    for (const std::int32_t c : kept.neighbours) offer(std::min(a, c), std::max(a, c));
  }

  std::vector<Region> regions_;
  std::vector<std::int32_t> parent_;
  std::priority_queue<Offer> queue_;
  double place_weight_ = 0, total_ = 0;
};

// The face of the set that is farthest from `from` in direction and place.
std::int32_t farthest(const ChartSurface& surface, const std::vector<Vector3d>& normals, const std::vector<std::int32_t>& faces,
                      std::int32_t from, double scale) {
  const auto centre = [&](std::int32_t f) {
    const auto [a, b, c] = surface.faces[at(f)];
    return Vector3d((surface.points[at(a)] + surface.points[at(b)] + surface.points[at(c)]) / 3);
  };
  const Vector3d origin = centre(from);
  double best = -1;
  std::int32_t chosen = -1;
  for (const std::int32_t f : faces) {
    if (f == from) continue;
    const double apart = (centre(f) - origin).squaredNorm() / scale + 1 - normals[at(f)].dot(normals[at(from)]);
    if (apart > best) {
      best = apart;
      chosen = f;
    }
  }
  return chosen;
}

}  // namespace

Segmentation segment(const ChartSurface& surface, const std::vector<Vector3d>& normals, const Monitor* monitor) {
  Merger merger(surface, normals);
  merger.run(monitor);
  Segmentation regions = merger.result();
  straighten_borders(surface, normals, regions, monitor);
  return regions;
}

std::array<std::vector<std::int32_t>, 2> split_in_two(const ChartSurface& surface, const std::vector<Vector3d>& normals,
                                                      const std::vector<std::int32_t>& faces,
                                                      std::vector<std::int32_t>& local) {
  double area = 0;
  for (const std::int32_t f : faces) area += surface.area[at(f)];
  const std::int32_t first = farthest(surface, normals, faces, faces.front(), area);
  const std::int32_t second = farthest(surface, normals, faces, first, area);
  // Two fronts grow by steps over edges; a step is as long as the way and the turn between two faces.
  struct Step {
    double cost;
    std::int32_t face, side;
    bool operator<(const Step& other) const {
      return cost != other.cost ? cost > other.cost : face != other.face ? face > other.face : side > other.side;
    }
  };
  std::array<std::vector<std::int32_t>, 2> sides;
  for (const std::int32_t f : faces) local[at(f)] = 0;  // not taken yet
  std::priority_queue<Step> queue;
  queue.push({0, first, 0});
  queue.push({0, second, 1});
  const double scale = std::sqrt(area);
  while (!queue.empty()) {
    const Step step = queue.top();
    queue.pop();
    if (local[at(step.face)] != 0) continue;
    local[at(step.face)] = 1;
    sides[at(step.side)].push_back(step.face);
    for (std::int64_t k = 0; k < 3; ++k) {
      const std::int32_t twin = surface.twin[at(3L * step.face + k)];
      if (twin < 0 || local[at(twin / 3)] != 0) continue;
      const double way = std::sqrt(surface.area[at(step.face)] + surface.area[at(twin / 3)]) / scale;
      const double turn = std::sqrt(std::max(0.0, 1 - normals[at(step.face)].dot(normals[at(twin / 3)])));
      queue.push({step.cost + way + turn, twin / 3, step.side});
    }
  }
  for (const std::int32_t f : faces) local[at(f)] = -1;
  for (auto& side : sides) std::sort(side.begin(), side.end());
  return sides;
}

}  // namespace espalier
