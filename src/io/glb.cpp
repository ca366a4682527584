#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "image/colour.h"
#include "io/byte_writer.h"
#include "io/checks.h"
#include "io/mesh_files.h"

namespace espalier {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "GLB";
constexpr int kFloat = 5126, kUnsignedInt = 5125;                 // glTF component types
constexpr int kArrayBuffer = 34962, kElementArrayBuffer = 34963;  // glTF buffer view targets

// Z up to Y up, the right-handed turn that the reference applies on export.
std::array<float, 3> y_up(const float* v) { return {v[0], v[2], -v[1]}; }

Json parse_extras(const std::string& text) {
  Json extras = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  require(extras.is_object(), "encode_glb", "the extras are not the text of a JSON object");
  return extras;
}

// The binary chunk and the JSON that describes it, grown together.
class Content {
 public:
  explicit Content(const Mesh& mesh) : mesh_(mesh), binary_(binary_bytes(mesh)) {}

  static std::uint64_t binary_bytes(const Mesh& mesh) {
    return (std::uint64_t{mesh.vertices.size()} + mesh.normals.size() + mesh.colours.size() + mesh.faces.size()) * 4;
  }

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

  void add_normals() {
    if (mesh_.normals.empty()) return;
    begin_view(mesh_.normals.size(), kArrayBuffer);
    for (std::size_t i = 0; i < mesh_.normals.size(); i += 3) {
      auto n = y_up(&mesh_.normals[i]);
      const float length = std::hypot(n[0], n[1], n[2]);
      // glTF wants unit vectors everywhere; a vertex without direction gets the one towards the sky.
      n = length > 0.0F ? std::array{n[0] / length, n[1] / length, n[2] / length} : std::array{0.0F, 1.0F, 0.0F};
      binary_.raw(n.data(), sizeof(n));
    }
    add_accessor("NORMAL", kFloat, mesh_.normals.size() / 3, "VEC3");
  }

  void add_colours() {
    if (mesh_.colours.empty()) return;
    begin_view(mesh_.colours.size(), kArrayBuffer);
    for (const float c : mesh_.colours) binary_.put(linear_of_srgb(std::clamp(c, 0.0F, 1.0F)));
    add_accessor("COLOR_0", kFloat, mesh_.colours.size() / 3, "VEC3");
  }

  void add_faces() {
    begin_view(mesh_.faces.size(), kElementArrayBuffer);
    binary_.raw(mesh_.faces.data(), mesh_.faces.size() * 4);
    add_accessor(nullptr, kUnsignedInt, mesh_.faces.size(), "SCALAR");
  }

  [[nodiscard]] std::vector<std::byte> take_binary() { return binary_.take(); }

  // The whole document.
  [[nodiscard]] std::string json(const GlbOptions& options) const {
    Json document;
    document["asset"] = {{"version", "2.0"}, {"generator", options.generator}};
    if (!options.extras_json.empty()) document["asset"]["extras"] = parse_extras(options.extras_json);
    document["scene"] = 0;
    document["scenes"] = Json::array({{{"nodes", {0}}}});
    document["nodes"] = Json::array({{{"mesh", 0}, {"name", "asset"}}});
    document["meshes"] = Json::array(
        {{{"name", "asset"},
          {"primitives", Json::array({{{"attributes", attributes_}, {"indices", accessors_.size() - 1}, {"material", 0}}})}}});
    const double base = mesh_.colours.empty() ? 0.8 : 1.0;  // multiplies the vertex colours; alone it is a light gray
    document["materials"] =
        Json::array({{{"name", "asset"},
                      {"pbrMetallicRoughness",
                       {{"baseColorFactor", {base, base, base, 1.0}}, {"metallicFactor", 0.0}, {"roughnessFactor", 1.0}}},
                      {"doubleSided", true}}});
    document["accessors"] = accessors_;
    document["bufferViews"] = views_;
    document["buffers"] = Json::array({{{"byteLength", binary_.size()}}});
    return document.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

 private:
  void begin_view(std::size_t values, int target) {
    views_.push_back({{"buffer", 0}, {"byteOffset", binary_.size()}, {"byteLength", values * 4}, {"target", target}});
  }
  Json& add_accessor(const char* attribute, int component, std::size_t count, const char* type) {
    if (attribute != nullptr) attributes_[attribute] = accessors_.size();
    accessors_.push_back({{"bufferView", views_.size() - 1}, {"componentType", component}, {"count", count}, {"type", type}});
    return accessors_.back();
  }

  const Mesh& mesh_;
  ByteWriter binary_;
  Json attributes_ = Json::object();
  Json accessors_ = Json::array();
  Json views_ = Json::array();
};

}  // namespace

std::vector<std::byte> encode_glb(const Mesh& mesh, const GlbOptions& options) {
  check_mesh(mesh, kFormat);
  constexpr std::uint64_t kOverhead = 1 << 16;  // more than headers and JSON take without the extras
  check_glb_size(Content::binary_bytes(mesh) + options.extras_json.size() + kOverhead);
  Content content(mesh);
  content.add_positions();
  content.add_normals();
  content.add_colours();
  content.add_faces();
  std::string json = content.json(options);
  json.append((4 - json.size() % 4) % 4, ' ');
  const std::vector<std::byte> binary = content.take_binary();

  constexpr std::size_t kHeader = 12, kChunkHeader = 8;
  const std::size_t total = kHeader + kChunkHeader + json.size() + kChunkHeader + binary.size();
  check_glb_size(total);
  ByteWriter out(total);
  out.text("glTF");
  out.put(std::uint32_t{2});
  out.put(static_cast<std::uint32_t>(total));
  out.put(static_cast<std::uint32_t>(json.size()));
  out.text("JSON");
  out.text(json);
  out.put(static_cast<std::uint32_t>(binary.size()));
  out.text(std::string_view("BIN\0", 4));
  out.raw(binary.data(), binary.size());
  return out.take();
}

}  // namespace espalier
