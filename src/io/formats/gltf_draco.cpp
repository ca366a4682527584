// KHR_draco_mesh_compression by way of the Draco library, whose counts are looked at before it may allocate for them.
#include <draco/compression/decode.h>
#include <draco/core/decoder_buffer.h>

#include "io/formats/gltf_document.h"

namespace espalier::reader {

namespace {

// The number with seven bits in each byte, the lowest first.
std::uint64_t varint(Cursor& cursor, const Source& source) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    const auto byte = cursor.number<std::uint8_t>();
    value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
    if ((byte & 0x80U) == 0) return value;
  }
  source.damaged("a number in the Draco data is too long");
}

struct Announced {
  std::uint64_t faces = 0, points = 0;
};

// What the stream's own header says will come out of it (Draco bitstream specification, version 2.2).
Announced announced(Bytes bytes, const Source& source) {
  constexpr std::uint8_t kMesh = 1, kSequential = 0, kEdgebreaker = 1;
  constexpr std::uint16_t kMetadata = 0x8000;
  Cursor cursor(bytes, source);
  if (text_of(cursor.take(5)) != "DRACO") source.damaged("its Draco data do not begin as such");
  const auto major = cursor.number<std::uint8_t>(), minor = cursor.number<std::uint8_t>();
  const auto kind = cursor.number<std::uint8_t>(), method = cursor.number<std::uint8_t>();
  const auto flags = cursor.number<std::uint16_t>();
  if (major != 2 || minor != 2)
    source.unsupported("Draco data of version ", int{major}, ".", int{minor}, " are not read, only 2.2");
  if (kind != kMesh || method > kEdgebreaker) source.damaged("its Draco data are not a mesh");
  if ((flags & kMetadata) != 0)
    source.unsupported("Draco data with metadata are not read", hint("export the mesh without them"));
  Announced out;
  if (method == kSequential) {
    out.faces = varint(cursor, source);
    out.points = varint(cursor, source);
    return out;
  }
  (void)cursor.number<std::uint8_t>();  // how the traversal is stored
  out.points = varint(cursor, source);
  out.faces = varint(cursor, source);
  return out;
}

template <class T>
void put(std::vector<std::byte>& out, T value) {
  const auto* bytes = reinterpret_cast<const std::byte*>(&value);
  out.insert(out.end(), bytes, bytes + sizeof(T));
}

// The values point by point: floats, or natural numbers where the stream has such and they are not scaled.
GltfAccessor values_of(GltfDocument& document, const draco::PointAttribute& from, std::uint32_t points, std::size_t width,
                       bool normalized) {
  const Source& source = document.source();
  source.take_memory(points, width * sizeof(float));
  const bool real = from.data_type() == draco::DT_FLOAT32;
  const bool whole = !normalized && (from.data_type() == draco::DT_UINT8 || from.data_type() == draco::DT_UINT16 ||
                                     from.data_type() == draco::DT_UINT32);
  // Natural numbers stay such, for joints are numbers of something; others are scaled here, as the accessor says.
  double largest = 1.0;
  switch (from.data_type()) {
    case draco::DT_INT8: largest = 127.0; break;
    case draco::DT_UINT8: largest = 255.0; break;
    case draco::DT_INT16: largest = 32767.0; break;
    case draco::DT_UINT16: largest = 65535.0; break;
    case draco::DT_FLOAT32:
    case draco::DT_INT32:
    case draco::DT_UINT32: break;
    default: source.damaged("its Draco data have values of an unknown type");
  }
  std::vector<std::byte> out;
  out.reserve(std::size_t{points} * width * sizeof(float));
  for (draco::PointIndex p(0); p < points; ++p) {
    source.tick();
    const draco::AttributeValueIndex at = from.mapped_index(p);
    if (at.value() >= from.size()) source.damaged("its Draco data name values that are not there");
    std::array<float, 16> floats{};
    std::array<std::int32_t, 16> integers{};
    const auto n = static_cast<std::int8_t>(width);
    const bool done =
        real ? from.ConvertValue<float>(at, n, floats.data()) : from.ConvertValue<std::int32_t>(at, n, integers.data());
    if (!done) source.damaged("its Draco data have values that cannot be read");
    for (std::size_t k = 0; k < width; ++k) {
      if (whole) {
        put(out, static_cast<std::uint32_t>(integers[k]));
        continue;
      }
      const double value = real ? double{floats[k]} : integers[k] / (normalized ? largest : 1.0);
      put(out, static_cast<float>(normalized && !real ? std::max(value, -1.0) : value));
    }
  }
  GltfAccessor a;
  a.count = points;
  a.width = width;
  a.stride = width * sizeof(float);
  a.component = whole ? 5125 : 5126;
  a.data = document.keep(std::move(out)).data();
  return a;
}

}  // namespace

