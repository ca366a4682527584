// The JSON of a glTF file and the bytes it points to, with every look into either checked.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "io/formats/reader_parts.h"

namespace espalier::reader {

using GltfJson = nlohmann::json;

// A typed look at values in a buffer; everything it can reach lies inside.
struct GltfAccessor {
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
  [[nodiscard]] bool natural() const { return component == 5121 || component == 5123 || component == 5125; }
  // Of a component that is natural().
  [[nodiscard]] std::uint64_t index(std::size_t i, std::size_t k = 0) const {
    switch (component) {
      case 5121: return raw<std::uint8_t>(i, k);
      case 5123: return raw<std::uint16_t>(i, k);
      default: return raw<std::uint32_t>(i, k);
    }
  }
};

class GltfDocument {
 public:
  explicit GltfDocument(const Source& source);
  GltfDocument(const GltfDocument&) = delete;
  GltfDocument& operator=(const GltfDocument&) = delete;

  [[nodiscard]] const GltfJson& json() const { return json_; }
  [[nodiscard]] bool binary() const { return binary_; }
  [[nodiscard]] const Source& source() const { return source_; }

  // Whether an extension changes what is read here, and is carried out, or changes nothing that anybody sees.
  static bool follows(std::string_view extension);
  // The member of that name, or null.
  static const GltfJson* find(const GltfJson& object, const char* key);
  // The member `key` of the object's extension `name`, or the extension itself for an empty key; null where there is none.
  static const GltfJson* extension(const GltfJson& object, const char* name);
  [[nodiscard]] std::uint64_t natural(const GltfJson& object, const char* key, std::uint64_t otherwise) const;
  [[nodiscard]] double number(const GltfJson& value) const;
  [[nodiscard]] double number(const GltfJson& object, const char* key, double otherwise) const;
  [[nodiscard]] bool flag(const GltfJson& object, const char* key) const;
  [[nodiscard]] std::string text(const GltfJson& object, const char* key) const;
  template <std::size_t N>
  [[nodiscard]] std::array<double, N> numbers(const GltfJson& object, const char* key, std::array<double, N> otherwise) const {
    const GltfJson* array = find(object, key);
    if (array == nullptr) return otherwise;
    if (!array->is_array() || array->size() != N) source_.damaged("\"", key, "\" does not have ", N, " numbers");
    for (std::size_t i = 0; i < N; ++i) otherwise[i] = number((*array)[i]);
    return otherwise;
  }
  // How many there are in the array `key` at the top, and one of them.
  [[nodiscard]] std::size_t count(const char* key) const;
  [[nodiscard]] const GltfJson& item(const char* key, std::uint64_t index) const;

  // Bytes of a buffer view, unpacked where it is compressed.
  [[nodiscard]] Bytes view(std::uint64_t index);
  // Values of an accessor; zeros and sparse changes are carried out.
  [[nodiscard]] GltfAccessor accessor(std::uint64_t index);
  // The bytes behind a URI: in the document or beside the file.
  [[nodiscard]] std::vector<std::byte> resolve(const GltfJson& uri) const;
  // What a URI names beside the file; nothing for one that has its bytes in itself.
  [[nodiscard]] std::optional<std::string> file_of(const GltfJson& uri) const;
  // Keeps bytes as long as the document lives.
  Bytes keep(std::vector<std::byte> bytes) {
    kept_.push_back(std::move(bytes));
    return kept_.back();
  }
  [[nodiscard]] std::size_t component_bytes(int component) const;

 private:
  struct Shape {
    int component = 0;
    std::size_t width = 0, bytes = 0;  // components, bytes of all of them
  };
  void read_chunks();
  void check_version() const;
  void load_buffers();
  [[nodiscard]] Bytes buffer_range(const GltfJson& from, const char* what, std::uint64_t index) const;
  [[nodiscard]] Bytes unpacked_view(const GltfJson& packed, std::uint64_t index);
  [[nodiscard]] Shape shape_of(const GltfJson& accessor) const;
  [[nodiscard]] GltfAccessor make_accessor(std::uint64_t index);
  void apply_sparse(const GltfJson& sparse, const Shape& shape, std::span<std::byte> values, std::uint64_t count);

  const Source& source_;
  bool binary_ = false;
  GltfJson json_;
  Bytes chunk_;
  std::vector<Bytes> buffers_;
  std::deque<std::vector<std::byte>> kept_;
  std::map<std::uint64_t, GltfAccessor> accessors_;
  std::map<std::uint64_t, Bytes> unpacked_;
};

// Triangles that KHR_draco_mesh_compression packed: corners, and the attributes by their names in glTF.
struct DracoMesh {
  std::optional<GltfAccessor> indices;
  std::map<std::string, GltfAccessor> attributes;
};
// `packed` is the extension's object, `primitive` what it hangs on, whose accessors say how much comes out.
[[nodiscard]] DracoMesh read_draco(GltfDocument& document, const GltfJson& packed, const GltfJson& primitive);

}  // namespace espalier::reader
