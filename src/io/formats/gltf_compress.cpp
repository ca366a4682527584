#include "io/formats/gltf_compress.h"

#include <draco/compression/decode.h>
#include <draco/compression/encode.h>
#include <meshoptimizer.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace espalier {

namespace {

template <class T>
std::vector<T> remapped(const std::vector<T>& values, const std::vector<unsigned>& to, std::size_t count) {
  if (values.empty()) return {};
  const std::size_t width = values.size() / to.size();
  std::vector<T> out(count * width);
  for (std::size_t v = 0; v < to.size(); ++v) {
    if (to[v] != ~0U) std::copy_n(&values[v * width], width, &out[to[v] * width]);
  }
  return out;
}

struct DracoKind {
  draco::GeometryAttribute::Type type;
  int bits;
};
DracoKind draco_kind(std::string_view attribute) {
  constexpr int kPositionBits = 14, kNormalBits = 8, kTangentBits = 8, kTextureBits = 13, kColourBits = 12;
  if (attribute == "POSITION") return {draco::GeometryAttribute::POSITION, kPositionBits};
  if (attribute == "NORMAL") return {draco::GeometryAttribute::NORMAL, kNormalBits};
  if (attribute == "TANGENT") return {draco::GeometryAttribute::GENERIC, kTangentBits};
  if (attribute == "TEXCOORD_0") return {draco::GeometryAttribute::TEX_COORD, kTextureBits};
  return {draco::GeometryAttribute::COLOR, kColourBits};
}

std::size_t width_of(const GltfArray& array) { return array.packed_bytes() / sizeof(float); }

void fill(draco::Mesh& mesh, const GltfGeometry& geometry) {
  const std::size_t vertices = geometry.attributes.front().count;
  mesh.set_num_points(static_cast<std::uint32_t>(vertices));
  mesh.SetNumFaces(geometry.indices.count / 3);
  for (std::size_t f = 0; f < geometry.indices.count / 3; ++f) {
    std::array<std::uint32_t, 3> corners{};
    std::memcpy(corners.data(), geometry.indices.bytes.data() + f * sizeof(corners), sizeof(corners));
    draco::Mesh::Face face;
    for (std::size_t k = 0; k < 3; ++k) face[k] = draco::PointIndex(corners[k]);
    mesh.SetFace(draco::FaceIndex(static_cast<std::uint32_t>(f)), face);
  }
  for (const GltfArray& array : geometry.attributes) {
    draco::GeometryAttribute kind;
    kind.Init(draco_kind(array.attribute).type, nullptr, static_cast<std::uint8_t>(width_of(array)), draco::DT_FLOAT32, false,
              static_cast<std::int64_t>(array.stride), 0);
    const int id = mesh.AddAttribute(kind, /*identity_mapping=*/true, static_cast<std::uint32_t>(vertices));
    for (std::size_t v = 0; v < vertices; ++v) {
      mesh.attribute(id)->SetAttributeValue(draco::AttributeValueIndex(static_cast<std::uint32_t>(v)),
                                            array.bytes.data() + v * array.stride);
    }
  }
  // Vertices on both sides of a seam share their place, so that connectivity is coded once.
  mesh.DeduplicateAttributeValues();
}

void note_decoded_bounds(const draco::Mesh& mesh, GltfArray& positions) {
  std::array<float, 3> low{}, high{};
  low.fill(std::numeric_limits<float>::max());
  high.fill(std::numeric_limits<float>::lowest());
  const draco::PointAttribute* attribute = mesh.GetNamedAttribute(draco::GeometryAttribute::POSITION);
  for (std::uint32_t v = 0; v < mesh.num_points(); ++v) {
    std::array<float, 3> p{};
    attribute->GetMappedValue(draco::PointIndex(v), p.data());
    for (std::size_t k = 0; k < 3; ++k) {
      low[k] = std::min(low[k], p[k]);
      high[k] = std::max(high[k], p[k]);
    }
  }
  positions.low = low;
  positions.high = high;
}

}  // namespace

