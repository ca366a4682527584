// Parts of glTF, OBJ and PLY files that are damaged or written in other ways, and what is read of the rest.
#include <draco/compression/encode.h>
#include <gtest/gtest.h>
#include <lcms2.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "image/codec.h"
#include "io/formats/gaussian_reader.h"
#include "io/formats/mesh_reader.h"
#include "support/bytes.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace espalier {
namespace {

using test::base64_of;
using test::bytes_of;
using test::expect_error;
using Json = nlohmann::json;
using Floats = std::vector<float>;
using Bytes = std::vector<std::byte>;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// A glTF file in parts: one triangle at (0,0,0) (1,0,0) (0,1,0) without anything else, on node 0.
struct File {
  Json json;
  Bytes raw;

  File() {
    json = Json::parse(R"({"asset":{"version":"2.0"},"scene":0,"scenes":[{"nodes":[0]}],"nodes":[{"mesh":0}],
      "meshes":[{"primitives":[{"attributes":{}}]}],"accessors":[],"bufferViews":[]})");
    attributes()["POSITION"] = add(Floats{0, 0, 0, 1, 0, 0, 0, 1, 0}, "VEC3", 3);
  }
  Json& primitive() { return json["meshes"][0]["primitives"][0]; }
  Json& attributes() { return primitive()["attributes"]; }
  std::size_t add_view(const void* data, std::size_t size) {
    json["bufferViews"].push_back({{"buffer", 0}, {"byteOffset", raw.size()}, {"byteLength", size}});
    const auto* from = static_cast<const std::byte*>(data);
    raw.insert(raw.end(), from, from + size);
    raw.resize((raw.size() + 3) / 4 * 4);
    return json["bufferViews"].size() - 1;
  }
  // The number of an accessor of floats.
  std::size_t add(const Floats& values, const char* type, std::size_t width) {
    const std::size_t view = add_view(values.data(), values.size() * sizeof(float));
    json["accessors"].push_back(
        {{"bufferView", view}, {"componentType", 5126}, {"count", values.size() / width}, {"type", type}});
    return json["accessors"].size() - 1;
  }
  void add_uvs() { attributes()["TEXCOORD_0"] = add({0, 0, 1, 0, 0, 1}, "VEC2", 2); }
  void set_material(const char* text) {
    json["materials"] = Json::array({Json::parse(text)});
    primitive()["material"] = 0;
  }
  // A material with a texture of the image behind `uri`.
  void set_texture(const std::string& uri) {
    add_uvs();
    set_material(R"({"pbrMetallicRoughness":{"baseColorTexture":{"index":0}}})");
    json["textures"] = Json::array({{{"source", 0}}});
    json["images"] = Json::array({{{"uri", uri}}});
  }
  std::string text(const std::string& uri = {}) {
    json["buffers"] = Json::array(
        {{{"byteLength", raw.size()}, {"uri", uri.empty() ? "data:application/octet-stream;base64," + base64_of(raw) : uri}}});
    return json.dump();
  }
  MeshFile read() { return decode_mesh(bytes_of(text()), "x.gltf", {.texture = true}); }
};

bool says(const MeshFile& file, std::string_view word) {
  for (const std::string& notice : file.notices) {
    if (notice.find(word) != std::string::npos) return true;
  }
  return false;
}

Image four_colours() {
  Image image(2, 2, 3);
  image.pixels = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 0};
  return image;
}
std::string data_uri(const Bytes& png) { return "data:image/png;base64," + base64_of(png); }

