#include "io/formats/gltf_geometry.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "assets/tangents.h"
#include "image/colour.h"

namespace espalier {

namespace {

// Positions in 16 bits: p = low + size * q / 65535 on every axis.
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
    const auto p = gltf_turned(&mesh.vertices[i]);
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

// An array of `count` elements of T[width], each filled by fill(i, element); elements lie at multiples of four bytes.
template <class T, class Fill>
GltfArray array_of(const char* attribute, const char* type, int component, std::size_t width, std::size_t count, Fill fill) {
  GltfArray array{.attribute = attribute, .type = type, .component = component, .count = count};
  array.stride = (width * sizeof(T) + 3) / 4 * 4;
  array.bytes.resize(count * array.stride);
  std::vector<T> element(width);
  for (std::size_t i = 0; i < count; ++i) {
    fill(i, element);
    std::memcpy(array.bytes.data() + i * array.stride, element.data(), width * sizeof(T));
  }
  return array;
}

// Takes the smallest and the largest of every coordinate as they are stored.
template <class T>
void note_bounds(GltfArray& positions) {
  std::array<T, 3> low{}, high{};
  low.fill(std::numeric_limits<T>::max());
  high.fill(std::numeric_limits<T>::lowest());
  for (std::size_t i = 0; i < positions.count; ++i) {
    std::array<T, 3> p{};
    std::memcpy(p.data(), positions.bytes.data() + i * positions.stride, sizeof(p));
    for (std::size_t k = 0; k < 3; ++k) {
      low[k] = std::min(low[k], p[k]);
      high[k] = std::max(high[k], p[k]);
    }
  }
  positions.low = low;
  positions.high = high;
}

GltfArray positions_of(const Mesh& mesh, const Box* box) {
  const std::size_t count = mesh.vertices.size() / 3;
  if (box == nullptr) {
    GltfArray array = array_of<float>("POSITION", "VEC3", kGltfFloat, 3, count, [&](std::size_t v, std::vector<float>& p) {
      const auto turned = gltf_turned(&mesh.vertices[3 * v]);
      std::copy(turned.begin(), turned.end(), p.begin());
    });
    note_bounds<float>(array);
    return array;
  }
  GltfArray array = array_of<std::uint16_t>("POSITION", "VEC3", kGltfUnsignedShort, 3, count,
                                            [&](std::size_t v, std::vector<std::uint16_t>& q) {
                                              const auto p = gltf_turned(&mesh.vertices[3 * v]);
                                              for (std::size_t k = 0; k < 3; ++k)
                                                q[k] = sixteen_bits((p[k] - box->low[k]) / box->size);
                                            });
  array.normalized = true;
  note_bounds<std::uint16_t>(array);
  return array;
}

GltfArray normals_of(const Mesh& mesh, bool quantised) {
  const std::size_t count = mesh.normals.size() / 3;
  if (!quantised) {
    return array_of<float>("NORMAL", "VEC3", kGltfFloat, 3, count, [&](std::size_t v, std::vector<float>& to) {
      const auto n = gltf_normal(mesh, v);
      std::copy(n.begin(), n.end(), to.begin());
    });
  }
  GltfArray array =
      array_of<std::int8_t>("NORMAL", "VEC3", kGltfByte, 3, count, [&](std::size_t v, std::vector<std::int8_t>& to) {
        const auto n = gltf_normal(mesh, v);
        for (std::size_t k = 0; k < 3; ++k) to[k] = static_cast<std::int8_t>(std::lround(n[k] * 127.0F));
      });
  array.normalized = true;
  return array;
}

GltfArray tangents_array(const Mesh& mesh, bool quantised) {
  const std::vector<float> tangents = tangents_of(mesh);
  const auto turned = [&](std::size_t v) {
    const std::array<float, 3> t = gltf_turned(&tangents[4 * v]);
    return std::array<float, 4>{t[0], t[1], t[2], tangents[4 * v + 3]};
  };
  if (!quantised) {
    return array_of<float>("TANGENT", "VEC4", kGltfFloat, 4, tangents.size() / 4, [&](std::size_t v, std::vector<float>& to) {
      const auto t = turned(v);
      std::copy(t.begin(), t.end(), to.begin());
    });
  }
  GltfArray array = array_of<std::int8_t>("TANGENT", "VEC4", kGltfByte, 4, tangents.size() / 4,
                                          [&](std::size_t v, std::vector<std::int8_t>& to) {
                                            const auto t = turned(v);
                                            for (std::size_t k = 0; k < 4; ++k)
                                              to[k] = static_cast<std::int8_t>(std::lround(t[k] * 127.0F));
                                          });
  array.normalized = true;
  return array;
}

GltfArray uvs_of(const Mesh& mesh, bool quantised) {
  const std::size_t count = mesh.uvs.size() / 2;
  const auto inside = [](float x) { return x >= 0.0F && x <= 1.0F; };
  if (!quantised || !std::all_of(mesh.uvs.begin(), mesh.uvs.end(), inside)) {
    return array_of<float>("TEXCOORD_0", "VEC2", kGltfFloat, 2, count,
                           [&](std::size_t v, std::vector<float>& to) { std::copy_n(&mesh.uvs[2 * v], 2, to.begin()); });
  }
  GltfArray array = array_of<std::uint16_t>("TEXCOORD_0", "VEC2", kGltfUnsignedShort, 2, count,
                                            [&](std::size_t v, std::vector<std::uint16_t>& to) {
                                              for (std::size_t k = 0; k < 2; ++k) to[k] = sixteen_bits(mesh.uvs[2 * v + k]);
                                            });
  array.normalized = true;
  return array;
}

GltfArray colours_of(const Mesh& mesh) {
  return array_of<float>("COLOR_0", "VEC3", kGltfFloat, 3, mesh.colours.size() / 3, [&](std::size_t v, std::vector<float>& to) {
    for (std::size_t k = 0; k < 3; ++k) to[k] = linear_of_srgb(std::clamp(mesh.colours[3 * v + k], 0.0F, 1.0F));
  });
}

template <class Index>
GltfArray indices_as(int component, const std::vector<std::int32_t>& corners) {
  GltfArray array{.component = component, .count = corners.size(), .stride = sizeof(Index)};
  array.bytes.resize(array.count * sizeof(Index));
  for (std::size_t i = 0; i < corners.size(); ++i) {
    const auto index = static_cast<Index>(corners[i]);
    std::memcpy(array.bytes.data() + i * sizeof(Index), &index, sizeof(Index));
  }
  return array;
}
GltfArray indices_of(const Mesh& mesh, bool wide) {
  constexpr std::size_t kShortVertices = 65535;  // the largest number of 16 bits is not an index in glTF
  if (wide || mesh.vertices.size() / 3 > kShortVertices) return gltf_indices(mesh.faces);
  return indices_as<std::uint16_t>(kGltfUnsignedShort, mesh.faces);
}

// Without colours.
std::vector<GltfArray> attributes_of(const Mesh& mesh, const Box* box) {
  std::vector<GltfArray> arrays;
  arrays.push_back(positions_of(mesh, box));
  if (!mesh.normals.empty()) arrays.push_back(normals_of(mesh, box != nullptr));
  if (!mesh.uvs.empty()) arrays.push_back(uvs_of(mesh, box != nullptr));
  return arrays;
}

}  // namespace

std::size_t GltfArray::packed_bytes() const {
  const std::string_view name = type;
  const std::size_t width = name == "VEC4" ? 4 : name == "VEC3" ? 3 : name == "VEC2" ? 2 : 1;
  const std::size_t size = component == kGltfByte ? 1 : component == kGltfUnsignedShort ? 2 : 4;
  return width * size;
}

std::array<float, 3> gltf_normal(const Mesh& mesh, std::size_t vertex) {
  auto n = gltf_turned(&mesh.normals[3 * vertex]);
  const double length = std::hypot(double{n[0]}, double{n[1]}, double{n[2]});
  for (float& x : n) x = length > 0.0 ? static_cast<float>(x / length) : 0.0F;
  if (length <= 0.0) n[1] = 1.0F;
  return n;
}

GltfGeometry gltf_geometry(const Mesh& mesh, const GltfNumbers& numbers) {
  GltfGeometry geometry;
  const Box box = box_of(mesh);
  geometry.quantised = numbers.quantised && std::isfinite(box.size);
  if (geometry.quantised) {
    geometry.offset = box.low;
    geometry.scale = box.size;
  }
  geometry.attributes = attributes_of(mesh, geometry.quantised ? &box : nullptr);
  if (numbers.tangents) geometry.attributes.push_back(tangents_array(mesh, geometry.quantised));
  if (numbers.colours && !mesh.colours.empty()) geometry.attributes.push_back(colours_of(mesh));
  geometry.indices = indices_of(mesh, numbers.wide_indices);
  return geometry;
}

std::vector<GltfArray> gltf_attributes(const Mesh& mesh) { return attributes_of(mesh, nullptr); }
GltfArray gltf_indices(const std::vector<std::int32_t>& corners) {
  return indices_as<std::uint32_t>(kGltfUnsignedInt, corners);
}

}  // namespace espalier
