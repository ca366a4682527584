#include "io/formats/gltf_document.h"

#include <meshoptimizer.h>

#include <cmath>
#include <filesystem>

#include "base/json.h"

namespace espalier::reader {

namespace {

using Json = GltfJson;

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
  while (!text.empty() && std::string_view("= \n\r\t").find(text.back()) != std::string_view::npos) text.remove_suffix(1);
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
    } else if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
      continue;  // where programs break long lines
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

// What changes numbers or their places and is followed; everything else that a file requires is refused.
constexpr std::array<std::string_view, 7> kFollowed = {
    "KHR_mesh_quantization",   "EXT_meshopt_compression", "KHR_meshopt_compression", "KHR_draco_mesh_compression",
    "EXT_mesh_gpu_instancing", "KHR_gaussian_splatting",  "KHR_texture_transform"};
// What changes how a surface looks, or nothing that is seen: a file is read without it, too.
constexpr std::array<std::string_view, 9> kLooks = {"MSFT_lod",     "KHR_materials_", "EXT_materials_",
                                                    "KHR_texture_", "EXT_texture_",   "MSFT_texture_",
                                                    "KHR_lights_",  "KHR_xmp",        "KHR_animation_"};

bool among(std::string_view name, std::span<const std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}
bool begins_with_one(std::string_view name, std::span<const std::string_view> starts) {
  return std::any_of(starts.begin(), starts.end(), [&](std::string_view start) { return name.starts_with(start); });
}

constexpr const char* kMeshopt[] = {"EXT_meshopt_compression", "KHR_meshopt_compression"};

}  // namespace

GltfDocument::GltfDocument(const Source& source) : source_(source) {
  const std::string_view text = text_of(source.bytes);
  if (text.substr(0, 4) == "glTF") {
    read_chunks();
  } else {
    json_ = parse_json(without_mark(text), source);
  }
  check_version();
  load_buffers();
}

bool GltfDocument::follows(std::string_view extension) {
  // Materials and textures say themselves what of them is left out.
  return among(extension, kFollowed) || begins_with_one(extension, kLooks);
}

const Json* GltfDocument::find(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto at = object.find(key);
  return at == object.end() ? nullptr : &*at;
}

const Json* GltfDocument::extension(const Json& object, const char* name) {
  const Json* extensions = find(object, "extensions");
  return extensions == nullptr ? nullptr : find(*extensions, name);
}

std::uint64_t GltfDocument::natural(const Json& object, const char* key, std::uint64_t otherwise) const {
  const Json* value = find(object, key);
  if (value == nullptr) return otherwise;
  if (!value->is_number_unsigned()) source_.damaged("\"", key, "\" is not a natural number");
  return value->get<std::uint64_t>();
}

double GltfDocument::number(const Json& value) const {
  if (!value.is_number()) source_.damaged("its JSON has a value that should be a number");
  const double x = value.get<double>();
  if (!std::isfinite(x)) source_.damaged("its JSON has a number that is not finite");
  return x;
}

double GltfDocument::number(const Json& object, const char* key, double otherwise) const {
  const Json* value = find(object, key);
  return value == nullptr ? otherwise : number(*value);
}

bool GltfDocument::flag(const Json& object, const char* key) const {
  const Json* value = find(object, key);
  return value != nullptr && value->is_boolean() && value->get<bool>();
}

