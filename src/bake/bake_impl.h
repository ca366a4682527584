// The order of work of baking, shared by the back ends, which instantiate what bake.h declares.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "bake/bake.h"
#include "bake/bake_steps.h"
#include "bake/fill.h"
#include "bake/seams.h"
#include "base/error.h"
#include "parallel/for_each.h"
#include "render/raster/triangle_rasteriser.h"
#include "runtime/array.h"

namespace espalier::baking {

// What gutters a bilinear look at a chart's outermost texels can reach.
inline constexpr float kGutter = 1.5F;

// Throws invalid_argument where a mesh or options cannot be baked.
void check_mesh(const Mesh& mesh);
void check_options(const BakeOptions& options);
// Per face 1, or 0 where so many pixels fall into so little texture that sums could overflow.
[[nodiscard]] std::vector<std::uint8_t> usable_faces(const Mesh& mesh, const BakeOptions& options);
// The part of a TexelView that a camera decides.
[[nodiscard]] TexelView texel_view(const Camera& camera, int view_size, float least_cosine);
[[nodiscard]] Image bytes_of(const std::vector<float>& texture, int size);

// One image of mesh and source.
template <class Dev>
class ViewFrame {
 public:
  ViewFrame(Queue<Dev>& queue, int size)
      : size_(size),
        face_(queue, pixels(), "faces of a view"),
        barycentric_(queue, 2 * pixels(), "weights of a view"),
        depth_(queue, pixels(), "depth of a view"),
        colour_(queue, 3 * pixels(), "colours of a view"),
        alpha_(queue, pixels(), "opacity of a view"),
        trust_(queue, pixels(), "trust in a view") {}

  void render(TriangleRasteriser<Dev>& rasteriser, ViewSource<Dev>& source, const Camera& camera) {
    const std::int64_t s = size_;
    rasteriser.render(
        camera, {face_.template view<2>({s, s}), barycentric_.template view<3>({s, s, 2}), depth_.template view<2>({s, s})});
    source.render(camera, colour_.template view<3>({s, s, 3}), alpha_.template view<2>({s, s}));
  }
  // After render: what TrustPixels says of every pixel.
  void judge(Queue<Dev>& queue, const Camera& camera) {
    for_each(queue, "bake_texture", pixels(),
             TrustPixels{depth_.data(), size_, 1.0F / (camera.fx * static_cast<float>(size_)), trust_.data()});
  }
  [[nodiscard]] std::int64_t pixels() const { return std::int64_t{size_} * size_; }
  [[nodiscard]] Seen seen() const { return {face_.data(), barycentric_.data(), colour_.data(), alpha_.data()}; }
  [[nodiscard]] const float* depth() const { return depth_.data(); }
  [[nodiscard]] const float* trust() const { return trust_.data(); }

 private:
  int size_;
  Array<Dev, std::int32_t> face_;
  Array<Dev, float> barycentric_, depth_, colour_, alpha_, trust_;
};

template <class Dev>
class Baker {
 public:
  Baker(Queue<Dev>& queue, const Mesh& mesh, ViewSource<Dev>& source, const BakeOptions& options, const Monitor* monitor)
      : queue_(queue),
        mesh_(mesh),
        source_(source),
        options_(options),
        monitor_(monitor),
        texels_(std::int64_t{options.size} * options.size),
        rasteriser_(queue, mesh),
        view_(queue, options.view_size),
        face_(queue, texels_, "faces of texels"),
        texture_(queue, 3 * texels_, "a texture"),
        barycentric_(queue, 2 * texels_, "weights of texels"),
        known_(queue, texels_, "known texels") {
    rasteriser_.render_texels(texel_fragments(), kGutter);
    texture_.zero(queue_);
  }

  BakedTexture run() {
    if (options_.mode == BakeMode::best) {
      solve();
    } else {
      gather();
    }
    BakedTexture baked;
    std::vector<float> texture = texture_.host(queue_);
    for (std::size_t i = 0; i < host_face_.size(); ++i) {
      if (host_face_[i] == 0) continue;
      ++baked.texels;
      baked.seen += host_known_[i];
    }
    report(bake_steps(options_) - 2);
    fill_outside(host_face_, options_.size, texture);
    report(bake_steps(options_) - 1);
    match_seams(mesh_, options_.size, texture);
    baked.image = bytes_of(texture, options_.size);
    return baked;
  }

 private:
  [[nodiscard]] Fragments<Dev> texel_fragments() const {
    const std::int64_t s = options_.size;
    return {face_.template view<2>({s, s}), barycentric_.template view<3>({s, s, 2}), {}};
  }
  void report(int done) const {
    if (monitor_ == nullptr) return;
    monitor_->check();
    monitor_->progress(done, bake_steps(options_));
  }
  // Renders every view and hands it on.
  template <class Take>
  void each_view(Take take) {
    const auto cameras = sphere_cameras(options_.views, options_.radius, options_.fov_degrees);
    for (int v = 0; v < options_.views; ++v) {
      report(v);
      const Camera camera = camera_of(cameras[static_cast<std::size_t>(v)]);
      view_.render(rasteriser_, source_, camera);
      view_.judge(queue_, camera);
      take(camera);
      // Cancelling must not wait for a queue full of views.
      if (v % 8 == 7) queue_.synchronize();
    }
  }
  // Texels that no view knows.
  void fill() {
    host_face_ = face_.host(queue_);
    host_known_ = known_.host(queue_);
    std::vector<float> texture = texture_.host(queue_);
    fill_unseen(mesh_, host_face_, barycentric_.host(queue_), host_known_, texture);
    texture_.set(queue_, texture);
  }

