#include "geometry/repair/hidden_faces.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "base/error.h"
#include "geometry/flow/flow_network.h"
#include "geometry/mesh/mesh_edit.h"
#include "geometry/mesh/mesh_points.h"
#include "geometry/mesh/mesh_topology.h"

namespace espalier {
namespace {

// Lengths become whole numbers, so that flows are exact: this many steps for the longest side of the box.
constexpr double kSteps = 1e7;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

enum class Side : std::uint8_t { open, inner, outer };

// The value below which `share` of the sorted values lie, interpolated as torch.quantile does.
double quantile(std::vector<float>& values, double share) {
  const double position = share * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::int64_t>(position);
  std::nth_element(values.begin(), values.begin() + low, values.end());
  const double below = values[at(low)];
  if (position == static_cast<double>(low)) return below;
  const double above = *std::min_element(values.begin() + low + 1, values.end());
  return below + (position - static_cast<double>(low)) * (above - below);
}

// Faces of each group, in order: members of group g are at [first[g], first[g + 1]).
struct Groups {
  std::vector<std::int64_t> first;
  std::vector<std::int32_t> members;
  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(first.size()) - 1; }
  [[nodiscard]] std::span<const std::int32_t> of(std::int64_t g) const {
    return {members.data() + first[at(g)], at(first[at(g) + 1] - first[at(g)])};
  }
};

Groups groups_of(std::span<const std::int32_t> labels, std::int64_t count) {
  Groups groups;
  groups.first.assign(at(count) + 1, 0);
  for (const std::int32_t g : labels) ++groups.first[at(g) + 1];
  std::partial_sum(groups.first.begin(), groups.first.end(), groups.first.begin());
  groups.members.resize(labels.size());
  std::vector<std::int64_t> cursor(groups.first.begin(), groups.first.end() - 1);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    groups.members[at(cursor[at(labels[i])]++)] = static_cast<std::int32_t>(i);
  }
  return groups;
}

// Which faces are inner and which are outer: by the views that see them, and between those by a minimum cut.
class FaceSides {
 protected:
  FaceSides(const Mesh& mesh, std::span<const std::int32_t> views, const HiddenFaceOptions& options, const Monitor* monitor)
      : mesh_(mesh),
        options_(options),
        monitor_(monitor),
        edges_(edges_of(mesh.faces, mesh.vertex_count())),
        share_(views.size()) {
    const Bounds box = box_of(mesh);
    unit_ = std::max({box.high[0] - box.low[0], box.high[1] - box.low[1], box.high[2] - box.low[2]});
    if (!(unit_ > 0)) unit_ = 1;
    for (std::size_t f = 0; f < views.size(); ++f) {
      share_[f] = static_cast<float>(views[f]) / static_cast<float>(options.views);
    }
  }

  void check() const {
    if (monitor_ != nullptr) monitor_->check();
  }

  void label() {
    side_.assign(share_.size(), Side::open);
    const Components pieces = edge_components(edges_, mesh_.face_count());
    const Groups groups = groups_of(pieces.of_face, pieces.count);
    for (std::int32_t g = 0; g < pieces.count; ++g) {
      std::vector<float> shares;
      for (const std::int32_t f : groups.of(g)) shares.push_back(share_[at(f)]);
      const double bound = std::min(std::max(quantile(shares, 0.75), static_cast<double>(options_.outer_least)),
                                    static_cast<double>(options_.outer_most));
      for (const std::int32_t f : groups.of(g)) {
        if (static_cast<double>(share_[at(f)]) >= bound) side_[at(f)] = Side::outer;
      }
    }
    for (std::size_t f = 0; f < share_.size(); ++f) {
      if (share_[f] == 0) side_[f] = Side::inner;
    }
  }

