#include "finishing/finish.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <limits>
#include <numbers>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "finishing/finisher.h"
#include "geometry/mesh/mesh_edit.h"
#include "geometry/mesh/mesh_quality.h"
#include "geometry/repair/print_solid.h"
#include "runtime/on_device.h"

namespace espalier {

namespace {

void check_input(const FinishInput& input, const FinishRequest& request) {
  if (input.mesh == nullptr) fail(ErrorCode::invalid_argument, "there is no mesh to finish", hint("decode one (mesh)"));
  if (input.mesh->faces.empty()) fail(ErrorCode::invalid_argument, "the mesh has no faces, so there is nothing to finish");
  if (!request.texture || input.given != nullptr) return;
  if (request.project_image && input.images.empty()) {
    fail(ErrorCode::invalid_argument, "there is no image to project into the texture",
         hint("generate from an image, or export an asset that was saved with one"));
  }
  if (request.bake_radiance_field) {
    if (input.radiance_field == nullptr || input.radiance_field->density.empty()) {
      fail(ErrorCode::invalid_argument, "there is no radiance field to bake a texture from",
           hint("decode it (radiance-field) or bake from the Gaussians"));
    }
    return;
  }
  if (input.gaussians == nullptr || input.gaussians->count() == 0) {
    fail(ErrorCode::invalid_argument, "there are no Gaussians to bake a texture from",
         hint("decode them (gaussians) or do without a texture"));
  }
}

}  // namespace

MeshSummary summary_of(const MeshReport& r) {
  MeshSummary s;
  s.faces = r.faces;
  s.vertices = r.vertices;
  s.positions = r.positions;
  s.components = r.components;
  s.boundary_edges = r.boundary_edges;
  s.holes = r.boundary_loops;
  s.non_manifold_edges = r.non_manifold_edges;
  s.degenerate_faces = r.degenerate_faces;
  s.duplicate_faces = r.duplicate_faces;
  s.watertight = r.watertight;
  s.consistent_winding = r.consistent_winding;
  s.area = r.area;
  s.volume = r.volume;
  s.low = r.low;
  s.high = r.high;
  if (r.watertight && r.non_manifold_vertices == 0) s.handles = r.components - r.euler() / 2;
  return s;
}

MeshSummary searched_summary_of(const MeshReport& report, const Mesh& mesh, const Monitor* monitor) {
  MeshSummary s = summary_of(report);
  const MeshQuality quality = quality_of(mesh, kHiddenRays, monitor);
  s.hidden_share = quality.hidden_share;
  s.crossing_faces = quality.crossing_faces;
  s.crease_length = quality.crease_length;
  s.thin_wall = quality.thin_wall;
  s.overhang_share = quality.overhang_share;
  return s;
}

std::string hidden_notice(const MeshSummary& mesh) {
  constexpr double kMuch = 0.01;
  if (!(mesh.hidden_share > kMuch)) return {};
  std::ostringstream text;
  text << std::fixed << std::setprecision(1) << "warning: " << 100 * mesh.hidden_share
       << " % of the mesh's area cannot be seen from outside";
  return text.str();
}

namespace {

// Units of the mesh in a millimetre of its file, where the object has this box.
double millimetre(const FinishRequest& request, const Bounds& box) {
  if (request.height_mm > 0.0) return (box.high[2] - box.low[2]) / request.height_mm;
  double side = 0.0;
  for (std::size_t k = 0; k < 3; ++k) side = std::max(side, box.high[k] - box.low[k]);
  return side / request.size_mm;
}

// The box of what lies above `floor`; empty (all infinite) where nothing does.
Bounds box_above(const Mesh& mesh, double floor) {
  constexpr double kFar = std::numeric_limits<double>::infinity();
  Bounds box{{kFar, kFar, kFar}, {-kFar, -kFar, -kFar}};
  const auto add = [&](const std::array<double, 3>& p) {
    for (std::size_t k = 0; k < 3; ++k) {
      box.low[k] = std::min(box.low[k], p[k]);
      box.high[k] = std::max(box.high[k], p[k]);
    }
  };
  const auto point = [&](std::int32_t v) {
    const float* const p = &mesh.vertices[3 * static_cast<std::size_t>(v)];
    return std::array<double, 3>{p[0], p[1], p[2]};
  };
  for (std::size_t i = 0; i < mesh.faces.size(); ++i) {
    const std::array<double, 3> a = point(mesh.faces[i]), b = point(mesh.faces[i % 3 == 2 ? i - 2 : i + 1]);
    if (a[2] >= floor) add(a);
    if ((a[2] < floor) == (b[2] < floor)) continue;
    const double t = (floor - a[2]) / (b[2] - a[2]);
    add({a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]), floor});
  }
  return box;
}

