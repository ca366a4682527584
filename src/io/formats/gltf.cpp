#include <nlohmann/json.hpp>

#include "base/error.h"
#include "image/codec.h"
#include "io/formats/checks.h"
#include "io/formats/glb_file.h"
#include "io/formats/gltf_compress.h"
#include "io/formats/gltf_geometry.h"
#include "io/formats/gltf_parts.h"
#include "io/formats/mesh_files.h"

namespace espalier {

namespace {

using Json = GltfParts::Json;

constexpr const char* kFormat = "GLB";
constexpr const char* kUnlit = "KHR_materials_unlit";
constexpr const char* kWebp = "EXT_texture_webp";
constexpr const char* kQuantised = "KHR_mesh_quantization";
constexpr const char* kMeshopt = "EXT_meshopt_compression";
constexpr const char* kDraco = "KHR_draco_mesh_compression";
constexpr const char* kLevels = "MSFT_lod";

void check_texture(const Mesh& mesh, const GlbOptions& options) {
  if (options.texture.empty()) {
    require(options.texture_fallback.empty(), "encode_glb", "a fallback without a texture");
    require(options.normal_map.empty() && options.occlusion_map.empty(), "encode_glb", "maps without a texture");
    return;
  }
  if (mesh.uvs.empty()) {
    fail(ErrorCode::invalid_argument, kFormat, ": a texture needs a mesh with texture coordinates",
         hint("unwrap the mesh first"));
  }
  const auto format = image_format(options.texture);
  if (!format) fail(ErrorCode::invalid_argument, kFormat, ": the texture is not a PNG, JPEG or WebP image");
  for (const auto& map : {options.normal_map, options.occlusion_map}) {
    const auto kind = image_format(map);
    if (!map.empty() && kind != ImageFormat::png && kind != ImageFormat::jpeg)
      fail(ErrorCode::invalid_argument, kFormat, ": a normal or occlusion map is not a PNG or JPEG image");
  }
  if (!options.normal_map.empty() && mesh.normals.empty())
    fail(ErrorCode::invalid_argument, kFormat, ": a normal map needs a mesh with normals", hint("unwrap the mesh first"));
  if (options.texture_fallback.empty()) return;
  const auto fallback = image_format(options.texture_fallback);
  if (format != ImageFormat::webp || !fallback || fallback == ImageFormat::webp) {
    fail(ErrorCode::invalid_argument, kFormat, ": only a WebP texture takes a fallback, which must be a PNG or JPEG image");
  }
}

// The texture covers the base colour, so vertex colours (which would multiply it) are written only without one.
bool writes_colours(const Mesh& mesh, const GlbOptions& options) { return !mesh.colours.empty() && options.texture.empty(); }

bool writes_tangents(const GlbOptions& options) { return !options.normal_map.empty(); }

// At most, and without compression: what must fit into a file.
std::uint64_t payload_bytes(const Mesh& mesh, const GlbOptions& options) {
  std::uint64_t bytes =
      options.texture.size() + options.texture_fallback.size() + options.normal_map.size() + options.occlusion_map.size() + 16;
  const auto add = [&](const Mesh& level) {
    const std::uint64_t colours = writes_colours(level, options) ? level.colours.size() : 0;
    const std::uint64_t tangents = writes_tangents(options) ? 2 * level.uvs.size() : 0;
    bytes += (std::uint64_t{level.vertices.size()} + level.normals.size() + level.uvs.size() + tangents + colours +
              level.faces.size()) *
                 4 +
             4;
  };
  add(mesh);
  for (const Mesh& level : options.levels) add(level);
  return bytes;
}

// The parts of a file and the rest of its document, grown together.
class Content {
 public:
  Content(const Mesh& mesh, const GlbOptions& options, std::string stem)
      : options_(options), parts_(std::move(stem), payload_bytes(mesh, options)) {
    add_level(mesh);
    for (const Mesh& level : options.levels) add_level(level);
    if (!options.levels.empty()) link_levels();
    if (!options.texture.empty()) add_texture();
  }

  // The whole document, after which nothing is added.
  [[nodiscard]] std::string json() const {
    Json document = gltf_document(options_.generator, options_.extras_json);
    name_extensions(document);
    document["scene"] = 0;
    document["scenes"] = Json::array({{{"nodes", {0}}}});
    document["nodes"] = nodes_;
    document["meshes"] = meshes_;
    document["materials"] = Json::array({material()});
    if (!textures_.empty()) {
      document["textures"] = textures_;
      document["samplers"] = samplers_;
    }
    if (unpacked_ > 0)
      document["buffers"] = Json::array({{{"byteLength", unpacked_}, {"extensions", {{kMeshopt, {{"fallback", true}}}}}}});
    return parts_.text(std::move(document));
  }
  [[nodiscard]] GltfParts& parts() { return parts_; }

