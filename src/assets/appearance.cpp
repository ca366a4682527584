#include "assets/appearance.h"

#include <algorithm>

namespace espalier {

const Image* plain_texture(const Appearance& a, const std::vector<float>& uvs, const std::vector<float>& colours,
                           bool any_sides) {
  if (a.materials.size() != 1 || a.images.size() != 1 || uvs.empty() || !a.alpha.empty()) return nullptr;
  const Material& m = a.materials.front();
  const bool white = m.factor == std::array<float, 4>{1, 1, 1, 1} && (colours.empty() || !m.vertex_colours);
  if (!m.texture.used() || m.texture.nearest || !white || m.alpha != AlphaMode::opaque || m.unlit || m.emits()) return nullptr;
  // A border between repeated copies differs from a clamped one by half a texel, which no chart of a texture reaches.
  const bool inside = std::all_of(uvs.begin(), uvs.end(), [](float x) { return x >= 0.0F && x <= 1.0F; });
  return inside && (any_sides || m.double_sided) ? &a.images.front() : nullptr;
}

}  // namespace espalier