// The millimetre of what is left when the base is cut off: a file of a given size is scaled after the cut.
double millimetre_after_cut(const FinishRequest& request, const Mesh& mesh, const Bounds& box) {
  constexpr int kRounds = 40;
  double unit = millimetre(request, box);
  for (int i = 0; i < kRounds && request.flat_base_mm > 0.0; ++i) {
    const Bounds left = box_above(mesh, box.low[2] + request.flat_base_mm * unit);
    if (!(left.high[2] > left.low[2])) break;
    unit = millimetre(request, left);
  }
  return unit;
}

}  // namespace

void make_printable(const FinishRequest& request, Mesh& mesh, std::vector<std::string>& notices, const Monitor* monitor) {
  constexpr int kTries = 2;
  constexpr double kClose = 0.005;
  PrintOptions options;
  options.faces = mesh.face_count();
  const auto measure = [&](double unit) {
    options.wall = request.min_wall_mm * unit;
    options.base = request.flat_base_mm * unit;
  };
  double unit = millimetre_after_cut(request, mesh, box_of(mesh));
  measure(unit);
  // Walls that grow change the box, and with it what a millimetre is.
  for (int i = 0; i < kTries && options.wall > 0.0; ++i) {
    const double now = millimetre(request, printable_box(mesh, options, monitor));
    if (std::abs(now / unit - 1.0) <= kClose) break;
    unit = now;
    measure(unit);
  }
  PrintReport report;
  mesh = printable(mesh, options, monitor, &report);
  if (!report.rebuilt) return;
  std::ostringstream text;
  text << "the surface was made anew for print";
  if (report.open_faces > 0) text << "; " << report.open_faces << " faces without an inside became plates";
  if (report.volume_before > 0.0) {
    text << std::fixed << std::setprecision(1) << "; the volume changed by "
         << 100.0 * (report.volume_after / report.volume_before - 1.0) << " %";
  }
  if (mesh.face_count() > options.faces)
    text << "; it keeps " << mesh.face_count() << " faces, with fewer it would lose its shape or cross itself";
  notices.push_back(text.str());
}

ImageMatch match_of(const ProjectedImage& image, std::int64_t texels) {
  constexpr double kDegrees = 180.0 / std::numbers::pi;
  const ImagePose& pose = image.found.pose;
  ImageMatch match;
  match.overlap = image.found.agreement.overlap;
  match.colour_error = image.found.agreement.colour_error;
  match.yaw = std::remainder(pose.yaw * kDegrees, 360.0);
  match.pitch = pose.pitch * kDegrees;
  match.distance = 1.0 / pose.closeness;
  match.used = image.used;
  if (texels > 0) match.texels = static_cast<double>(image.texels) / static_cast<double>(texels);
  return match;
}

std::string unused_image(const ProjectedImage& image, std::size_t number, std::size_t count) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(2) << (count > 1 ? str("image ", number) : "the image")
       << " does not match the object well enough (IoU " << image.found.agreement.overlap << ", colours differ by "
       << image.found.agreement.colour_error << "); " << (count > 1 ? "it is not projected" : "the texture is left as baked");
  return text.str();
}

FinishedMesh finish_mesh(const DeviceChoice& device, const FinishInput& input, const FinishRequest& request,
                         const StageHooks& hooks, std::vector<StageReport>& stages) {
  check_input(input, request);
  return on_device(device, [&]<class Dev>(std::type_identity<Dev>) {
    return Finisher<Dev>(device.ordinal, input, request, hooks, stages).run();
  });
}

}  // namespace espalier
