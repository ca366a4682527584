#include "io/formats/gltf_materials.h"

#include <cmath>

#include "base/printable.h"

namespace espalier::reader {

namespace {

using Json = GltfJson;
constexpr std::uint64_t kNone = ~std::uint64_t{0};
// What is written here for a mesh without colours.
constexpr std::array<double, 4> kOwnGray = {0.8, 0.8, 0.8, 1.0};

Wrap wrap_of(std::uint64_t code) {
  constexpr std::uint64_t kClampToEdge = 33071, kMirroredRepeat = 33648;
  return code == kClampToEdge ? Wrap::clamp : code == kMirroredRepeat ? Wrap::mirror : Wrap::repeat;
}

}  // namespace

std::array<float, 2> GltfCoordinates::operator()(double u, double v) const {
  // Counter-clockwise in the image as it is seen, whose v goes down.
  const double c = std::cos(rotation), s = std::sin(rotation), x = scale[0] * u, y = scale[1] * v;
  return {static_cast<float>(c * x + s * y + offset[0]), static_cast<float>(c * y - s * x + offset[1])};
}

GltfMaterials::GltfMaterials(GltfDocument& document) : document_(document) {
  const Json* asset = GltfDocument::find(document.json(), "asset");
  own_ = asset != nullptr && document.text(*asset, "generator").starts_with("Espalier");
}

std::int32_t GltfMaterials::of(const Json& primitive) {
  const std::uint64_t index = document_.natural(primitive, "material", kNone);
  const auto known = known_.find(index);
  if (known != known_.end()) return known->second;
  GltfMaterial made;
  made.material.double_sided = false;
  const bool there = index < document_.count("materials");
  if (!there && index != kNone) document_.source().left_out("material ", index, " is left out: it is not there");
  if (there) made = read(document_.item("materials", index), index);
  list_.push_back(std::move(made));
  return known_.emplace(index, static_cast<std::int32_t>(list_.size() - 1)).first->second;
}

bool GltfMaterials::coloured() const {
  return std::any_of(list_.begin(), list_.end(), [](const GltfMaterial& m) { return m.coloured; });
}

std::vector<Material> GltfMaterials::materials() const {
  std::vector<Material> out;
  out.reserve(list_.size());
  for (const GltfMaterial& m : list_) out.push_back(m.material);
  return out;
}

GltfMaterial GltfMaterials::read(const Json& json, std::uint64_t index) {
  GltfMaterial out;
  Material& m = out.material;
  m.name = document_.text(json, "name").substr(0, 200);
  if (m.name.empty()) m.name = str("material", index);
  m.double_sided = document_.flag(json, "doubleSided");
  m.unlit = GltfDocument::extension(json, "KHR_materials_unlit") != nullptr;
  const std::string alpha = document_.text(json, "alphaMode");
  m.alpha = alpha == "MASK" ? AlphaMode::mask : alpha == "BLEND" ? AlphaMode::blend : AlphaMode::opaque;
  m.alpha_cutoff = static_cast<float>(document_.number(json, "alphaCutoff", 0.5));
  read_base(json, out);
  if (!m.unlit) read_emission(json, out);
  mention_rest(json);
  return out;
}

void GltfMaterials::read_base(const Json& json, GltfMaterial& out) {
  const Json* base = GltfDocument::extension(json, "KHR_materials_pbrSpecularGlossiness");
  const bool glossy = base != nullptr;
  if (!glossy) base = GltfDocument::find(json, "pbrMetallicRoughness");
  if (base == nullptr) return;
  const char* key = glossy ? "diffuseFactor" : "baseColorFactor";
  const auto factor = document_.numbers<4>(*base, key, {1, 1, 1, 1});
  out.coloured = GltfDocument::find(*base, key) != nullptr && !(own_ && factor == kOwnGray);
  for (std::size_t k = 0; k < 4; ++k) out.material.factor[k] = static_cast<float>(std::clamp(factor[k], 0.0, 1.0));
  const Json* texture_use = GltfDocument::find(*base, glossy ? "diffuseTexture" : "baseColorTexture");
  if (texture_use != nullptr) out.material.texture = texture(*texture_use, out.base);
}

void GltfMaterials::read_emission(const Json& json, GltfMaterial& out) {
  const auto factor = document_.numbers<3>(json, "emissiveFactor", {0, 0, 0});
  const Json* stronger = GltfDocument::extension(json, "KHR_materials_emissive_strength");
  const double strength = stronger == nullptr ? 1.0 : document_.number(*stronger, "emissiveStrength", 1.0);
  for (std::size_t k = 0; k < 3; ++k)
    out.material.emission[k] = static_cast<float>(std::clamp(factor[k], 0.0, 1.0) * std::clamp(strength, 0.0, 1e6));
  const Json* use = GltfDocument::find(json, "emissiveTexture");
  if (use == nullptr || !out.material.emits()) return;
  out.material.emission_texture = texture(*use, out.emission);
  if (!out.material.emission_texture.used() && document_.source().options.texture) out.material.emission = {0, 0, 0};
}

// What views and conversions do without.
void GltfMaterials::mention_rest(const Json& json) const {
  if (!document_.source().options.texture) return;
  const Json* pbr = GltfDocument::find(json, "pbrMetallicRoughness");
  const bool metallic = pbr != nullptr && GltfDocument::find(*pbr, "metallicRoughnessTexture") != nullptr;
  const auto mention = [&](bool there, const char* what) {
    if (there) document_.source().left_out(what, " are left out");
  };
  mention(GltfDocument::find(json, "normalTexture") != nullptr, "normal maps");
  mention(metallic, "textures of metalness and roughness");
  mention(GltfDocument::find(json, "occlusionTexture") != nullptr, "occlusion maps");
  const Json* extensions = GltfDocument::find(json, "extensions");
  if (extensions == nullptr || !extensions->is_object()) return;
  for (const auto& [name, value] : extensions->items()) {
    const bool followed = name == "KHR_materials_unlit" || name == "KHR_materials_pbrSpecularGlossiness" ||
                          name == "KHR_materials_emissive_strength";
    mention(!followed, (printable(name) + " and what it says of materials").c_str());
  }
}

TextureUse GltfMaterials::texture(const Json& use, GltfCoordinates& coordinates) {
  coordinates.set = document_.natural(use, "texCoord", 0);
  if (const Json* transform = GltfDocument::extension(use, "KHR_texture_transform"); transform != nullptr) {
    coordinates.offset = document_.numbers<2>(*transform, "offset", {0, 0});
    coordinates.scale = document_.numbers<2>(*transform, "scale", {1, 1});
    coordinates.rotation = document_.number(*transform, "rotation", 0.0);
    coordinates.set = document_.natural(*transform, "texCoord", coordinates.set);
  }
  TextureUse out;
  if (!document_.source().options.texture) return out;
  const std::uint64_t number = document_.natural(use, "index", kNone);
  if (number >= document_.count("textures")) {
    document_.source().left_out("texture ", number, " is left out: it is not there");
    return out;
  }
  const Json& texture = document_.item("textures", number);
  out.image = image_of(texture);
  if (!out.used() || GltfDocument::find(texture, "sampler") == nullptr) return out;
  const std::uint64_t by = document_.natural(texture, "sampler", 0);
  if (by >= document_.count("samplers")) {
    document_.source().left_out("sampler ", by, " is left out: it is not there");
    return out;
  }
  const Json& sampler = document_.item("samplers", by);
  constexpr std::uint64_t kNearest = 9728;
  out.u = wrap_of(document_.natural(sampler, "wrapS", 0));
  out.v = wrap_of(document_.natural(sampler, "wrapT", 0));
  out.nearest = document_.natural(sampler, "magFilter", 0) == kNearest;
  return out;
}

std::int32_t GltfMaterials::image_of(const Json& texture) {
  const Json* webp = GltfDocument::extension(texture, "EXT_texture_webp");
  const Json* named[] = {webp == nullptr ? nullptr : GltfDocument::find(*webp, "source"),
                         GltfDocument::find(texture, "source")};
  for (const Json* image : named) {
    if (image == nullptr) continue;
    if (const std::int32_t at = load(image->is_number_unsigned() ? image->get<std::uint64_t>() : kNone); at >= 0) return at;
  }
  if (named[0] != nullptr || named[1] != nullptr) return -1;
  const Json* extensions = GltfDocument::find(texture, "extensions");
  std::string names;
  for (auto at = extensions != nullptr && extensions->is_object() ? extensions->begin() : Json::const_iterator();
       extensions != nullptr && extensions->is_object() && at != extensions->end(); ++at) {
    names += (names.empty() ? "" : ", ") + printable(at.key());
  }
  document_.source().left_out("a texture is left out: ",
                              names.empty() ? std::string("it names no image") : names + " is not supported");
  return -1;
}

std::int32_t GltfMaterials::load(std::uint64_t index) {
  const auto known = images_by_.find(index);
  if (known != images_by_.end()) return known->second;
  ImageFile file;
  std::optional<Image> image;
  try {
    image = decoded(index, file);
  } catch (const Error& error) {
    // Damaged files may cost as much as whole ones, so there is an end to what is forgiven.
    constexpr int kMostDamaged = 100;
    if (error.code() != ErrorCode::format || ++damaged_ > kMostDamaged || document_.source().options.strict) throw;
    document_.source().left_out("texture ", index, " is left out: ", error.what());
  }
  std::int32_t at = -1;
  if (image) {
    images_.push_back(std::move(*image));
    files_.push_back(std::move(file));
    at = static_cast<std::int32_t>(images_.size() - 1);
  }
  images_by_.emplace(index, at);
  return at;
}

std::optional<Image> GltfMaterials::decoded(std::uint64_t index, ImageFile& file) {
  const Source& source = document_.source();
  const Json& image = document_.item("images", index);
  const Json* uri = GltfDocument::find(image, "uri");
  std::vector<std::byte> beside;
  Bytes bytes;
  if (uri == nullptr) {
    bytes = document_.view(document_.natural(image, "bufferView", kNone));
  } else if (const std::optional<std::string> name = document_.file_of(*uri); name) {
    auto found = source.companion(*name, "texture");
    if (!found) return std::nullopt;
    beside = std::move(*found);
    bytes = beside;
  } else {
    beside = document_.resolve(*uri);
    bytes = beside;
  }
  auto pixels = source.image(bytes, str("texture ", index), ColourProfiles::ignored);
  if (pixels) file = Source::image_file(bytes);
  return pixels;
}

}  // namespace espalier::reader
