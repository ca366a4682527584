// The stages of finishing, for any device.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>

#include "bake/bake.h"
#include "geometry/clean.h"
#include "geometry/simplify.h"
#include "geometry/unwrap.h"
#include "pipeline/finish.h"
#include "render/camera.h"
#include "render/splat_renderer.h"
#include "render/triangle_rasteriser.h"

namespace espalier {

// Passes progress of one stage on.
class StageMonitor final : public Monitor {
 public:
  StageMonitor(const EngineHooks& hooks, const char* stage) : hooks_(hooks), stage_(stage) {}
  void progress(int done, int total) const override {
    if (hooks_.progress) hooks_.progress(stage_, done, total);
  }
  [[nodiscard]] bool cancelled() const override { return hooks_.monitor != nullptr && hooks_.monitor->cancelled(); }

 private:
  const EngineHooks& hooks_;
  const char* stage_;
};

template <class Dev>
class SplatSource final : public ViewSource<Dev> {
 public:
  SplatSource(Queue<Dev>& queue, const Gaussians& gaussians) : renderer_(queue, gaussians) {}
  void render(const Camera& camera, View<Dev, float, 3> colour, View<Dev, float, 2> alpha) override {
    SplatOptions options;
    options.height = static_cast<int>(alpha.extent(0));
    options.width = static_cast<int>(alpha.extent(1));
    renderer_.render(camera, options, colour, alpha);
  }

 private:
  SplatRenderer<Dev> renderer_;
};

template <class Dev>
class Finisher {
 public:
  Finisher(int ordinal, const FinishInput& input, const FinishRequest& request, const EngineHooks& hooks,
           std::vector<StageReport>& stages)
      : queue_(ordinal), input_(input), request_(request), hooks_(hooks), stages_(stages) {
    queue_.watch(hooks.monitor);
  }

  FinishedMesh run() {
    FinishedMesh out;
    stage(kCleaningStage, [&](const Monitor& monitor) { clean(out, monitor); });
    if (request_.texture) {
      stage(kUnwrappingStage, [&](const Monitor& monitor) { unwrap_mesh(out, monitor); });
      stage(kBakingStage, [&](const Monitor& monitor) { bake(out, monitor); });
    }
    return out;
  }

 private:
  // What the reference looks for inner walls with.
  static constexpr int kVisibilityViews = 1000;
  static constexpr int kVisibilitySize = 512;
  static constexpr float kRadius = 2.0F, kFov = 40.0F;

  template <class Work>
  void stage(const char* name, Work work) {
    const StageMonitor monitor(hooks_, name);
    monitor.progress(0, 1);
    monitor.check();
    const auto start = std::chrono::steady_clock::now();
    work(monitor);
    queue_.synchronize();
    StageReport report;
    report.name = name;
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    stages_.push_back(report);
  }

  void clean(FinishedMesh& out, const Monitor& monitor) {
    CleanOptions options;
    options.drop_hidden = options.drop_small = request_.clean;
    options.fill_holes = request_.clean && request_.fill_holes;
    options.faces = request_.faces.value_or(0);
    options.ratio = request_.simplify;
    const CountViews count = [this](const Mesh& mesh, const Monitor* watch) {
      std::vector<Camera> cameras;
      for (const OrbitCamera& orbit : sphere_cameras(kVisibilityViews, kRadius, kFov)) cameras.push_back(camera_of(orbit));
      return Visibility{face_visibility(queue_, mesh, cameras, kVisibilitySize, watch), kVisibilityViews};
    };
    CleanReport report;
    out.mesh = cleaned(*input_.mesh, count, options, &monitor, &report);
    out.report.before = summary_of(report.before);
    out.report.after = summary_of(report.after);
    out.report.hidden_faces = report.hidden_faces;
    out.report.small_faces = report.small_faces;
    out.report.filled_holes = report.holes.filled;
  }

  void unwrap_mesh(FinishedMesh& out, const Monitor& monitor) {
    UnwrapOptions options;
    options.texture_size = request_.texture_size;
    Unwrapped unwrapped = unwrap(out.mesh, options, &monitor);
    out.mesh = std::move(unwrapped.mesh);
    out.report.charts = unwrapped.charts;
    out.report.mean_stretch = unwrapped.mean_stretch;
    out.report.texture_use = unwrapped.use;
  }

  void bake(FinishedMesh& out, const Monitor& monitor) {
    BakeOptions options;
    options.size = request_.texture_size;
    options.views = request_.views;
    options.view_size = request_.view_size;
    options.quality = request_.bake == BakeMode::best ? BakeQuality::best : BakeQuality::fast;
    SplatSource<Dev> source(queue_, *input_.gaussians);
    BakedTexture baked = bake_texture(queue_, out.mesh, source, options, &monitor);
    out.texture = std::move(baked.picture);
    out.report.texels_seen = baked.texels > 0 ? static_cast<double>(baked.seen) / static_cast<double>(baked.texels) : 0.0;
  }

  Queue<Dev> queue_;
  const FinishInput& input_;
  const FinishRequest& request_;
  const EngineHooks& hooks_;
  std::vector<StageReport>& stages_;
};

}  // namespace espalier