 private:
  void name_extensions(Json& document) const {
    const bool webp = !textures_.empty() && textures_[0].contains("extensions");
    const auto name = [&](bool there, const char* extension, bool required) {
      if (!there) return;
      document["extensionsUsed"].push_back(extension);
      if (required) document["extensionsRequired"].push_back(extension);
    };
    name(options_.unlit, kUnlit, false);
    name(webp, kWebp, options_.texture_fallback.empty());
    name(quantised_, kQuantised, true);
    name(options_.compression == GltfCompression::meshopt, kMeshopt, true);
    name(options_.compression == GltfCompression::draco, kDraco, true);
    name(!options_.levels.empty(), kLevels, false);
  }

  // A mesh and the node that shows it.
  void add_level(const Mesh& mesh) {
    const bool draco = options_.compression == GltfCompression::draco;
    // Vertex colours would multiply the texture.
    coloured_ = writes_colours(mesh, options_);
    const GltfNumbers numbers{.colours = coloured_,
                              .tangents = writes_tangents(options_),
                              .quantised = options_.quantised && !draco,
                              .wide_indices = draco};
    const GltfGeometry geometry = options_.compression == GltfCompression::meshopt
                                      ? gltf_geometry(meshopt_ordered(mesh), numbers)
                                      : gltf_geometry(mesh, numbers);
    Json primitive = draco ? add_draco(geometry) : add_arrays(geometry);
    primitive["material"] = 0;
    const std::size_t level = meshes_.size();
    const std::string name = level == 0 ? options_.title : options_.title + " level " + std::to_string(level);
    Json node = {{"mesh", level}, {"name", name}};
    if (geometry.quantised) {
      quantised_ = true;
      node["translation"] = geometry.offset;
      node["scale"] = {geometry.scale, geometry.scale, geometry.scale};
    }
    nodes_.push_back(std::move(node));
    meshes_.push_back({{"name", name}, {"primitives", Json::array({std::move(primitive)})}});
  }

  // Each level serves until the object covers a quarter of the screen that the one before needed; the last one for ever.
  void link_levels() {
    Json ids = Json::array(), coverage = Json::array();
    double share = 1.0;
    for (std::size_t level = 0; level < nodes_.size(); ++level) {
      share = level + 1 < nodes_.size() ? share / 4 : 0.0;
      coverage.push_back(share);
      if (level > 0) ids.push_back(level);
    }
    nodes_[0]["extensions"][kLevels]["ids"] = ids;
    nodes_[0]["extras"]["MSFT_screencoverage"] = coverage;
  }

  Json add_arrays(const GltfGeometry& geometry) {
    const auto add = [&](const GltfArray& array) {
      return options_.compression == GltfCompression::meshopt ? add_packed(array) : parts_.add_array(array);
    };
    Json primitive = {{"attributes", Json::object()}};
    for (const GltfArray& array : geometry.attributes) primitive["attributes"][array.attribute] = add(array);
    primitive["indices"] = add(geometry.indices);
    return primitive;
  }

  // With a view of the buffer that EXT_meshopt_compression unpacks it into.
  std::size_t add_packed(const GltfArray& array) {
    GltfArray packed = array;
    packed.bytes = meshopt_packed(array);
    const std::size_t index = parts_.add_view(packed);
    Json& view = parts_.view(index);
    view["extensions"][kMeshopt] = {{"buffer", 0},
                                    {"byteOffset", view["byteOffset"]},
                                    {"byteLength", packed.bytes.size()},
                                    {"byteStride", array.stride},
                                    {"count", array.count},
                                    {"mode", array.attribute == nullptr ? "TRIANGLES" : "ATTRIBUTES"}};
    view["buffer"] = 1;
    view["byteOffset"] = unpacked_;
    view["byteLength"] = array.bytes.size();
    unpacked_ += (array.bytes.size() + 3) / 4 * 4;
    return parts_.add_accessor(array, index);
  }

