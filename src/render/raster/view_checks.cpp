#include "render/raster/view_checks.h"

#include <cmath>
#include <cstdint>

#include "base/error.h"

namespace espalier {

void check_view(int width, int height, int ssaa, const std::array<float, 3>& background) {
  constexpr std::int64_t kMaxSide = 16384;  // samples
  const bool possible = width >= 1 && height >= 1 && ssaa >= 1 && ssaa <= kMaxSide && std::int64_t{width} * ssaa <= kMaxSide &&
                        std::int64_t{height} * ssaa <= kMaxSide;
  if (!possible) {
    fail(ErrorCode::invalid_argument, "an image of ", width, " x ", height, " pixels with ", ssaa,
         " samples per pixel and direction is not possible", hint("choose 1 to ", kMaxSide, " samples in each direction"));
  }
  if (!std::isfinite(background[0] + background[1] + background[2])) {
    fail(ErrorCode::invalid_argument, "the background is not a colour");
  }
}

void check_camera(const Camera& camera) {
  float sum = camera.fx + camera.fy + camera.cx + camera.cy;
  for (const float v : camera.rotation) sum += v;
  for (const float v : camera.translation) sum += v;
  if (!std::isfinite(sum) || !(camera.fx > 0.0F) || !(camera.fy > 0.0F)) {
    fail(ErrorCode::invalid_argument, "a camera to render with is not finite, or its focal lengths are not positive");
  }
}

}  // namespace espalier
