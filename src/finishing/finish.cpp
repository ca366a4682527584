#include "finishing/finish.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <numbers>
#include <sstream>

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
  if (!request.texture) return;
  if (request.project_image && input.pictures.empty()) {
    fail(ErrorCode::invalid_argument, "there is no picture to project into the texture",
         hint("generate from a picture, or export an asset that was saved with one"));
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

void make_printable(const FinishRequest& request, Mesh& mesh, std::vector<std::string>& notices, const Monitor* monitor) {
  const Bounds box = box_of(mesh);
  double side = 0.0;
  for (std::size_t k = 0; k < 3; ++k) side = std::max(side, box.high[k] - box.low[k]);
  PrintOptions options;
  options.wall = request.min_wall_mm / request.size_mm * side;
  options.base = request.flat_base_mm / request.size_mm * side;
  options.faces = mesh.face_count();
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
    text << "; it keeps " << mesh.face_count() << " faces, with fewer it would cross itself";
  notices.push_back(text.str());
}

PictureMatch match_of(const ProjectedPicture& picture, std::int64_t texels) {
  constexpr double kDegrees = 180.0 / std::numbers::pi;
  const PicturePose& pose = picture.found.pose;
  PictureMatch match;
  match.overlap = picture.found.agreement.overlap;
  match.colour_error = picture.found.agreement.colour_error;
  match.yaw = std::remainder(pose.yaw * kDegrees, 360.0);
  match.pitch = pose.pitch * kDegrees;
  match.distance = 1.0 / pose.closeness;
  match.used = picture.used;
  if (texels > 0) match.texels = static_cast<double>(picture.texels) / static_cast<double>(texels);
  return match;
}

std::string unused_picture(const ProjectedPicture& picture, std::size_t number, std::size_t count) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(2) << (count > 1 ? str("picture ", number) : "the picture")
       << " does not match the object well enough (IoU " << picture.found.agreement.overlap << ", colours differ by "
       << picture.found.agreement.colour_error << "); " << (count > 1 ? "it is not projected" : "the texture is left as baked");
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