  Json add_draco(const GltfGeometry& geometry) {
    const DracoPacked packed = draco_packed(geometry);
    Json extension = {{"bufferView", parts_.add_bytes(packed.bytes)}, {"attributes", Json::object()}};
    Json primitive = {{"attributes", Json::object()}};
    for (std::size_t i = 0; i < packed.attributes.size(); ++i) {
      const GltfArray& array = packed.attributes[i];
      extension["attributes"][array.attribute] = i;
      primitive["attributes"][array.attribute] = parts_.add_accessor(array);
    }
    primitive["indices"] = parts_.add_accessor(packed.indices);
    primitive["extensions"][kDraco] = std::move(extension);
    return primitive;
  }

  // Trilinear filtering, and no wrapping: the gutters of a chart at the border must not take colours from the other side.
  void add_texture() {
    constexpr int kLinear = 9729, kLinearMipmapLinear = 9987, kClampToEdge = 33071;
    samplers_.push_back(
        {{"magFilter", kLinear}, {"minFilter", kLinearMipmapLinear}, {"wrapS", kClampToEdge}, {"wrapT", kClampToEdge}});
    Json texture = {{"name", options_.title}, {"sampler", 0}};
    const bool webp = image_format(options_.texture) == ImageFormat::webp;
    // Programs that do not know the extension take the plain source, so the fallback comes first.
    if (!options_.texture_fallback.empty())
      texture["source"] = parts_.add_image(options_.texture_fallback, parts_.stem(), options_.title);
    const std::size_t image = parts_.add_image(options_.texture, parts_.stem(), options_.title);
    if (webp) {
      texture["extensions"][kWebp]["source"] = image;
    } else {
      texture["source"] = image;
    }
    textures_.push_back(std::move(texture));
    normal_ = add_map(options_.normal_map, "-normal");
    occlusion_ = add_map(options_.occlusion_map, "-occlusion");
  }

  // The index of its texture; 0, which is the base colour, for none.
  std::size_t add_map(std::span<const std::byte> file, const char* ending) {
    if (file.empty()) return 0;
    const std::size_t image = parts_.add_image(file, parts_.stem() + ending, options_.title + ending);
    textures_.push_back({{"name", options_.title + ending}, {"sampler", 0}, {"source", image}});
    return textures_.size() - 1;
  }

  [[nodiscard]] Json material() const {
    const bool textured = !options_.texture.empty();
    // The factor multiplies the colours; alone it is a light gray.
    const double base = textured || coloured_ ? 1.0 : 0.8;
    Json pbr = {{"baseColorFactor", {base, base, base, 1.0}}, {"metallicFactor", 0.0}, {"roughnessFactor", 1.0}};
    if (textured) pbr["baseColorTexture"] = {{"index", 0}};
    Json made = {{"name", options_.title}, {"pbrMetallicRoughness", std::move(pbr)}};
    if (normal_ > 0) made["normalTexture"] = {{"index", normal_}};
    if (occlusion_ > 0) made["occlusionTexture"] = {{"index", occlusion_}};
    made["doubleSided"] = options_.double_sided;
    if (options_.unlit) made["extensions"][kUnlit] = Json::object();
    return made;
  }

  const GlbOptions& options_;
  GltfParts parts_;
  bool quantised_ = false, coloured_ = false;
  std::size_t unpacked_ = 0;                // bytes of what EXT_meshopt_compression unpacks
  std::size_t normal_ = 0, occlusion_ = 0;  // textures; 0: none
  Json nodes_ = Json::array();
  Json meshes_ = Json::array();
  Json samplers_ = Json::array();
  Json textures_ = Json::array();
};

Content content_of(const Mesh& mesh, const GlbOptions& options, std::string stem) {
  check_writable_mesh(mesh, kFormat);
  check_texture(mesh, options);
  for (const Mesh& level : options.levels) {
    check_writable_mesh(level, kFormat);
    check_texture(level, options);
  }
  constexpr std::uint64_t kOverhead = 1 << 16;  // more than headers and JSON take without the extras
  check_glb_size(payload_bytes(mesh, options) + options.extras_json.size() + kOverhead);
  return Content(mesh, options, std::move(stem));
}

}  // namespace

std::vector<std::byte> encode_glb(const Mesh& mesh, const GlbOptions& options) {
  Content content = content_of(mesh, options, {});
  std::string json = content.json();  // which counts the bytes that are taken next
  return glb_of(std::move(json), content.parts().take_binary());
}

std::vector<NamedFile> encode_gltf(const Mesh& mesh, const GlbOptions& options, const std::string& stem) {
  check_stem(stem, "glTF");
  Content content = content_of(mesh, options, stem);
  return content.parts().take_files(content.json());
}

}  // namespace espalier