DracoMesh read_draco(GltfDocument& document, const GltfJson& packed, const GltfJson& primitive) {
  const Source& source = document.source();
  const Bytes bytes = document.view(document.natural(packed, "bufferView", ~std::uint64_t{0}));
  const Announced sizes = announced(bytes, source);
  source.check_counts(sizes.points, sizes.faces);
  // What the decoder keeps for each corner and each value of a point while it works.
  constexpr std::uint64_t kFaceBytes = 24, kPointBytes = 32;
  constexpr std::uint64_t kRatio = 16;
  source.unpacks(bytes.size(), kRatio);
  source.take_memory(sizes.faces, kFaceBytes);
  source.take_memory(sizes.points, kPointBytes);
  draco::DecoderBuffer buffer;
  buffer.Init(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  draco::Decoder decoder;
  auto decoded = decoder.DecodeMeshFromBuffer(&buffer);
  if (!decoded.ok()) source.damaged("its Draco data cannot be read: ", std::string(decoded.status().error_msg()).substr(0, 80));
  const std::unique_ptr<draco::Mesh> mesh = std::move(decoded).value();
  const std::uint32_t points = mesh->num_points(), faces = mesh->num_faces();
  source.check_counts(points, faces);
  source.take_memory(faces, 3 * sizeof(std::uint32_t));
  DracoMesh out;
  std::vector<std::byte> corners;
  corners.reserve(std::size_t{faces} * 3 * sizeof(std::uint32_t));
  for (draco::FaceIndex f(0); f < faces; ++f) {
    for (int k = 0; k < 3; ++k) put(corners, mesh->face(f)[static_cast<std::size_t>(k)].value());
  }
  GltfAccessor indices;
  indices.count = std::size_t{faces} * 3;
  indices.width = 1;
  indices.stride = sizeof(std::uint32_t);
  indices.component = 5125;
  indices.data = document.keep(std::move(corners)).data();
  out.indices = indices;
  const GltfJson* attributes = GltfDocument::find(packed, "attributes");
  const GltfJson* accessors = GltfDocument::find(primitive, "attributes");
  if (attributes == nullptr || !attributes->is_object() || accessors == nullptr)
    source.damaged("its Draco data have no attributes");
  for (const auto& [name, id] : attributes->items()) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() > 0xFFFFFFU)
      source.damaged("an attribute of its Draco data is not a number");
    const draco::PointAttribute* attribute = mesh->GetAttributeByUniqueId(id.get<std::uint32_t>());
    if (attribute == nullptr) source.damaged("its Draco data lack the attribute ", name.substr(0, 40));
    const GltfJson* accessor = GltfDocument::find(*accessors, name.c_str());
    const bool normalized = accessor != nullptr && accessor->is_number_unsigned() &&
                            document.flag(document.item("accessors", accessor->get<std::uint64_t>()), "normalized");
    const auto width = static_cast<std::size_t>(attribute->num_components());
    if (width < 1 || width > 4) source.damaged("an attribute of its Draco data has ", width, " components");
    out.attributes.emplace(name, values_of(document, *attribute, points, width, normalized));
  }
  return out;
}

}  // namespace espalier::reader
