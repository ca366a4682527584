#include "render/views/preview.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numbers>
#include <vector>

#include "base/error.h"
#include "render/raster/splat_renderer.h"
#include "render/raster/vector.h"
#include "render/views/mesh_image.h"
#include "render/views/pixels.h"

namespace espalier {

namespace {

Vec3 load3(const std::vector<float>& values, std::int64_t row) {
  const float* v = &values[static_cast<std::size_t>(row) * 3];
  return {v[0], v[1], v[2]};
}

ImageOptions square(const PreviewOptions& options) {
  return {.width = options.size, .height = options.size, .background = options.background};
}

void check_options(const PreviewOptions& options) {
  constexpr int kMaxSize = 4096;
  if (options.size < 1 || options.size > kMaxSize) {
    fail(ErrorCode::invalid_argument, "a preview of ", options.size, " pixels is not possible", hint("choose 1 to ", kMaxSize));
  }
}

Image image_of(SplatRenderer<Cpu>& renderer, const OrbitCamera& camera, const PreviewOptions& options) {
  const std::int64_t size = options.size;
  std::vector<float> colour(static_cast<std::size_t>(3 * size * size)), alpha(static_cast<std::size_t>(size * size));
  renderer.render(camera_of(camera), {.width = options.size, .height = options.size},
                  View<Cpu, float, 3>(colour.data(), {size, size, 3}), View<Cpu, float, 2>(alpha.data(), {size, size}));
  Image image(options.size, options.size, options.background ? 3 : 4);
  for (int y = 0; y < options.size; ++y) {
    for (int x = 0; x < options.size; ++x) {
      const std::int64_t at = y * size + x;
      const float coverage = alpha[static_cast<std::size_t>(at)];
      write_pixel(load3(colour, at) * (coverage > 0.0F ? 1.0F / coverage : 0.0F), coverage, options.background, image.at(x, y));
    }
  }
  return image;
}

// `draw` makes the image of one camera.
template <class Draw>
Image sheet_of(Draw&& draw) {
  constexpr float kPi = std::numbers::pi_v<float>;
  constexpr float kYaw = 164.0F / 180.0F * kPi, kPitch = 20.0F / 180.0F * kPi;
  std::vector<Image> views;
  views.reserve(4);
  for (int i = 0; i < 4; ++i) {
    views.push_back(draw(OrbitCamera{.yaw = kYaw + static_cast<float>(i) * kPi / 2.0F, .pitch = kPitch}));
  }
  return side_by_side(views);
}

}  // namespace

Image render_preview(const Mesh& mesh, const OrbitCamera& camera, const PreviewOptions& options) {
  check_options(options);
  return mesh_image(mesh, camera_of(camera), {}, square(options));
}

Image render_preview(const Gaussians& gaussians, const OrbitCamera& camera, const PreviewOptions& options) {
  check_options(options);
  Queue<Cpu> queue;
  SplatRenderer<Cpu> renderer(queue, gaussians);
  return image_of(renderer, camera, options);
}

Image side_by_side(std::span<const Image> images) {
  require(!images.empty(), "side_by_side", "no images");
  int width = 0;
  for (const Image& p : images) {
    require(p.height == images[0].height && p.channels == images[0].channels, "side_by_side", "images of different form");
    width += p.width;
  }
  Image sheet(width, images[0].height, images[0].channels);
  for (int y = 0; y < sheet.height; ++y) {
    std::uint8_t* to = sheet.at(0, y);
    for (const Image& p : images) {
      const auto bytes = static_cast<std::size_t>(p.width) * static_cast<std::size_t>(p.channels);
      std::memcpy(to, p.at(0, y), bytes);
      to += bytes;
    }
  }
  return sheet;
}

Image preview_sheet(const Mesh& mesh, const PreviewOptions& options, const Image* texture) {
  check_options(options);
  Queue<Cpu> queue;
  MeshPainter painter(queue, mesh, texture);
  MeshLook look;
  if (texture != nullptr) look.style = MeshLook::Style::textured;
  return sheet_of([&](const OrbitCamera& camera) { return painter.draw(camera_of(camera), look, square(options)); });
}
Image preview_sheet(const Mesh& mesh, const PreviewOptions& options, const Appearance& appearance) {
  check_options(options);
  Queue<Cpu> queue;
  MeshPainter painter(queue, mesh, appearance);
  const MeshLook look{.style = appearance.textured() ? MeshLook::Style::textured : MeshLook::Style::colour};
  return sheet_of([&](const OrbitCamera& camera) { return painter.draw(camera_of(camera), look, square(options)); });
}
Image preview_sheet(const Gaussians& gaussians, const PreviewOptions& options) {
  check_options(options);
  Queue<Cpu> queue;
  SplatRenderer<Cpu> renderer(queue, gaussians);
  return sheet_of([&](const OrbitCamera& camera) { return image_of(renderer, camera, options); });
}

}  // namespace espalier
