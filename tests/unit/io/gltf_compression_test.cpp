// Compressed glTF files, decoded with the libraries that define the formats.
#include <draco/compression/decode.h>
#include <gtest/gtest.h>
#include <meshoptimizer.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "image/codec.h"
#include "io/formats/gltf_compress.h"
#include "io/formats/mesh_files.h"
#include "sample_mesh.h"
#include "support/gltf.h"

namespace espalier {
namespace {

using Json = nlohmann::json;
using test::sample_box_with_uvs;

// The chunks of a GLB, which is also kept for the validator.
struct Glb {
  Json json;
  std::vector<unsigned char> binary;
};
Glb open_glb(const std::vector<std::byte>& bytes) {
  write_file(test::kept_folder() / (test::kept_name() + ".glb"), bytes);
  const auto number = [&](std::size_t from) {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data() + from, sizeof(value));
    return std::size_t{value};
  };
  const std::size_t json = number(12);
  Glb glb{
      Json::parse(reinterpret_cast<const char*>(bytes.data()) + 20, reinterpret_cast<const char*>(bytes.data()) + 20 + json),
      {}};
  const auto* begin = reinterpret_cast<const unsigned char*>(bytes.data()) + 28 + json;
  glb.binary.assign(begin, begin + number(20 + json));
  EXPECT_EQ(20 + json + 8 + glb.binary.size(), bytes.size());
  return glb;
}

// A ball of so many rings, with normals and texture coordinates.
Mesh ball(int rings) {
  Mesh mesh;
  for (int r = 0; r <= rings; ++r) {
    for (int s = 0; s <= 2 * rings; ++s) {
      const float theta = 3.14159265F * static_cast<float>(r) / static_cast<float>(rings);
      const float phi = 3.14159265F * static_cast<float>(s % (2 * rings)) / static_cast<float>(rings);
      const std::array n{std::sin(theta) * std::cos(phi), std::sin(theta) * std::sin(phi), std::cos(theta)};
      for (const float x : n) mesh.vertices.push_back(0.4F * x);
      mesh.normals.insert(mesh.normals.end(), n.begin(), n.end());
      mesh.uvs.insert(mesh.uvs.end(), {static_cast<float>(s) / static_cast<float>(2 * rings),
                                       static_cast<float>(r) / static_cast<float>(rings)});
      if (r == rings || s == 2 * rings) continue;
      const int a = r * (2 * rings + 1) + s, b = a + 2 * rings + 1;
      if (r > 0) mesh.faces.insert(mesh.faces.end(), {a, b, a + 1});
      if (r + 1 < rings) mesh.faces.insert(mesh.faces.end(), {a + 1, b, b + 1});
    }
  }
  return mesh;
}

using Place = std::array<float, 3>;
std::vector<Place> places_of(const Mesh& mesh) {
  std::vector<Place> places;
  for (std::size_t v = 0; v < mesh.vertices.size(); v += 3) places.push_back(gltf_turned(&mesh.vertices[v]));
  return places;
}

// The faces as sets of corners: each is the first of the mesh's vertices that is no farther than `reach` from it. Turned so
// that the smallest comes first.
std::multiset<std::array<std::size_t, 3>> faces_of(const std::vector<Place>& points, const std::vector<std::uint32_t>& indices,
                                                   const Mesh& mesh, float reach) {
  const std::vector<Place> known = places_of(mesh);
  std::vector<std::size_t> nearest;
  for (const Place& p : points) {
    nearest.push_back(static_cast<std::size_t>(
        std::find_if(known.begin(), known.end(),
                     [&](const Place& k) { return std::hypot(k[0] - p[0], k[1] - p[1], k[2] - p[2]) <= reach; }) -
        known.begin()));
  }
  std::multiset<std::array<std::size_t, 3>> faces;
  for (std::size_t i = 0; i < indices.size(); i += 3) {
    std::array<std::size_t, 3> face{};
    for (std::size_t k = 0; k < 3; ++k) face[k] = nearest.at(indices[i + k]);
    std::rotate(face.begin(), std::min_element(face.begin(), face.end()), face.end());
    faces.insert(face);
  }
  return faces;
}
std::multiset<std::array<std::size_t, 3>> faces_of(const Mesh& mesh, float reach) {
  return faces_of(places_of(mesh), {mesh.faces.begin(), mesh.faces.end()}, mesh, reach);
}

// What the extension on view `index` unpacks to.
std::vector<unsigned char> unpacked(const Glb& glb, std::size_t index) {
  const Json& view = glb.json.at("bufferViews").at(index);
  EXPECT_EQ(view.at("buffer"), 1);
  const Json& packed = view.at("extensions").at("EXT_meshopt_compression");
  EXPECT_EQ(packed.at("buffer"), 0);
  const std::size_t count = packed.at("count"), stride = packed.at("byteStride"), size = packed.at("byteLength");
  const unsigned char* from = glb.binary.data() + packed.at("byteOffset").get<std::size_t>();
  EXPECT_LE(packed.at("byteOffset").get<std::size_t>() + size, glb.binary.size());
  EXPECT_EQ(view.at("byteLength"), count * stride);
  std::vector<unsigned char> out(count * stride);
  const int failed = packed.at("mode") == "TRIANGLES" ? meshopt_decodeIndexBuffer(out.data(), count, stride, from, size)
                                                      : meshopt_decodeVertexBuffer(out.data(), count, stride, from, size);
  EXPECT_EQ(failed, 0);
  return out;
}

TEST(GltfCompression, MeshoptUnpacksToTheQuantisedArrays) {
  const Mesh mesh = ball(40);
  const auto bytes = encode_glb(mesh, {.quantised = true, .compression = GltfCompression::meshopt});
  EXPECT_LT(bytes.size(), encode_glb(mesh, {.quantised = true}).size() * 6 / 10);
  EXPECT_EQ(bytes, encode_glb(mesh, {.quantised = true, .compression = GltfCompression::meshopt}));
  const Glb glb = open_glb(bytes);
  EXPECT_EQ(glb.json.at("extensionsRequired"), Json({"KHR_mesh_quantization", "EXT_meshopt_compression"}));
  EXPECT_EQ(glb.json.at("buffers").at(1).at("extensions").at("EXT_meshopt_compression").at("fallback"), true);

  const Json& primitive = glb.json.at("meshes").at(0).at("primitives").at(0);
  const Json& positions = glb.json.at("accessors").at(primitive.at("attributes").at("POSITION").get<std::size_t>());
  const auto raw = unpacked(glb, positions.at("bufferView"));
  const Json& node = glb.json.at("nodes").at(0);
  std::vector<Place> points;
  for (std::size_t v = 0; v < positions.at("count").get<std::size_t>(); ++v) {
    std::array<std::uint16_t, 3> q{};
    std::memcpy(q.data(), raw.data() + 8 * v, sizeof(q));
    std::array<float, 3> p{};
    for (std::size_t k = 0; k < 3; ++k) {
      p[k] =
          node.at("translation").at(k).get<float>() + node.at("scale").at(k).get<float>() * static_cast<float>(q[k]) / 65535.0F;
    }
    points.push_back(p);
  }
  const Json& faces = glb.json.at("accessors").at(primitive.at("indices").get<std::size_t>());
  const auto raw_faces = unpacked(glb, faces.at("bufferView"));
  EXPECT_EQ(faces.at("componentType"), 5123);
  std::vector<std::uint32_t> indices;
  for (std::size_t i = 0; i < raw_faces.size(); i += 2) {
    std::uint16_t index = 0;
    std::memcpy(&index, raw_faces.data() + i, sizeof(index));
    indices.push_back(index);
  }
  EXPECT_EQ(faces_of(points, indices, mesh, 1e-4F), faces_of(mesh, 1e-4F));
}

TEST(GltfCompression, MeshoptOfFloatsIsExact) {
  Mesh mesh = ball(8);
  mesh.colours.assign(mesh.vertices.size(), 0.25F);
  const Glb glb = open_glb(encode_glb(mesh, {.compression = GltfCompression::meshopt}));
  const Json& primitive = glb.json.at("meshes").at(0).at("primitives").at(0);
  for (const char* name : {"POSITION", "NORMAL", "TEXCOORD_0", "COLOR_0"})
    EXPECT_TRUE(primitive.at("attributes").contains(name));
  const Json& positions = glb.json.at("accessors").at(primitive.at("attributes").at("POSITION").get<std::size_t>());
  const auto raw = unpacked(glb, positions.at("bufferView"));
  std::multiset<std::array<float, 3>> before, after;
  std::set<std::int32_t> used(mesh.faces.begin(), mesh.faces.end());
  for (const std::int32_t v : used) before.insert(gltf_turned(&mesh.vertices[3 * static_cast<std::size_t>(v)]));
  for (std::size_t v = 0; v < raw.size() / 12; ++v) {
    std::array<float, 3> p{};
    std::memcpy(p.data(), raw.data() + 12 * v, sizeof(p));
    after.insert(p);
  }
  EXPECT_EQ(before, after);
}

TEST(GltfCompression, DracoHoldsTheSameSurface) {
  const Mesh mesh = ball(40);
  const auto bytes = encode_glb(mesh, {.quantised = true, .compression = GltfCompression::draco});
  EXPECT_LT(bytes.size(), encode_glb(mesh, {.quantised = true}).size() / 4);
  EXPECT_EQ(bytes, encode_glb(mesh, {.quantised = true, .compression = GltfCompression::draco}));
  const Glb glb = open_glb(bytes);
  EXPECT_EQ(glb.json.at("extensionsRequired"), Json({"KHR_draco_mesh_compression"}));
  const Json& primitive = glb.json.at("meshes").at(0).at("primitives").at(0);
  const Json& extension = primitive.at("extensions").at("KHR_draco_mesh_compression");
  const Json& view = glb.json.at("bufferViews").at(extension.at("bufferView").get<std::size_t>());
  draco::DecoderBuffer buffer;
  buffer.Init(reinterpret_cast<const char*>(glb.binary.data()) + view.at("byteOffset").get<std::size_t>(),
              view.at("byteLength"));
  draco::Decoder decoder;
  auto decoded = decoder.DecodeMeshFromBuffer(&buffer);
  ASSERT_TRUE(decoded.ok());
  const draco::Mesh& back = *decoded.value();
  const Json& positions = glb.json.at("accessors").at(primitive.at("attributes").at("POSITION").get<std::size_t>());
  EXPECT_EQ(positions.at("count"), back.num_points());
  EXPECT_EQ(glb.json.at("accessors").at(primitive.at("indices").get<std::size_t>()).at("count"), 3 * back.num_faces());
  EXPECT_EQ(extension.at("attributes").size(), primitive.at("attributes").size());
  for (const auto& [name, id] : extension.at("attributes").items())
    EXPECT_NE(back.GetAttributeByUniqueId(id.get<std::uint32_t>()), nullptr) << name;

  const draco::PointAttribute* attribute =
      back.GetAttributeByUniqueId(extension.at("attributes").at("POSITION").get<std::uint32_t>());
  std::vector<Place> points(back.num_points());
  std::array<float, 3> low{1, 1, 1};
  for (std::uint32_t v = 0; v < back.num_points(); ++v) {
    attribute->GetMappedValue(draco::PointIndex(v), points[v].data());
    for (std::size_t k = 0; k < 3; ++k) low[k] = std::min(low[k], points[v][k]);
  }
  for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ(positions.at("min").at(k).get<float>(), low[k]);
  std::vector<std::uint32_t> indices;
  for (std::uint32_t f = 0; f < back.num_faces(); ++f) {
    for (int k = 0; k < 3; ++k) indices.push_back(back.face(draco::FaceIndex(f))[static_cast<std::size_t>(k)].value());
  }
  EXPECT_EQ(indices.size(), mesh.faces.size());
  // 14 bits of 0.8: steps of 5e-5.
  EXPECT_EQ(faces_of(points, indices, mesh, 1e-4F), faces_of(mesh, 1e-4F));
}

TEST(GltfCompression, LevelsOfDetailShareTheTexture) {
  const Mesh mesh = ball(24);
  const std::vector<Mesh> levels{ball(12), ball(6)};
  const auto png = encode_png(Image(16, 16, 3));
  for (const GltfCompression compression : {GltfCompression::none, GltfCompression::meshopt, GltfCompression::draco}) {
    const Glb glb =
        open_glb(encode_glb(mesh, {.quantised = true, .compression = compression, .levels = levels, .texture = png}));
    const Json& nodes = glb.json.at("nodes");
    ASSERT_EQ(nodes.size(), 3U);
    EXPECT_EQ(nodes.at(0).at("extensions").at("MSFT_lod").at("ids"), Json({1, 2}));
    EXPECT_EQ(nodes.at(0).at("extras").at("MSFT_screencoverage"), Json({0.25, 0.0625, 0.0}));
    EXPECT_EQ(glb.json.at("scenes").at(0).at("nodes"), Json({0}));
    EXPECT_EQ(glb.json.at("images").size(), 1U);
    for (std::size_t i = 0; i < 3; ++i) {
      const Json& primitive = glb.json.at("meshes").at(i).at("primitives").at(0);
      const Mesh& level = i == 0 ? mesh : levels[i - 1];
      EXPECT_EQ(glb.json.at("accessors").at(primitive.at("indices").get<std::size_t>()).at("count"), level.faces.size());
      EXPECT_EQ(primitive.at("material"), 0);
    }
    const Json& required = glb.json.value("extensionsRequired", Json::array());
    EXPECT_EQ(std::count(required.begin(), required.end(), "MSFT_lod"), 0);
  }
}

}  // namespace
}  // namespace espalier
