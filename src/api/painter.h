// Images of all that an asset holds, on one device, behind an interface without it.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "assets/appearance.h"
#include "assets/gaussians.h"
#include "assets/mesh.h"
#include "assets/radiance_field.h"
#include "espalier/options.h"
#include "image/image.h"
#include "render/raster/camera.h"
#include "render/views/mesh_image.h"
#include "runtime/device_choice.h"

namespace espalier {

// What can be shown; null where there is none. Texture and appearance only with a mesh.
struct Exhibit {
  const Mesh* mesh = nullptr;
  const Image* texture = nullptr;
  const Appearance* appearance = nullptr;  // instead of a texture
  const Gaussians* gaussians = nullptr;
  const RadianceField* radiance_field = nullptr;
};
[[nodiscard]] Exhibit exhibit_of(const Asset::Data& data);

// The way into the unit cube: p becomes (p - centre) * scale.
struct Framing {
  std::array<float, 3> centre{};
  float scale = 1.0F;
  [[nodiscard]] bool is_identity() const { return scale == 1.0F && centre == std::array<float, 3>{}; }
};
[[nodiscard]] bool is_textured(const Exhibit& exhibit);
// None for what lies in the unit cube, up to a thousandth, and is at least a quarter as large. Else the middle of the box goes
// to the origin and its largest side becomes 1; the box of Gaussians leaves out the outermost half percent on each side, where
// captured scenes have stray ones.
[[nodiscard]] Framing framing_of(const Exhibit& exhibit);
// The bounding box of the mesh, or of the Gaussians without the outermost half percent; zeros where there is neither.
struct ExhibitBox {
  std::array<double, 3> low{}, high{};
};
[[nodiscard]] ExhibitBox box_of(const Exhibit& exhibit);
[[nodiscard]] Mesh framed(const Mesh& mesh, const Framing& framing);
[[nodiscard]] Gaussians framed(const Gaussians& gaussians, const Framing& framing);

// What `automatic` stands for. Throws invalid_argument, saying what is missing, for a style that there is nothing for.
[[nodiscard]] RenderStyle resolved_style(RenderStyle style, const Exhibit& exhibit);

class Painter {
 public:
  Painter() = default;
  Painter(const Painter&) = delete;
  Painter& operator=(const Painter&) = delete;
  virtual ~Painter() = default;

  // A style of resolved_style. `lit` matters to textured and colour alone. Throws cancelled when the monitor says so.
  [[nodiscard]] virtual Image draw(RenderStyle style, bool lit, const Camera& camera, const ImageOptions& options) = 0;
};
// Exhibit and monitor (which may be null) must outlive the painter.
[[nodiscard]] std::unique_ptr<Painter> make_painter(const DeviceChoice& device, const Exhibit& exhibit, const Monitor* monitor);

}  // namespace espalier