// Joints are numbers of something, which stay such.
TEST(DamagedGltf, DracoWithASkin) {
  draco::Mesh mesh;
  mesh.set_num_points(3);
  mesh.SetNumFaces(1);
  mesh.SetFace(draco::FaceIndex(0), {draco::PointIndex(0), draco::PointIndex(1), draco::PointIndex(2)});
  const auto add = [&](draco::GeometryAttribute::Type type, draco::DataType data, std::uint8_t width, std::size_t bytes,
                       const void* values) {
    draco::GeometryAttribute kind;
    kind.Init(type, nullptr, width, data, false, static_cast<std::int64_t>(bytes), 0);
    const int id = mesh.AddAttribute(kind, true, 3);
    for (std::uint32_t v = 0; v < 3; ++v)
      mesh.attribute(id)->SetAttributeValue(draco::AttributeValueIndex(v), static_cast<const std::byte*>(values) + v * bytes);
    return mesh.attribute(id)->unique_id();
  };
  const Floats places = {0, 0, 0, 1, 0, 0, 0, 1, 0}, weights = {1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0};
  const std::array<std::uint8_t, 12> joints = {1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0};
  const Json ids = {{"POSITION", add(draco::GeometryAttribute::POSITION, draco::DT_FLOAT32, 3, 12, places.data())},
                    {"JOINTS_0", add(draco::GeometryAttribute::GENERIC, draco::DT_UINT8, 4, 4, joints.data())},
                    {"WEIGHTS_0", add(draco::GeometryAttribute::GENERIC, draco::DT_FLOAT32, 4, 16, weights.data())}};
  draco::Encoder encoder;
  draco::EncoderBuffer buffer;
  ASSERT_TRUE(encoder.EncodeMeshToBuffer(mesh, &buffer).ok());

  File file;
  file.attributes()["WEIGHTS_0"] = file.add(weights, "VEC4", 4);
  file.json["accessors"].push_back({{"componentType", 5121}, {"count", 3}, {"type", "VEC4"}});
  file.attributes()["JOINTS_0"] = file.json["accessors"].size() - 1;
  file.primitive()["extensions"]["KHR_draco_mesh_compression"] = {{"bufferView", file.add_view(buffer.data(), buffer.size())},
                                                                  {"attributes", ids}};
  file.json["nodes"] = Json::parse(R"([{"mesh":0,"skin":0},{},{"translation":[0,0,3]}])");
  file.json["scenes"][0]["nodes"] = {0, 1, 2};
  file.json["skins"] = Json::parse(R"([{"joints":[1,2]}])");
  const MeshFile read = file.read();
  ASSERT_EQ(read.mesh.face_count(), 1);
  for (std::size_t v = 0; v < 3; ++v) EXPECT_FLOAT_EQ(read.mesh.vertices[3 * v + 1], -3.0F);  // z of glTF
}

// A PNG whose profile exchanges red and blue.
Bytes png_with_profile(const Image& image) {
  const cmsCIExyY white = {0.3127, 0.3290, 1.0};
  const cmsCIExyYTRIPLE primaries = {{0.15, 0.06, 1.0}, {0.30, 0.60, 1.0}, {0.64, 0.33, 1.0}};
  cmsToneCurve* curve = cmsBuildGamma(nullptr, 2.2);
  cmsToneCurve* curves[3] = {curve, curve, curve};
  cmsHPROFILE profile = cmsCreateRGBProfile(&white, &primaries, curves);
  cmsUInt32Number size = 0;
  cmsSaveProfileToMem(profile, nullptr, &size);
  std::vector<Bytef> plain(size);
  cmsSaveProfileToMem(profile, plain.data(), &size);
  cmsCloseProfile(profile);
  cmsFreeToneCurve(curve);
  uLongf packed_size = compressBound(size);
  std::vector<Bytef> packed(packed_size);
  EXPECT_EQ(compress(packed.data(), &packed_size, plain.data(), size), Z_OK);
  std::vector<Bytef> chunk = {'i', 'C', 'C', 'P', 'p', 0, 0};
  chunk.insert(chunk.end(), packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(packed_size));
  const auto sum = static_cast<std::uint32_t>(crc32(0, chunk.data(), static_cast<uInt>(chunk.size())));
  const auto length = static_cast<std::uint32_t>(chunk.size() - 4);
  for (unsigned k = 0; k < 4; ++k) {
    chunk.insert(chunk.begin() + k, static_cast<Bytef>(length >> (24U - 8U * k)));
    chunk.push_back(static_cast<Bytef>(sum >> (24U - 8U * k)));
  }
  Bytes png = encode_png(image);
  constexpr std::ptrdiff_t kBehindHeader = 33;
  const auto* from = reinterpret_cast<const std::byte*>(chunk.data());
  png.insert(png.begin() + kBehindHeader, from, from + chunk.size());
  return png;
}

TEST(DamagedGltf, ProfilesOfTexturesAreIgnored) {
  const Bytes png = png_with_profile(four_colours());
  ASSERT_NE(decode_image(png, "x").pixels, four_colours().pixels);  // everywhere else they count
  File file;
  file.set_texture(data_uri(png));
  const MeshFile read = file.read();
  ASSERT_EQ(read.appearance.images.size(), 1U);
  EXPECT_EQ(read.appearance.images[0].pixels, four_colours().pixels);
}

