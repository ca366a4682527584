// Triangles to pixels, on the CPU and on the GPU, with the same bits on both.
//
// Coverage is exact: vertices are rounded to 1/256 pixel, and a pixel belongs to a triangle when its centre lies inside,
// by integer edge functions (Pineda 1988) and the top-left rule: triangles that share an edge neither both take nor both
// leave a pixel. Triangles that cross the near plane are cut there. Both sides of a triangle are drawn. The nearest
// surface wins; among equal depths the highest face index, as if faces were drawn one after another. Weights are
// perspective-correct, from homogeneous coordinates before rounding (Olano and Greer 1997). Faces with a vertex that is not
// finite, and faces without area, leave no trace.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "assets/mesh.h"
#include "base/monitor.h"
#include "render/raster/camera.h"
#include "runtime/queue.h"

namespace espalier {

inline constexpr int kMaxRasterSide = 16384;  // pixels
inline constexpr float kNearPlane = 0.01F;    // nothing nearer to a camera than this is drawn

// What is seen in each pixel; row 0 on top. Rows may be strided. `barycentric` and `depth` may be empty views when they
// are not wanted.
template <class Dev>
struct Fragments {
  View<Dev, std::int32_t, 2> face;  // [H, W] 0 = nothing, else index of the face + 1
  View<Dev, float, 3> barycentric;  // [H, W, 2] weights of the face's vertices 0 and 1, in [0, 1]; 0 where nothing is
  View<Dev, float, 2> depth;        // [H, W] z before the camera (render_clip: z / w); 0 where nothing is
};

// Keeps a mesh on a device and draws it. Work is queued; outputs are there once the queue has come to them.
template <class Dev>
class TriangleRasteriser {
 public:
  // Throws invalid_argument for a face that names a vertex that is not there. The queue must outlive the rasteriser.
  TriangleRasteriser(Queue<Dev>& queue, const Mesh& mesh);
  ~TriangleRasteriser();
  TriangleRasteriser(TriangleRasteriser&&) noexcept;
  TriangleRasteriser& operator=(TriangleRasteriser&&) noexcept;
  TriangleRasteriser(const TriangleRasteriser&) = delete;
  TriangleRasteriser& operator=(const TriangleRasteriser&) = delete;

  // The mesh as the camera sees it. Sides of 1 to kMaxRasterSide pixels.
  void render(const Camera& camera, const Fragments<Dev>& out);
  // The mesh's faces with vertices in clip space, [V, 4]: column (x / w + 1) / 2 * W and row (y / w + 1) / 2 * H, cut at
  // z = -w and z = w as in OpenGL. Vertices are rounded to 1 / steps pixel, a power of two up to 256: with 16, images of
  // the renderer that TRELLIS uses come out face for face.
  void render_clip(In<Dev, float, 2> positions, const Fragments<Dev>& out, int steps = 256);
  // The mesh in its own texture, of out's size: texel (column, row) shows the face at u = (column + 0.5) / W, v = (row +
  // 0.5) / H. Where faces overlap the highest index wins; depth is 0. With a margin (in texels), texels outside of all faces
  // but at most that far from one show the nearest face, at its nearest point: gutters. Throws invalid_argument for a mesh
  // without uvs.
  void render_texels(const Fragments<Dev>& out, float margin = 0.0F);

  // Number of faces that cover each pixel [H, W], whatever their depth; 0 for none.
  void count_layers(const Camera& camera, View<Dev, std::int32_t, 2> out);
  // Number of faces that cover each texel: above 1 where a parametrisation overlaps itself.
  void count_texels(View<Dev, std::int32_t, 2> out);

  // Attributes of vertices [V, C], interpolated for every pixel [H, W, C]; 0 where nothing is seen.
  void interpolate(const Fragments<Dev>& fragments, In<Dev, float, 2> attributes, View<Dev, float, 3> out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// For each face the number of cameras in whose image of size x size pixels it shows in at least one pixel. Deterministic
// and the same on all devices. (TRELLIS counts in the same way, but leaves out pixels on silhouettes.) Throws
// invalid_argument as TriangleRasteriser does, cancelled when the monitor says so. Progress is in cameras; the monitor
// may be null. Waits for the device.
template <class Dev>
[[nodiscard]] std::vector<std::int32_t> face_visibility(Queue<Dev>& queue, const Mesh& mesh, std::span<const Camera> cameras,
                                                        int size, const Monitor* monitor);

}  // namespace espalier