  // Decides the open faces: `inner` for those that the minimum cut leaves on the side of the inner faces. All inner faces
  // together are the source, all outer ones the sink.
  void cut() {
    std::vector<std::int32_t> node(side_.size());
    std::int32_t nodes = 2;
    for (std::size_t f = 0; f < side_.size(); ++f) {
      node[f] = side_[f] == Side::inner ? 0 : side_[f] == Side::outer ? 1 : nodes++;
    }
    if (nodes == 2) return;
    FlowNetwork<std::int64_t> network(nodes);
    for (std::int32_t e = 0; e < edges_.count(); ++e) {
      const auto corners = edges_.corners_of(e);
      if (corners.size() != 2) continue;
      const std::int32_t a = node[at(corners[0] / 3)];
      const std::int32_t b = node[at(corners[1] / 3)];
      if (a == b || (a < 2 && b < 2)) continue;
      const std::int64_t capacity = length_of(e);
      if (a < 2 || b < 2) {
        std::min(a, b) == 0 ? network.link_source(std::max(a, b), capacity) : network.link_sink(std::max(a, b), capacity);
        continue;
      }
      network.link(a, b, capacity);
    }
    const std::vector<FlowTree> trees = network.solve(monitor_);
    std::vector<std::uint8_t> undecided(side_.size(), 0);
    for (std::size_t f = 0; f < side_.size(); ++f) {
      if (side_[f] != Side::open) continue;
      const FlowTree tree = trees[at(node[f])];
      undecided[f] = tree == FlowTree::neither ? 1 : 0;
      if (tree == FlowTree::source) side_[f] = Side::inner;
    }
    add_unseen_pieces(undecided);
  }

  // Connected groups of the marked faces, by number of their first face.
  [[nodiscard]] Groups connected(const std::vector<std::uint8_t>& marked) const {
    UnionFind sets(mesh_.face_count());
    for (std::int32_t e = 0; e < edges_.count(); ++e) {
      std::int32_t first = -1;
      for (const std::int32_t c : edges_.corners_of(e)) {
        if (marked[at(c / 3)] == 0) continue;
        if (first >= 0) sets.join(first, c / 3);
        first = c / 3;
      }
    }
    std::int32_t count = 0;
    const std::vector<std::int32_t> labels = sets.labels(count);
    return groups_of(labels, count);
  }

  const Mesh& mesh_;
  const HiddenFaceOptions& options_;
  const Monitor* monitor_;
  MeshEdges edges_;
  double unit_ = 1;
  std::vector<float> share_;  // of the views that see each face
  std::vector<Side> side_;

 private:
  [[nodiscard]] std::int64_t length_of(std::int32_t edge) const {
    const std::int32_t* const ends = edges_.ends.data() + 2 * std::int64_t{edge};
    const double length = (point_of(mesh_, ends[1]) - point_of(mesh_, ends[0])).norm();
    return std::max<std::int64_t>(1, std::llround(length / unit_ * kSteps));
  }

  // Faces connected with neither an inner nor an outer one are inner if next to nothing is seen of them together.
  void add_unseen_pieces(const std::vector<std::uint8_t>& undecided) {
    const Groups groups = connected(undecided);
    for (std::int64_t g = 0; g < groups.count(); ++g) {
      const auto piece = groups.of(g);
      if (undecided[at(piece[0])] == 0) continue;
      std::vector<float> shares;
      for (const std::int32_t f : piece) shares.push_back(share_[at(f)]);
      if (quantile(shares, 0.75) > static_cast<double>(options_.seen_piece)) continue;
      for (const std::int32_t f : piece) side_[at(f)] = Side::inner;
    }
  }
};

class HiddenFaces : FaceSides {
 public:
  HiddenFaces(const Mesh& mesh, std::span<const std::int32_t> views, const HiddenFaceOptions& options, const Monitor* monitor)
      : FaceSides(mesh, views, options, monitor), keep_(views.size(), 1) {}

  std::vector<std::uint8_t> run() {
    label();
    if (std::find(side_.begin(), side_.end(), Side::inner) == side_.end()) return std::move(keep_);
    check();
    cut();
    check();
    std::vector<std::int32_t> refused;
    remove(tested_patches(&refused));
    cut_again(refused);
    drop_hanging();
    return std::move(keep_);
  }