TEST(DamagedGltf, ColoursThatAreStatedAreShown) {
  File file;
  file.set_material(R"({"pbrMetallicRoughness":{"baseColorFactor":[0,0,0,1]}})");
  const MeshFile black = file.read();
  EXPECT_EQ(black.mesh.colours, Floats(9, 0.0F));
  ASSERT_EQ(black.appearance.materials.size(), 1U);
  EXPECT_FALSE(black.appearance.materials[0].double_sided);
  file.set_material(R"({"pbrMetallicRoughness":{"baseColorFactor":[0.05,0.05,0.05,1]}})");
  const MeshFile gray = file.read();
  ASSERT_EQ(gray.mesh.colours.size(), 9U);
  EXPECT_NEAR(gray.mesh.colours[0] * 255.0F, 63.0F, 0.5F);
  file.set_material(R"({"pbrMetallicRoughness":{"metallicFactor":0}})");
  EXPECT_TRUE(file.read().mesh.colours.empty());

  const test::TemporaryFolder folder;
  write_file(folder / "x.mtl", bytes_of("newmtl a\nKd 0 0 0\nnewmtl b\nNs 10\n"));
  const auto obj = [&](const std::string& material) {
    write_file(folder / "x.obj", bytes_of("mtllib x.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nusemtl " + material + "\nf 1 2 3\n"));
    return read_mesh(folder / "x.obj", {.texture = true});
  };
  EXPECT_EQ(obj("a").mesh.colours, Floats(9, 0.0F));
  EXPECT_TRUE(obj("b").mesh.colours.empty());
}

TEST(DamagedGltf, AttributesThatAShapeDoesWithout) {
  File file;
  file.attributes()["NORMAL"] = file.add({0, 0, 1, 0, 0, 1, 0, 0, kNan}, "VEC3", 3);
  const MeshFile normals = file.read();
  EXPECT_EQ(normals.mesh.face_count(), 1);
  EXPECT_TRUE(normals.mesh.normals.empty());
  EXPECT_TRUE(says(normals, "NORMAL is left out"));
  expect_error(ErrorCode::unsupported, {"NORMAL"},
               [&] { (void)decode_mesh(bytes_of(file.text()), "x.gltf", {.strict = true}); });

  File uvs;
  uvs.set_texture(data_uri(encode_png(four_colours())));
  uvs.attributes()["TEXCOORD_0"] = uvs.add({0, 0, 1, kNan, 0, 1}, "VEC2", 2);
  EXPECT_TRUE(uvs.read().mesh.uvs.empty());
  EXPECT_TRUE(says(uvs.read(), "TEXCOORD_0 is left out"));
  uvs.attributes()["TEXCOORD_0"] = uvs.add({0, 0, 1, 0}, "VEC2", 2);
  EXPECT_TRUE(uvs.read().mesh.uvs.empty());
  EXPECT_TRUE(says(uvs.read(), "TEXCOORD_0 is left out"));

  File colours;
  colours.attributes()["COLOR_0"] = colours.add({0, 0, 1, 0, 0, 1, 0, 0, kNan}, "VEC3", 3);
  EXPECT_TRUE(says(colours.read(), "COLOR_0 is left out"));

  File material;
  material.primitive()["material"] = 5;
  EXPECT_TRUE(says(material.read(), "material 5 is left out"));

  File places;
  places.attributes()["POSITION"] = places.add({0, 0, 0, 1, 0, 0, 0, kNan, 0}, "VEC3", 3);
  expect_error(ErrorCode::format, {"not finite"}, [&] { (void)places.read(); });

  const std::string head = "v 0 0 0\nv 1 0 0\nv 0 1 0\n";
  const MeshFile obj = decode_mesh(bytes_of(head + "vn nan nan nan\nf 1//1 2//1 3//1\n"), "x.obj");
  EXPECT_TRUE(obj.mesh.normals.empty() && says(obj, "normals are left out"));
  const MeshFile mapped = decode_mesh(bytes_of(head + "vt 0 nan\nf 1/1 2/1 3/1\n"), "x.obj");
  EXPECT_TRUE(mapped.mesh.uvs.empty() && says(mapped, "texture coordinates are left out"));
  const MeshFile ply = decode_mesh(
      bytes_of("ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
               "property float nx\nproperty float ny\nproperty float nz\nelement face 1\n"
               "property list uchar int vertex_indices\nend_header\n0 0 0 nan nan nan\n1 0 0 0 0 1\n0 1 0 0 0 1\n3 0 1 2\n"),
      "x");
  EXPECT_TRUE(ply.mesh.normals.empty() && says(ply, "normals are left out"));
}

