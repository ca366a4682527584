#include "geometry/unwrap/unwrap.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "geometry/mesh/mesh_edit.h"
#include "geometry/mesh/mesh_points.h"
#include "geometry/unwrap/chart_atlas.h"
#include "geometry/unwrap/chart_bits.h"
#include "geometry/unwrap/chart_segmentation.h"
#include "geometry/unwrap/chart_set.h"
#include "geometry/unwrap/chart_surface.h"

namespace espalier {
namespace {

using Eigen::Vector2d;
using Eigen::Vector3d;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

void check_input(const Mesh& mesh, const UnwrapOptions& options) {
  const auto refuse = [](const auto&... parts) { fail(ErrorCode::invalid_argument, "unwrapping: ", parts...); };
  if (options.texture_size < 16 || options.texture_size > 16384) {
    refuse("a texture size of ", options.texture_size, " is outside 16 to 16384");
  }
  if (!(options.padding_texels >= 0 && options.padding_texels <= 64)) {
    refuse("a padding of ", options.padding_texels, " texels is outside 0 to 64");
  }
  if (!(options.chart_stretch > 1)) refuse("a chart stretch of ", options.chart_stretch, " is not above 1");
  check_mesh(mesh, "unwrapping");
  if (mesh.faces.empty()) refuse("the mesh has no faces, so there is nothing to texture");
}

// Puts the charts' vertices together into the output's mesh.
class Writer {
 public:
  Writer(const Mesh& input, const ChartSurface& surface, const std::vector<Chart>& charts, const std::vector<FlatChart>& flat)
      : input_(input),
        surface_(surface),
        charts_(charts),
        flat_(flat),
        normals_(point_normals(surface)),
        first_(at(input.vertex_count()), -1) {
    out_.charts = static_cast<int>(std::max<std::size_t>(charts.size(), 1));
    out_.chart.assign(at(input.face_count()), -1);
    out_.mesh.faces.resize(input.faces.size());
  }

  Unwrapped write() {
    write_charts();
    write_pointlike_faces();
    return std::move(out_);
  }

 private:
  struct Place {
    std::int32_t chart = -1, face = -1;  // of the chart
  };

  std::int32_t add_vertex(std::int32_t source, float u, float v) {
    const auto index = static_cast<std::int32_t>(out_.source_vertex.size());
    out_.source_vertex.push_back(source);
    const Vector3d& normal = normals_[at(surface_.point_of[at(source)])];
    for (std::size_t k = 0; k < 3; ++k) {
      out_.mesh.vertices.push_back(input_.vertices[3 * at(source) + k]);
      out_.mesh.normals.push_back(static_cast<float>(normal[static_cast<Eigen::Index>(k)]));
      if (!input_.colours.empty()) out_.mesh.colours.push_back(input_.colours[3 * at(source) + k]);
    }
    out_.mesh.uvs.push_back(u);
    out_.mesh.uvs.push_back(v);
    if (first_[at(source)] < 0) first_[at(source)] = index;
    return index;
  }