 private:
  // The edges that are left with one face when a patch goes: their pieces' areas as fans around their centres.
  [[nodiscard]] std::vector<double> openings(std::span<const std::int32_t> patch) const {
    std::vector<std::int32_t> open;
    for (const std::int32_t f : patch) {
      for (std::int64_t k = 0; k < 3; ++k) {
        const std::int32_t e = edges_.of_face[at(3 * std::int64_t{f} + k)];
        if (edges_.degree(e) - inner_at_[at(e)] == 1) open.push_back(e);
      }
    }
    std::sort(open.begin(), open.end());
    open.erase(std::unique(open.begin(), open.end()), open.end());
    std::vector<std::int32_t> vertices;
    for (const std::int32_t e : open)
      vertices.insert(vertices.end(), {edges_.ends[at(2 * std::int64_t{e})], edges_.ends[at(2 * std::int64_t{e} + 1)]});
    std::vector<std::int32_t> known = vertices;
    std::sort(known.begin(), known.end());
    known.erase(std::unique(known.begin(), known.end()), known.end());
    const auto number = [&](std::int32_t v) {
      return static_cast<std::int32_t>(std::lower_bound(known.begin(), known.end(), v) - known.begin());
    };
    UnionFind sets(static_cast<std::int64_t>(known.size()));
    for (std::size_t i = 0; i < vertices.size(); i += 2) sets.join(number(vertices[i]), number(vertices[i + 1]));
    std::int32_t count = 0;
    const std::vector<std::int32_t> loop = sets.labels(count);
    std::vector<Point> centre(at(count), Point::Zero());
    std::vector<std::int64_t> ends(at(count), 0);
    for (const std::int32_t v : vertices) {
      centre[at(loop[at(number(v))])] += point_of(mesh_, v);
      ++ends[at(loop[at(number(v))])];
    }
    std::vector<double> areas(at(count), 0.0);
    for (std::size_t i = 0; i < vertices.size(); i += 2) {
      const std::size_t l = at(loop[at(number(vertices[i]))]);
      const Point middle = centre[l] / static_cast<double>(ends[l]);
      areas[l] += 0.5 * (point_of(mesh_, vertices[i]) - middle).cross(point_of(mesh_, vertices[i + 1]) - middle).norm();
    }
    return areas;
  }

  [[nodiscard]] bool goes(std::span<const std::int32_t> patch) const {
    std::vector<float> shares;
    double area = 0;
    for (const std::int32_t f : patch) {
      shares.push_back(share_[at(f)]);
      area += face_area(mesh_, f);
    }
    const std::vector<double> left_open = openings(patch);
    if (left_open.empty()) return quantile(shares, 0.75) <= static_cast<double>(options_.seen_piece);
    // The lower of the two middle values where there are two, as torch.median.
    const auto middle = static_cast<std::int64_t>((shares.size() - 1) / 2);
    std::nth_element(shares.begin(), shares.begin() + middle, shares.end());
    if (shares[at(middle)] > options_.median_most) return false;
    const double largest = *std::max_element(left_open.begin(), left_open.end());
    if (largest > static_cast<double>(options_.largest_opening) * unit_ * unit_) return false;
    const double together = std::accumulate(left_open.begin(), left_open.end(), 0.0);
    return area >= static_cast<double>(options_.smallest_pocket) * together;
  }

  // The faces of all inner patches that may go; those of the others are added to `refused`.
  std::vector<std::int32_t> tested_patches(std::vector<std::int32_t>* refused) {
    std::vector<std::int32_t> gone;
    std::vector<std::uint8_t> inner(side_.size());
    std::transform(side_.begin(), side_.end(), inner.begin(), [](Side s) { return s == Side::inner ? 1 : 0; });
    inner_at_.assign(at(edges_.count()), 0);
    for (std::size_t c = 0; c < edges_.of_face.size(); ++c) inner_at_[at(edges_.of_face[c])] += inner[c / 3];
    const Groups groups = connected(inner);
    for (std::int64_t g = 0; g < groups.count(); ++g) {
      const auto patch = groups.of(g);
      if (side_[at(patch[0])] != Side::inner) continue;
      if (goes(patch)) {
        gone.insert(gone.end(), patch.begin(), patch.end());
      } else if (refused != nullptr && !openings(patch).empty()) {
        refused->insert(refused->end(), patch.begin(), patch.end());
      }
    }
    return gone;
  }

  void remove(const std::vector<std::int32_t>& faces) {
    for (const std::int32_t f : faces) keep_[at(f)] = 0;
  }

