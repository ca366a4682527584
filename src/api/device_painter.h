// The painter of one device.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "api/painter.h"
#include "render/raster/radiance_field_renderer.h"
#include "render/raster/splat_renderer.h"
#include "render/views/pixels.h"
#include "runtime/array.h"

namespace espalier {

template <class Dev>
class DevicePainter final : public Painter {
 public:
  DevicePainter(int ordinal, const Exhibit& exhibit, const Monitor* monitor)
      : exhibit_(exhibit), framing_(framing_of(exhibit)), monitor_(monitor), ordinal_(ordinal) {
    host_.watch(monitor);
  }

  Image draw(RenderStyle style, bool lit, const Camera& camera, const ImageOptions& options) override {
    if (monitor_ != nullptr) monitor_->check();
    switch (style) {
      case RenderStyle::splats: return splat_image(camera, options);
      case RenderStyle::radiance_field: return field_image(camera, options);
      default: return mesh_painter().draw(camera, {.style = mesh_style(style), .lit = lit}, options);
    }
  }

 private:
  static MeshLook::Style mesh_style(RenderStyle style) {
    switch (style) {
      case RenderStyle::textured: return MeshLook::Style::textured;
      case RenderStyle::colour: return MeshLook::Style::colour;
      case RenderStyle::clay: return MeshLook::Style::clay;
      case RenderStyle::normals: return MeshLook::Style::normals;
      case RenderStyle::wireframe: return MeshLook::Style::wireframe;
      case RenderStyle::uv_checker: return MeshLook::Style::uv_checker;
      default: fail(ErrorCode::internal, "DevicePainter: ", name_of(style), " is not a style of meshes");
    }
  }

  MeshPainter& mesh_painter() {
    if (!mesh_painter_) {
      require(exhibit_.mesh != nullptr, "DevicePainter", "there is no mesh");
      const Mesh* mesh = exhibit_.mesh;
      if (!framing_.is_identity()) mesh = &framed_mesh_.emplace(framed(*mesh, framing_));
      mesh_painter_ = exhibit_.appearance != nullptr ? std::make_unique<MeshPainter>(host_, *mesh, *exhibit_.appearance)
                                                     : std::make_unique<MeshPainter>(host_, *mesh, exhibit_.texture);
    }
    return *mesh_painter_;
  }

  Queue<Dev>& queue() {
    if (!queue_) {
      queue_.emplace(ordinal_);
      queue_->watch(monitor_);
    }
    return *queue_;
  }

  Image splat_image(const Camera& camera, const ImageOptions& options) {
    if (!splats_) {
      require(exhibit_.gaussians != nullptr, "DevicePainter", "there are no Gaussians");
      splats_ = framing_.is_identity() ? std::make_unique<SplatRenderer<Dev>>(queue(), *exhibit_.gaussians)
                                       : std::make_unique<SplatRenderer<Dev>>(queue(), framed(*exhibit_.gaussians, framing_));
    }
    return blended(options, [&](View<Dev, float, 3> colour, View<Dev, float, 2> alpha) {
      splats_->render(camera, {.width = options.width, .height = options.height}, colour, alpha);
    });
  }

  Image field_image(const Camera& camera, const ImageOptions& options) {
    constexpr int kSamples = 2;  // voxels have hard edges
    if (!field_) {
      require(exhibit_.radiance_field != nullptr, "DevicePainter", "there is no radiance field");
      field_ = std::make_unique<RadianceFieldRenderer<Dev>>(queue(), *exhibit_.radiance_field);
    }
    return blended(options, [&](View<Dev, float, 3> colour, View<Dev, float, 2> alpha) {
      field_->render(camera, {.width = options.width, .height = options.height, .ssaa = kSamples}, colour, alpha);
    });
  }

  // `render` writes colours on black, and how much is covered.
  template <class Render>
  Image blended(const ImageOptions& options, Render render) {
    const std::int64_t height = options.height, width = options.width;
    const auto pixels = static_cast<std::size_t>(height * width);
    float* const values = values_.resize(queue(), static_cast<std::int64_t>(4 * pixels), "an image");
    render(View<Dev, float, 3>(values, {height, width, 3}), View<Dev, float, 2>(values + 3 * pixels, {height, width}));
    const std::vector<float> host = values_.host(queue());
    Image image(options.width, options.height, options.background ? 3 : 4);
    for (std::size_t i = 0; i < pixels; ++i) {
      const float coverage = std::clamp(host[3 * pixels + i], 0.0F, 1.0F);
      const Vec3 colour = {{host[3 * i], host[3 * i + 1], host[3 * i + 2]}};
      write_pixel(colour * (coverage > 0.0F ? 1.0F / coverage : 0.0F), coverage, options.background,
                  &image.pixels[i * static_cast<std::size_t>(image.channels)]);
    }
    return image;
  }

  Exhibit exhibit_;
  Framing framing_;
  const Monitor* monitor_;
  int ordinal_;
  Queue<Cpu> host_;
  std::optional<Queue<Dev>> queue_;  // made when first needed: a GPU takes a moment
  std::optional<Mesh> framed_mesh_;
  std::unique_ptr<MeshPainter> mesh_painter_;
  std::unique_ptr<SplatRenderer<Dev>> splats_;
  std::unique_ptr<RadianceFieldRenderer<Dev>> field_;
  Array<Dev, float> values_;
};

}  // namespace espalier
