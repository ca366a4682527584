// glTF of a mesh with several materials.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "image/colour.h"
#include "io/formats/appearance_files.h"
#include "io/formats/byte_writer.h"
#include "io/formats/checks.h"
#include "io/formats/glb_file.h"
#include "io/formats/text.h"

namespace espalier {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kFloat = 5126, kUnsignedInt = 5125, kArrayBuffer = 34962, kElementArrayBuffer = 34963;

class Content {
 public:
  Content(const Mesh& mesh, const Appearance& look, const AppearanceOptions& options, std::string stem)
      : mesh_(mesh), look_(look), options_(options), stem_(std::move(stem)), binary_(mesh.vertices.size() * 16) {
    require(look.of_face.size() == mesh.faces.size() / 3, "encode_glb", "an appearance of another mesh");
    add_attributes();
    add_materials();
    add_primitives();
  }

  [[nodiscard]] std::string json() const {
    Json document;
    document["asset"] = {{"version", "2.0"}, {"generator", options_.generator}};
    if (!options_.extras_json.empty()) {
      Json extras = Json::parse(options_.extras_json, nullptr, false);
      require(extras.is_object(), "encode_glb", "the extras are not the text of a JSON object");
      document["asset"]["extras"] = std::move(extras);
    }
    for (const auto& [name, required] : extensions_) {
      document["extensionsUsed"].push_back(name);
      if (required) document["extensionsRequired"].push_back(name);
    }
    document["scene"] = 0;
    document["scenes"] = Json::array({{{"nodes", {0}}}});
    document["nodes"] = Json::array({{{"mesh", 0}, {"name", "asset"}}});
    document["meshes"] = Json::array({{{"name", "asset"}, {"primitives", primitives_}}});
    document["materials"] = materials_;
    if (!textures_.empty()) {
      document["textures"] = textures_;
      document["images"] = images_;
      document["samplers"] = samplers_;
    }
    document["accessors"] = accessors_;
    document["bufferViews"] = views_;
    Json buffer = {{"byteLength", binary_.size()}};
    if (!stem_.empty()) buffer["uri"] = percent_notation(stem_ + ".bin");
    document["buffers"] = Json::array({buffer});
    return document.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  [[nodiscard]] std::vector<std::byte> take_binary() { return binary_.take(); }
  [[nodiscard]] std::vector<NamedFile> take_pictures() { return std::move(pictures_); }

 private:
  std::size_t add_view(std::size_t bytes, int target) {
    binary_.align4('\0');
    views_.push_back({{"buffer", 0}, {"byteOffset", binary_.size()}, {"byteLength", bytes}, {"target", target}});
    return views_.size() - 1;
  }
  Json& add_accessor(std::size_t view, int component, std::size_t count, const char* type) {
    accessors_.push_back({{"bufferView", view}, {"componentType", component}, {"count", count}, {"type", type}});
    return accessors_.back();
  }

  void add_attributes() {
    const std::size_t n = mesh_.vertices.size() / 3;
    std::array<float, 3> low{}, high{};
    low.fill(std::numeric_limits<float>::max());
    high.fill(std::numeric_limits<float>::lowest());
    const std::size_t view = add_view(n * 12, kArrayBuffer);
    for (std::size_t i = 0; i < n; ++i) {
      const std::array<float, 3> p = {mesh_.vertices[3 * i], mesh_.vertices[3 * i + 2], -mesh_.vertices[3 * i + 1]};
      for (std::size_t k = 0; k < 3; ++k) {
        low[k] = std::min(low[k], p[k]);
        high[k] = std::max(high[k], p[k]);
      }
      binary_.raw(p.data(), 12);
    }
    attributes_["POSITION"] = accessors_.size();
    Json& accessor = add_accessor(view, kFloat, n, "VEC3");
    accessor["min"] = low;
    accessor["max"] = high;
    if (!mesh_.normals.empty()) add_normals(n);
    if (!mesh_.uvs.empty()) add_pairs("TEXCOORD_0", mesh_.uvs);
    if (!look_.emission_uvs.empty()) add_pairs("TEXCOORD_1", look_.emission_uvs);
    if (!mesh_.colours.empty() || !look_.alpha.empty()) add_colours(n);
  }
  void add_normals(std::size_t n) {
    const std::size_t view = add_view(n * 12, kArrayBuffer);
    for (std::size_t i = 0; i < n; ++i) {
      std::array<float, 3> v = {mesh_.normals[3 * i], mesh_.normals[3 * i + 2], -mesh_.normals[3 * i + 1]};
      const double length = std::hypot(double{v[0]}, double{v[1]}, double{v[2]});
      for (float& x : v) x = length > 0.0 ? static_cast<float>(x / length) : 0.0F;
      if (length <= 0.0) v[1] = 1.0F;
      binary_.raw(v.data(), 12);
    }
    attributes_["NORMAL"] = accessors_.size();
    add_accessor(view, kFloat, n, "VEC3");
  }
  void add_pairs(const char* name, const std::vector<float>& values) {
    const std::size_t view = add_view(values.size() * 4, kArrayBuffer);
    binary_.raw(values.data(), values.size() * 4);
    attributes_[name] = accessors_.size();
    add_accessor(view, kFloat, values.size() / 2, "VEC2");
  }
  void add_colours(std::size_t n) {
    const bool alpha = !look_.alpha.empty();
    const std::size_t view = add_view(n * (alpha ? 16 : 12), kArrayBuffer);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t k = 0; k < 3; ++k)
        binary_.put(mesh_.colours.empty() ? 1.0F : linear_of_srgb(std::clamp(mesh_.colours[3 * i + k], 0.0F, 1.0F)));
      if (alpha) binary_.put(std::clamp(look_.alpha[i], 0.0F, 1.0F));
    }
    colours_ = static_cast<int>(accessors_.size());
    add_accessor(view, kFloat, n, alpha ? "VEC4" : "VEC3");
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
    const EncodedPicture picture = encoded_picture(look_.images[static_cast<std::size_t>(index)], options_.pictures);
    webp_ = webp_ || std::string_view(picture.ending) == ".webp";
    if (stem_.empty()) {
      binary_.align4('\0');
      views_.push_back({{"buffer", 0}, {"byteOffset", binary_.size()}, {"byteLength", picture.bytes.size()}});
      binary_.raw(picture.bytes.data(), picture.bytes.size());
      images_.push_back({{"bufferView", views_.size() - 1}, {"mimeType", picture.mime}});
    } else {
      const std::string name = str(stem_, "-", index, picture.ending);
      images_.push_back({{"uri", percent_notation(name)}});
      pictures_.push_back({name, picture.bytes});
    }
    return image_by_.emplace(index, images_.size() - 1).first->second;
  }

