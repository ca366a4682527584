// Small images of an asset, rendered on the CPU: for a look at a result, not for baking.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "assets/appearance.h"
#include "assets/gaussians.h"
#include "assets/mesh.h"
#include "image/image.h"
#include "render/raster/camera.h"

namespace espalier {

struct PreviewOptions {
  int size = 512;                                         // pixels on a side
  std::optional<std::array<std::uint8_t, 3>> background;  // RGB image on this colour; without it RGBA
};

// As in render/mesh_image.h: vertex colours (or light gray) under a soft light.
[[nodiscard]] Image render_preview(const Mesh& mesh, const OrbitCamera& camera, const PreviewOptions& options);

// As in render/splat_renderer.h.
[[nodiscard]] Image render_preview(const Gaussians& gaussians, const OrbitCamera& camera, const PreviewOptions& options);

// Images of equal height and channels, from left to right.
[[nodiscard]] Image side_by_side(std::span<const Image> images);

// Four views around the asset, the front first, a quarter turn apart and slightly from above, side by side.
// With a texture the mesh shows that, else its colours.
[[nodiscard]] Image preview_sheet(const Mesh& mesh, const PreviewOptions& options, const Image* texture = nullptr);
[[nodiscard]] Image preview_sheet(const Mesh& mesh, const PreviewOptions& options, const Appearance& appearance);
[[nodiscard]] Image preview_sheet(const Gaussians& gaussians, const PreviewOptions& options);

}  // namespace espalier