  void write_charts() {
    std::vector<Place> places(at(surface_.face_count()));
    std::vector<std::size_t> first_vertex(charts_.size() + 1, 0);
    for (std::size_t c = 0; c < charts_.size(); ++c) {
      first_vertex[c + 1] = first_vertex[c] + charts_[c].mesh.vertex_count();
      for (std::size_t f = 0; f < charts_[c].mesh.faces.size(); ++f) {
        places[at(charts_[c].mesh.faces[f])] = {static_cast<std::int32_t>(c), static_cast<std::int32_t>(f)};
      }
    }
    // Vertices of the input at one place in one chart are copies with the same texture coordinates: a list per place.
    std::vector<std::int32_t> head(first_vertex.back(), -1);
    std::vector<std::int32_t> next;
    for (std::int32_t f = 0; f < surface_.face_count(); ++f) {
      const auto [c, face] = places[at(f)];
      const std::int64_t input_face = surface_.input_face[at(f)];
      out_.chart[at(input_face)] = c;
      for (std::int64_t k = 0; k < 3; ++k) {
        const std::int32_t local = charts_[at(c)].mesh.corners[at(face)][at(k)];
        const std::int32_t source = input_.faces[at(3 * input_face + k)];
        std::int32_t& list = head[first_vertex[at(c)] + at(local)];
        std::int32_t vertex = list;
        while (vertex >= 0 && out_.source_vertex[at(vertex)] != source) vertex = next[at(vertex)];
        if (vertex < 0) {
          const Vector2d& uv = flat_[at(c)].uv[at(local)];
          // v goes down in the texture, so that charts are seen as from outside.
          vertex = add_vertex(source, static_cast<float>(std::clamp(uv.x(), 0.0, 1.0)),
                              static_cast<float>(std::clamp(1 - uv.y(), 0.0, 1.0)));
          next.push_back(list);
          list = vertex;
        }
        out_.mesh.faces[at(3 * input_face + k)] = vertex;
      }
    }
  }

  // Faces that the surface does not have lie on one point: a corner's, or any.
  void write_pointlike_faces() {
    const bool any = !out_.source_vertex.empty();
    std::vector<std::int32_t> chart_of_vertex(out_.source_vertex.size(), 0);
    for (std::size_t f = 0; f < out_.chart.size(); ++f) {
      if (out_.chart[f] < 0) continue;
      for (std::size_t k = 0; k < 3; ++k) chart_of_vertex[at(out_.mesh.faces[3 * f + k])] = out_.chart[f];
    }
    const std::size_t proper = out_.source_vertex.size();
    for (std::size_t f = 0; f < out_.chart.size(); ++f) {
      if (out_.chart[f] >= 0) continue;
      std::int32_t anchor = any ? 0 : -1;
      for (std::size_t k = 0; k < 3; ++k) {
        const std::int32_t vertex = first_[at(input_.faces[3 * f + k])];
        if (vertex >= 0 && at(vertex) < proper) anchor = vertex;
      }
      const float u = anchor < 0 ? 0.5F : out_.mesh.uvs[2 * at(anchor)];
      const float v = anchor < 0 ? 0.5F : out_.mesh.uvs[2 * at(anchor) + 1];
      for (std::size_t k = 0; k < 3; ++k) {
        const std::int32_t source = input_.faces[3 * f + k];
        const bool same = anchor >= 0 && out_.source_vertex[at(anchor)] == source;
        out_.mesh.faces[3 * f + k] = same ? anchor : add_vertex(source, u, v);
      }
      out_.chart[f] = anchor < 0 ? 0 : chart_of_vertex[at(anchor)];
    }
  }

