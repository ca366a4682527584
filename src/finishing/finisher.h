// The stages of finishing, for any device.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <type_traits>

#include "bake/bake.h"
#include "bake/project.h"
#include "finishing/finish.h"
#include "finishing/look.h"
#include "geometry/mesh/mesh_edit.h"
#include "geometry/repair/clean.h"
#include "geometry/simplify/simplify.h"
#include "geometry/unwrap/unwrap.h"
#include "render/raster/camera.h"
#include "render/raster/radiance_field_renderer.h"
#include "render/raster/splat_renderer.h"
#include "render/raster/triangle_rasteriser.h"
#include "runtime/host_memory.h"

namespace espalier {

// How far the free memory of a device fell since construction, as far as samples show it. Of a GPU other processes count too.
// On the CPU: how far the process grew, if that is measured.
template <class Dev>
class WorkingMemory {
 public:
  WorkingMemory(int ordinal, bool measure_host) : ordinal_(ordinal), host_(measure_host) {
    if constexpr (!std::is_same_v<Dev, Cpu>) start_ = lowest_ = free_memory<Dev>(ordinal_);
  }
  void sample() {
    if constexpr (!std::is_same_v<Dev, Cpu>) lowest_ = std::min(lowest_, free_memory<Dev>(ordinal_));
  }
  [[nodiscard]] const HostMemoryWatch& host() const { return host_; }
  [[nodiscard]] std::size_t peak() const {
    if constexpr (std::is_same_v<Dev, Cpu>) {
      const std::size_t most = host_.peak();
      return most > host_.start() ? most - host_.start() : 0;
    } else {
      return start_ - lowest_;
    }
  }

 private:
  int ordinal_;
  HostMemoryWatch host_;
  std::size_t start_ = 0, lowest_ = 0;
};

// Passes progress of one stage on, and looks at the memory whenever there is some: the stage's buffers exist then.
template <class Dev>
class StageMonitor final : public Monitor {
 public:
  StageMonitor(const StageHooks& hooks, Stage stage, WorkingMemory<Dev>& memory)
      : hooks_(hooks), stage_(stage), memory_(memory) {}
  void progress(int done, int total) const override {
    memory_.sample();
    if (hooks_.progress) hooks_.progress(stage_, done, total);
  }
  [[nodiscard]] bool cancelled() const override { return hooks_.monitor != nullptr && hooks_.monitor->cancelled(); }

 private:
  const StageHooks& hooks_;
  Stage stage_;
  WorkingMemory<Dev>& memory_;
};

// What a renderer shows, with its own defaults but for the size.
template <class Dev, class Renderer, class Options>
class RenderedSource final : public ViewSource<Dev> {
 public:
  template <class Scene>
  RenderedSource(Queue<Dev>& queue, const Scene& scene) : renderer_(queue, scene) {}
  void render(const Camera& camera, View<Dev, float, 3> colour, View<Dev, float, 2> alpha) override {
    Options options;
    options.height = static_cast<int>(alpha.extent(0));
    options.width = static_cast<int>(alpha.extent(1));
    renderer_.render(camera, options, colour, alpha);
  }

 private:
  Renderer renderer_;
};
template <class Dev>
using SplatSource = RenderedSource<Dev, SplatRenderer<Dev>, SplatOptions>;
template <class Dev>
using RadianceFieldSource = RenderedSource<Dev, RadianceFieldRenderer<Dev>, RadianceFieldOptions>;

template <class Dev>
class Finisher {
 public:
  Finisher(int ordinal, const FinishInput& input, const FinishRequest& request, const StageHooks& hooks,
           std::vector<StageReport>& stages)
      : queue_(ordinal), input_(input), request_(request), hooks_(hooks), stages_(stages) {
    queue_.watch(hooks.monitor);
  }

  FinishedMesh run() {
    FinishedMesh out;
    stage(Stage::clean_mesh, [&](const Monitor& monitor) { clean(out, monitor); });
    if (request_.texture) {
      stage(Stage::unwrap_mesh, [&](const Monitor& monitor) { unwrap_mesh(out, monitor); });
      stage(Stage::bake_texture, [&](const Monitor& monitor) {
        bake(out, monitor);
        if (!request_.project_image) add_maps(map_source(), request_, out, &monitor);
      });
      if (request_.project_image) {
        stage(Stage::project_images, [&](const Monitor& monitor) {
          project(out, monitor);
          add_maps(map_source(), request_, out, &monitor);
        });
      }
    }
    if (input_.kept != nullptr) move_back(*input_.mesh, source_vertex_, out.mesh);
    return out;
  }

 private:
  // The reference finds interior faces by 1000 views of 512 pixels. The shares that views are compared with are no finer
  // than 2 %, which fewer tell as well; larger ones miss fewer small faces.
  static constexpr int kVisibilityViews = 250;
  static constexpr int kVisibilitySize = 768;
  static constexpr float kRadius = 2.0F, kFov = 40.0F;

  template <class Work>
  void stage(Stage stage, Work work) {
    WorkingMemory<Dev> memory(queue_.ordinal(), hooks_.measure_memory);
    const StageMonitor<Dev> monitor(hooks_, stage, memory);
    monitor.progress(0, 1);
    monitor.check();
    const auto start = std::chrono::steady_clock::now();
    work(monitor);
    queue_.synchronize();
    StageReport report;
    report.stage = stage;
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    report.peak_bytes = memory.peak();
    report.process_bytes = memory.host().peak();
    stages_.push_back(report);
  }

