#include "bake/bake.h"

#include "bake/bake_impl.h"
#include "bake/limits.h"
#include "render/raster/vector.h"

namespace espalier::baking {

namespace {

Vec3 vertex_of(const Mesh& mesh, std::size_t face, std::size_t k) {
  const float* v = &mesh.vertices[static_cast<std::size_t>(mesh.faces[face * 3 + k]) * 3];
  return {{v[0], v[1], v[2]}};
}

}  // namespace

void check_mesh(const Mesh& mesh) {
  if (mesh.faces.empty()) fail(ErrorCode::invalid_argument, "the mesh to bake has no faces");
  if (mesh.uvs.size() / 2 != mesh.vertices.size() / 3 || mesh.uvs.empty()) {
    fail(ErrorCode::invalid_argument, "the mesh to bake has ", mesh.uvs.size() / 2, " texture coordinates for ",
         mesh.vertices.size() / 3, " vertices", hint("unwrap it first"));
  }
  if (mesh.normals.size() != mesh.vertices.size()) {
    fail(ErrorCode::invalid_argument, "the mesh to bake has ", mesh.normals.size() / 3, " normals for ",
         mesh.vertices.size() / 3, " vertices");
  }
}

void check_options(const BakeOptions& o) {
  const auto within = [](const char* name, double value, double low, double high) {
    if (!(value >= low && value <= high))
      fail(ErrorCode::invalid_argument, name, " is ", value, hint("it must lie in [", low, ", ", high, "]"));
  };
  within("the texture size", o.size, 64, 8192);
  within("the number of views", o.views, 1, kMostViews);
  within("the size of views", o.view_size, kLeastViewSize, kMostViewSize);
  within("the distance of the views", o.radius, 0.9, 100);
  within("the field of view", o.fov_degrees, 1, 120);
  within("the smoothness", o.smoothness, 0, 100);
  within("the number of sweeps", o.sweeps, 1, 10000);
}

std::vector<std::uint8_t> usable_faces(const Mesh& mesh, const BakeOptions& options) {
  // A texel may take in 2^20 equations; with all views looking straight at a face from as near as they come, and four
  // texels' worth of faces around it.
  const double limit = 1048576.0 / 4.0 / options.views;
  const double focal = 0.5 * options.view_size / std::tan(options.fov_degrees * 0.00872664626);
  const double nearest = std::max(0.1, options.radius - 0.9);
  const double pixels_per_area = focal * focal / (nearest * nearest);
  const double texels = static_cast<double>(options.size) * options.size;
  std::vector<std::uint8_t> usable(mesh.faces.size() / 3);
  for (std::size_t f = 0; f < usable.size(); ++f) {
    const Vec3 a = vertex_of(mesh, f, 0);
    const Vec3 n = cross(vertex_of(mesh, f, 1) - a, vertex_of(mesh, f, 2) - a);
    const double area = 0.5 * std::sqrt(static_cast<double>(dot(n, n)));
    const auto uv = [&](std::size_t k, std::size_t c) {
      return static_cast<double>(mesh.uvs[static_cast<std::size_t>(mesh.faces[f * 3 + k]) * 2 + c]);
    };
    const double uv_area =
        0.5 * std::abs((uv(1, 0) - uv(0, 0)) * (uv(2, 1) - uv(0, 1)) - (uv(2, 0) - uv(0, 0)) * (uv(1, 1) - uv(0, 1)));
    usable[f] = area * pixels_per_area <= limit * uv_area * texels ? 1 : 0;
  }
  return usable;
}

TexelView texel_view(const Camera& camera, int view_size, float least_cosine) {
  TexelView view{};
  std::copy(camera.rotation.begin(), camera.rotation.end(), view.rotation);
  std::copy(camera.translation.begin(), camera.translation.end(), view.translation);
  const std::array<float, 3> eye = camera.position();
  std::copy(eye.begin(), eye.end(), view.eye);
  const auto pixels = static_cast<float>(view_size);
  view.focal_x = camera.fx * pixels;
  view.focal_y = camera.fy * pixels;
  view.centre_x = camera.cx * pixels;
  view.centre_y = camera.cy * pixels;
  view.view_size = view_size;
  view.least_cosine = least_cosine;
  return view;
}

Image bytes_of(const std::vector<float>& texture, int size) {
  Image image(size, size, 3);
  for (std::size_t i = 0; i < texture.size(); ++i) {
    // NOLINTNEXTLINE(bugprone-incorrect-roundings): never negative
    image.pixels[i] = static_cast<std::uint8_t>(std::clamp(texture[i], 0.0F, 1.0F) * 255.0F + 0.5F);
  }
  return image;
}

}  // namespace espalier::baking
