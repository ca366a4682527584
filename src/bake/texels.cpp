#include "bake/texels.h"

#include "base/error.h"
#include "render/raster/triangle_rasteriser.h"
#include "runtime/array.h"

namespace espalier {

Texels texels_of(const Mesh& mesh, int size) {
  constexpr float kGutter = 1.5F;  // what a bilinear look at a chart's outermost texels can reach
  if (mesh.uvs.empty() || mesh.faces.empty())
    fail(ErrorCode::invalid_argument, "maps: the mesh has no ", mesh.faces.empty() ? "faces" : "texture coordinates",
         hint("unwrap it first"));
  if (size < kSmallestMap || size > kLargestMap)
    fail(ErrorCode::invalid_argument, "maps: ", size, " texels on a side",
         hint(kSmallestMap, " to ", kLargestMap, " are possible"));
  Queue<Cpu> queue;
  const std::int64_t s = size;
  const Array<Cpu, std::int32_t> face(queue, s * s, "faces of texels");
  const Array<Cpu, float> barycentric(queue, 2 * s * s, "weights of texels");
  TriangleRasteriser<Cpu> rasteriser(queue, mesh);
  rasteriser.render_texels({face.view<2>({s, s}), barycentric.view<3>({s, s, 2}), {}}, kGutter);
  return {size, face.host(queue), barycentric.host(queue)};
}

Image image_of(const std::vector<float>& values, int size) {
  Image image(size, size, 3);
  for (std::size_t i = 0; i < values.size(); ++i) {
    // NOLINTNEXTLINE(bugprone-incorrect-roundings): never negative
    image.pixels[i] = static_cast<std::uint8_t>(std::clamp(values[i], 0.0F, 1.0F) * 255.0F + 0.5F);
  }
  return image;
}

}  // namespace espalier