  void clean(FinishedMesh& out, const Monitor& monitor) {
    if (input_.kept != nullptr) {
      out.mesh = placed(*input_.mesh, *input_.kept);
      out.report.before = out.report.after = summary_of(report_of(*input_.mesh));
      return;
    }
    CleanOptions options;
    options.drop_small = options.drop_enclosed = options.untangle = request_.clean;
    options.drop_hidden = request_.clean && input_.surface == SurfaceRule::reference;
    options.fill_holes = request_.clean && request_.fill_holes;
    options.faces = request_.faces.value_or(0);
    options.ratio = request_.simplify;
    const CountViews count = [this](const Mesh& mesh, const Monitor* watch) {
      std::vector<Camera> cameras;
      for (const OrbitCamera& orbit : sphere_cameras(kVisibilityViews, kRadius, kFov)) cameras.push_back(camera_of(orbit));
      const auto seen = [&](const Mesh& placed) { return face_visibility(queue_, placed, cameras, kVisibilitySize, watch); };
      return Visibility{input_.given == nullptr ? seen(mesh) : seen(in_unit_cube(mesh)), kVisibilityViews};
    };
    CleanReport report;
    out.mesh = cleaned(*input_.mesh, count, options, &monitor, &report);
    if (request_.watertight) {
      make_printable(request_, out.mesh, out.notices, &monitor);
      report.after = report_of(out.mesh);
    }
    out.report.before = summary_of(report.before);
    out.report.after = searched_summary_of(report.after, out.mesh, &monitor);
    if (request_.faces && out.report.after.faces > *request_.faces) {
      out.notices.push_back(str("the mesh keeps ", out.report.after.faces, " faces instead of ", *request_.faces,
                                ": with fewer it would lose its shape or a hole through it"));
    }
    if (std::string notice = hidden_notice(out.report.after); !notice.empty()) out.notices.push_back(std::move(notice));
    out.report.hidden_faces = report.hidden_faces;
    out.report.small_faces = report.small_faces;
    out.report.enclosed_faces = report.enclosed_faces;
    out.report.filled_holes = report.holes.filled;
  }

  void unwrap_mesh(FinishedMesh& out, const Monitor& monitor) {
    if (input_.kept != nullptr && input_.kept->uvs) return;
    UnwrapOptions options;
    options.texture_size = request_.texture_size;
    Unwrapped unwrapped = unwrap(out.mesh, options, &monitor);
    out.mesh = std::move(unwrapped.mesh);
    out.report.after.vertices = out.mesh.vertex_count();
    source_vertex_ = std::move(unwrapped.source_vertex);
    out.report.charts = unwrapped.charts;
    out.report.mean_stretch = unwrapped.mean_stretch;
    out.report.texture_use = unwrapped.use;
  }

  // Meshes of other programs lie anywhere, and have any size.
  static Mesh in_unit_cube(const Mesh& mesh) {
    const Bounds box = box_of(mesh);
    double side = 0.0;
    for (std::size_t k = 0; k < 3; ++k) side = std::max(side, box.high[k] - box.low[k]);
    Mesh out = mesh;
    for (std::size_t i = 0; i < out.vertices.size(); ++i) {
      const double centre = 0.5 * (box.low[i % 3] + box.high[i % 3]);
      out.vertices[i] = static_cast<float>((double{mesh.vertices[i]} - centre) / (side > 0.0 ? side : 1.0));
    }
    return out;
  }

  // A mesh that is kept has no finer surface than its own.
  [[nodiscard]] MapSource map_source() const {
    if (input_.kept != nullptr) return {};
    if (input_.given != nullptr) return {input_.given->mesh, true};
    return {input_.mesh, false};
  }

  void bake(FinishedMesh& out, const Monitor& monitor) {
    if (input_.given != nullptr) return carry_look(*input_.given, request_, out, &monitor);
    BakeOptions options;
    options.size = request_.texture_size;
    options.views = request_.views;
    options.view_size = request_.view_size;
    options.mode = request_.bake;
    const std::unique_ptr<ViewSource<Dev>> source = view_source();
    BakedTexture baked = bake_texture(queue_, out.mesh, *source, options, &monitor);
    out.texture = std::move(baked.image);
    out.report.texels_seen = baked.texels > 0 ? static_cast<double>(baked.seen) / static_cast<double>(baked.texels) : 0.0;
  }

  void project(FinishedMesh& out, const Monitor& monitor) {
    const std::vector<Image> images(input_.images.begin(), input_.images.end());
    const ProjectedImages projected = project_images(queue_, out.mesh, images, {}, out.texture, &monitor);
    for (const ProjectedImage& p : projected.images) {
      out.report.images.push_back(match_of(p, projected.texels));
      if (!p.used) out.notices.push_back(unused_image(p, out.report.images.size(), images.size()));
    }
  }

  std::unique_ptr<ViewSource<Dev>> view_source() {
    if (request_.bake_radiance_field) return std::make_unique<RadianceFieldSource<Dev>>(queue_, *input_.radiance_field);
    return std::make_unique<SplatSource<Dev>>(queue_, *input_.gaussians);
  }

  Queue<Dev> queue_;
  const FinishInput& input_;
  const FinishRequest& request_;
  const StageHooks& hooks_;
  std::vector<StageReport>& stages_;
  std::vector<std::int32_t> source_vertex_;  // of each vertex after unwrapping
};

}  // namespace espalier