Mesh meshopt_ordered(const Mesh& mesh) {
  const std::size_t vertices = mesh.vertices.size() / 3;
  std::vector<unsigned> indices(mesh.faces.size()), to(vertices);
  const std::vector<unsigned> before(mesh.faces.begin(), mesh.faces.end());
  meshopt_optimizeVertexCacheStrip(indices.data(), before.data(), before.size(), vertices);
  const std::size_t used = meshopt_optimizeVertexFetchRemap(to.data(), indices.data(), indices.size(), vertices);
  Mesh out;
  out.vertices = remapped(mesh.vertices, to, used);
  out.colours = remapped(mesh.colours, to, used);
  out.normals = remapped(mesh.normals, to, used);
  out.uvs = remapped(mesh.uvs, to, used);
  out.faces.reserve(indices.size());
  for (const unsigned v : indices) out.faces.push_back(static_cast<std::int32_t>(to[v]));
  return out;
}

std::vector<std::byte> meshopt_packed(const GltfArray& array) {
  // The library keeps the versions for the whole process, so they are set once.
  static const bool versions_set = [] {
    meshopt_encodeVertexVersion(0);
    meshopt_encodeIndexVersion(1);
    return true;
  }();
  (void)versions_set;
  std::vector<unsigned char> packed;
  std::size_t size = 0;
  if (array.attribute == nullptr) {
    std::vector<unsigned> indices(array.count);
    for (std::size_t i = 0; i < array.count; ++i) std::memcpy(&indices[i], array.bytes.data() + i * array.stride, array.stride);
    const auto vertices = indices.empty() ? 0 : std::size_t{*std::max_element(indices.begin(), indices.end())} + 1;
    packed.resize(meshopt_encodeIndexBufferBound(array.count, vertices));
    size = meshopt_encodeIndexBuffer(packed.data(), packed.size(), indices.data(), indices.size());
  } else {
    packed.resize(meshopt_encodeVertexBufferBound(array.count, array.stride));
    size = meshopt_encodeVertexBuffer(packed.data(), packed.size(), array.bytes.data(), array.count, array.stride);
  }
  // The extension fixes the versions: the first byte is a0 for attributes and e1 for triangles.
  require(size > 0 && packed[0] == (array.attribute == nullptr ? 0xE1 : 0xA0), "meshopt_packed",
          "libmeshoptimizer writes another version of its format");
  const auto* const bytes = reinterpret_cast<const std::byte*>(packed.data());
  return {bytes, bytes + size};
}

DracoPacked draco_packed(const GltfGeometry& geometry) {
  draco::Mesh mesh;
  fill(mesh, geometry);
  draco::Encoder encoder;
  for (const GltfArray& array : geometry.attributes) {
    const DracoKind kind = draco_kind(array.attribute);
    encoder.SetAttributeQuantization(kind.type, kind.bits);
  }
  // Decoding stays fast from 3 on; below, files would be a percent smaller.
  constexpr int kSpeed = 3;
  encoder.SetSpeedOptions(kSpeed, kSpeed);
  encoder.SetEncodingMethod(draco::MESH_EDGEBREAKER_ENCODING);
  draco::EncoderBuffer buffer;
  if (const draco::Status status = encoder.EncodeMeshToBuffer(mesh, &buffer); !status.ok()) {
    fail(ErrorCode::unsupported, "Draco cannot hold this mesh: ", status.error_msg_string(),
         hint("leave it uncompressed, or take meshopt"));
  }
  DracoPacked packed;
  const auto* const bytes = reinterpret_cast<const std::byte*>(buffer.data());
  packed.bytes.assign(bytes, bytes + buffer.size());

  draco::DecoderBuffer written;
  written.Init(buffer.data(), buffer.size());
  draco::Decoder decoder;
  auto decoded = decoder.DecodeMeshFromBuffer(&written);
  if (!decoded.ok()) fail(ErrorCode::internal, "Draco does not read what it wrote: ", decoded.status().error_msg_string());
  const draco::Mesh& back = *decoded.value();
  for (const GltfArray& array : geometry.attributes) {
    GltfArray seen{.attribute = array.attribute, .type = array.type, .count = back.num_points()};
    if (std::string_view(array.attribute) == "POSITION") note_decoded_bounds(back, seen);
    packed.attributes.push_back(std::move(seen));
  }
  packed.indices.component = kGltfUnsignedInt;
  packed.indices.count = std::size_t{back.num_faces()} * 3;
  return packed;
}

}  // namespace espalier