  void add_primitives() {
    std::vector<std::vector<std::int32_t>> corners(look_.materials.size());
    for (std::size_t f = 0; f < look_.of_face.size(); ++f) {
      auto& list = corners[static_cast<std::size_t>(look_.of_face[f])];
      list.insert(list.end(), &mesh_.faces[3 * f], &mesh_.faces[3 * f] + 3);
    }
    for (std::size_t m = 0; m < corners.size(); ++m) {
      if (corners[m].empty()) continue;
      const std::size_t view = add_view(corners[m].size() * 4, kElementArrayBuffer);
      binary_.raw(corners[m].data(), corners[m].size() * 4);
      Json attributes = attributes_;
      const Material& material = look_.materials[m];
      if (colours_ >= 0 && (material.vertex_colours || !material.texture.used())) attributes["COLOR_0"] = colours_;
      primitives_.push_back({{"attributes", std::move(attributes)}, {"indices", accessors_.size()}, {"material", m}});
      add_accessor(view, kUnsignedInt, corners[m].size(), "SCALAR");
    }
    binary_.align4('\0');
  }

  const Mesh& mesh_;
  const Appearance& look_;
  const AppearanceOptions& options_;
  std::string stem_;
  ByteWriter binary_;
  int colours_ = -1;
  bool webp_ = false;
  std::map<std::string, bool> extensions_;  // and whether they are required
  std::map<std::array<int, 4>, std::size_t> texture_by_;
  std::map<std::int32_t, std::size_t> image_by_;
  Json attributes_ = Json::object(), accessors_ = Json::array(), views_ = Json::array(), materials_ = Json::array();
  Json samplers_ = Json::array(), images_ = Json::array(), textures_ = Json::array(), primitives_ = Json::array();
  std::vector<NamedFile> pictures_;
};

}  // namespace

std::vector<std::byte> encode_glb(const Mesh& mesh, const Appearance& look, const AppearanceOptions& options) {
  check_writable_mesh(mesh, "GLB");
  Content content(mesh, look, options, {});
  std::string json = content.json();  // which counts the bytes that are taken next
  return glb_of(std::move(json), content.take_binary());
}

std::vector<NamedFile> encode_gltf(const Mesh& mesh, const Appearance& look, const AppearanceOptions& options,
                                   const std::string& stem) {
  check_writable_mesh(mesh, "glTF");
  check_stem(stem, "glTF");
  Content content(mesh, look, options, stem);
  ByteWriter json(0);
  json.text(content.json());
  std::vector<NamedFile> files = content.take_pictures();
  files.push_back({stem + ".bin", content.take_binary()});
  files.push_back({stem + ".gltf", json.take()});
  return files;
}

}  // namespace espalier
