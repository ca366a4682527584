// Images of meshes for people: a soft light that stands with the camera, supersampled, on any background or on none.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "assets/appearance.h"
#include "assets/mesh.h"
#include "image/image.h"
#include "render/raster/camera.h"
#include "runtime/queue.h"

namespace espalier {

struct MeshLook {
  enum class Style : std::uint8_t {
    colour,      // vertex colours, or light gray
    textured,    // the texture at the mesh's uvs
    clay,        // one matt material, for shapes
    normals,     // the direction of the surface: red to the right, green upwards, blue towards the viewer
    wireframe,   // clay with the edges of faces; edges of faces smaller than a few pixels fade
    uv_checker,  // 32 x 32 squares of the texture's space: even squares mean little distortion
  };
  Style style = Style::colour;
  bool lit = true;          // colour and textured: under the light, or as they are (which is what the network's views show)
  float line_width = 1.0F;  // of the wireframe, in pixels
};

// The name of a style as options and labels spell it, e.g. "wireframe" or "uv-checker".
[[nodiscard]] std::string_view name_of(MeshLook::Style style);
// Throws invalid_argument, listing the names, for another name.
[[nodiscard]] MeshLook::Style mesh_style_of(std::string_view name);

struct ImageOptions {
  int width = 512, height = 512;                            // pixels, at most 8192
  std::optional<std::array<std::uint8_t, 3>> background{};  // RGB image on this colour; without it RGBA
  int samples = 3;                                          // per pixel and direction, 1 to 8
};

// Keeps what does not change from view to view. Where a mesh has an appearance, `colour` and `textured` follow its materials:
// factors, textures and how they wrap, alpha (holes, and layers that one sees through), faces seen from one side alone, light
// that a surface gives. Normals are the mesh's own, or means of the face normals around a vertex.
// Both sides of a face are shown and lit alike. Faces with coordinates that are not finite are left out. Images do not
// depend on the number of cores.
class MeshPainter {
 public:
  // Queue, mesh and texture must outlive the painter. The texture (3 or 4 channels; alpha is not looked at) is filtered
  // bilinearly between levels of half the size each. Throws invalid_argument for a face that names a vertex that is not
  // there, and where arrays of vertices have other lengths.
  MeshPainter(Queue<Cpu>& queue, const Mesh& mesh, const Image* texture = nullptr);
  // The same with an appearance, which must outlive the painter, too.
  MeshPainter(Queue<Cpu>& queue, const Mesh& mesh, const Appearance& appearance);
  ~MeshPainter();
  MeshPainter(const MeshPainter&) = delete;
  MeshPainter& operator=(const MeshPainter&) = delete;

  // Throws invalid_argument for sizes beyond those above, for `textured` without a texture, and for `textured` and
  // `uv_checker` without uvs.
  [[nodiscard]] Image draw(const Camera& camera, const MeshLook& look, const ImageOptions& options);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// One image.
[[nodiscard]] Image mesh_image(const Mesh& mesh, const Camera& camera, const MeshLook& look, const ImageOptions& options,
                               const Image* texture = nullptr);

}  // namespace espalier
