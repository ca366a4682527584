#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/json.h"
#include "image/codec.h"
#include "image/colour.h"
#include "io/formats/reader_parts.h"

namespace espalier::reader {

namespace {

using Json = nlohmann::json;
using Matrix = std::array<double, 16>;  // column by column, as glTF has it

constexpr Matrix kIdentity = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix out{};
  for (std::size_t c = 0; c < 4; ++c) {
    for (std::size_t r = 0; r < 4; ++r) {
      for (std::size_t k = 0; k < 4; ++k) out[c * 4 + r] += a[k * 4 + r] * b[c * 4 + k];
    }
  }
  return out;
}

Json parse_json(std::string_view text, const Source& source) {
  // Data URIs hold whole buffers in one string.
  constexpr JsonLimits kLimits{
      .bytes = std::size_t{256} << 20U, .values = 2'000'000, .string = std::size_t{256} << 20U, .depth = 64};
  std::string problem;
  Json document = read_json<Json>(text, kLimits, problem);
  if (!problem.empty()) source.damaged("its JSON ", problem);
  if (!document.is_object()) source.damaged("its JSON is damaged");
  return document;
}

std::vector<std::byte> decode_base64(std::string_view text, const Source& source) {
  std::vector<std::byte> out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  int count = 0;
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  for (const char c : text) {
    std::uint32_t value = 0;
    if (c >= 'A' && c <= 'Z') {
      value = static_cast<std::uint32_t>(c - 'A');
    } else if (c >= 'a' && c <= 'z') {
      value = static_cast<std::uint32_t>(c - 'a' + 26);
    } else if (c >= '0' && c <= '9') {
      value = static_cast<std::uint32_t>(c - '0' + 52);
    } else if (c == '+' || c == '/') {
      value = c == '+' ? 62 : 63;
    } else {
      source.damaged("a data URI is damaged");
    }
    bits = bits << 6U | value;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<std::byte>(bits >> static_cast<unsigned>(count) & 0xFFU));
    }
  }
  return out;
}

std::string decode_percent(std::string_view uri, const Source& source) {
  std::string out;
  const auto hex = [&](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    source.damaged("the URI \"", uri.substr(0, 80), "\" is damaged");
  };
  for (std::size_t i = 0; i < uri.size(); ++i) {
    if (uri[i] != '%') {
      out += uri[i];
      continue;
    }
    if (uri.size() - i < 3) source.damaged("the URI \"", uri.substr(0, 80), "\" is damaged");
    out += static_cast<char>(hex(uri[i + 1]) * 16 + hex(uri[i + 2]));
    i += 2;
  }
  return out;
}

// A typed look at values in a buffer; everything it can reach lies inside.
struct Accessor {
  const std::byte* data = nullptr;
  std::size_t count = 0, stride = 0, width = 0;
  int component = 0;
  bool normalized = false;

  template <class T>
  [[nodiscard]] T raw(std::size_t i, std::size_t k) const {
    T value;
    std::memcpy(&value, data + i * stride + k * sizeof(T), sizeof(T));
    return value;
  }
  [[nodiscard]] double at(std::size_t i, std::size_t k) const {
    const auto scaled = [&](double value, double largest) { return normalized ? std::max(value / largest, -1.0) : value; };
    switch (component) {
      case 5120: return scaled(raw<std::int8_t>(i, k), 127.0);
      case 5121: return scaled(raw<std::uint8_t>(i, k), 255.0);
      case 5122: return scaled(raw<std::int16_t>(i, k), 32767.0);
      case 5123: return scaled(raw<std::uint16_t>(i, k), 65535.0);
      case 5125: return raw<std::uint32_t>(i, k);
      default: return raw<float>(i, k);
    }
  }
  [[nodiscard]] std::uint64_t index(std::size_t i) const {
    switch (component) {
      case 5121: return raw<std::uint8_t>(i, 0);
      case 5123: return raw<std::uint16_t>(i, 0);
      default: return raw<std::uint32_t>(i, 0);
    }
  }
};

// The JSON, with every look into it checked, and the bytes it points to.
class Document {
 public:
  explicit Document(const Source& source) : source_(source) {
    const std::string_view text = text_of(source.bytes);
    if (text.substr(0, 4) == "glTF") {
      read_chunks();
    } else {
      json_ = parse_json(text, source);
    }
    check_version();
    load_buffers();
  }

  [[nodiscard]] const Json& json() const { return json_; }
  [[nodiscard]] bool binary() const { return binary_; }

