#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "image/codec.h"
#include "image/colour.h"
#include "io/formats/byte_writer.h"
#include "io/formats/checks.h"
#include "io/formats/glb_file.h"
#include "io/formats/mesh_files.h"
#include "io/formats/text.h"

namespace espalier {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "GLB";
constexpr const char* kUnlit = "KHR_materials_unlit";
constexpr const char* kWebp = "EXT_texture_webp";
constexpr const char* kQuantised = "KHR_mesh_quantization";
// glTF component types.
constexpr int kByte = 5120, kUnsignedShort = 5123, kUnsignedInt = 5125, kFloat = 5126;
constexpr int kArrayBuffer = 34962, kElementArrayBuffer = 34963;  // glTF buffer view targets

// Z up to Y up, the right-handed turn that the reference applies on export.
std::array<float, 3> y_up(const float* v) { return {v[0], v[2], -v[1]}; }

Json parse_extras(const std::string& text) {
  Json extras = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  require(extras.is_object(), "encode_glb", "the extras are not the text of a JSON object");
  return extras;
}

struct Kind {
  const char* mime;
  const char* ending;
};
Kind kind_of(PictureFormat format) {
  switch (format) {
    case PictureFormat::png: return {"image/png", ".png"};
    case PictureFormat::jpeg: return {"image/jpeg", ".jpg"};
    case PictureFormat::webp: return {"image/webp", ".webp"};
  }
  fail(ErrorCode::internal, "glTF: an unknown picture format");
}

void check_texture(const Mesh& mesh, const GlbOptions& options) {
  if (options.texture.empty()) {
    require(options.texture_fallback.empty(), "encode_glb", "a fallback without a texture");
    return;
  }
  if (mesh.uvs.empty()) {
    fail(ErrorCode::invalid_argument, kFormat, ": a texture needs a mesh with texture coordinates",
         hint("unwrap the mesh first"));
  }
  const auto format = picture_format(options.texture);
  if (!format) fail(ErrorCode::invalid_argument, kFormat, ": the texture is no PNG, JPEG or WebP picture");
  if (options.texture_fallback.empty()) return;
  const auto fallback = picture_format(options.texture_fallback);
  if (format != PictureFormat::webp || !fallback || fallback == PictureFormat::webp) {
    fail(ErrorCode::invalid_argument, kFormat, ": only a WebP texture takes a fallback, which must be a PNG or JPEG picture");
  }
}

// The texture covers the base colour, so vertex colours (which would multiply it) are written only without one.
bool writes_colours(const Mesh& mesh, const GlbOptions& options) { return !mesh.colours.empty() && options.texture.empty(); }

std::uint64_t payload_bytes(const Mesh& mesh, const GlbOptions& options) {
  const std::uint64_t colours = writes_colours(mesh, options) ? mesh.colours.size() : 0;
  return (std::uint64_t{mesh.vertices.size()} + mesh.normals.size() + mesh.uvs.size() + colours + mesh.faces.size()) * 4 +
         options.texture.size() + options.texture_fallback.size() + 8;
}

// Positions in 16 bits: p = low + size * q / 65535 on every axis, Y up.
struct Box {
  std::array<float, 3> low{};
  float size = 1.0F;  // largest side
};
Box box_of(const Mesh& mesh) {
  Box box;
  std::array<float, 3> high{};
  box.low.fill(std::numeric_limits<float>::max());
  high.fill(std::numeric_limits<float>::lowest());
  for (std::size_t i = 0; i < mesh.vertices.size(); i += 3) {
    const auto p = y_up(&mesh.vertices[i]);
    for (std::size_t k = 0; k < 3; ++k) {
      box.low[k] = std::min(box.low[k], p[k]);
      high[k] = std::max(high[k], p[k]);
    }
  }
  float size = 0.0F;
  for (std::size_t k = 0; k < 3; ++k) size = std::max(size, high[k] - box.low[k]);
  // A mesh without extent, or one whose extent no float holds, is a point of its box or is written as floats.
  box.size = size > 0.0F ? size : 1.0F;
  return box;
}

// A value of [0, 1] in 16 bits.
std::uint16_t sixteen_bits(float value) {
  return static_cast<std::uint16_t>(std::lround(std::clamp(value, 0.0F, 1.0F) * 65535.0F));
}

// The binary chunk and the JSON that describes it, grown together. With a stem, buffer and pictures are files of their own
// that the JSON names; without, they lie in the one binary chunk of a GLB.
class Content {
 public:
  Content(const Mesh& mesh, const GlbOptions& options, std::string stem)
      : mesh_(mesh), options_(options), stem_(std::move(stem)), binary_(payload_bytes(mesh, options)), box_(box_of(mesh)) {
    quantised_ = options.quantised && std::isfinite(box_.size);
    if (quantised_) {
      add_short_positions();
      add_byte_normals();
    } else {
      add_positions();
      add_normals();
    }
    add_uvs();
    add_colours();
    add_faces();
    if (!options.texture.empty()) add_texture();
  }

