// Textures from images: what an asset looks like from many sides becomes the texture of its mesh.
//
// `best` solves for the texture T that reproduces the views. Every pixel of a view that shows the mesh is one equation: the
// four texels around its place, weighted bilinearly, have its colour. The normal equations of all pixels are a symmetric
// stencil of nine texels, summed up view by view (nothing is kept of a view), with a small weight on differences of
// neighbours (a membrane) that fills what few pixels tell about:
//   minimise  sum over pixels of t a^2 (sum_k w_k T_k - c)^2  +  smoothness * sum over neighbours of (T_i - T_j)^2
// with the opacity a and the trust t in a pixel: the squared cosine of the angle at which it sees the surface, and almost
// nothing beside a step of the depth (TrustPixels in bake_steps.h).
// It is solved by Gauss-Seidel sweeps over four colours of texels. Sums are integers, so they do not depend on their order:
// a device gives the same bytes every time.
//
// `fast` gathers: the mean of the views that see a texel, weighted by the same trust, by distance and opacity.
#pragma once

#include <cstdint>
#include <vector>

#include "assets/mesh.h"
#include "base/monitor.h"
#include "espalier/choices.h"
#include "image/image.h"
#include "render/raster/camera.h"
#include "runtime/queue.h"

namespace espalier {

struct BakeOptions {
  int size = 1024;       // texels on a side, 64 to 8192
  int views = 64;        // 1 to 1000, spread over the sphere
  int view_size = 1024;  // pixels on a side of a view, 64 to 4096
  BakeMode mode = BakeMode::best;
  float radius = 2.0F, fov_degrees = 40.0F;  // of the views' cameras
  float smoothness = 0.02F;                  // of `best`, in equations per pair of texels
  int sweeps = 40;                           // of `best`
};

// Steps of progress: every view, what no view saw, every sweep, what lies outside of charts, seams.
[[nodiscard]] constexpr int bake_steps(const BakeOptions& o) {
  return o.views + 1 + (o.mode == BakeMode::best ? o.sweeps : 0) + 2;
}

// What is baked: images of the asset from any side.
template <class Dev>
class ViewSource {
 public:
  ViewSource() = default;
  ViewSource(const ViewSource&) = delete;
  ViewSource& operator=(const ViewSource&) = delete;
  virtual ~ViewSource() = default;

  // A square image: colour [S, S, 3] on black, alpha [S, S]. Work may be queued.
  virtual void render(const Camera& camera, View<Dev, float, 3> colour, View<Dev, float, 2> alpha) = 0;
};

// A texture and how much of it the views knew.
struct BakedTexture {
  Image image;              // RGB, size x size
  std::int64_t texels = 0;  // inside charts
  std::int64_t seen = 0;    // of these, seen by at least one view; the others are filled from their surroundings
};

// The mesh needs uvs (without overlaps) and normals. The cameras are sphere_cameras(views, radius, fov). Gutters and all
// texels outside of charts are filled, so mip levels do not darken seams. Progress is in bake_steps(); the monitor may
// be null. Throws invalid_argument for options outside their ranges or a mesh without uvs, cancelled, out_of_memory.
template <class Dev>
[[nodiscard]] BakedTexture bake_texture(Queue<Dev>& queue, const Mesh& mesh, ViewSource<Dev>& source,
                                        const BakeOptions& options, const Monitor* monitor);

// How well a textured mesh shows what the source shows: over the pixels of all cameras' images where both the mesh and the
// source (alpha of at least one half) are, the peak signal-to-noise ratio of the colours in dB. The source's colours are
// divided by alpha. -1 when no pixel is common.
template <class Dev>
[[nodiscard]] double bake_fidelity(Queue<Dev>& queue, const Mesh& mesh, const Image& texture, ViewSource<Dev>& source,
                                   const std::vector<OrbitCamera>& cameras, int view_size, const Monitor* monitor);

}  // namespace espalier