  // The member of that name, or null.
  static const Json* find(const Json& object, const char* key) {
    if (!object.is_object()) return nullptr;
    const auto at = object.find(key);
    return at == object.end() ? nullptr : &*at;
  }
  [[nodiscard]] std::uint64_t natural(const Json& object, const char* key, std::uint64_t otherwise) const {
    const Json* value = find(object, key);
    if (value == nullptr) return otherwise;
    if (!value->is_number_unsigned()) source_.damaged("\"", key, "\" is no natural number");
    return value->get<std::uint64_t>();
  }
  [[nodiscard]] double number(const Json& value) const {
    if (!value.is_number()) source_.damaged("its JSON has a value that should be a number");
    const double x = value.get<double>();
    if (!std::isfinite(x)) source_.damaged("its JSON has a number that is not finite");
    return x;
  }
  // `index` of the array `key` at the top.
  [[nodiscard]] const Json& item(const char* key, std::uint64_t index) const {
    const Json* array = find(json_, key);
    if (array == nullptr || !array->is_array() || index >= array->size())
      source_.damaged("it names ", key, " ", index, ", which is not there");
    return (*array)[static_cast<std::size_t>(index)];
  }

  [[nodiscard]] Bytes view(std::uint64_t index) const {
    const Json& view = item("bufferViews", index);
    const std::uint64_t buffer = natural(view, "buffer", ~std::uint64_t{0});
    if (buffer >= buffers_.size()) source_.damaged("a buffer view names buffer ", buffer, ", which is not there");
    const Bytes bytes = buffers_[static_cast<std::size_t>(buffer)];
    const std::uint64_t offset = natural(view, "byteOffset", 0), length = natural(view, "byteLength", 0);
    if (offset > bytes.size() || length > bytes.size() - offset)
      source_.damaged("buffer view ", index, " reaches beyond its buffer");
    return bytes.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(length));
  }

  [[nodiscard]] Accessor accessor(std::uint64_t index) const {
    const Json& json = item("accessors", index);
    if (find(json, "sparse") != nullptr)
      source_.unsupported("sparse accessors are not read", hint("export the mesh without them"));
    if (find(json, "bufferView") == nullptr)
      source_.unsupported("accessor ", index, " has no data", hint("export the mesh again"));
    const std::uint64_t view_index = natural(json, "bufferView", 0);
    const Bytes bytes = view(view_index);
    Accessor a;
    a.component = static_cast<int>(natural(json, "componentType", 0) & 0xFFFFU);
    const std::size_t size = component_bytes(a.component);
    a.width = width_of(json);
    const std::uint64_t element = a.width * size;
    const std::uint64_t stride = natural(item("bufferViews", view_index), "byteStride", element);
    const std::uint64_t offset = natural(json, "byteOffset", 0), count = natural(json, "count", 0);
    const Json* normalized = find(json, "normalized");
    a.normalized = normalized != nullptr && normalized->is_boolean() && normalized->get<bool>();
    constexpr std::uint64_t kMaxStride = 252;
    // Rows may overlap in a hostile file, but every one of them takes a stride of at least one element.
    if (stride < element || stride > std::max(kMaxStride, element))
      source_.damaged("accessor ", index, " has a stride of ", stride);
    if (count > 0 &&
        (offset > bytes.size() || element > bytes.size() - offset || count - 1 > (bytes.size() - offset - element) / stride)) {
      source_.damaged("accessor ", index, " reaches beyond its buffer view");
    }
    a.data = bytes.data() + (count > 0 ? offset : 0);
    a.count = static_cast<std::size_t>(count);
    a.stride = static_cast<std::size_t>(stride);
    return a;
  }

  // The bytes behind a URI: in itself or beside the file.
  [[nodiscard]] std::vector<std::byte> resolve(const Json& uri) const {
    if (!uri.is_string()) source_.damaged("a URI is no text");
    const std::string& text = uri.get_ref<const std::string&>();
    if (text.compare(0, 5, "data:") != 0) return source_.neighbour(decode_percent(text, source_));
    const std::size_t comma = text.find(";base64,");
    if (comma == std::string::npos) source_.damaged("a data URI is not in base64");
    return decode_base64(std::string_view(text).substr(comma + 8), source_);
  }

 private:
  // What a URI names beside the file, in one spelling; empty for a data URI.
  [[nodiscard]] std::string file_of(const Json& uri) const {
    if (!uri.is_string() || uri.get_ref<const std::string&>().compare(0, 5, "data:") == 0) return {};
    return std::filesystem::path(decode_percent(uri.get_ref<const std::string&>(), source_)).lexically_normal().string();
  }

  void read_chunks() {
    binary_ = true;
    Cursor cursor(source_.bytes, source_);
    cursor.take(4);
    if (const auto version = cursor.number<std::uint32_t>(); version != 2)
      source_.unsupported("GLB version ", version, " is not read, only 2");
    const auto total = cursor.number<std::uint32_t>();
    if (total > source_.bytes.size()) source_.damaged("the file ends early");
    const auto json_bytes = cursor.number<std::uint32_t>();
    if (cursor.number<std::uint32_t>() != 0x4E4F534AU) source_.damaged("the first chunk is not JSON");
    json_ = parse_json(text_of(cursor.take(json_bytes)), source_);
    if (cursor.left() < 8) return;
    const auto size = cursor.number<std::uint32_t>();
    if (cursor.number<std::uint32_t>() == 0x004E4942U) chunk_ = cursor.take(size);
  }

  void check_version() const {
    const Json* asset = find(json_, "asset");
    const Json* version = asset == nullptr ? nullptr : find(*asset, "version");
    if (version == nullptr || !version->is_string()) source_.damaged("it names no version of glTF");
    if (version->get_ref<const std::string&>().compare(0, 2, "2.") != 0) source_.unsupported("only glTF 2 is read");
    const Json* required = find(json_, "extensionsRequired");
    if (required == nullptr || !required->is_array()) return;
    for (const Json& extension : *required) {
      const std::string name = extension.is_string() ? extension.get<std::string>() : "?";
      // These change how a surface looks, or how numbers are stored in ways that are read anyway.
      if (name.compare(0, 14, "KHR_materials_") == 0 || name == "EXT_texture_webp" || name == "KHR_mesh_quantization") continue;
      source_.unsupported("it needs the extension ", name.substr(0, 80), ", which is not read",
                          hint("export the mesh without it"));
    }
  }

  void load_buffers() {
    const Json* buffers = find(json_, "buffers");
    if (buffers == nullptr || !buffers->is_array()) return;
    constexpr std::size_t kMaxBuffers = 1000;
    if (buffers->size() > kMaxBuffers) source_.damaged("it has more than ", kMaxBuffers, " buffers");
    owned_.reserve(buffers->size());
    std::uint64_t all = 0;
    std::map<std::string, Bytes> files;  // each is read once, however many buffers name it
    for (const Json& buffer : *buffers) {
      const std::uint64_t length = natural(buffer, "byteLength", 0);
      const Json* uri = find(buffer, "uri");
      Bytes bytes = chunk_;
      const std::string file = uri == nullptr ? std::string() : file_of(*uri);
      const auto known = files.find(file);
      if (known != files.end()) {
        bytes = known->second;
      } else if (uri != nullptr) {
        owned_.push_back(resolve(*uri));
        bytes = owned_.back();
        all += bytes.size();
        if (!file.empty()) files.emplace(file, bytes);
      }
      if (all > source_.options.max_bytes) source_.damaged("its buffers are larger than ", source_.options.max_bytes, " bytes");
      if (length > bytes.size()) source_.damaged("a buffer announces ", length, " bytes, but has ", bytes.size());
      buffers_.push_back(bytes.first(static_cast<std::size_t>(length)));
    }
  }

  [[nodiscard]] std::size_t component_bytes(int component) const {
    switch (component) {
      case 5120:
      case 5121: return 1;
      case 5122:
      case 5123: return 2;
      case 5125:
      case 5126: return 4;
      default: source_.damaged("the component type ", component, " is unknown");
    }
  }

  [[nodiscard]] std::size_t width_of(const Json& accessor) const {
    constexpr std::array kNames = {"SCALAR", "VEC2", "VEC3", "VEC4"};
    const Json* type = find(accessor, "type");
    for (std::size_t i = 0; i < kNames.size(); ++i) {
      if (type != nullptr && *type == kNames[i]) return i + 1;
    }
    source_.damaged("an accessor is neither scalar nor a vector");
  }

  const Source& source_;
  bool binary_ = false;
  Json json_;
  Bytes chunk_;
  std::vector<Bytes> buffers_;
  std::vector<std::vector<std::byte>> owned_;
};