std::string GltfDocument::text(const Json& object, const char* key) const {
  const Json* value = find(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

std::size_t GltfDocument::count(const char* key) const {
  const Json* array = find(json_, key);
  return array != nullptr && array->is_array() ? array->size() : 0;
}

const Json& GltfDocument::item(const char* key, std::uint64_t index) const {
  if (index >= count(key)) source_.damaged("it names ", key, " ", index, ", which is not there");
  return json_[key][static_cast<std::size_t>(index)];
}

Bytes GltfDocument::buffer_range(const Json& from, const char* what, std::uint64_t index) const {
  const std::uint64_t buffer = natural(from, "buffer", ~std::uint64_t{0});
  if (buffer >= buffers_.size()) source_.damaged(what, " ", index, " names buffer ", buffer, ", which is not there");
  const Bytes bytes = buffers_[static_cast<std::size_t>(buffer)];
  const std::uint64_t offset = natural(from, "byteOffset", 0), length = natural(from, "byteLength", 0);
  if (offset > bytes.size() || length > bytes.size() - offset) source_.damaged(what, " ", index, " reaches beyond its buffer");
  return bytes.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(length));
}

Bytes GltfDocument::view(std::uint64_t index) {
  const Json& json = item("bufferViews", index);
  for (const char* name : kMeshopt) {
    const Json* packed = extension(json, name);
    if (packed == nullptr) continue;
    const auto known = unpacked_.find(index);
    return known != unpacked_.end() ? known->second : unpacked_.emplace(index, unpacked_view(*packed, index)).first->second;
  }
  return buffer_range(json, "buffer view", index);
}

Bytes GltfDocument::unpacked_view(const Json& packed, std::uint64_t index) {
  const Bytes from = buffer_range(packed, "the packed buffer view", index);
  const std::uint64_t stride = natural(packed, "byteStride", 0), count = natural(packed, "count", 0);
  const std::string mode = text(packed, "mode"), filter = text(packed, "filter");
  const bool attributes = mode == "ATTRIBUTES", triangles = mode == "TRIANGLES", sequence = mode == "INDICES";
  if (!attributes && !triangles && !sequence)
    source_.damaged("buffer view ", index, " is packed in the mode \"", mode.substr(0, 40), "\"");
  constexpr std::uint64_t kWidest = 256;
  const bool fits = attributes ? stride % 4 == 0 && stride > 0 && stride <= kWidest : stride == 2 || stride == 4;
  if (!fits || (triangles && count % 3 != 0) || count > (std::uint64_t{1} << 40U))
    source_.damaged("buffer view ", index, " is packed with ", count, " elements of ", stride, " bytes");
  const bool oct = filter == "OCTAHEDRAL", quat = filter == "QUATERNION", exp = filter == "EXPONENTIAL";
  if (!filter.empty() && filter != "NONE" &&
      (!attributes || !(oct || quat || exp) || (oct && stride != 4 && stride != 8) || (quat && stride != 8)))
    source_.damaged("buffer view ", index, " is packed with the filter \"", filter.substr(0, 40), "\"");
  constexpr std::uint64_t kRatio = 4;
  source_.unpacks(from.size(), kRatio);
  source_.take_memory(count, stride);
  std::vector<std::byte> out(static_cast<std::size_t>(count * stride));
  const auto* bytes = reinterpret_cast<const unsigned char*>(from.data());
  const auto n = static_cast<std::size_t>(count), size = static_cast<std::size_t>(stride);
  const int result = n == 0       ? 0
                     : attributes ? meshopt_decodeVertexBuffer(out.data(), n, size, bytes, from.size())
                     : triangles  ? meshopt_decodeIndexBuffer(out.data(), n, size, bytes, from.size())
                                  : meshopt_decodeIndexSequence(out.data(), n, size, bytes, from.size());
  if (result == -1)
    source_.unsupported("buffer view ", index, " is packed by a version of meshopt that is not read",
                        hint("export the mesh without compression"));
  if (result != 0) source_.damaged("the packed bytes of buffer view ", index, " make no sense");
  if (oct) meshopt_decodeFilterOct(out.data(), n, size);
  if (quat) meshopt_decodeFilterQuat(out.data(), n, size);
  if (exp) meshopt_decodeFilterExp(out.data(), n, size);
  return keep(std::move(out));
}

GltfDocument::Shape GltfDocument::shape_of(const Json& accessor) const {
  constexpr std::array<std::pair<const char*, std::size_t>, 5> kTypes = {
      {{"SCALAR", 1}, {"VEC2", 2}, {"VEC3", 3}, {"VEC4", 4}, {"MAT4", 16}}};
  Shape shape;
  shape.component = static_cast<int>(natural(accessor, "componentType", 0) & 0xFFFFU);
  const std::string type = text(accessor, "type");
  for (const auto& [name, width] : kTypes) {
    if (type == name) shape.width = width;
  }
  if (shape.width == 0) source_.damaged("an accessor is neither scalar nor a vector");
  shape.bytes = shape.width * component_bytes(shape.component);
  return shape;
}

GltfAccessor GltfDocument::accessor(std::uint64_t index) {
  const auto known = accessors_.find(index);
  return known != accessors_.end() ? known->second : accessors_.emplace(index, make_accessor(index)).first->second;
}

GltfAccessor GltfDocument::make_accessor(std::uint64_t index) {
  const Json& json = item("accessors", index);
  const Shape shape = shape_of(json);
  const std::uint64_t count = natural(json, "count", 0);
  GltfAccessor a;
  a.component = shape.component;
  a.width = shape.width;
  a.normalized = flag(json, "normalized");
  a.count = static_cast<std::size_t>(count);
  a.stride = shape.bytes;
  const bool stored = find(json, "bufferView") != nullptr;
  if (stored) {
    const std::uint64_t view_index = natural(json, "bufferView", 0);
    const Bytes bytes = view(view_index);
    const std::uint64_t stride = natural(item("bufferViews", view_index), "byteStride", shape.bytes);
    const std::uint64_t offset = natural(json, "byteOffset", 0);
    constexpr std::uint64_t kMaxStride = 252;
    // Rows may overlap in a hostile file, but every one of them takes a stride of at least one element.
    if (stride < shape.bytes || stride > std::max<std::uint64_t>(kMaxStride, shape.bytes))
      source_.damaged("accessor ", index, " has a stride of ", stride);
    if (count > 0 && (offset > bytes.size() || shape.bytes > bytes.size() - offset ||
                      count - 1 > (bytes.size() - offset - shape.bytes) / stride)) {
      source_.damaged("accessor ", index, " reaches beyond its buffer view");
    }
    a.data = bytes.data() + (count > 0 ? offset : 0);
    a.stride = static_cast<std::size_t>(stride);
  }
  const Json* sparse = find(json, "sparse");
  if (stored && sparse == nullptr) return a;
  source_.take_memory(count, shape.bytes);
  std::vector<std::byte> values(static_cast<std::size_t>(count) * shape.bytes);
  for (std::size_t i = 0; stored && i < a.count; ++i)
    std::memcpy(values.data() + i * shape.bytes, a.data + i * a.stride, shape.bytes);
  if (sparse != nullptr) apply_sparse(*sparse, shape, values, count);
  a.data = keep(std::move(values)).data();
  a.stride = shape.bytes;
  return a;
}

void GltfDocument::apply_sparse(const Json& sparse, const Shape& shape, std::span<std::byte> values, std::uint64_t count) {
  const Json* indices = find(sparse, "indices");
  const Json* changed = find(sparse, "values");
  const std::uint64_t changes = natural(sparse, "count", 0);
  if (indices == nullptr || changed == nullptr || changes > count) source_.damaged("a sparse accessor is damaged");
  GltfAccessor at;
  at.component = static_cast<int>(natural(*indices, "componentType", 0) & 0xFFFFU);
  if (!at.natural()) source_.damaged("the indices of a sparse accessor are not natural numbers");
  at.stride = component_bytes(at.component);
  const auto range = [&](const Json& from, std::uint64_t bytes_each) {
    const Bytes bytes = view(natural(from, "bufferView", ~std::uint64_t{0}));
    const std::uint64_t offset = natural(from, "byteOffset", 0);
    if (offset > bytes.size() || changes > (bytes.size() - offset) / bytes_each)
      source_.damaged("a sparse accessor reaches beyond its buffer view");
    return bytes.subspan(static_cast<std::size_t>(offset));
  };
  at.data = range(*indices, at.stride).data();
  const Bytes from = range(*changed, shape.bytes);
  for (std::size_t i = 0; i < changes; ++i) {
    source_.tick();
    const std::uint64_t index = at.index(i);
    if (index >= count) source_.damaged("a sparse accessor changes value ", index, " of ", count);
    std::memcpy(values.data() + static_cast<std::size_t>(index) * shape.bytes, from.data() + i * shape.bytes, shape.bytes);
  }
}

namespace {
bool is_data_uri(const std::string& text) { return lower(text.substr(0, 5)) == "data:"; }
}  // namespace

std::vector<std::byte> GltfDocument::resolve(const Json& uri) const {
  if (!uri.is_string()) source_.damaged("a URI is not a string");
  const std::string& text = uri.get_ref<const std::string&>();
  if (!is_data_uri(text)) return source_.neighbour(decode_percent(text, source_));
  const std::size_t comma = text.find(',');
  if (comma == std::string::npos || comma < 7 || lower(text.substr(comma - 7, 7)) != ";base64")
    source_.damaged("a data URI is not in base64");
  const std::string_view data = std::string_view(text).substr(comma + 1);
  return data.find('%') == std::string_view::npos ? decode_base64(data, source_)
                                                  : decode_base64(decode_percent(data, source_), source_);
}

std::optional<std::string> GltfDocument::file_of(const Json& uri) const {
  if (!uri.is_string()) source_.damaged("a URI is not a string");
  const std::string& text = uri.get_ref<const std::string&>();
  return is_data_uri(text) ? std::nullopt : std::optional(decode_percent(text, source_));
}

void GltfDocument::read_chunks() {
  binary_ = true;
  Cursor cursor(source_.bytes, source_);
  cursor.take(4);
  if (const auto version = cursor.number<std::uint32_t>(); version != 2)
    source_.unsupported("GLB version ", version, " is not read, only 2");
  const auto total = cursor.number<std::uint32_t>();
  if (total > source_.bytes.size()) source_.cut_off("it announces ", total, " bytes, but ends early");
  const auto json_bytes = cursor.number<std::uint32_t>();
  if (cursor.number<std::uint32_t>() != 0x4E4F534AU) source_.damaged("the first chunk is not JSON");
  json_ = parse_json(without_mark(text_of(cursor.take(json_bytes))), source_);
  if (cursor.left() < 8) return;
  const auto size = cursor.number<std::uint32_t>();
  if (cursor.number<std::uint32_t>() == 0x004E4942U) chunk_ = cursor.take(size);
}

void GltfDocument::check_version() const {
  const Json* asset = find(json_, "asset");
  const Json* version = asset == nullptr ? nullptr : find(*asset, "version");
  if (version == nullptr || !version->is_string()) source_.damaged("it names no version of glTF");
  if (version->get_ref<const std::string&>().compare(0, 2, "2.") != 0) source_.unsupported("only glTF 2 is read");
  const Json* required = find(json_, "extensionsRequired");
  if (required == nullptr || !required->is_array()) return;
  for (const Json& extension : *required) {
    const std::string name = extension.is_string() ? extension.get<std::string>() : "?";
    if (among(name, kFollowed) || begins_with_one(name, kLooks)) continue;
    source_.unsupported("it needs the extension ", name.substr(0, 80), ", which is not read",
                        hint("export the mesh without it"));
  }
}

void GltfDocument::load_buffers() {
  const Json* buffers = find(json_, "buffers");
  if (buffers == nullptr || !buffers->is_array()) return;
  constexpr std::size_t kMaxBuffers = 1000;
  if (buffers->size() > kMaxBuffers) source_.damaged("it has more than ", kMaxBuffers, " buffers");
  std::uint64_t all = 0;
  std::map<std::string, Bytes> files;  // each is read once, however many buffers name it
  for (const Json& buffer : *buffers) {
    const std::uint64_t length = natural(buffer, "byteLength", 0);
    const Json* uri = find(buffer, "uri");
    Bytes bytes = chunk_;
    // In one spelling; empty for bytes that are in the document.
    const std::optional<std::string> name = uri == nullptr ? std::nullopt : file_of(*uri);
    const std::string file =
        name ? std::filesystem::path(source_.name_of_neighbour(*name)).lexically_normal().string() : std::string();
    const auto known = files.find(file);
    if (known != files.end()) {
      bytes = known->second;
    } else if (uri != nullptr) {
      bytes = keep(resolve(*uri));
      all += bytes.size();
      if (!file.empty()) files.emplace(file, bytes);
    }
    if (all > source_.options.max_bytes) source_.damaged("its buffers are larger than ", source_.options.max_bytes, " bytes");
    bool fallback = false;  // a place for what is packed elsewhere, with no bytes of its own
    for (const char* meshopt : kMeshopt) {
      const Json* packed = extension(buffer, meshopt);
      fallback = fallback || (uri == nullptr && packed != nullptr && flag(*packed, "fallback"));
    }
    if (fallback) {
      buffers_.emplace_back();
      continue;
    }
    if (length > bytes.size()) source_.damaged("a buffer announces ", length, " bytes, but has ", bytes.size());
    buffers_.push_back(bytes.first(static_cast<std::size_t>(length)));
  }
}

std::size_t GltfDocument::component_bytes(int component) const {
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

}  // namespace espalier::reader
