// glTF of a mesh with several materials.
#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "image/colour.h"
#include "io/formats/appearance_files.h"
#include "io/formats/checks.h"
#include "io/formats/glb_file.h"
#include "io/formats/gltf_geometry.h"
#include "io/formats/gltf_parts.h"

namespace espalier {

namespace {

using Json = GltfParts::Json;

// Of `width` floats for each vertex.
GltfArray floats_of(const char* attribute, const char* type, std::size_t width, const std::vector<float>& values) {
  GltfArray array{.attribute = attribute, .type = type, .count = values.size() / width, .stride = width * sizeof(float)};
  array.bytes.resize(values.size() * sizeof(float));
  std::memcpy(array.bytes.data(), values.data(), array.bytes.size());
  return array;
}

class Content {
 public:
  Content(const Mesh& mesh, const Appearance& look, const AppearanceOptions& options, std::string stem)
      : mesh_(mesh), look_(look), options_(options), parts_(std::move(stem), mesh.vertices.size() * 16) {
    require(look.of_face.size() == mesh.faces.size() / 3, "encode_glb", "an appearance of another mesh");
    add_attributes();
    add_materials();
    add_primitives();
  }

  [[nodiscard]] std::string json() const {
    Json document = gltf_document(options_.generator, options_.extras_json);
    for (const auto& [name, required] : extensions_) {
      document["extensionsUsed"].push_back(name);
      if (required) document["extensionsRequired"].push_back(name);
    }
    document["scene"] = 0;
    document["scenes"] = Json::array({{{"nodes", {0}}}});
    document["nodes"] = Json::array({{{"mesh", 0}, {"name", options_.title}}});
    document["meshes"] = Json::array({{{"name", options_.title}, {"primitives", primitives_}}});
    document["materials"] = materials_;
    if (!textures_.empty()) {
      document["textures"] = textures_;
      document["samplers"] = samplers_;
    }
    return parts_.text(std::move(document));
  }
  [[nodiscard]] GltfParts& parts() { return parts_; }

 private:
  void add_attributes() {
    const auto add = [&](const GltfArray& array) { attributes_[array.attribute] = parts_.add_array(array); };
    for (const GltfArray& array : gltf_attributes(mesh_)) add(array);
    if (!look_.emission_uvs.empty()) add(floats_of("TEXCOORD_1", "VEC2", 2, look_.emission_uvs));
    if (!mesh_.colours.empty() || !look_.alpha.empty()) add_colours(mesh_.vertices.size() / 3);
  }
  void add_colours(std::size_t n) {
    const bool alpha = !look_.alpha.empty();
    std::vector<float> values;
    values.reserve(n * 4);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t k = 0; k < 3; ++k)
        values.push_back(mesh_.colours.empty() ? 1.0F : linear_of_srgb(std::clamp(mesh_.colours[3 * i + k], 0.0F, 1.0F)));
      if (alpha) values.push_back(std::clamp(look_.alpha[i], 0.0F, 1.0F));
    }
    const std::size_t width = alpha ? 4 : 3;
    colours_ = static_cast<int>(parts_.add_array(floats_of("COLOR_0", alpha ? "VEC4" : "VEC3", width, values)));
  }

  void add_materials() {
    for (const Material& m : look_.materials) {
      Json pbr = {{"baseColorFactor", m.factor}, {"metallicFactor", 0.0}, {"roughnessFactor", 1.0}};
      if (m.texture.used()) pbr["baseColorTexture"] = {{"index", texture_of(m.texture)}};
      Json made = {{"name", m.name.empty() ? "material" : m.name},
                   {"pbrMetallicRoughness", std::move(pbr)},
                   {"doubleSided", m.double_sided}};
      if (m.alpha == AlphaMode::mask) made["alphaCutoff"] = m.alpha_cutoff;
      if (m.alpha != AlphaMode::opaque) made["alphaMode"] = m.alpha == AlphaMode::mask ? "MASK" : "BLEND";
      const float strength = std::max({m.emission[0], m.emission[1], m.emission[2], 1.0F});
      if (m.emits()) {
        made["emissiveFactor"] = {m.emission[0] / strength, m.emission[1] / strength, m.emission[2] / strength};
        if (m.emission_texture.used()) {
          made["emissiveTexture"] = {{"index", texture_of(m.emission_texture)}};
          if (!look_.emission_uvs.empty()) made["emissiveTexture"]["texCoord"] = 1;
        }
        if (strength > 1.0F) {
          made["extensions"]["KHR_materials_emissive_strength"]["emissiveStrength"] = strength;
          extensions_["KHR_materials_emissive_strength"] = false;
        }
      }
      if (m.unlit || options_.unlit) {
        made["extensions"]["KHR_materials_unlit"] = Json::object();
        extensions_["KHR_materials_unlit"] = false;
      }
      materials_.push_back(std::move(made));
    }
  }