// Base colour of a primitive.
struct Look {
  std::array<double, 3> factor = {1, 1, 1};
  std::optional<std::uint64_t> image;
  std::uint64_t uv_set = 0;
  bool operator==(const Look&) const = default;
};

// Modes of primitives; those below are points and lines.
constexpr std::uint64_t kTriangles = 4, kStrip = 5, kFan = 6;

class Assembler {
 public:
  explicit Assembler(const Source& source) : source_(source), document_(source) {
    file_.format = document_.binary() ? "GLB" : "glTF";
  }

  MeshFile assemble() {
    walk_scene();
    Mesh& mesh = file_.mesh;
    if (!all_normals_) mesh.normals.clear();
    if (!any_uvs_) mesh.uvs.clear();
    if (!any_colours_) mesh.colours.clear();
    if (source_.options.texture && any_uvs_ && one_look_ && look_ && look_->image) {
      const Json& image = document_.item("images", *look_->image);
      const Json* uri = Document::find(image, "uri");
      const auto decoded = [&](std::span<const std::byte> bytes) {
        return decode_picture(bytes, source_.name + ": the texture", source_.options.monitor);
      };
      file_.texture = uri != nullptr ? decoded(document_.resolve(*uri))
                                     : decoded(document_.view(document_.natural(image, "bufferView", ~std::uint64_t{0})));
    }
    return std::move(file_);
  }

