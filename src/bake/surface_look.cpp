#include "bake/surface_look.h"

#include <algorithm>
#include <cmath>

#include "bake/texels.h"
#include "base/error.h"
#include "image/colour.h"

namespace espalier {
namespace {

// The texel that stands for the i-th of an endless row.
std::int64_t wrapped(std::int64_t i, std::int64_t size, Wrap wrap) {
  if (wrap == Wrap::clamp) return std::clamp<std::int64_t>(i, 0, size - 1);
  const std::int64_t period = wrap == Wrap::mirror ? 2 * size : size;
  std::int64_t in = i % period;
  if (in < 0) in += period;
  return in < size ? in : 2 * size - 1 - in;
}

// So far out that no texel can be told any more; also what is not finite.
double tamed(double x) {
  constexpr double kFar = 1e6;
  return std::isfinite(x) ? std::clamp(x, -kFar, kFar) : 0.0;
}

}  // namespace

SurfaceLook::SurfaceLook(const Mesh& mesh, const Appearance& look) : mesh_(mesh), look_(look) {
  const auto is_there = [&](const TextureUse& use) {
    return !use.used() || (static_cast<std::size_t>(use.image) < look.images.size() && !mesh.uvs.empty());
  };
  const auto known = [&](std::int32_t m) { return m >= 0 && static_cast<std::size_t>(m) < look.materials.size(); };
  const bool fits =
      look.of_face.size() == mesh.faces.size() / 3 && std::all_of(look.of_face.begin(), look.of_face.end(), known);
  const bool textured = std::all_of(look.materials.begin(), look.materials.end(),
                                    [&](const Material& m) { return is_there(m.texture) && is_there(m.emission_texture); });
  if (!fits || !textured)
    fail(ErrorCode::invalid_argument, "the appearance of a mesh names ",
         fits ? "textures or texture coordinates that are not there" : "other faces or materials than there are");
  for (std::size_t i = 0; i < linear_.size(); ++i) linear_[i] = double{linear_of_srgb(static_cast<float>(i) / 255.0F)};
}

SurfaceLook::Colour SurfaceLook::texel(const Image& image, const TextureUse& use, std::int64_t x, std::int64_t y) const {
  const std::uint8_t* const p =
      image.at(static_cast<int>(wrapped(x, image.width, use.u)), static_cast<int>(wrapped(y, image.height, use.v)));
  const bool colours = image.channels >= 3;
  return {{linear_[p[0]], linear_[p[colours ? 1 : 0]], linear_[p[colours ? 2 : 0]], image.channels == 4 ? p[3] / 255.0 : 1.0}};
}

SurfaceLook::Colour SurfaceLook::looked_up(const TextureUse& use, double u, double v) const {
  const Image& image = look_.images[static_cast<std::size_t>(use.image)];
  const double x = tamed(u) * image.width, y = tamed(v) * image.height;
  if (use.nearest) return texel(image, use, static_cast<std::int64_t>(std::floor(x)), static_cast<std::int64_t>(std::floor(y)));
  const double left = std::floor(x - 0.5), top = std::floor(y - 0.5), a = x - 0.5 - left, b = y - 0.5 - top;
  Colour sum{};
  for (const int dy : {0, 1}) {
    for (const int dx : {0, 1}) {
      const double weight = (dx == 1 ? a : 1 - a) * (dy == 1 ? b : 1 - b);
      const Colour c = texel(image, use, static_cast<std::int64_t>(left) + dx, static_cast<std::int64_t>(top) + dy);
      for (std::size_t k = 0; k < 4; ++k) sum.rgba[k] += weight * c.rgba[k];
    }
  }
  return sum;
}

SurfaceLook::Shade SurfaceLook::at(std::int64_t face, const std::array<double, 3>& weights) const {
  const Material& m = material(face);
  Colour colour{{1, 1, 1, 1}};
  if (m.texture.used()) {
    const auto uv = value_at<2>(mesh_, mesh_.uvs, face, weights);
    colour = looked_up(m.texture, uv[0], uv[1]);
  }
  const bool multiplied = m.vertex_colours || !m.texture.used();
  if (multiplied && !mesh_.colours.empty()) {
    // Colours of vertices are interpolated in linear light, as glTF has them.
    std::array<double, 3> vertex{};
    for (std::size_t c = 0; c < 3; ++c) {
      const auto v = static_cast<std::size_t>(mesh_.faces[3 * static_cast<std::size_t>(face) + c]);
      for (std::size_t k = 0; k < 3; ++k)
        vertex[k] += weights[c] * double{linear_of_srgb(std::clamp(mesh_.colours[3 * v + k], 0.0F, 1.0F))};
    }
    for (std::size_t k = 0; k < 3; ++k) colour.rgba[k] *= vertex[k];
  }
  if (multiplied && !look_.alpha.empty()) colour.rgba[3] *= value_at<1>(mesh_, look_.alpha, face, weights)[0];
  Shade shade;
  for (std::size_t k = 0; k < 3; ++k) shade.colour[k] = colour.rgba[k] * double{m.factor[k]};
  const double alpha = colour.rgba[3] * double{m.factor[3]};
  if (m.alpha == AlphaMode::blend) shade.alpha = std::clamp(alpha, 0.0, 1.0);
  if (m.alpha == AlphaMode::mask) shade.alpha = alpha >= double{m.alpha_cutoff} ? 1.0 : 0.0;
  if (!m.emits()) return shade;
  Colour light{{1, 1, 1, 1}};
  if (m.emission_texture.used()) {
    const auto uv = value_at<2>(mesh_, look_.emission_uvs.empty() ? mesh_.uvs : look_.emission_uvs, face, weights);
    light = looked_up(m.emission_texture, uv[0], uv[1]);
  }
  for (std::size_t k = 0; k < 3; ++k) shade.emission[k] = light.rgba[k] * double{m.emission[k]};
  return shade;
}

double SurfaceLook::density(std::int64_t face) const {
  const Material& m = material(face);
  if (!m.texture.used()) return 0;
  const Image& image = look_.images[static_cast<std::size_t>(m.texture.image)];
  const std::int32_t* const v = &mesh_.faces[3 * static_cast<std::size_t>(face)];
  std::array<double, 3> a{}, b{};
  std::array<double, 2> s{}, t{};
  for (std::size_t k = 0; k < 3; ++k) {
    const auto x = [&](int c) { return double{mesh_.vertices[3 * static_cast<std::size_t>(v[c]) + k]}; };
    a[k] = x(1) - x(0);
    b[k] = x(2) - x(0);
  }
  for (std::size_t k = 0; k < 2; ++k) {
    const double side = k == 0 ? image.width : image.height;
    const auto x = [&](int c) { return side * double{mesh_.uvs[2 * static_cast<std::size_t>(v[c]) + k]}; };
    s[k] = x(1) - x(0);
    t[k] = x(2) - x(0);
  }
  const double area = std::hypot(a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]);
  const double texels = std::abs(s[0] * t[1] - s[1] * t[0]);
  return area > 0 ? std::sqrt(texels / area) : 0;
}

}  // namespace espalier
