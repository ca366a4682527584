#include <string>

#include "render/raster/triangle_rasteriser_impl.h"

namespace espalier::raster {

void check_faces(const Mesh& mesh) {
  require(mesh.vertices.size() % 3 == 0 && mesh.faces.size() % 3 == 0, "TriangleRasteriser",
          "a mesh whose vertices or faces are not triples");
  const std::int64_t count = mesh.vertex_count();
  for (std::size_t i = 0; i < mesh.faces.size(); ++i) {
    const std::int32_t v = mesh.faces[i];
    if (v < 0 || v >= count) {
      fail(ErrorCode::invalid_argument, "face ", i / 3, " of the mesh names vertex ", v, ", but there are ", count);
    }
  }
}

void check_sides(const char* where, std::int64_t height, std::int64_t width) {
  if (height < 1 || width < 1 || height > kMaxRasterSide || width > kMaxRasterSide) {
    fail(ErrorCode::invalid_argument, where, ": an image of ", width, " x ", height, " pixels is not possible",
         hint("sides of 1 to ", kMaxRasterSide, " are"));
  }
}

CameraStep camera_step(const Camera& camera, const Frame& frame) {
  CameraStep step{};
  for (std::size_t i = 0; i < 9; ++i) step.rotation[i] = camera.rotation[i];
  for (std::size_t i = 0; i < 3; ++i) step.translation[i] = camera.translation[i];
  const auto width = static_cast<float>(frame.width), height = static_cast<float>(frame.height);
  step.scale_x = camera.fx * width;
  step.scale_y = camera.fy * height;
  step.shift_x = (camera.cx - 0.5F) * width;
  step.shift_y = (camera.cy - 0.5F) * height;
  return step;
}

}  // namespace espalier::raster