 private:
  struct Visit {
    std::uint64_t node;
    Matrix to_world;
  };

  void walk_scene() {
    const Json* scenes = Document::find(document_.json(), "scenes");
    if (scenes == nullptr || !scenes->is_array() || scenes->empty()) {
      const Json* meshes = Document::find(document_.json(), "meshes");
      for (std::size_t i = 0; meshes != nullptr && meshes->is_array() && i < meshes->size(); ++i) add_mesh(i, kIdentity);
      return;
    }
    const Json& scene = document_.item("scenes", document_.natural(document_.json(), "scene", 0));
    std::vector<Visit> stack;
    push_children(scene, "nodes", kIdentity, stack);
    const Json* nodes = Document::find(document_.json(), "nodes");
    std::vector<bool> seen(nodes != nullptr && nodes->is_array() ? nodes->size() : 0);
    while (!stack.empty()) {
      source_.tick();
      const Visit visit = stack.back();
      stack.pop_back();
      const Json& node = document_.item("nodes", visit.node);
      if (seen[static_cast<std::size_t>(visit.node)]) source_.damaged("node ", visit.node, " hangs in the scene twice");
      seen[static_cast<std::size_t>(visit.node)] = true;
      const Matrix to_world = product(visit.to_world, local_matrix(node));
      if (Document::find(node, "mesh") != nullptr) add_mesh(document_.natural(node, "mesh", 0), to_world);
      push_children(node, "children", to_world, stack);
    }
  }

  void push_children(const Json& parent, const char* key, const Matrix& to_world, std::vector<Visit>& stack) const {
    const Json* children = Document::find(parent, key);
    if (children == nullptr || !children->is_array()) return;
    for (auto child = children->rbegin(); child != children->rend(); ++child) {
      if (!child->is_number_unsigned()) source_.damaged("a node has a child that is no number");
      stack.push_back({child->get<std::uint64_t>(), to_world});
    }
  }

  template <std::size_t N>
  std::array<double, N> numbers(const Json& node, const char* key, std::array<double, N> otherwise) const {
    const Json* array = Document::find(node, key);
    if (array == nullptr) return otherwise;
    if (!array->is_array() || array->size() != N) source_.damaged("\"", key, "\" of a node does not have ", N, " numbers");
    for (std::size_t i = 0; i < N; ++i) otherwise[i] = document_.number((*array)[i]);
    return otherwise;
  }

  Matrix local_matrix(const Json& node) const {
    if (Document::find(node, "matrix") != nullptr) return numbers<16>(node, "matrix", kIdentity);
    const auto t = numbers<3>(node, "translation", {0, 0, 0});
    const auto [x, y, z, w] = numbers<4>(node, "rotation", {0, 0, 0, 1});
    const auto s = numbers<3>(node, "scale", {1, 1, 1});
    return {(1 - 2 * (y * y + z * z)) * s[0],
            2 * (x * y + z * w) * s[0],
            2 * (x * z - y * w) * s[0],
            0,
            2 * (x * y - z * w) * s[1],
            (1 - 2 * (x * x + z * z)) * s[1],
            2 * (y * z + x * w) * s[1],
            0,
            2 * (x * z + y * w) * s[2],
            2 * (y * z - x * w) * s[2],
            (1 - 2 * (x * x + y * y)) * s[2],
            0,
            t[0],
            t[1],
            t[2],
            1};
  }

