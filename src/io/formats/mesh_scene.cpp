#include "io/formats/mesh_scene.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "image/codec.h"
#include "io/formats/checks.h"
#include "io/formats/text.h"

namespace espalier {

namespace {

// What the names of images begin with.
std::string image_stem(const std::string& title) {
  std::string name = plain_name(title);
  const bool any = std::any_of(name.begin(), name.end(), [](char c) { return c != '_' && c != '.' && c != '-'; });
  return any ? name : "texture";
}

}  // namespace

bool MeshScene::any_vertex_colours() const {
  return std::any_of(materials.begin(), materials.end(), [&](const Material& m) { return shows_vertex_colours(m); });
}

std::vector<std::int32_t> MeshScene::faces_of(std::size_t material) const {
  std::vector<std::int32_t> faces;
  for (std::size_t f = 0; f < of_face.size(); ++f) {
    if (of_face[f] == static_cast<std::int32_t>(material)) faces.push_back(static_cast<std::int32_t>(f));
  }
  return faces;
}

MeshScene scene_of(const Mesh& mesh, std::span<const std::byte> texture, const SceneOptions& options, const char* format) {
  check_writable_mesh(mesh, format);
  check_comments(options.comments, format);
  MeshScene scene;
  scene.mesh = &mesh;
  Material material;
  material.name = options.title;
  if (texture.empty()) {
    constexpr float kLightGray = 0.8F;
    if (mesh.colours.empty()) material.factor = {kLightGray, kLightGray, kLightGray, 1.0F};
  } else {
    if (mesh.uvs.empty()) {
      fail(ErrorCode::invalid_argument, format, ": a texture needs a mesh with texture coordinates",
           hint("unwrap the mesh first"));
    }
    const auto kind = image_format(texture);
    if (kind != ImageFormat::png && kind != ImageFormat::jpeg) {
      fail(ErrorCode::invalid_argument, format, ": the texture must be a PNG or JPEG image",
           hint("the format knows no others"));
    }
    const char* ending = kind == ImageFormat::png ? ".png" : ".jpg";
    scene.images.push_back({image_stem(options.title) + ending, {texture.begin(), texture.end()}});
    scene.transparent.push_back(false);
    material.texture = {0, Wrap::clamp, Wrap::clamp};
    const auto add_map = [&](std::span<const std::byte> file, const char* name) {
      if (file.empty()) return -1;
      const bool png = image_format(file) == ImageFormat::png;
      scene.images.push_back({image_stem(options.title) + name + (png ? ".png" : ".jpg"), {file.begin(), file.end()}});
      scene.transparent.push_back(false);
      return static_cast<std::int32_t>(scene.images.size() - 1);
    };
    scene.normal_map = add_map(options.normal_map, "-normal");
    scene.occlusion_map = add_map(options.occlusion_map, "-occlusion");
  }
  material.double_sided = options.double_sided;
  scene.materials.push_back(std::move(material));
  return scene;
}

MeshScene scene_of(const Mesh& mesh, const Appearance& look, ImageKind images, const SceneOptions& options,
                   const char* format) {
  check_writable_mesh(mesh, format);
  check_comments(options.comments, format);
  require(look.of_face.size() == mesh.faces.size() / 3, "scene_of", "an appearance of another mesh");
  MeshScene scene;
  scene.mesh = &mesh;
  scene.emission_uvs = look.emission_uvs;
  constexpr std::int32_t kUnused = -1;
  std::vector<std::int32_t> material_of(look.materials.size(), kUnused), image_of(look.images.size(), kUnused);
  std::set<std::string> names;
  const auto take_image = [&](TextureUse& use) {
    if (!use.used()) return;
    std::int32_t& index = image_of[static_cast<std::size_t>(use.image)];
    if (index == kUnused) {
      const Image& image = look.images[static_cast<std::size_t>(use.image)];
      EncodedImage file = encoded_image(look, static_cast<std::size_t>(use.image), images, false);
      index = static_cast<std::int32_t>(scene.images.size());
      scene.images.push_back({str(image_stem(options.title), "-", index, file.ending), std::move(file.bytes)});
      scene.transparent.push_back(image.channels == 4);
    }
    use.image = index;
  };
  for (const std::int32_t m : look.of_face) {
    std::int32_t& index = material_of[static_cast<std::size_t>(m)];
    if (index == kUnused) {
      index = static_cast<std::int32_t>(scene.materials.size());
      Material material = look.materials[static_cast<std::size_t>(m)];
      if (mesh.uvs.empty()) material.texture = material.emission_texture = {};
      take_image(material.texture);
      take_image(material.emission_texture);
      const std::string first = material.name.empty() ? "material" : material.name;
      material.name = first;
      for (int i = 2; !names.insert(material.name).second; ++i) material.name = str(first, "_", i);
      scene.materials.push_back(std::move(material));
    }
    scene.of_face.push_back(index);
  }
  if (scene.materials.size() == 1) scene.of_face.clear();
  return scene;
}

}  // namespace espalier
