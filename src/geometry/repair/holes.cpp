#include "geometry/repair/holes.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "geometry/mesh/mesh_edit.h"
#include "geometry/mesh/mesh_points.h"
#include "geometry/mesh/mesh_topology.h"
#include "geometry/repair/hole_outlines.h"
#include "geometry/repair/hole_patch.h"

namespace espalier {
namespace {

// A piece with less than this many times the area of its filling is a sheet and not a container.
constexpr double kSheet = 1.5;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

class HoleFiller {
 public:
  HoleFiller(Mesh& mesh, const HoleOptions& options, const Monitor* monitor)
      : mesh_(mesh), options_(options), monitor_(monitor), edges_(edges_of(mesh.faces, mesh.vertex_count())) {}

  HoleReport run() {
    const Bounds box = box_of(mesh_);
    const double unit = std::max({box.high[0] - box.low[0], box.high[1] - box.low[1], box.high[2] - box.low[2]});
    const double longest = static_cast<double>(options_.largest_perimeter) * unit;
    const std::vector<Outline> outlines = outlines_of(edges_, mesh_.faces, mesh_.vertex_count());
    if (outlines.empty()) return report_;
    piece_areas();
    mean_lengths();
    for (const Outline& outline : outlines) {
      if (monitor_ != nullptr) monitor_->check();
      const bool filled = static_cast<std::int64_t>(outline.vertices.size()) <= options_.most_edges &&
                          perimeter(outline) <= longest && fill(outline);
      ++(filled ? report_.filled : report_.left);
    }
    return report_;
  }

 private:
  void piece_areas() {
    const Components pieces = edge_components(edges_, mesh_.face_count());
    piece_ = pieces.of_face;
    area_.assign(at(pieces.count), 0.0);
    for (std::size_t f = 0; f < piece_.size(); ++f) area_[at(piece_[f])] += face_area(mesh_, static_cast<std::int64_t>(f));
  }

  void mean_lengths() {
    length_.assign(at(mesh_.vertex_count()), 0.0);
    std::vector<std::int32_t> count(length_.size(), 0);
    for (std::int32_t e = 0; e < edges_.count(); ++e) {
      const std::int32_t* const ends = edges_.ends.data() + 2 * std::int64_t{e};
      const double length = (point_of(mesh_, ends[1]) - point_of(mesh_, ends[0])).norm();
      for (int side = 0; side < 2; ++side) {
        length_[at(ends[side])] += length;
        ++count[at(ends[side])];
      }
    }
    for (std::size_t v = 0; v < length_.size(); ++v) length_[v] /= std::max(count[v], 1);
  }

  [[nodiscard]] double perimeter(const Outline& outline) const {
    double sum = 0;
    const std::size_t n = outline.vertices.size();
    for (std::size_t i = 0; i < n; ++i) {
      sum += (point_of(mesh_, outline.vertices[(i + 1) % n]) - point_of(mesh_, outline.vertices[i])).norm();
    }
    return sum;
  }

  [[nodiscard]] HoleRim rim_of(const Outline& outline) const {
    HoleRim rim;
    for (std::size_t i = 0; i < outline.vertices.size(); ++i) {
      rim.points.push_back(point_of(mesh_, outline.vertices[i]));
      const Point cross = face_cross(mesh_, outline.faces[i]);
      const double length = cross.norm();
      rim.normals.push_back(length > 0 ? Point(cross / length) : Point(Point::Zero()));
    }
    // An edge that an earlier filling added counts as well; fillings share at most rim vertices.
    rim.has_edge = [this, &outline](std::int32_t i, std::int32_t j) {
      const std::int32_t a = outline.vertices[at(i)];
      const std::int32_t b = outline.vertices[at(j)];
      return edges_.find(a, b) >= 0 || added_.count({std::min(a, b), std::max(a, b)}) != 0;
    };
    return rim;
  }

  [[nodiscard]] bool has_face(const Outline& outline) const {
    const std::int32_t edge = edges_.find(outline.vertices[0], outline.vertices[1]);
    const auto corners = edges_.corners_of(edge);
    return std::any_of(corners.begin(), corners.end(), [&](std::int32_t c) {
      const std::int32_t* const f = face_of(mesh_, c / 3);
      return std::find(f, f + 3, outline.vertices[2]) != f + 3;
    });
  }