  void solve() {
    const Array<Dev, std::int32_t> faces(queue_, mesh_.faces, "faces of a mesh");
    const Array<Dev, float> uvs(queue_, mesh_.uvs, "texture coordinates");
    const Array<Dev, std::uint8_t> usable(queue_, usable_faces(mesh_, options_), "usable faces");
    const Array<Dev, std::uint64_t> words(queue_, Sums::kWords * texels_, "sums of a texture");
    words.zero(queue_);
    const Sums sums{words.data()};
    each_view([&](const Camera&) {
      for_each(queue_, "bake_texture", view_.pixels(),
               AddEquation{view_.seen(), faces.data(), uvs.data(), usable.data(), view_.trust(), options_.size, sums});
    });
    for_each(queue_, "bake_texture", texels_, FirstGuess{sums, options_.size, face_.data(), texture_.data(), known_.data()});
    report(options_.views);
    fill();
    const std::int64_t half = (std::int64_t{options_.size} + 1) / 2;
    for (int sweep = 0; sweep < options_.sweeps; ++sweep) {
      report(options_.views + 1 + sweep);
      for (int colour = 0; colour < 4; ++colour) {
        for_each(queue_, "bake_texture", half * half,
                 Relax{sums, options_.size, face_.data(), options_.smoothness * kUnit, colour, texture_.data()});
      }
      if (sweep % 8 == 7) queue_.synchronize();
    }
  }

  void gather() {
    const std::int64_t s = options_.size;
    const Array<Dev, float> vertices(queue_, mesh_.vertices, "vertices of a mesh"),
        normals(queue_, mesh_.normals, "normals of a mesh");
    const Array<Dev, float> position(queue_, 3 * texels_, "positions of texels"),
        normal(queue_, 3 * texels_, "normals of texels");
    const Array<Dev, float> sum(queue_, 4 * texels_, "sums of a texture");
    sum.zero(queue_);
    rasteriser_.interpolate(texel_fragments(), vertices.template view<2>({mesh_.vertex_count(), 3}),
                            position.template view<3>({s, s, 3}));
    rasteriser_.interpolate(texel_fragments(), normals.template view<2>({mesh_.vertex_count(), 3}),
                            normal.template view<3>({s, s, 3}));
    each_view([&](const Camera& camera) {
      GatherView step{};
      step.view = texel_view(camera, options_.view_size, 0.15F);
      step.view.face = face_.data();
      step.view.position = position.data();
      step.view.normal = normal.data();
      step.view.depth = view_.depth();
      step.colour = view_.seen().colour;
      step.alpha = view_.seen().alpha;
      step.trust = view_.trust();
      step.sum = sum.data();
      for_each(queue_, "bake_texture", texels_, step);
    });
    for_each(queue_, "bake_texture", texels_, FinishGather{sum.data(), texture_.data(), known_.data()});
    report(options_.views);
    fill();
  }

  Queue<Dev>& queue_;
  const Mesh& mesh_;
  ViewSource<Dev>& source_;
  const BakeOptions& options_;
  const Monitor* monitor_;
  std::int64_t texels_;
  TriangleRasteriser<Dev> rasteriser_;
  ViewFrame<Dev> view_;
  Array<Dev, std::int32_t> face_;
  Array<Dev, float> texture_, barycentric_;
  Array<Dev, std::uint8_t> known_;
  std::vector<std::int32_t> host_face_;
  std::vector<std::uint8_t> host_known_;
};

}  // namespace espalier::baking

namespace espalier {

template <class Dev>
BakedTexture bake_texture(Queue<Dev>& queue, const Mesh& mesh, ViewSource<Dev>& source, const BakeOptions& options,
                          const Monitor* monitor) {
  baking::check_options(options);
  baking::check_mesh(mesh);
  return baking::Baker<Dev>(queue, mesh, source, options, monitor).run();
}

template <class Dev>
double bake_fidelity(Queue<Dev>& queue, const Mesh& mesh, const Image& texture, ViewSource<Dev>& source,
                     const std::vector<OrbitCamera>& cameras, int view_size, const Monitor* monitor) {
  baking::check_mesh(mesh);
  require(texture.channels == 3 && texture.width == texture.height && texture.width >= 2, "bake_fidelity",
          "a square RGB texture is needed, not ", texture.width, " x ", texture.height, " x ", texture.channels);
  TriangleRasteriser<Dev> rasteriser(queue, mesh);
  baking::ViewFrame<Dev> view(queue, view_size);
  const Array<Dev, std::int32_t> faces(queue, mesh.faces, "faces of a mesh");
  const Array<Dev, float> uvs(queue, mesh.uvs, "texture coordinates");
  const Array<Dev, std::uint8_t> texels(queue, texture.pixels, "a texture");
  const Array<Dev, double> error(queue, view_size, "errors of rows");
  const Array<Dev, std::int64_t> pixels(queue, view_size, "pixels of rows");
  error.zero(queue);
  pixels.zero(queue);
  for (const OrbitCamera& camera : cameras) {
    if (monitor != nullptr) monitor->check();
    view.render(rasteriser, source, camera_of(camera));
    for_each(queue, "bake_texture", view_size,
             baking::CompareRow{view.seen(), faces.data(), uvs.data(), texels.data(), texture.width, view_size, error.data(),
                                pixels.data()});
  }
  double total = 0.0;
  std::int64_t count = 0;
  for (const double e : error.host(queue)) total += e;
  for (const std::int64_t n : pixels.host(queue)) count += n;
  if (count == 0) return -1.0;
  return -10.0 * std::log10(std::max(total / (3.0 * static_cast<double>(count)), 1e-12));
}

}  // namespace espalier