  std::size_t texture_of(const TextureUse& use) {
    const std::array<int, 4> key = {use.image, static_cast<int>(use.u), static_cast<int>(use.v), use.nearest ? 1 : 0};
    const auto known = texture_by_.find(key);
    if (known != texture_by_.end()) return known->second;
    constexpr std::array kWraps = {10497, 33648, 33071};  // as Wrap counts them
    samplers_.push_back({{"magFilter", use.nearest ? 9728 : 9729},
                         {"minFilter", 9987},
                         {"wrapS", kWraps.at(static_cast<std::size_t>(use.u))},
                         {"wrapT", kWraps.at(static_cast<std::size_t>(use.v))}});
    const std::size_t image = image_of(use.image);
    Json texture = {{"sampler", samplers_.size() - 1}};
    if (webp_) {
      texture["extensions"]["EXT_texture_webp"]["source"] = image;
      extensions_["EXT_texture_webp"] = true;
    } else {
      texture["source"] = image;
    }
    textures_.push_back(std::move(texture));
    return texture_by_.emplace(key, textures_.size() - 1).first->second;
  }

  std::size_t image_of(std::int32_t index) {
    const auto known = image_by_.find(index);
    if (known != image_by_.end()) return known->second;
    const EncodedImage image = encoded_image(look_, static_cast<std::size_t>(index), options_.images, true);
    webp_ = webp_ || std::string_view(image.ending) == ".webp";
    return image_by_.emplace(index, parts_.add_image(image.bytes, str(parts_.stem(), "-", index))).first->second;
  }

  void add_primitives() {
    std::vector<std::vector<std::int32_t>> corners(look_.materials.size());
    for (std::size_t f = 0; f < look_.of_face.size(); ++f) {
      auto& list = corners[static_cast<std::size_t>(look_.of_face[f])];
      list.insert(list.end(), &mesh_.faces[3 * f], &mesh_.faces[3 * f] + 3);
    }
    for (std::size_t m = 0; m < corners.size(); ++m) {
      if (corners[m].empty()) continue;
      Json attributes = attributes_;
      const Material& material = look_.materials[m];
      if (colours_ >= 0 && (material.vertex_colours || !material.texture.used())) attributes["COLOR_0"] = colours_;
      const std::size_t indices = parts_.add_array(gltf_indices(corners[m]));
      primitives_.push_back({{"attributes", std::move(attributes)}, {"indices", indices}, {"material", m}});
    }
  }

  const Mesh& mesh_;
  const Appearance& look_;
  const AppearanceOptions& options_;
  GltfParts parts_;
  int colours_ = -1;
  bool webp_ = false;
  std::map<std::string, bool> extensions_;  // and whether they are required
  std::map<std::array<int, 4>, std::size_t> texture_by_;
  std::map<std::int32_t, std::size_t> image_by_;
  Json attributes_ = Json::object(), materials_ = Json::array(), primitives_ = Json::array();
  Json samplers_ = Json::array(), textures_ = Json::array();
};

}  // namespace

std::vector<std::byte> encode_glb(const Mesh& mesh, const Appearance& look, const AppearanceOptions& options) {
  check_writable_mesh(mesh, "GLB");
  Content content(mesh, look, options, {});
  std::string json = content.json();  // which counts the bytes that are taken next
  return glb_of(std::move(json), content.parts().take_binary());
}

std::vector<NamedFile> encode_gltf(const Mesh& mesh, const Appearance& look, const AppearanceOptions& options,
                                   const std::string& stem) {
  check_writable_mesh(mesh, "glTF");
  check_stem(stem, "glTF");
  Content content(mesh, look, options, stem);
  return content.parts().take_files(content.json());
}

}  // namespace espalier