  bool fill(const Outline& outline) {
    if (outline.vertices.size() == 3 && has_face(outline)) return false;
    const HoleRim rim = rim_of(outline);
    HolePatch patch = triangulated(rim, monitor_);
    if (patch.faces.empty() || area_[at(piece_[at(outline.faces[0])])] < kSheet * patch.area()) return false;
    if (options_.refine) {
      std::vector<double> lengths;
      for (const std::int32_t v : outline.vertices) lengths.push_back(length_[at(v)]);
      refine(patch, rim, std::move(lengths), monitor_);
    }
    append(outline, patch);
    return true;
  }

  void append(const Outline& outline, const HolePatch& patch) {
    std::vector<std::int32_t> ids = outline.vertices;
    const std::size_t rim = ids.size();
    for (std::size_t v = rim; v < patch.points.size(); ++v) {
      ids.push_back(static_cast<std::int32_t>(mesh_.vertex_count()));
      for (int k = 0; k < 3; ++k) mesh_.vertices.push_back(static_cast<float>(patch.points[v][k]));
      const auto& parents = patch.parents[v - rim];
      for (std::vector<float>* values : {&mesh_.colours, &mesh_.normals}) {
        if (values->empty()) continue;
        float mean[3] = {};
        for (const std::int32_t p : parents) {
          for (std::size_t k = 0; k < 3; ++k) mean[k] += (*values)[3 * at(ids[at(p)]) + k] / 3;
        }
        if (values == &mesh_.normals) {
          const float length = std::hypot(mean[0], mean[1], mean[2]);
          for (float& x : mean) x = length > 0 ? x / length : x;
        }
        values->insert(values->end(), mean, mean + 3);
      }
    }
    for (const auto& face : patch.faces) {
      for (std::size_t k = 0; k < 3; ++k) {
        mesh_.faces.push_back(ids[at(face[k])]);
        const std::int32_t a = face[k];
        const std::int32_t b = face[(k + 1) % 3];
        if (at(a) < rim && at(b) < rim) added_.emplace(std::min(ids[at(a)], ids[at(b)]), std::max(ids[at(a)], ids[at(b)]));
      }
    }
    report_.faces += static_cast<std::int64_t>(patch.faces.size());
    report_.vertices += static_cast<std::int64_t>(patch.points.size() - rim);
  }

  Mesh& mesh_;
  const HoleOptions& options_;
  const Monitor* monitor_;
  MeshEdges edges_;  // of the mesh as it came
  std::vector<std::int32_t> piece_;
  std::vector<double> area_, length_;
  std::set<std::pair<std::int32_t, std::int32_t>> added_;
  HoleReport report_;
};

}  // namespace

Mesh holes_filled(const Mesh& mesh, const HoleOptions& options, const Monitor* monitor, HoleReport* report) {
  check_mesh(mesh, "holes");
  if (!mesh.uvs.empty()) {
    fail(ErrorCode::unsupported, "holes: the mesh has texture coordinates, and there is no texture for new faces",
         hint("fill before unwrapping"));
  }
  if (!(options.largest_perimeter >= 0) || options.most_edges < 0) {
    fail(ErrorCode::invalid_argument, "holes: limits of ", options.largest_perimeter, " and ", options.most_edges, " edges",
         hint("both must be at least 0"));
  }
  // A face that names a vertex twice has no two sides, and no outline runs along it.
  std::vector<std::uint8_t> keep(at(mesh.face_count()), 1);
  for (std::int64_t i = 0; i < mesh.face_count(); ++i) {
    const std::int32_t* const f = face_of(mesh, i);
    if (f[0] == f[1] || f[1] == f[2] || f[2] == f[0]) keep[at(i)] = 0;
  }
  Mesh result = std::find(keep.begin(), keep.end(), 0) == keep.end() ? mesh : with_faces(mesh, keep);
  const HoleReport found = HoleFiller(result, options, monitor).run();
  if (report != nullptr) *report = found;
  return result;
}

}  // namespace espalier