  // A patch that hangs together with the inside of a vessel, which few views see, is refused as a whole. So the refused
  // ones are cut again with fewer views asked of an outer face, and the bound under which most area goes is taken.
  void cut_again(const std::vector<std::int32_t>& refused) {
    if (refused.empty()) return;
    std::vector<std::int32_t> best;
    double most = 0;
    for (const double bound : kLowerBounds) {
      check();
      std::fill(side_.begin(), side_.end(), Side::outer);
      for (const std::int32_t f : refused) {
        const float share = share_[at(f)];
        side_[at(f)] = share == 0 ? Side::inner : static_cast<double>(share) >= bound ? Side::outer : Side::open;
      }
      cut();
      std::vector<std::int32_t> gone = tested_patches(nullptr);
      double area = 0;
      for (const std::int32_t f : gone) area += face_area(mesh_, f);
      if (area <= most) continue;
      most = area;
      best = std::move(gone);
    }
    remove(best);
  }

  [[nodiscard]] int neighbours_left(std::int32_t f) const {
    int count = 0;
    for (std::int64_t k = 0; k < 3; ++k) {
      const auto corners = edges_.corners_of(edges_.of_face[at(3 * std::int64_t{f} + k)]);
      count += std::any_of(corners.begin(), corners.end(), [&](std::int32_t c) { return c / 3 != f && keep_[at(c / 3)] != 0; })
                   ? 1
                   : 0;
    }
    return count;
  }

  // Unseen faces beside what was removed that hang by one edge at most.
  void drop_hanging() {
    constexpr std::size_t kFewFaces = 16;  // looking from every page of a book at every other would take forever
    std::vector<std::int32_t> queue;
    const auto add_neighbours = [&](std::int32_t f) {
      for (std::int64_t k = 0; k < 3; ++k) {
        const auto corners = edges_.corners_of(edges_.of_face[at(3 * std::int64_t{f} + k)]);
        if (corners.size() > kFewFaces) continue;
        for (const std::int32_t c : corners) {
          if (keep_[at(c / 3)] != 0 && share_[at(c / 3)] == 0) queue.push_back(c / 3);
        }
      }
    };
    for (std::int32_t f = 0; f < mesh_.face_count(); ++f) {
      if (keep_[at(f)] == 0) add_neighbours(f);
    }
    for (std::size_t i = 0; i < queue.size(); ++i) {
      const std::int32_t f = queue[i];
      if (keep_[at(f)] == 0 || neighbours_left(f) > 1) continue;
      keep_[at(f)] = 0;
      add_neighbours(f);
    }
  }

  static constexpr double kLowerBounds[] = {0.1, 0.05};  // of the views, for an outer face of a refused patch

  std::vector<std::int32_t> inner_at_;  // inner faces at each edge
  std::vector<std::uint8_t> keep_;
};

}  // namespace

Mesh without_hidden_faces(const Mesh& mesh, std::span<const std::int32_t> visible_views, const HiddenFaceOptions& options,
                          const Monitor* monitor) {
  check_mesh(mesh, "hidden faces");
  if (options.views < 1)
    fail(ErrorCode::invalid_argument, "hidden faces: ", options.views, " views", hint("at least 1 is needed"));
  if (visible_views.size() != at(mesh.face_count())) {
    fail(ErrorCode::invalid_argument, "hidden faces: ", visible_views.size(), " counts of views for ", mesh.face_count(),
         " faces");
  }
  for (std::size_t f = 0; f < visible_views.size(); ++f) {
    if (visible_views[f] >= 0 && visible_views[f] <= options.views) continue;
    fail(ErrorCode::invalid_argument, "hidden faces: face ", f, " is seen by ", visible_views[f], " of ", options.views,
         " views");
  }
  if (mesh.faces.empty()) return mesh;
  const std::vector<std::uint8_t> keep = HiddenFaces(mesh, visible_views, options, monitor).run();
  if (std::find(keep.begin(), keep.end(), 1) == keep.end()) {
    fail(ErrorCode::invalid_argument, "hidden faces: none of the ", options.views, " views sees enough of the ",
         mesh.face_count(), " faces to distinguish outside from inside",
         hint("check where the cameras stand, or switch the removal of hidden faces off"));
  }
  return with_faces(mesh, keep);
}

}  // namespace espalier
