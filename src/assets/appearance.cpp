#include "assets/appearance.h"

#include <algorithm>
#include <map>
#include <utility>

#include "image/colour.h"

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

std::optional<FlatlyColoured> flatly_coloured(const Mesh& mesh, const Appearance* look) {
  constexpr std::size_t kMost = 256;
  if (mesh.colours.empty() || (look != nullptr && !look->alpha.empty())) return std::nullopt;
  const Appearance white{.materials = {Material{}}, .of_face = {}, .images = {}};
  const Appearance& before = look != nullptr ? *look : white;
  const auto colour_of = [&](std::int32_t vertex) {
    const float* c = &mesh.colours[3 * static_cast<std::size_t>(vertex)];
    return std::array<float, 3>{c[0], c[1], c[2]};
  };
  Appearance after = before;
  after.materials.clear();
  after.of_face.clear();
  std::map<std::pair<std::int32_t, std::array<float, 3>>, std::int32_t> known;
  for (std::size_t f = 0; f < mesh.faces.size() / 3; ++f) {
    const std::int32_t of = look != nullptr ? look->of_face[f] : 0;
    const Material& m = before.materials[static_cast<std::size_t>(of)];
    std::array<float, 3> colour = colour_of(mesh.faces[3 * f]);
    const bool flat = colour == colour_of(mesh.faces[3 * f + 1]) && colour == colour_of(mesh.faces[3 * f + 2]);
    if (m.texture.used() && !m.vertex_colours) {
      colour = {1, 1, 1};  // they do not show
    } else if (!flat) {
      return std::nullopt;
    }
    const auto [at, added] = known.try_emplace({of, colour}, static_cast<std::int32_t>(after.materials.size()));
    if (added) {
      if (after.materials.size() == kMost) return std::nullopt;
      Material& coloured = after.materials.emplace_back(m);
      for (std::size_t k = 0; k < 3; ++k) coloured.factor[k] *= linear_of_srgb(std::clamp(colour[k], 0.0F, 1.0F));
    }
    after.of_face.push_back(at->second);
  }
  Mesh bare = mesh;
  bare.colours.clear();
  return FlatlyColoured{std::move(bare), std::move(after)};
}

}  // namespace espalier
