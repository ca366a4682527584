#include "render/raster/splat_scene.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "parallel/parallel_for.h"
#include "render/raster/view_checks.h"

namespace espalier::splat {

HostScene host_scene_of(const Gaussians& g) {
  const std::size_t n = g.opacity.size();
  if (g.xyz.size() != 3 * n || g.dc.size() != 3 * n || g.scale.size() != 3 * n || g.rotation.size() != 4 * n ||
      n > std::numeric_limits<std::int32_t>::max()) {
    fail(ErrorCode::invalid_argument, "Gaussians to render: ", n, " opacities, but ", g.xyz.size(), " coordinates, ",
         g.dc.size(), " colours, ", g.scale.size(), " scales and ", g.rotation.size(), " rotations",
         hint("a Gaussian has 1, 3, 3, 3 and 4, and 2^31 - 1 are the most"));
  }
  HostScene s;
  const std::size_t higher = n == 0 ? 0 : g.sh.size() / (3 * n);
  s.coefficients = static_cast<int>(higher) + 1;
  if (g.sh.size() != 3 * n * higher || (higher != 0 && higher != 3 && higher != 8 && higher != 15)) {
    fail(ErrorCode::invalid_argument, "Gaussians to render: ", g.sh.size(), " harmonics of degree 1 and higher for ", n,
         " Gaussians", hint("there must be none, or 9, 24 or 45 for each"));
  }
  s.centre = g.xyz;
  bool first = true;
  for (std::size_t i = 0; i < n; ++i) {
    const float* const p = &g.xyz[3 * i];
    if (!std::isfinite(p[0]) || !std::isfinite(p[1]) || !std::isfinite(p[2])) continue;
    for (std::size_t k = 0; k < 3; ++k) {
      s.low[k] = first ? p[k] : std::min(s.low[k], p[k]);
      s.high[k] = first ? p[k] : std::max(s.high[k], p[k]);
    }
    first = false;
  }
  s.opacity = g.opacity;
  s.covariance.resize(6 * n);
  s.harmonics.resize(3 * n * (higher + 1));
  parallel_for(static_cast<std::int64_t>(n), 4096, [&](std::int64_t at) {
    const auto i = static_cast<std::size_t>(at);
    covariance_of(&g.rotation[4 * i], &g.scale[3 * i], &s.covariance[6 * i]);
    float* const out = &s.harmonics[3 * i * (higher + 1)];
    std::copy_n(&g.dc[3 * i], 3, out);
    if (higher > 0) std::copy_n(&g.sh[3 * i * higher], 3 * higher, out + 3);
  });
  return s;
}

void check_options(const SplatOptions& o) {
  check_view(o.width, o.height, o.ssaa, o.background);
  if (!(o.kernel_size >= 0.0F) || !std::isfinite(o.kernel_size)) {
    fail(ErrorCode::invalid_argument, "kernel_size ", o.kernel_size, ": choose a variance of 0 or more");
  }
}

void check_images(std::size_t views, const SplatOptions& o, const Extents<4>& colour, const Extents<3>& alpha,
                  bool contiguous) {
  const auto n = static_cast<std::int64_t>(views);
  require(contiguous && colour == Extents<4>{n, o.height, o.width, 3} && alpha == Extents<3>{n, o.height, o.width},
          "SplatRenderer::render", "the images are not what the options ask for");
}

ViewPoint view_point_of(const Camera& camera, const SplatOptions& o) {
  check_camera(camera);
  ViewPoint v{};
  for (std::size_t i = 0; i < 9; ++i) v.rotation[i] = camera.rotation[i];
  const std::array<float, 3> position = camera.position();
  for (std::size_t i = 0; i < 3; ++i) {
    v.translation[i] = camera.translation[i];
    v.position[i] = position[i];
  }
  v.width = o.width * o.ssaa;
  v.height = o.height * o.ssaa;
  v.columns = (v.width + kTile - 1) / kTile;
  v.rows = (v.height + kTile - 1) / kTile;
  v.kernel_size = o.kernel_size;
  v.fx = camera.fx * static_cast<float>(v.width);
  v.fy = camera.fy * static_cast<float>(v.height);
  v.cx = camera.cx * static_cast<float>(v.width);
  v.cy = camera.cy * static_cast<float>(v.height);
  const float guard_x = (kGuard - 1.0F) * 0.5F / camera.fx, guard_y = (kGuard - 1.0F) * 0.5F / camera.fy;
  v.low_x = -camera.cx / camera.fx - guard_x;
  v.high_x = (1.0F - camera.cx) / camera.fx + guard_x;
  v.low_y = -camera.cy / camera.fy - guard_y;
  v.high_y = (1.0F - camera.cy) / camera.fy + guard_y;
  return v;
}

}  // namespace espalier::splat