TEST(DamagedGltf, TexturesThatAreNotAsTheyShouldBe) {
  const std::string good = data_uri(encode_png(four_colours()));
  const auto pixels = [](const MeshFile& file) {
    return file.appearance.images.empty() ? std::vector<std::uint8_t>() : file.appearance.images[0].pixels;
  };
  File file;
  std::string broken = good;
  broken.insert(60, "\r\n");
  file.set_texture(broken + "\n");
  EXPECT_EQ(pixels(file.read()), four_colours().pixels);
  std::string quoted;
  for (const char c : good.substr(22)) quoted += c == 'A' ? "%41" : c == '+' ? "%2b" : std::string(1, c);
  ASSERT_NE(quoted, good.substr(22));
  file.set_texture(good.substr(0, 22) + quoted);
  EXPECT_EQ(pixels(file.read()), four_colours().pixels);
  file.set_texture("data:image/png;base64,*");
  EXPECT_TRUE(says(file.read(), "texture 0 is left out"));
  file.set_texture(good);
  file.json["textures"][0]["source"] = 7;
  EXPECT_TRUE(says(file.read(), "texture 7 is left out"));
  file.json["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]["index"] = 9;
  EXPECT_EQ(file.read().mesh.face_count(), 1);
  EXPECT_TRUE(says(file.read(), "texture 9 is left out"));
}

TEST(DamagedGltf, TheOtherImageOfATexture) {
  File file;
  file.set_texture(data_uri(encode_png(four_colours())));
  file.json["images"].push_back({{"uri", "gone.webp"}});
  file.json["textures"][0]["extensions"]["EXT_texture_webp"]["source"] = 1;
  const MeshFile read = file.read();
  ASSERT_EQ(read.appearance.images.size(), 1U);
  EXPECT_EQ(read.appearance.images[0].pixels, four_colours().pixels);
  EXPECT_TRUE(says(read, "gone.webp"));
}

TEST(DamagedGltf, NodesWithoutScenes) {
  File file;
  file.json.erase("scenes");
  file.json.erase("scene");
  file.json["nodes"] = Json::parse(R"([{"mesh":0,"translation":[1,0,0]},{"children":[0],"translation":[4,0,0]}])");
  const MeshFile read = file.read();
  ASSERT_EQ(read.mesh.vertex_count(), 3);
  EXPECT_EQ(read.mesh.vertices[0], 5.0F);
  EXPECT_EQ(read.mesh.vertices[3], 6.0F);
}

TEST(DamagedGltf, BuffersUnderOtherNames) {
  const test::TemporaryFolder folder;
  std::filesystem::create_directory(folder / "Data");
  File file;
  write_file(folder / "Data" / "Geo.BIN", file.raw);
  write_file(folder / "Beside.bin", file.raw);
  for (const char* name : {"data/geo.bin", "Data\\Geo.BIN", ".\\data\\geo.bin", "C:\\work\\beside.bin", "beside.bin"}) {
    SCOPED_TRACE(name);
    write_file(folder / "x.gltf", bytes_of(file.text(name)));
    EXPECT_EQ(read_mesh(folder / "x.gltf").mesh.face_count(), 1);
  }
  write_file(folder / "x.gltf", bytes_of(file.text("gone.bin")));
  expect_error(ErrorCode::not_found, {"gone.bin"}, [&] { (void)read_mesh(folder / "x.gltf"); });
}

TEST(DamagedGltf, LogarithmsOfTheScalesOfGaussians) {
  File file;
  const auto read = [&](const Floats& scales) {
    Json& attributes = file.attributes();
    const std::string name = "KHR_gaussian_splatting:";
    attributes[name + "ROTATION"] = file.add({0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1}, "VEC4", 4);
    attributes[name + "SCALE"] = file.add(scales, "VEC3", 3);
    attributes[name + "OPACITY"] = file.add({0.5F, 0.5F, 0.5F}, "SCALAR", 1);
    attributes[name + "SH_DEGREE_0_COEF_0"] = file.add(Floats(9, 0.5F), "VEC3", 3);
    file.primitive()["mode"] = 0;
    file.primitive()["extensions"]["KHR_gaussian_splatting"] = {{"kernel", "ellipse"}};
    return decode_gaussians(bytes_of(file.text()), "x.gltf");
  };
  const GaussianFile logarithms = read({-1, -2, -3, -4, -4, -4, 0, -5, -5});
  ASSERT_EQ(logarithms.gaussians.count(), 3);
  EXPECT_EQ(logarithms.notices.size(), 1U);
  Floats sorted(logarithms.gaussians.scale.begin(), logarithms.gaussians.scale.begin() + 3);
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t k = 0; k < 3; ++k) EXPECT_FLOAT_EQ(sorted[k], std::exp(static_cast<float>(k) - 3.0F));
  // One that is positive shows that they are scales, of which a negative one is damaged.
  EXPECT_EQ(read({0.1F, 0.1F, 0.1F, -4, -4, -4, 0.2F, 0.2F, 0.2F}).gaussians.count(), 2);
}

}  // namespace
}  // namespace espalier