  // The whole document. Call it last: it counts the bytes that the others have put into the buffer.
  [[nodiscard]] std::string json() const {
    Json document;
    document["asset"] = {{"version", "2.0"}, {"generator", options_.generator}};
    if (!options_.extras_json.empty()) document["asset"]["extras"] = parse_extras(options_.extras_json);
    const bool webp = !textures_.empty() && textures_[0].contains("extensions");
    if (options_.unlit) document["extensionsUsed"].push_back(kUnlit);
    if (webp) document["extensionsUsed"].push_back(kWebp);
    if (quantised_) {
      document["extensionsUsed"].push_back(kQuantised);
      document["extensionsRequired"].push_back(kQuantised);
    }
    if (webp && options_.texture_fallback.empty()) document["extensionsRequired"].push_back(kWebp);
    document["scene"] = 0;
    document["scenes"] = Json::array({{{"nodes", {0}}}});
    Json node = {{"mesh", 0}, {"name", "asset"}};
    if (quantised_) {
      node["translation"] = box_.low;
      node["scale"] = {box_.size, box_.size, box_.size};
    }
    document["nodes"] = Json::array({node});
    document["meshes"] =
        Json::array({{{"name", "asset"},
                      {"primitives", Json::array({{{"attributes", attributes_}, {"indices", indices_}, {"material", 0}}})}}});
    document["materials"] = Json::array({material()});
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
  void add_positions() {
    std::array<float, 3> low{}, high{};
    low.fill(std::numeric_limits<float>::max());
    high.fill(std::numeric_limits<float>::lowest());
    begin_view(mesh_.vertices.size(), kArrayBuffer);
    for (std::size_t i = 0; i < mesh_.vertices.size(); i += 3) {
      const auto p = y_up(&mesh_.vertices[i]);
      for (std::size_t k = 0; k < 3; ++k) {
        low[k] = std::min(low[k], p[k]);
        high[k] = std::max(high[k], p[k]);
      }
      binary_.raw(p.data(), sizeof(p));
    }
    Json& accessor = add_accessor("POSITION", kFloat, mesh_.vertices.size() / 3, "VEC3");
    accessor["min"] = low;
    accessor["max"] = high;
  }

  // Four numbers of 16 bits for each vertex, the last unused: elements lie at multiples of four bytes.
  void add_short_positions() {
    constexpr std::size_t kStride = 4 * sizeof(std::uint16_t);
    std::array<std::uint16_t, 3> low{65535, 65535, 65535}, high{};
    const std::size_t count = mesh_.vertices.size() / 3;
    begin_strided_view(count, kStride);
    for (std::size_t v = 0; v < count; ++v) {
      const auto p = y_up(&mesh_.vertices[3 * v]);
      std::array<std::uint16_t, 4> q{};
      for (std::size_t k = 0; k < 3; ++k) {
        q[k] = sixteen_bits((p[k] - box_.low[k]) / box_.size);
        low[k] = std::min(low[k], q[k]);
        high[k] = std::max(high[k], q[k]);
      }
      binary_.raw(q.data(), kStride);
    }
    Json& accessor = add_accessor("POSITION", kUnsignedShort, count, "VEC3");
    accessor["normalized"] = true;
    accessor["min"] = low;
    accessor["max"] = high;
  }

  void add_byte_normals() {
    if (mesh_.normals.empty()) return;
    constexpr std::size_t kStride = 4;
    const std::size_t count = mesh_.normals.size() / 3;
    begin_strided_view(count, kStride);
    for (std::size_t v = 0; v < count; ++v) {
      const auto n = unit_normal(v);
      std::array<std::int8_t, kStride> q{};
      for (std::size_t k = 0; k < 3; ++k) q[k] = static_cast<std::int8_t>(std::lround(n[k] * 127.0F));
      binary_.raw(q.data(), kStride);
    }
    add_accessor("NORMAL", kByte, count, "VEC3")["normalized"] = true;
  }

  // glTF wants unit vectors everywhere; a vertex without direction gets the one towards the sky.
  [[nodiscard]] std::array<float, 3> unit_normal(std::size_t vertex) const {
    auto n = y_up(&mesh_.normals[3 * vertex]);
    const double length = std::hypot(double{n[0]}, double{n[1]}, double{n[2]});
    for (float& x : n) x = length > 0.0 ? static_cast<float>(x / length) : 0.0F;
    if (length <= 0.0) n[1] = 1.0F;
    return n;
  }

  void add_normals() {
    if (mesh_.normals.empty()) return;
    begin_view(mesh_.normals.size(), kArrayBuffer);
    for (std::size_t v = 0; v < mesh_.normals.size() / 3; ++v) {
      const auto n = unit_normal(v);
      binary_.raw(n.data(), sizeof(n));
    }
    add_accessor("NORMAL", kFloat, mesh_.normals.size() / 3, "VEC3");
  }

  void add_uvs() {
    if (mesh_.uvs.empty()) return;
    const auto inside = [](float x) { return x >= 0.0F && x <= 1.0F; };
    if (quantised_ && std::all_of(mesh_.uvs.begin(), mesh_.uvs.end(), inside)) {
      begin_strided_view(mesh_.uvs.size() / 2, 2 * sizeof(std::uint16_t));
      for (const float x : mesh_.uvs) binary_.put(sixteen_bits(x));
      add_accessor("TEXCOORD_0", kUnsignedShort, mesh_.uvs.size() / 2, "VEC2")["normalized"] = true;
      return;
    }
    begin_view(mesh_.uvs.size(), kArrayBuffer);
    binary_.raw(mesh_.uvs.data(), mesh_.uvs.size() * 4);
    add_accessor("TEXCOORD_0", kFloat, mesh_.uvs.size() / 2, "VEC2");
  }

  void add_colours() {
    if (!writes_colours(mesh_, options_)) return;
    begin_view(mesh_.colours.size(), kArrayBuffer);
    for (const float c : mesh_.colours) binary_.put(linear_of_srgb(std::clamp(c, 0.0F, 1.0F)));
    add_accessor("COLOR_0", kFloat, mesh_.colours.size() / 3, "VEC3");
  }

  void add_faces() {
    constexpr std::size_t kShortVertices = 65535;  // the largest number of 16 bits is not an index in glTF
    const bool narrow = mesh_.vertices.size() / 3 <= kShortVertices;
    views_.push_back({{"buffer", 0},
                      {"byteOffset", binary_.size()},
                      {"byteLength", mesh_.faces.size() * (narrow ? sizeof(std::uint16_t) : sizeof(std::uint32_t))},
                      {"target", kElementArrayBuffer}});
    if (narrow) {
      for (const std::int32_t v : mesh_.faces) binary_.put(static_cast<std::uint16_t>(v));
      binary_.align4('\0');
    } else {
      binary_.raw(mesh_.faces.data(), mesh_.faces.size() * 4);
    }
    indices_ = accessors_.size();
    add_accessor(nullptr, narrow ? kUnsignedShort : kUnsignedInt, mesh_.faces.size(), "SCALAR");
  }

  // Trilinear filtering, and no wrapping: the gutters of a chart at the border must not take colours from the other side.
  void add_texture() {
    constexpr int kLinear = 9729, kLinearMipmapLinear = 9987, kClampToEdge = 33071;
    samplers_.push_back(
        {{"magFilter", kLinear}, {"minFilter", kLinearMipmapLinear}, {"wrapS", kClampToEdge}, {"wrapT", kClampToEdge}});
    Json texture = {{"sampler", 0}};
    const bool webp = picture_format(options_.texture) == PictureFormat::webp;
    // Programs that do not know the extension take the plain source, so the fallback comes first.
    if (!options_.texture_fallback.empty()) texture["source"] = add_image(options_.texture_fallback);
    const std::size_t image = add_image(options_.texture);
    if (webp) {
      texture["extensions"][kWebp]["source"] = image;
    } else {
      texture["source"] = image;
    }
    textures_.push_back(std::move(texture));
  }

  std::size_t add_image(std::span<const std::byte> bytes) {
    const Kind kind = kind_of(picture_format(bytes).value());
    if (stem_.empty()) {
      views_.push_back({{"buffer", 0}, {"byteOffset", binary_.size()}, {"byteLength", bytes.size()}});
      binary_.raw(bytes.data(), bytes.size());
      binary_.align4('\0');
      images_.push_back({{"bufferView", views_.size() - 1}, {"mimeType", kind.mime}});
    } else {
      const std::string name = stem_ + kind.ending;
      images_.push_back({{"uri", percent_notation(name)}});
      pictures_.push_back({name, {bytes.begin(), bytes.end()}});
    }
    return images_.size() - 1;
  }

  [[nodiscard]] Json material() const {
    const bool textured = !options_.texture.empty();
    // The factor multiplies the colours; alone it is a light gray.
    const double base = textured || writes_colours(mesh_, options_) ? 1.0 : 0.8;
    Json pbr = {{"baseColorFactor", {base, base, base, 1.0}}, {"metallicFactor", 0.0}, {"roughnessFactor", 1.0}};
    if (textured) pbr["baseColorTexture"] = {{"index", 0}};
    Json made = {{"name", "asset"}, {"pbrMetallicRoughness", std::move(pbr)}, {"doubleSided", true}};
    if (options_.unlit) made["extensions"][kUnlit] = Json::object();
    return made;
  }

  void begin_view(std::size_t values, int target) {
    views_.push_back({{"buffer", 0}, {"byteOffset", binary_.size()}, {"byteLength", values * 4}, {"target", target}});
  }
  void begin_strided_view(std::size_t elements, std::size_t stride) {
    views_.push_back({{"buffer", 0},
                      {"byteOffset", binary_.size()},
                      {"byteLength", elements * stride},
                      {"byteStride", stride},
                      {"target", kArrayBuffer}});
  }
  Json& add_accessor(const char* attribute, int component, std::size_t count, const char* type) {
    if (attribute != nullptr) attributes_[attribute] = accessors_.size();
    accessors_.push_back({{"bufferView", views_.size() - 1}, {"componentType", component}, {"count", count}, {"type", type}});
    return accessors_.back();
  }

  const Mesh& mesh_;
  const GlbOptions& options_;
  std::string stem_;
  ByteWriter binary_;
  Box box_;
  bool quantised_ = false;
  std::size_t indices_ = 0;
  Json attributes_ = Json::object();
  Json accessors_ = Json::array();
  Json views_ = Json::array();
  Json samplers_ = Json::array();
  Json images_ = Json::array();
  Json textures_ = Json::array();
  std::vector<NamedFile> pictures_;
};

Content content_of(const Mesh& mesh, const GlbOptions& options, std::string stem) {
  check_writable_mesh(mesh, kFormat);
  check_texture(mesh, options);
  constexpr std::uint64_t kOverhead = 1 << 16;  // more than headers and JSON take without the extras
  check_glb_size(payload_bytes(mesh, options) + options.extras_json.size() + kOverhead);
  return Content(mesh, options, std::move(stem));
}

}  // namespace

std::vector<std::byte> encode_glb(const Mesh& mesh, const GlbOptions& options) {
  Content content = content_of(mesh, options, {});
  std::string json = content.json();
  return glb_of(std::move(json), content.take_binary());
}

std::vector<NamedFile> encode_gltf(const Mesh& mesh, const GlbOptions& options, const std::string& stem) {
  check_stem(stem, "glTF");
  Content content = content_of(mesh, options, stem);
  ByteWriter json(0);
  json.text(content.json());
  std::vector<NamedFile> files = content.take_pictures();
  files.push_back({stem + ".bin", content.take_binary()});
  files.push_back({stem + ".gltf", json.take()});
  return files;
}

}  // namespace espalier
