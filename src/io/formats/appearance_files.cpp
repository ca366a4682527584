#include "io/formats/appearance_files.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "base/error.h"
#include "image/codec.h"
#include "image/colour.h"
#include "image/image_header.h"

namespace espalier {

EncodedImage encoded_image(const Image& image, ImageKind kind) {
  constexpr int kJpegQuality = 92;
  if (kind == ImageKind::webp) return {encode_webp(image, {}), ".webp", "image/webp"};
  if (kind == ImageKind::jpeg && image.channels == 3) return {encode_jpeg(image, kJpegQuality), ".jpg", "image/jpeg"};
  return {encode_png(image), ".png", "image/png"};
}

EncodedImage encoded_image(const Appearance& look, std::size_t image, ImageKind kind, bool webp) {
  if (kind == ImageKind::webp && !webp) kind = ImageKind::png;
  if (const ImageFile file = look.file(image)) {
    const ImageHeader header = image_header(*file).value_or(ImageHeader{});
    const std::string_view ending = header.ending;
    const ImageKind own = ending == ".jpg" ? ImageKind::jpeg : ending == ".webp" ? ImageKind::webp : ImageKind::png;
    if (own == kind || (kind == ImageKind::as_found && (webp || own != ImageKind::webp)))
      return {*file, header.ending, header.media_type};
  }
  return encoded_image(look.images[image], kind);
}

Mesh with_vertex_colours(const Mesh& mesh, const Appearance& look) {
  require(look.of_face.size() == mesh.faces.size() / 3, "with_vertex_colours", "an appearance of another mesh");
  Mesh out = mesh;
  out.uvs.clear();
  out.colours.assign(mesh.vertices.size(), 1.0F);
  const auto wrapped = [](float u, Wrap wrap) {
    if (wrap == Wrap::clamp) return std::clamp(u, 0.0F, 1.0F);
    if (wrap == Wrap::repeat) return u - std::floor(u);
    const float in = u - 2.0F * std::floor(0.5F * u);
    return in > 1.0F ? 2.0F - in : in;
  };
  for (std::size_t c = 0; c < mesh.faces.size(); ++c) {
    const Material& m = look.materials[static_cast<std::size_t>(look.of_face[c / 3])];
    const auto v = static_cast<std::size_t>(mesh.faces[c]);
    std::array<float, 3> colour = {1, 1, 1};
    const bool multiplied = !mesh.colours.empty() && (m.vertex_colours || !m.texture.used());
    if (m.texture.used() && !mesh.uvs.empty()) {
      const Image& p = look.images[static_cast<std::size_t>(m.texture.image)];
      const auto x = static_cast<int>(wrapped(mesh.uvs[2 * v], m.texture.u) * static_cast<float>(p.width));
      const auto y = static_cast<int>(wrapped(mesh.uvs[2 * v + 1], m.texture.v) * static_cast<float>(p.height));
      const std::uint8_t* texel = p.at(std::clamp(x, 0, p.width - 1), std::clamp(y, 0, p.height - 1));
      for (std::size_t k = 0; k < 3; ++k) colour[k] = linear_of_srgb(static_cast<float>(texel[k]) / 255.0F);
    }
    for (std::size_t k = 0; k < 3; ++k) {
      const float vertex = multiplied ? linear_of_srgb(std::clamp(mesh.colours[3 * v + k], 0.0F, 1.0F)) : 1.0F;
      out.colours[3 * v + k] = srgb_of_linear(std::clamp(colour[k] * m.factor[k] * vertex + m.emission[k], 0.0F, 1.0F));
    }
  }
  return out;
}

}  // namespace espalier