  void add_mesh(std::uint64_t index, const Matrix& to_world) {
    const Json* primitives = Document::find(document_.item("meshes", index), "primitives");
    if (primitives == nullptr || !primitives->is_array()) source_.damaged("mesh ", index, " has no primitives");
    source_.visit();
    for (const Json& primitive : *primitives) add_primitive(primitive, to_world);
  }

  Look look_of(const Json& primitive) const {
    Look look;
    if (Document::find(primitive, "material") == nullptr) return look;
    const Json& material = document_.item("materials", document_.natural(primitive, "material", 0));
    const Json* pbr = Document::find(material, "pbrMetallicRoughness");
    if (pbr == nullptr) return look;
    const auto factor = numbers<4>(*pbr, "baseColorFactor", {1, 1, 1, 1});
    look.factor = {factor[0], factor[1], factor[2]};
    const Json* texture = Document::find(*pbr, "baseColorTexture");
    if (texture == nullptr) return look;
    look.uv_set = document_.natural(*texture, "texCoord", 0);
    const Json& entry = document_.item("textures", document_.natural(*texture, "index", ~std::uint64_t{0}));
    const Json* extensions = Document::find(entry, "extensions");
    const Json* webp = extensions == nullptr ? nullptr : Document::find(*extensions, "EXT_texture_webp");
    const Json& source = webp != nullptr ? *webp : entry;
    if (Document::find(source, "source") != nullptr) look.image = document_.natural(source, "source", 0);
    return look;
  }

  // The attribute of that name with one value per vertex, if it is there.
  std::optional<Accessor> attribute(const Json& attributes, const std::string& name, std::size_t count,
                                    std::size_t width) const {
    if (Document::find(attributes, name.c_str()) == nullptr) return std::nullopt;
    const Accessor a = document_.accessor(document_.natural(attributes, name.c_str(), 0));
    if (a.count != count || a.width < width) source_.damaged(name, " does not fit the vertices");
    return a;
  }

  void add_primitive(const Json& primitive, const Matrix& to_world) {
    source_.visit();
    const std::uint64_t mode = document_.natural(primitive, "mode", kTriangles);
    if (mode < kTriangles) return;
    if (mode > kFan) source_.damaged("a primitive has the mode ", mode);
    const Json* attributes = Document::find(primitive, "attributes");
    if (attributes == nullptr || Document::find(*attributes, "POSITION") == nullptr) {
      const Json* extensions = Document::find(primitive, "extensions");
      if (extensions != nullptr)
        source_.unsupported("its triangles are compressed", hint("export the mesh without compression"));
      source_.damaged("a primitive has no positions");
    }
    const Accessor positions = document_.accessor(document_.natural(*attributes, "POSITION", 0));
    if (positions.width != 3) source_.damaged("positions do not have three coordinates");
    const std::size_t base = file_.mesh.vertices.size() / 3, count = positions.count;
    source_.check_counts(std::uint64_t{base} + count, 0);
    source_.take_memory(count, 11 * sizeof(float));  // position, normal, colour and texture coordinate

    const Look look = look_of(primitive);
    if (!look_) look_ = look;
    one_look_ = one_look_ && look_->image == look.image;
    add_vertices(positions, *attributes, look, to_world);
    add_faces(primitive, mode, base, count, determinant(to_world) < 0.0);
  }

  static double determinant(const Matrix& m) {
    return m[0] * (m[5] * m[10] - m[9] * m[6]) - m[4] * (m[1] * m[10] - m[9] * m[2]) + m[8] * (m[1] * m[6] - m[5] * m[2]);
  }

