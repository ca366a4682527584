#include "geometry/unwrap/chart_set.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>

#include "parallel/parallel_for.h"

namespace espalier {
namespace {

using Eigen::Vector2d;
using Eigen::Vector3d;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

constexpr int kTrialSteps = 3;             // of descent, to see what becomes of a chart
constexpr int kFinalSteps = 12;            // from there
constexpr double kTornStretch = 1.6;       // beyond this a chart is split
constexpr double kReach = 0.65;            // longest chart, over the side of a square of the whole area
constexpr std::size_t kMostFaces = 60000;  // of a chart, so that no step takes long
constexpr double kFill = 0.6;              // least share of its box that a joined chart covers

// Calls body(i, local) for i in [0, n) in the order given; `local` has an entry of -1 per face of the surface. Charts
// differ so much in size that each worker takes the next one when it is done.
template <class Body>
void for_each_chart(const ChartSurface& surface, std::size_t n, const Monitor* monitor, Body&& body) {
  std::atomic<std::size_t> next{0};
  const auto workers = std::min(static_cast<std::int64_t>(n), static_cast<std::int64_t>(worker_count()));
  parallel_for(workers, 1, [&](std::int64_t) {
    std::vector<std::int32_t> local(at(surface.face_count()), -1);
    for (std::size_t i = next++; i < n; i = next++) {
      if (monitor != nullptr) monitor->check();
      body(i, local);
    }
  });
}

// One triangle as it is.
ChartMap lone_triangle(const ChartSurface& surface, const ChartMesh& mesh) {
  const auto f = at(mesh.faces.front());
  const double width = std::max(surface.length[3 * f], 1e-7);
  const double height = 2 * surface.area[f] / width;
  const Vector3d along = surface.points[at(surface.faces[f][1])] - surface.points[at(surface.faces[f][0])];
  const Vector3d other = surface.points[at(surface.faces[f][2])] - surface.points[at(surface.faces[f][0])];
  ChartMap map;
  map.uv.resize(3);
  map.uv[at(mesh.corners[0][0])] = Vector2d(0, 0);
  map.uv[at(mesh.corners[0][1])] = Vector2d(width, 0);
  map.uv[at(mesh.corners[0][2])] = Vector2d(along.dot(other) / width, height);
  map.injective = true;
  return map;
}

Chart make_chart(const ChartSurface& surface, std::vector<std::int32_t> faces, std::vector<std::int32_t>& local,
                 const std::function<bool(const ChartMap&)>& promising, const Monitor* monitor) {
  Chart chart;
  chart.mesh = make_chart_mesh(surface, std::move(faces), local);
  FlattenOptions options;
  options.steps = kTrialSteps;
  options.promising = promising;
  chart.map =
      chart.mesh.faces.size() == 1 ? lone_triangle(surface, chart.mesh) : flatten(surface, chart.mesh, options, monitor);
  return chart;
}

// Sides of the box along the principal axes.
Vector2d principal_box(const std::vector<Vector2d>& uv) {
  Vector2d mean = Vector2d::Zero();
  for (const auto& p : uv) mean += p;
  mean /= static_cast<double>(uv.size());
  Eigen::Matrix2d spread = Eigen::Matrix2d::Zero();
  for (const auto& p : uv) spread += (p - mean) * (p - mean).transpose();
  const double angle = std::atan2(2 * spread(0, 1), spread(0, 0) - spread(1, 1)) / 2;
  const Vector2d x(std::cos(angle), std::sin(angle));
  Vector2d low(1e300, 1e300);
  Vector2d high = -low;
  for (const auto& p : uv) {
    const Vector2d q(x.dot(p), x.x() * p.y() - x.y() * p.x());
    low = low.cwiseMin(q);
    high = high.cwiseMax(q);
  }
  return high - low;
}

double longest_reach(const ChartSurface& surface) {
  return kReach * std::sqrt(std::accumulate(surface.area.begin(), surface.area.end(), 0.0));
}

}  // namespace

std::vector<Chart> flatten_regions(const ChartSurface& surface, const std::vector<Vector3d>& normals,
                                   const Segmentation& regions, const Monitor* monitor) {
  std::vector<std::vector<std::int32_t>> waiting(at(regions.count));
  for (std::int32_t f = 0; f < surface.face_count(); ++f) waiting[at(regions.region[at(f)])].push_back(f);
  std::vector<Chart> done;
  const double reach = longest_reach(surface);
  while (!waiting.empty()) {
    std::stable_sort(waiting.begin(), waiting.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
    std::vector<Chart> charts(waiting.size());
    std::vector<std::array<std::vector<std::int32_t>, 2>> parts(waiting.size());
    for_each_chart(surface, waiting.size(), monitor, [&](std::size_t i, std::vector<std::int32_t>& local) {
      if (waiting[i].size() <= kMostFaces) charts[i] = make_chart(surface, waiting[i], local, {}, monitor);
      const ChartMap& map = charts[i].map;
      if (waiting[i].size() == 1) return;
      if (!map.injective || map.stretch > kTornStretch || principal_box(map.uv).maxCoeff() > reach) {
        parts[i] = split_in_two(surface, normals, waiting[i], local);
      }
    });
    std::vector<std::vector<std::int32_t>> next;
    for (std::size_t i = 0; i < charts.size(); ++i) {
      if (parts[i][0].empty()) {
        done.push_back(std::move(charts[i]));
        continue;
      }
      next.push_back(std::move(parts[i][0]));
      next.push_back(std::move(parts[i][1]));
    }
    waiting = std::move(next);
  }
  return done;
}

namespace {

class Joiner {
 public:
  Joiner(const ChartSurface& surface, double stretch_limit, std::vector<Chart>& charts, const Monitor* monitor)
      : surface_(surface),
        stretch_limit_(stretch_limit),
        reach_(longest_reach(surface)),
        charts_(charts),
        monitor_(monitor),
        chart_of_(surface.faces.size()) {
    for (std::size_t i = 0; i < charts_.size(); ++i) describe(i);
  }

  void run() {
    while (round()) {
    }
    std::erase_if(charts_, [](const Chart& chart) { return chart.mesh.faces.empty(); });
  }

 private:
  struct Shape {
    double area = 0, border = 0;
    Vector3d normal = Vector3d::Zero();  // integral
    double fill = 1;                     // area over that of the box along the principal axes
  };
  struct Pair {
    double rank;
    std::int32_t a, b;
  };

  void describe(std::size_t i) {
    shapes_.resize(std::max(shapes_.size(), i + 1));
    Shape& shape = shapes_[i];
    const Chart& chart = charts_[i];
    for (const std::int32_t f : chart.mesh.faces) {
      chart_of_[at(f)] = static_cast<std::int32_t>(i);
      shape.area += surface_.area[at(f)];
      shape.normal += surface_.area[at(f)] * surface_.normal[at(f)];
    }
    for (std::size_t h = 0; h < chart.mesh.twin.size(); ++h) {
      if (chart.mesh.twin[h] < 0) shape.border += surface_.length[3 * at(chart.mesh.faces[h / 3]) + h % 3];
    }
    shape.fill = shape.area / std::max(principal_box(chart.map.uv).prod(), 1e-30);
  }

  // Neighbours, those with the longest common border for their size first.
  [[nodiscard]] std::vector<Pair> pairs() const {
    struct Contact {
      std::int32_t a, b;
      double length;
    };
    std::vector<Contact> contacts;
    for (std::size_t h = 0; h < surface_.twin.size(); ++h) {
      if (surface_.twin[h] < 0) continue;
      const std::int32_t a = chart_of_[h / 3];
      const std::int32_t b = chart_of_[at(surface_.twin[h] / 3)];
      if (a < b) contacts.push_back({a, b, surface_.length[h]});
    }
    std::stable_sort(contacts.begin(), contacts.end(),
                     [](const Contact& p, const Contact& q) { return p.a != q.a ? p.a < q.a : p.b < q.b; });
    std::vector<Pair> out;
    for (std::size_t i = 0; i < contacts.size();) {
      const auto [a, b, ignored] = contacts[i];
      double length = 0;
      for (; i < contacts.size() && contacts[i].a == a && contacts[i].b == b; ++i) length += contacts[i].length;
      const Shape& p = shapes_[at(a)];
      const Shape& q = shapes_[at(b)];
      const double rank = length / std::min(p.border, q.border);
      const std::size_t faces = charts_[at(a)].mesh.faces.size() + charts_[at(b)].mesh.faces.size();
      const double alignment = (p.normal + q.normal).norm() / (p.area + q.area);
      if (rank > 0.12 && alignment > 0.2 && faces <= kMostFaces && !refused_.contains({a, b})) out.push_back({rank, a, b});
    }
    std::stable_sort(out.begin(), out.end(), [](const Pair& p, const Pair& q) { return p.rank > q.rank; });
    return out;
  }

  // Tries a set of pairs without common charts; false when there is none left.
  bool round() {
    std::vector<Pair> chosen;
    std::vector<char> busy(charts_.size(), 0);
    for (const Pair& pair : pairs()) {
      if (busy[at(pair.a)] != 0 || busy[at(pair.b)] != 0) continue;
      busy[at(pair.a)] = busy[at(pair.b)] = 1;
      chosen.push_back(pair);
    }
    if (chosen.empty()) return false;
    std::vector<Chart> joined(chosen.size());
    for_each_chart(surface_, chosen.size(), monitor_, [&](std::size_t i, std::vector<std::int32_t>& local) {
      std::vector<std::int32_t> faces = charts_[at(chosen[i].a)].mesh.faces;
      const auto& more = charts_[at(chosen[i].b)].mesh.faces;
      faces.insert(faces.end(), more.begin(), more.end());
      const auto promising = [&](const ChartMap& map) { return acceptable(map, chosen[i], 1.08); };
      joined[i] = make_chart(surface_, std::move(faces), local, promising, monitor_);
    });
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const auto [rank, a, b] = chosen[i];
      if (!joined[i].map.injective || !acceptable(joined[i].map, chosen[i], 1)) {
        refused_.insert({a, b});
        continue;
      }
      charts_[at(a)] = {};
      charts_[at(b)] = {};
      shapes_[at(a)] = shapes_[at(b)] = {};
      charts_.push_back(std::move(joined[i]));
      describe(charts_.size() - 1);
    }
    return true;
  }

  // `slack` above 1: for a map that is not final.
  [[nodiscard]] bool acceptable(const ChartMap& map, const Pair& pair, double slack) const {
    const Shape& p = shapes_[at(pair.a)];
    const Shape& q = shapes_[at(pair.b)];
    const double area = p.area + q.area;
    const double parts = (p.area * charts_[at(pair.a)].map.stretch + q.area * charts_[at(pair.b)].map.stretch) / area;
    if (map.stretch > slack * std::max(stretch_limit_, 1.02 * parts)) return false;
    const Vector2d box = principal_box(map.uv);
    if (box.maxCoeff() > slack * reach_) return false;
    // A splinter of a chart does not change its shape for the worse.
    const double least = std::min(p.area, q.area) < 0.02 * area ? 0.9 * std::min(p.fill, q.fill) : kFill;
    return slack * area / box.prod() > std::min(kFill, least);
  }

  const ChartSurface& surface_;
  double stretch_limit_, reach_;
  std::vector<Chart>& charts_;  // those that went into others are empty
  const Monitor* monitor_;
  std::vector<std::int32_t> chart_of_;
  std::vector<Shape> shapes_;
  std::set<std::pair<std::int32_t, std::int32_t>> refused_;
};

}  // namespace

void join_charts(const ChartSurface& surface, double stretch_limit, std::vector<Chart>& charts, const Monitor* monitor) {
  Joiner(surface, stretch_limit, charts, monitor).run();
}

void polish_charts(const ChartSurface& surface, std::vector<Chart>& charts, const Monitor* monitor) {
  std::stable_sort(charts.begin(), charts.end(),
                   [](const Chart& a, const Chart& b) { return a.mesh.faces.size() > b.mesh.faces.size(); });
  for_each_chart(surface, charts.size(), monitor, [&](std::size_t i, std::vector<std::int32_t>&) {
    Chart& chart = charts[i];
    if (chart.mesh.faces.size() == 1) return;
    FlattenOptions options;
    options.steps = kFinalSteps;
    options.start = &chart.map.uv;
    ChartMap map = flatten(surface, chart.mesh, options, monitor);
    if (map.injective && map.stretch <= chart.map.stretch) chart.map = std::move(map);
  });
}

}  // namespace espalier
