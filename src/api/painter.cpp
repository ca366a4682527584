#include "api/painter.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "api/asset.h"
#include "api/device_painter.h"
#include "runtime/on_device.h"

namespace espalier {

namespace {

constexpr double kStrays = 0.005;  // share of the Gaussians on each side

struct Range {
  float low = 0.0F, high = 0.0F;
};

// Of the values at first, first + 3, ... that are finite, without the share `strays` on either side.
Range range_of(const std::vector<float>& values, std::size_t first, double strays) {
  std::vector<float> column;
  column.reserve(values.size() / 3);
  for (std::size_t i = first; i < values.size(); i += 3) {
    if (std::isfinite(values[i])) column.push_back(values[i]);
  }
  if (column.empty()) return {};
  const auto skip = static_cast<std::ptrdiff_t>(strays * static_cast<double>(column.size()));
  std::nth_element(column.begin(), column.begin() + skip, column.end());
  const float low = column[static_cast<std::size_t>(skip)];
  std::nth_element(column.begin(), column.end() - 1 - skip, column.end());
  return {low, *(column.end() - 1 - skip)};
}

std::vector<float> framed_points(const std::vector<float>& points, const Framing& framing) {
  std::vector<float> out(points.size());
  for (std::size_t i = 0; i < points.size(); ++i) out[i] = (points[i] - framing.centre[i % 3]) * framing.scale;
  return out;
}

RenderStyle automatic_style(const Exhibit& e) {
  if (e.mesh != nullptr) {
    if (is_textured(e)) return RenderStyle::textured;
    return e.mesh->colours.empty() ? RenderStyle::clay : RenderStyle::colour;
  }
  if (e.gaussians != nullptr) return RenderStyle::splats;
  if (e.radiance_field != nullptr) return RenderStyle::radiance_field;
  fail(ErrorCode::invalid_argument, "the asset has neither a mesh with faces nor Gaussians nor a radiance field to show");
}

}  // namespace

Exhibit exhibit_of(const Asset::Data& data) {
  Exhibit e;
  if (data.finished) {
    e.mesh = &data.finished->mesh;
    if (data.finished->texture.width > 0) e.texture = &data.finished->texture;
  } else if (data.mesh && !data.mesh->faces.empty()) {
    e.mesh = &*data.mesh;
    if (data.appearance) e.appearance = &*data.appearance;
  }
  if (data.gaussians && data.gaussians->count() > 0) e.gaussians = &*data.gaussians;
  if (data.radiance_field && !data.radiance_field->position.empty()) e.radiance_field = &*data.radiance_field;
  return e;
}

bool is_textured(const Exhibit& e) { return e.texture != nullptr || (e.appearance != nullptr && e.appearance->textured()); }

ExhibitBox box_of(const Exhibit& e) {
  ExhibitBox box;
  if (e.mesh == nullptr && e.gaussians == nullptr) return box;
  const std::vector<float>& points = e.mesh != nullptr ? e.mesh->vertices : e.gaussians->xyz;
  for (std::size_t k = 0; k < 3; ++k) {
    const Range r = range_of(points, k, e.mesh != nullptr ? 0.0 : kStrays);
    box.low[k] = double{r.low};
    box.high[k] = double{r.high};
  }
  return box;
}

Framing framing_of(const Exhibit& e) {
  constexpr float kReach = 0.5005F, kSmallest = 0.25F;
  if (e.mesh == nullptr && e.gaussians == nullptr) return {};
  const std::vector<float>& points = e.mesh != nullptr ? e.mesh->vertices : e.gaussians->xyz;
  const double strays = e.mesh != nullptr ? 0.0 : kStrays;
  bool inside = true;
  float largest = 0.0F;
  std::array<float, 3> centre{};
  for (std::size_t k = 0; k < 3; ++k) {
    const Range r = range_of(points, k, strays);
    inside = inside && r.low >= -kReach && r.high <= kReach;
    // Halves first: the sum of two large numbers need not be one.
    largest = std::max(largest, 0.5F * r.high - 0.5F * r.low);
    centre[k] = 0.5F * r.low + 0.5F * r.high;
  }
  if (inside && 2.0F * largest >= kSmallest) return {};
  const float scale = 0.5F / largest;
  if (!(largest > 0.0F) || !std::isfinite(scale)) return {centre, 1.0F};
  return {centre, scale};
}

Mesh framed(const Mesh& mesh, const Framing& framing) {
  Mesh out = mesh;
  out.vertices = framed_points(mesh.vertices, framing);
  return out;
}

Gaussians framed(const Gaussians& gaussians, const Framing& framing) {
  Gaussians out = gaussians;
  out.xyz = framed_points(gaussians.xyz, framing);
  for (float& s : out.scale) s *= framing.scale;
  return out;
}

RenderStyle resolved_style(RenderStyle style, const Exhibit& e) {
  const auto need = [&](bool there, const char* what) {
    if (!there) fail(ErrorCode::invalid_argument, "the style ", name_of(style), " needs ", what, ", which the asset lacks");
  };
  switch (style) {
    case RenderStyle::automatic: return automatic_style(e);
    case RenderStyle::splats: need(e.gaussians != nullptr, "Gaussians"); break;
    case RenderStyle::radiance_field: need(e.radiance_field != nullptr, "a radiance field"); break;
    case RenderStyle::textured:
      need(e.mesh != nullptr, "a mesh");
      need(is_textured(e), "a texture");
      break;
    case RenderStyle::uv_checker:
      need(e.mesh != nullptr, "a mesh");
      need(!e.mesh->uvs.empty(), "texture coordinates");
      break;
    default: need(e.mesh != nullptr, "a mesh with faces"); break;
  }
  return style;
}

std::unique_ptr<Painter> make_painter(const DeviceChoice& device, const Exhibit& exhibit, const Monitor* monitor) {
  return on_device(device, [&]<class Dev>(std::type_identity<Dev>) -> std::unique_ptr<Painter> {
    return std::make_unique<DevicePainter<Dev>>(device.ordinal, exhibit, monitor);
  });
}

}  // namespace espalier