  void add_vertices(const Accessor& positions, const Json& attributes, const Look& look, const Matrix& m) {
    const std::size_t count = positions.count;
    const auto normals = attribute(attributes, "NORMAL", count, 3);
    const auto colours = attribute(attributes, "COLOR_0", count, 3);
    const auto uvs = attribute(attributes, str("TEXCOORD_", look.uv_set), count, 2);
    all_normals_ = all_normals_ && normals.has_value();
    any_uvs_ = any_uvs_ || uvs.has_value();
    // A gray factor is a matter of light, not of colour.
    const bool tinted = look.factor[0] != look.factor[1] || look.factor[1] != look.factor[2];
    any_colours_ = any_colours_ || (!look.image && (colours.has_value() || tinted));
    // Normals are turned by the matrix of cofactors, which also does right by uneven scaling.
    const Matrix c = {m[5] * m[10] - m[9] * m[6],
                      m[8] * m[6] - m[4] * m[10],
                      m[4] * m[9] - m[8] * m[5],
                      0,
                      m[9] * m[2] - m[1] * m[10],
                      m[0] * m[10] - m[8] * m[2],
                      m[8] * m[1] - m[0] * m[9],
                      0,
                      m[1] * m[6] - m[5] * m[2],
                      m[4] * m[2] - m[0] * m[6],
                      m[0] * m[5] - m[4] * m[1],
                      0,
                      0,
                      0,
                      0,
                      1};
    const double side = determinant(m) < 0.0 ? -1.0 : 1.0;
    Mesh& mesh = file_.mesh;
    for (std::size_t i = 0; i < count; ++i) {
      source_.tick();
      const std::array<double, 3> p = {positions.at(i, 0), positions.at(i, 1), positions.at(i, 2)};
      put_turned(transformed(m, p, 1.0), mesh.vertices);
      if (all_normals_) {
        auto n = transformed(c, {normals->at(i, 0), normals->at(i, 1), normals->at(i, 2)}, 0.0);
        const double length = std::hypot(n[0], n[1], n[2]) * side;
        for (double& x : n) x = length != 0.0 ? x / length : 0.0;
        put_turned(n, mesh.normals);
      }
      for (std::size_t k = 0; k < 3; ++k) {
        const double linear = look.factor[k] * (colours ? colours->at(i, k) : 1.0);
        mesh.colours.push_back(srgb_of_linear(static_cast<float>(std::clamp(linear, 0.0, 1.0))));
      }
      for (std::size_t k = 0; k < 2; ++k) mesh.uvs.push_back(uvs ? static_cast<float>(uvs->at(i, k)) : 0.0F);
    }
  }

  static std::array<double, 3> transformed(const Matrix& m, const std::array<double, 3>& p, double w) {
    std::array<double, 3> out;
    for (std::size_t r = 0; r < 3; ++r) out[r] = m[r] * p[0] + m[4 + r] * p[1] + m[8 + r] * p[2] + m[12 + r] * w;
    return out;
  }

  // Y up to Z up.
  static void put_turned(const std::array<double, 3>& p, std::vector<float>& to) {
    to.insert(to.end(), {static_cast<float>(p[0]), static_cast<float>(-p[2]), static_cast<float>(p[1])});
  }

  void add_faces(const Json& primitive, std::uint64_t mode, std::size_t base, std::size_t count, bool mirrored) {
    std::optional<Accessor> indices;
    if (Document::find(primitive, "indices") != nullptr) {
      indices = document_.accessor(document_.natural(primitive, "indices", 0));
      if (indices->width != 1 || (indices->component != 5121 && indices->component != 5123 && indices->component != 5125)) {
        source_.damaged("indices are no natural numbers");
      }
    }
    const std::size_t corners = indices ? indices->count : count;
    const std::size_t faces = mode == kTriangles ? corners / 3 : (corners < 3 ? 0 : corners - 2);
    source_.check_counts(0, std::uint64_t{file_.mesh.faces.size() / 3} + faces);
    source_.take_memory(faces, 3 * sizeof(std::int32_t));
    const auto vertex = [&](std::size_t corner) {
      const std::uint64_t index = indices ? indices->index(corner) : corner;
      if (index >= count) source_.damaged("a face names vertex ", index, " of ", count);
      return static_cast<std::int32_t>(base + index);
    };
    for (std::size_t f = 0; f < faces; ++f) {
      source_.tick();
      std::array<std::size_t, 3> corner = {f * 3, f * 3 + 1, f * 3 + 2};
      if (mode == kStrip) corner = {f, f + 1 + f % 2, f + 2 - f % 2};
      if (mode == kFan) corner = {f + 1, f + 2, 0};
      if (mirrored) std::swap(corner[1], corner[2]);
      for (const std::size_t c : corner) file_.mesh.faces.push_back(vertex(c));
    }
  }

  const Source& source_;
  Document document_;
  MeshFile file_;
  bool all_normals_ = true, any_uvs_ = false, any_colours_ = false, one_look_ = true;
  std::optional<Look> look_;
};

}  // namespace

MeshFile read_gltf(const Source& source) { return Assembler(source).assemble(); }

}  // namespace espalier::reader
