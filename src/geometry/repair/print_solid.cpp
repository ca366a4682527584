#include "geometry/repair/print_solid.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "base/error.h"
#include "geometry/mesh/mesh_edit.h"
#include "geometry/mesh/mesh_quality.h"
#include "geometry/mesh/mesh_report.h"
#include "geometry/mesh/mesh_topology.h"
#include "geometry/mesh/triangle_tree.h"
#include "geometry/repair/distance_field.h"
#include "geometry/repair/untangle.h"
#include "geometry/simplify/simplify.h"
#include "parallel/parallel_for.h"

namespace espalier {
namespace {

constexpr double kStepsOfWall = 4, kMostStepsOfSide = 420;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

bool crosses_itself(const Mesh& mesh, const Monitor* monitor) {
  const std::vector<std::uint8_t> crossing = crossing_faces(mesh, monitor);
  return std::any_of(crossing.begin(), crossing.end(), [](std::uint8_t c) { return c != 0; });
}

// The faces of pieces with an inside, where every edge has an even number of faces, and of the others.
struct Pieces {
  Mesh closed, open;
};
Pieces pieces_of(const Mesh& mesh) {
  const MeshEdges edges = edges_of(mesh.faces, mesh.vertex_count());
  const Components pieces = edge_components(edges, mesh.face_count());
  std::vector<std::uint8_t> open(at(pieces.count), 0);
  for (std::int32_t e = 0; e < edges.count(); ++e) {
    if (edges.degree(e) % 2 != 0) open[at(pieces.of_face[at(edges.corners_of(e)[0] / 3)])] = 1;
  }
  std::vector<std::uint8_t> keep(at(mesh.face_count())), others(keep.size());
  for (std::size_t f = 0; f < keep.size(); ++f) {
    others[f] = open[at(pieces.of_face[f])];
    keep[f] = others[f] == 0 ? 1 : 0;
  }
  return {with_faces(mesh, keep), with_faces(mesh, others)};
}

double volume_of(const Mesh& mesh) {
  double volume = 0;
  for (std::int64_t f = 0; f < mesh.face_count(); ++f) {
    const std::int32_t* const v = face_of(mesh, f);
    volume += point_of(mesh, v[0]).dot(point_of(mesh, v[1]).cross(point_of(mesh, v[2]))) / 6;
  }
  return volume;
}

// Middles of walls that are thinner than asked: where the distance has a ridge between opposite sides. Its gradient vanishes
// there, while at the middle of a right angle it is 0.7.
std::vector<Point> middles_of_thin_walls(const DistanceField& field, double wall) {
  constexpr float kFlat = 0.6F, kBend = -0.5F;
  const auto step = static_cast<float>(field.step);
  std::vector<std::vector<Point>> layers(at(field.size[2]));
  parallel_for(field.size[2] - 2, 1, [&](std::int64_t layer) {
    const auto z = static_cast<std::int32_t>(layer + 1);
    for (std::int32_t y = 1; y + 1 < field.size[1]; ++y) {
      for (std::int32_t x = 1; x + 1 < field.size[0]; ++x) {
        const float here = field.values[field.index(x, y, z)];
        if (here < -0.5F * step || here > static_cast<float>(wall / 2) - 0.25F * step) continue;
        const std::array<std::array<float, 2>, 3> around{
            {{field.values[field.index(x - 1, y, z)], field.values[field.index(x + 1, y, z)]},
             {field.values[field.index(x, y - 1, z)], field.values[field.index(x, y + 1, z)]},
             {field.values[field.index(x, y, z - 1)], field.values[field.index(x, y, z + 1)]}}};
        Point gradient = Point::Zero();
        float bend = 0;
        for (int k = 0; k < 3; ++k) {
          gradient[k] = 0.5 * (around[at(k)][1] - around[at(k)][0]) / step;
          bend += (around[at(k)][0] + around[at(k)][1] - 2 * here) / step;
        }
        if (gradient.norm() >= kFlat || bend > kBend) continue;
        layers[at(z)].push_back(field.point(x, y, z) + field.step * gradient);
      }
    }
  });
  std::vector<Point> middles;
  for (const auto& layer : layers) middles.insert(middles.end(), layer.begin(), layer.end());
  return middles;
}

// Balls of half the wall around the middles, a little larger so that the dents between them keep the thickness.
void thicken(DistanceField& field, const std::vector<Point>& middles, double wall, double reach) {
  const double radius = wall / 2 + 0.2 * field.step;
  for (const Point& middle : middles) {
    for_points(field, middle.array() - reach, middle.array() + reach, [&](std::int32_t x, std::int32_t y, std::int32_t z) {
      float& value = field.values[field.index(x, y, z)];
      value = std::max(value, static_cast<float>(radius - (field.point(x, y, z) - middle).norm()));
    });
  }
}

void cut_below(DistanceField& field, double base) {
  for (std::int32_t z = 0; z < field.size[2]; ++z) {
    const auto above = static_cast<float>(field.low[2] + field.step * z - base);
    for (std::int32_t y = 0; y < field.size[1]; ++y) {
      for (std::int32_t x = 0; x < field.size[0]; ++x) {
        float& value = field.values[field.index(x, y, z)];
        value = std::min(value, above);
      }
    }
  }
}

void take_colours(const Mesh& from, Mesh& to) {
  if (from.colours.empty()) return;
  to.colours.resize(to.vertices.size());
  const TriangleTree tree(from);
  parallel_for(to.vertex_count(), 256, [&](std::int64_t v) {
    const auto near = tree.closest(point_of(to, static_cast<std::int32_t>(v)), std::numeric_limits<double>::infinity());
    const std::int32_t* const corners = face_of(from, near.face);
    for (std::size_t k = 0; k < 3; ++k) {
      double colour = 0;
      for (std::size_t c = 0; c < 3; ++c) colour += near.weights[c] * double{from.colours[3 * at(corners[c]) + k]};
      to.colours[3 * at(v) + k] = static_cast<float>(colour);
    }
  });
}

// What the cut left: beside its outline the surface rises by up to half a step.
struct Base {
  double height = 0, reach = 0;  // nothing for a reach of 0
};
Mesh flattened(Mesh mesh, const Base& base) {
  for (std::size_t v = 0; v < mesh.vertices.size() && base.reach > 0; v += 3) {
    float& z = mesh.vertices[v + 2];
    if (double{z} < base.height + base.reach) z = static_cast<float>(base.height);
  }
  return mesh;
}

// With fewer faces, as long as none crosses another and the solid is the same.
Mesh with_faces_at_most(const Mesh& fine, std::int64_t faces, const Base& base, const Monitor* monitor) {
  // A grid has millions of faces for a few: the first step of the way, which takes most of the time, is gone once.
  constexpr std::int64_t kOften = 8, kLeast = 60'000;
  constexpr double kVolumeKept = 0.02;
  const double volume = volume_of(fine);
  const Mesh start = roughly_simplified(fine, std::max(kOften * faces, kLeast), monitor);
  for (const std::int64_t factor : {1, 2, 4, 16, 64}) {
    if (start.face_count() <= factor * faces) break;
    Mesh coarse = untangled(flattened(simplified(start, factor * faces, monitor), base), monitor);
    if (std::abs(volume_of(coarse) / volume - 1) > kVolumeKept) continue;
    if (report_of(coarse).watertight && !crosses_itself(coarse, monitor)) return coarse;
  }
  Mesh flat = flattened(fine, base);
  return base.reach > 0 && crosses_itself(flat, monitor) ? fine : flat;
}

void check_request(const Mesh& mesh, const PrintOptions& options, double side) {
  if (!mesh.uvs.empty())
    fail(ErrorCode::unsupported, "print: the mesh has texture coordinates, which do not survive", hint("unwrap it afterwards"));
  if (!(options.wall >= 0 && options.base >= 0 && options.steps >= 8))
    fail(ErrorCode::invalid_argument, "print: a wall or base below 0, or a grid of fewer than 8 steps");
  if (options.wall == 0) return;
  if (options.wall < kStepsOfWall / kMostStepsOfSide * side) {
    fail(ErrorCode::invalid_argument, "walls of ", 100 * options.wall / side, " % of the largest side cannot be made sure of",
         hint("ask for 1 % at least, or for a smaller object"));
  }
  if (options.wall > side / 2) {
    fail(ErrorCode::invalid_argument, "walls of ", 100 * options.wall / side, " % of the largest side are the whole object",
         hint("50 % are the most"));
  }
}

// The largest side, and what the request says of it.
double checked_side(const Mesh& mesh, const PrintOptions& options) {
  check_mesh(mesh, "print");
  const Bounds box = box_of(mesh);
  double side = 0;
  for (std::size_t k = 0; k < 3; ++k) side = std::max(side, box.high[k] - box.low[k]);
  check_request(mesh, options, side);
  return side;
}

// The surface made anew on a grid, with all its faces.
struct Rebuilt {
  Mesh fine;
  Base base;
};
Rebuilt rebuilt(const Mesh& mesh, const Pieces& pieces, double side, const PrintOptions& options, const Monitor* monitor) {
  DistanceRequest request{.closed = &pieces.closed, .sheets = &pieces.open, .sheet_reach = options.wall / 2};
  request.step = side / options.steps;
  if (options.wall > 0) request.step = std::min(options.wall / kStepsOfWall, request.step);
  request.reach = options.wall / 2 + 2 * request.step;
  request.margin = options.wall / 2 + 3 * request.step;
  request.base = box_of(mesh).low[2] + options.base;
  DistanceField field = distance_field(request, monitor);
  if (options.wall > 0) thicken(field, middles_of_thin_walls(field, options.wall), options.wall, request.reach);
  if (options.base > 0) cut_below(field, request.base);
  Mesh fine = surface_of(field, monitor);
  if (fine.faces.empty())
    fail(ErrorCode::invalid_argument, "print: nothing is left of the mesh",
         hint("its walls are too thin, or its base too high"));
  return {std::move(fine), {request.base, options.base > 0 ? 0.5 * request.step : 0.0}};
}

void check_closed(const Pieces& pieces, const PrintOptions& options) {
  if (pieces.open.face_count() > 0 && options.wall == 0) {
    fail(ErrorCode::invalid_argument, "the mesh has openings, so it bounds no solid: ", pieces.open.face_count(),
         " faces of pieces without an inside", hint("fill its holes, or give the thickness of its walls (min-wall)"));
  }
}

}  // namespace

Bounds printable_box(const Mesh& given, const PrintOptions& options, const Monitor* monitor) {
  const double side = checked_side(given, options);
  if (options.wall == 0 && options.base == 0) return box_of(given);
  const Mesh mesh = welded(given);
  const Pieces pieces = pieces_of(mesh);
  check_closed(pieces, options);
  const Rebuilt made = rebuilt(mesh, pieces, side, options, monitor);
  return box_of(flattened(made.fine, made.base));
}

Mesh printable(const Mesh& given, const PrintOptions& options, const Monitor* monitor, PrintReport* report) {
  const double side = checked_side(given, options);
  PrintReport found;
  const Mesh mesh = welded(given);
  const Pieces pieces = pieces_of(mesh);
  found.open_faces = pieces.open.face_count();
  found.volume_before = found.volume_after = volume_of(pieces.closed);
  if (options.wall == 0 && options.base == 0 && report_of(mesh).watertight) {
    Mesh apart = untangled(mesh, monitor);
    if (!crosses_itself(apart, monitor)) {
      found.volume_after = volume_of(apart);
      if (report != nullptr) *report = found;
      return apart;
    }
  }
  check_closed(pieces, options);
  Rebuilt made = rebuilt(mesh, pieces, side, options, monitor);
  take_colours(mesh, made.fine);
  Mesh result = with_faces_at_most(made.fine, options.faces > 0 ? options.faces : given.face_count(), made.base, monitor);
  found.rebuilt = true;
  found.volume_after = volume_of(result);
  if (report != nullptr) *report = found;
  return result;
}

}  // namespace espalier