  const Mesh& input_;
  const ChartSurface& surface_;
  const std::vector<Chart>& charts_;
  const std::vector<FlatChart>& flat_;
  std::vector<Vector3d> normals_;
  std::vector<std::int32_t> first_;  // copy of each of the input's vertices, or -1
  Unwrapped out_;
};

// As Unwrapped has it; faces without area on either side count for nothing.
double mean_stretch(const Mesh& mesh) {
  double sum = 0;
  double surface = 0;
  double texture = 0;
  for (std::int64_t f = 0; f < mesh.face_count(); ++f) {
    std::array<Vector3d, 3> p;
    std::array<Vector2d, 3> t;
    for (std::int64_t k = 0; k < 3; ++k) {
      const std::size_t v = at(mesh.faces[at(3 * f + k)]);
      p[at(k)] = point_of(mesh, mesh.faces[at(3 * f + k)]);
      t[at(k)] = Vector2d(mesh.uvs[2 * v], mesh.uvs[2 * v + 1]);
    }
    const Vector2d one = t[1] - t[0];
    const Vector2d two = t[2] - t[0];
    const double det = std::abs(one.x() * two.y() - one.y() * two.x());
    const double area = (p[1] - p[0]).cross(p[2] - p[0]).norm() / 2;
    if (!(det > 0) || !(area > 0) || !std::isfinite(area)) continue;
    const Vector3d along_u = (two.y() * (p[1] - p[0]) - one.y() * (p[2] - p[0])) / det;
    const Vector3d along_v = (one.x() * (p[2] - p[0]) - two.x() * (p[1] - p[0])) / det;
    sum += area * std::sqrt((along_u.squaredNorm() + along_v.squaredNorm()) / 2);
    surface += area;
    texture += det / 2;
  }
  return surface > 0 ? sum / surface * std::sqrt(texture / surface) : 1;
}

// Share of texels whose centre lies in a triangle.
double covered_share(const Mesh& mesh, int size) {
  BitRows texels(size, size);
  for (std::int64_t f = 0; f < mesh.face_count(); ++f) {
    std::array<Vector2d, 3> p;
    for (std::int64_t k = 0; k < 3; ++k) {
      const std::size_t v = at(mesh.faces[at(3 * f + k)]);
      p[at(k)] = size * Vector2d(mesh.uvs[2 * v], mesh.uvs[2 * v + 1]) - Vector2d(0.5, 0.5);
    }
    const double low = std::min({p[0].y(), p[1].y(), p[2].y()});
    const double high = std::max({p[0].y(), p[1].y(), p[2].y()});
    for (int y = std::max(0, static_cast<int>(std::ceil(low))); y <= high && y < size; ++y) {
      double left = std::numeric_limits<double>::infinity();
      double right = -left;
      for (std::size_t k = 0; k < 3; ++k) {
        const Vector2d& a = p[k];
        const Vector2d& b = p[(k + 1) % 3];
        if ((a.y() < y) == (b.y() < y)) continue;
        const double x = a.x() + (y - a.y()) / (b.y() - a.y()) * (b.x() - a.x());
        left = std::min(left, x);
        right = std::max(right, x);
      }
      if (left > right) continue;
      const int begin = std::max(0, static_cast<int>(std::ceil(left)));
      const int end = std::min(size, static_cast<int>(std::floor(right)) + 1);
      if (begin < end) texels.set(y, begin, end);
    }
  }
  return static_cast<double>(texels.count()) / (static_cast<double>(size) * size);
}

}  // namespace

Unwrapped unwrap(const Mesh& mesh, const UnwrapOptions& options, const Monitor* monitor) {
  check_input(mesh, options);
  const auto progress = [&](int percent) {
    if (monitor == nullptr) return;
    monitor->progress(percent, 100);
    monitor->check();
  };
  progress(0);
  const ChartSurface surface = make_chart_surface(mesh);
  std::vector<Chart> charts;
  if (surface.face_count() > 0) {
    const std::vector<Vector3d> normals = smoothed_normals(surface, monitor);
    progress(5);
    const Segmentation regions = segment(surface, normals, monitor);
    progress(15);
    charts = flatten_regions(surface, normals, regions, monitor);
    progress(40);
    join_charts(surface, options.chart_stretch, charts, monitor);
    progress(60);
    polish_charts(surface, charts, monitor);
    progress(70);
  }
  std::vector<FlatChart> flat;
  flat.reserve(charts.size());
  for (const Chart& chart : charts) flat.push_back({chart.map.uv, border_of(chart.mesh)});
  if (!flat.empty()) pack(flat, options.texture_size, static_cast<int>(std::ceil(options.padding_texels)), monitor);
  progress(95);
  Unwrapped out = Writer(mesh, surface, charts, flat).write();
  out.mean_stretch = static_cast<float>(mean_stretch(out.mesh));
  out.use = static_cast<float>(covered_share(out.mesh, options.texture_size));
  progress(100);
  return out;
}

}  // namespace espalier
