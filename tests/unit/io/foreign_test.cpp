// What other programs write into glTF, OBJ, PLY, STL and 3MF, read as they mean it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>

#include "base/file.h"
#include "image/codec.h"
#include "io/formats/mesh_files.h"
#include "io/formats/mesh_reader.h"
#include "io/formats/polygon.h"
#include "io/formats/zip.h"
#include "sample_mesh.h"
#include "support/bytes.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace espalier {
namespace {

using test::base64_of;
using test::bytes_of;
using test::expect_error;
using Floats = std::vector<float>;
using Faces = std::vector<std::int32_t>;

double area_of(const Mesh& mesh) {
  double area = 0.0;
  for (std::size_t f = 0; f < mesh.faces.size(); f += 3) {
    double u[3], v[3];
    for (std::size_t k = 0; k < 3; ++k) {
      const auto at = [&](std::size_t c) { return double{mesh.vertices[3 * static_cast<std::size_t>(mesh.faces[f + c]) + k]}; };
      u[k] = at(1) - at(0);
      v[k] = at(2) - at(0);
    }
    area += 0.5 * std::hypot(u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]);
  }
  return area;
}

// A triangle at (0,0,0) (1,0,0) (0,1,0) with texture coordinates of two sets, colours, and what `members` adds; `material`
// is the whole of its material, `node` of its node.
std::string triangle(const std::string& material, const std::string& members = "", const std::string& node = "",
                     const std::string& primitive = "") {
  const Floats values = {0, 0, 0, 1, 0,   0,     0, 1, 0,              // positions
                         0, 0, 1, 0, 0,   1,                           // the first set
                         0, 0, 0, 2, 0.5, 0.25F,                       // the second
                         1, 0, 0, 1, 0,   1,     0, 1, 0, 0, 1, 0.5F,  // colours with alpha
                         0, 0, 3, 0, 0,   3,     0, 0, 3};             // a morph target
  std::vector<std::byte> raw(values.size() * 4);
  std::memcpy(raw.data(), values.data(), raw.size());
  const std::string png = base64_of(encode_png(Image(2, 2, 3)));
  return R"({"asset":{"version":"2.0"},"scene":0,"scenes":[{"nodes":[0]}],"nodes":[{"mesh":0)" + node +
         R"(}],"meshes":[{"primitives":[{"material":0,"attributes":{"POSITION":0,"TEXCOORD_0":1,"TEXCOORD_1":2)" + primitive +
         R"(}]}],"accessors":[{"bufferView":0,"componentType":5126,"count":3,"type":"VEC3"},)"
         R"({"bufferView":0,"byteOffset":36,"componentType":5126,"count":3,"type":"VEC2"},)"
         R"({"bufferView":0,"byteOffset":60,"componentType":5126,"count":3,"type":"VEC2"},)"
         R"({"bufferView":0,"byteOffset":84,"componentType":5126,"count":3,"type":"VEC4"},)"
         R"({"bufferView":0,"byteOffset":132,"componentType":5126,"count":3,"type":"VEC3"}],"bufferViews":[{"buffer":0,"byteLength":168}],)"
         R"("buffers":[{"byteLength":168,"uri":"data:application/octet-stream;base64,)" +
         base64_of(raw) + R"("}],"images":[{"uri":"data:image/png;base64,)" + png +
         R"("}],"textures":[{"source":0,"sampler":0}],"samplers":[{"wrapS":33071,"wrapT":33648,"magFilter":9728}],"materials":[)" +
         material + "]" + members + "}";
}
MeshFile read(const std::string& text) { return decode_mesh(bytes_of(text), "x.gltf", {.texture = true}); }

TEST(ForeignGltf, Materials) {
  const MeshFile file = read(triangle(
      R"({"name":"glass","pbrMetallicRoughness":{"baseColorFactor":[0.5,0.25,1,0.5],"baseColorTexture":{"index":0,"texCoord":1}},)"
      R"("alphaMode":"BLEND","doubleSided":true,"emissiveFactor":[0,0.5,0],"extensions":{"KHR_materials_emissive_strength":{"emissiveStrength":4}}})",
      "", "", R"(,"COLOR_0":3})"));
  ASSERT_EQ(file.appearance.materials.size(), 1U);
  const Material& m = file.appearance.materials[0];
  EXPECT_EQ(m.name, "glass");
  EXPECT_EQ(m.factor, (std::array<float, 4>{0.5F, 0.25F, 1, 0.5F}));
  EXPECT_EQ(m.alpha, AlphaMode::blend);
  EXPECT_TRUE(m.double_sided);
  EXPECT_EQ(m.emission, (std::array<float, 3>{0, 2, 0}));
  EXPECT_EQ(m.texture, (TextureUse{0, Wrap::clamp, Wrap::mirror, true}));
  EXPECT_EQ(file.mesh.uvs, (Floats{0, 0, 0, 2, 0.5F, 0.25F}));  // of the second set
  EXPECT_EQ(file.mesh.colours, (Floats{1, 0, 0, 0, 1, 0, 0, 0, 1}));
  EXPECT_EQ(file.appearance.alpha, (Floats{1, 1, 0.5F}));
  EXPECT_TRUE(file.notices.empty());

  const Material mask =
      read(triangle(R"({"pbrMetallicRoughness":{"baseColorTexture":{"index":0}},"alphaMode":"MASK","alphaCutoff":0.75})", "",
                    "", "}"))
          .appearance.materials.at(0);
  EXPECT_EQ(mask.alpha, AlphaMode::mask);
  EXPECT_EQ(mask.alpha_cutoff, 0.75F);
  EXPECT_FALSE(mask.double_sided);
  const Material glossy =
      read(
          triangle(
              R"({"extensions":{"KHR_materials_pbrSpecularGlossiness":{"diffuseFactor":[0,1,0,1],"diffuseTexture":{"index":0}},)"
              R"("KHR_materials_unlit":{}}})",
              "", "", "}"))
          .appearance.materials.at(0);
  EXPECT_EQ(glossy.factor, (std::array<float, 4>{0, 1, 0, 1}));
  EXPECT_TRUE(glossy.unlit && glossy.texture.used());
}

// Without a texture the factor goes into the colours, which every format has.
TEST(ForeignGltf, FactorsTimesColours) {
  const MeshFile file = read(triangle(R"({"pbrMetallicRoughness":{"baseColorFactor":[1,0.2140411,1,1]},"doubleSided":true})",
                                      "", "", R"(,"COLOR_0":3})"));
  ASSERT_EQ(file.mesh.colours.size(), 9U);
  EXPECT_NEAR(file.mesh.colours[4], 0.5F, 1e-4);  // of sRGB
  EXPECT_EQ(file.mesh.colours[8], 1.0F);
}

// Counter-clockwise in the image, and after the scale: the example of the extension's text, the lower left quarter turned.
TEST(ForeignGltf, TextureTransform) {
  const MeshFile file = read(
      triangle(R"({"pbrMetallicRoughness":{"baseColorTexture":{"index":0,"texCoord":1,"extensions":{"KHR_texture_transform":)"
               R"({"offset":[0,1],"rotation":1.5707963268,"scale":[0.5,0.5],"texCoord":0}}}}})",
               "", "", "}"));
  const Floats wanted = {0, 1, 0, 0.5F, 0.5F, 1};
  ASSERT_EQ(file.mesh.uvs.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(file.mesh.uvs[i], wanted[i], 1e-6) << i;
}

TEST(ForeignGltf, MorphTargetsAtRest) {
  const std::string targets = R"(},"targets":[{"POSITION":4}])";
  const auto third = [](const MeshFile& file) { return Floats(file.mesh.vertices.end() - 3, file.mesh.vertices.end()); };
  EXPECT_EQ(third(read(triangle("{}", "", "", targets))), (Floats{0, 0, 1}));
  EXPECT_EQ(third(read(triangle("{}", "", R"(,"weights":[0.5])", targets))), (Floats{0, -1.5F, 1}));
}

TEST(ForeignGltf, WhatIsLeftOutIsNamed) {
  const auto notices = [](const MeshFile& file) {
    std::string all;
    for (const std::string& notice : file.notices) all += notice + "\n";
    return all;
  };
  std::string packed = triangle(
      R"({"pbrMetallicRoughness":{"baseColorTexture":{"index":0}},"normalTexture":{"index":0}})",
      R"(,"extensionsUsed":["KHR_texture_basisu","EXT_of_another_time"],"extensionsRequired":["KHR_texture_basisu"],"animations":[{}])",
      "", "}");
  packed.replace(packed.find(R"({"source":0,)"), 12, R"({"extensions":{"KHR_texture_basisu":{"source":0}},)");
  const MeshFile file = read(packed);
  EXPECT_TRUE(file.appearance.images.empty());
  for (const char* word : {"KHR_texture_basisu is not supported", "normal maps", "animations", "EXT_of_another_time"})
    EXPECT_NE(notices(file).find(word), std::string::npos) << notices(file);
  expect_error(ErrorCode::unsupported, {"left out"},
               [&] { (void)decode_mesh(bytes_of(packed), "x", {.texture = true, .strict = true}); });
  EXPECT_NO_THROW((void)decode_mesh(bytes_of(packed), "x"));

  std::string gone =
      triangle(R"({"pbrMetallicRoughness":{"baseColorFactor":[1,0,0,1],"baseColorTexture":{"index":0}}})", "", "", "}");
  const std::size_t at = gone.find("data:image/png");
  gone.replace(at, gone.find('"', at) - at, "no%20such.png");
  EXPECT_NE(notices(read(gone)).find("no such.png"), std::string::npos);
  EXPECT_EQ(read(gone).mesh.colours, (Floats{1, 0, 0, 1, 0, 0, 1, 0, 0}));
}

TEST(ForeignObj, LinesOfOldMacsAndMarks) {
  const MeshFile file = decode_mesh(bytes_of("\xEF\xBB\xBFv 0 0 0\rv 1 0 0\rv 0 1 0\rf 1 2 3\r"), "x.obj");
  EXPECT_EQ(file.mesh.faces, (Faces{0, 1, 2}));
}

TEST(ForeignObj, Materials) {
  const test::TemporaryFolder folder;
  const auto write = [&](const char* name, std::string_view text) { write_file(folder / name, bytes_of(text)); };
  std::filesystem::create_directory(folder / "Maps");
  write_file(folder / "Maps" / "My Wood.PNG", encode_png(Image(2, 2, 3)));
  write("two words.mtl",
        "newmtl wood\r\nKd 0.5 1 1\r\nmap_Kd -s 2 3 1 -o 0.25 0 -clamp on maps\\my wood.png\r\n"
        "newmtl glass pane\nKd 0 1 0\nTr 0.75\nnewmtl lamp\nKd 0 0 0\nKe 1 0 0\n");
  // Faces with and without coordinates, in one material.
  write("x.obj",
        "mtllib two words.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nusemtl wood\nf 1/1 2/2 3/3\nf 1 2 3\n"
        "usemtl glass pane\nf 1 2 3\nusemtl lamp\nf 1 2 3\n");
  const MeshFile file = read_mesh(folder / "x.obj", {.texture = true});
  EXPECT_TRUE(file.notices.empty()) << file.notices.front();
  const Appearance& look = file.appearance;
  ASSERT_EQ(look.of_face.size(), 4U);
  const auto of = [&](std::size_t face) { return look.materials.at(static_cast<std::size_t>(look.of_face[face])); };
  EXPECT_TRUE(of(0).texture.used());
  EXPECT_EQ(of(0).texture.u, Wrap::clamp);
  EXPECT_NEAR(of(0).factor[0], 0.2140411F, 1e-5);  // Kd is sRGB
  EXPECT_FALSE(of(1).texture.used());
  EXPECT_EQ(of(2).alpha, AlphaMode::blend);
  EXPECT_EQ(of(2).factor, (std::array<float, 4>{0, 1, 0, 0.25F}));
  EXPECT_EQ(of(3).emission, (std::array<float, 3>{1, 0, 0}));
  // u * 2 + 0.25 and v * 3, v turned downwards.
  const auto vertex = static_cast<std::size_t>(file.mesh.faces[1]);
  EXPECT_EQ(file.mesh.uvs[2 * vertex], 2.25F);
  EXPECT_EQ(file.mesh.uvs[2 * vertex + 1], 1.0F);
}

TEST(ForeignObj, ColoursBehindAWeightAndBytes) {
  const MeshFile weighed = decode_mesh(bytes_of("v 0 0 0 1 1 0 0\nv 1 0 0 1 0 1 0\nv 0 1 0 1 0 0 0.5\nf 1 2 3\n"), "x.obj");
  EXPECT_EQ(weighed.mesh.colours, (Floats{1, 0, 0, 0, 1, 0, 0, 0, 0.5F}));
  const MeshFile bytes = decode_mesh(bytes_of("v 0 0 0 255 0 0\nv 1 0 0 0 51 0\nv 0 1 0 0 0 0\nf 1 2 3\n"), "x.obj");
  EXPECT_FLOAT_EQ(bytes.mesh.colours[4], 0.2F);
}

// Area and orientation of a polygon are those of its triangles.
TEST(Polygons, ConcaveAndNotFlat) {
  using Point = PolygonCutter::Point;
  PolygonCutter cutter;
  const auto signed_area = [&](const std::vector<Point>& p) {
    double area = 0.0;
    const auto t = cutter.cut(p);
    EXPECT_EQ(t.size(), 3 * (p.size() - 2));
    for (std::size_t i = 0; i < t.size(); i += 3) {
      const auto at = [&](std::size_t k) { return p[static_cast<std::size_t>(t[i + k])]; };
      const double a = (double{at(1)[0]} - at(0)[0]) * (double{at(2)[1]} - at(0)[1]) -
                       (double{at(2)[0]} - at(0)[0]) * (double{at(1)[1]} - at(0)[1]);
      EXPECT_GE(a, 0.0);
      area += 0.5 * a;
    }
    return area;
  };
  EXPECT_NEAR(signed_area({{0, 0, 0}, {1, 0, 0}, {1, 1, 0}, {0, 1, 0}}), 1.0, 1e-9);
  EXPECT_NEAR(signed_area({{0, 0, 0}, {2, 0, 0}, {0.5F, 0.5F, 0}, {0, 2, 0}}), 1.0, 1e-9);     // an arrow
  EXPECT_NEAR(signed_area({{2, 0, 0}, {0.5F, 0.5F, 0.3F}, {0, 2, 0}, {0, 0, 0}}), 1.0, 1e-9);  // not flat, begun elsewhere
  std::vector<Point> comb = {{0, 2, 0}};
  for (int i = 0; i <= 200; ++i) comb.push_back({0.1F * static_cast<float>(i), i % 2 == 0 ? 0.0F : 1.0F, 0});
  comb.push_back({20, 2, 0});
  EXPECT_NEAR(signed_area(comb), 20.0 * 2.0 - 0.5 * 20.0, 1e-4);
  // More corners than pairs of them could be looked at: a strip with teeth on both sides, and one whose teeth leave a line.
  constexpr int kTeeth = 60000;
  std::vector<Point> saw;
  for (int i = 0; i <= kTeeth; ++i) saw.push_back({0.125F * static_cast<float>(i), i % 2 == 0 ? 0.0F : 1.0F, 0});
  EXPECT_NEAR(signed_area({saw.rbegin(), saw.rend()}), 0.5 * 0.125 * kTeeth, 1e-3);
  for (int i = kTeeth; i >= 0; --i) saw.push_back({0.125F * static_cast<float>(i), i % 2 == 0 ? 3.0F : 2.0F, 0});
  EXPECT_NEAR(signed_area(saw), 2.0 * 0.125 * kTeeth, 1e-3);
  EXPECT_EQ(cutter.cut(std::vector<Point>{{0, 0, 0}, {1, 1, 0}, {1, 0, 0}, {0, 1, 0}}).size(), 6U);  // crosses itself
  const float nothing = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(cutter.cut(std::vector<Point>{{0, 0, 0}, {1, nothing, 0}, {1, 1, 0}, {0, 1, 0}}).size(), 6U);
  EXPECT_TRUE(cutter.cut(std::vector<Point>{{0, 0, 0}, {1, 1, 0}}).empty());
  EXPECT_FALSE(cutter.gave_up());
}

TEST(ForeignPly, StripsColoursAndHeaders) {
  const MeshFile strips =
      decode_mesh(bytes_of("ply\rformat ascii 1.0\relement vertex 4\rproperty float x\rproperty float y\rproperty float z\r"
                           "property float r\rproperty float g\rproperty float b\relement tristrips 1\r"
                           "property list int int vertex_indices\rend_header\r"
                           "0 0 0 0 0 0\r1 0 0 0.5 0 0\r0 1 0 0 1 0\r1 1 0 1 1 1\r8 0 1 2 3 -1 0 2 1\r"),
                  "x");
  EXPECT_EQ(strips.mesh.faces, (Faces{0, 1, 2, 2, 1, 3, 0, 2, 1}));
  EXPECT_EQ(strips.mesh.colours[3], 0.5F);
  // Behind a header that ends in a line feed alone, data may begin with any byte.
  std::string binary =
      "ply\nformat binary_little_endian 1.0\ncomment element face 12\nelement\tvertex\t3\nproperty\tuchar\tx\nproperty uchar "
      "y\n"
      "property uchar z\nelement face 1\nproperty list uchar uchar vertex_indices\nelement face_extra 0\nproperty int "
      "a\nend_header\n";
  binary += std::string("\n\0\0\0\n\0\0\0\n\3\0\1\2", 13);
  const MeshFile file = decode_mesh(bytes_of(binary), "x");
  EXPECT_EQ(file.mesh.vertices, (Floats{10, 0, 0, 0, 10, 0, 0, 0, 10}));
  EXPECT_NEAR(
      area_of(
          decode_mesh(bytes_of("ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
                               "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
                               "0 0 0\n2 0 0\n0.5 0.5 0\n0 2 0\n4 0 1 2 3\n"),
                      "x")
              .mesh),
      1.0, 1e-6);
}

TEST(ForeignStl, CountsThatAreTooLow) {
  auto bytes = encode_stl(test::sample_box(), 10.0);
  bytes[80] = std::byte{3};
  const MeshFile low = decode_mesh(bytes, "x.stl");
  EXPECT_EQ(low.mesh.face_count(), 12);
  EXPECT_EQ(low.notices.size(), 1U);
  const MeshFile text =
      decode_mesh(bytes_of("\n  \n  Solid a\nFacet Normal 0 0 1\n vertex 0 0 0\nVertex 1 0 0\nVERTEX 0 1 0\nEndFacet\n"), "x");
  EXPECT_EQ(text.mesh.face_count(), 1);
}

TEST(Archives, OurOwnAndOthers) {
  const Mesh box = test::sample_box_with_uvs();
  Image image(4, 2, 3);
  image.pixels.assign(image.pixels.size(), 200);
  const MeshFile own = decode_mesh(encode_3mf(box, 40.0, {}, encode_png(image)), "x", {.texture = true});
  EXPECT_EQ(own.format, "3MF");
  EXPECT_EQ(own.metres_per_unit, 0.001);
  EXPECT_EQ(own.mesh.face_count(), 12);
  ASSERT_EQ(own.appearance.images.size(), 1U);
  EXPECT_EQ(own.appearance.images[0].pixels, image.pixels);
  float low = 1e9F, high = -1e9F;
  for (const float x : own.mesh.vertices) {
    low = std::min(low, x);
    high = std::max(high, x);
  }
  EXPECT_NEAR(low, 0.0F, 1e-4);
  EXPECT_NEAR(high, 40.0F, 1e-4);
  Mesh coloured = test::sample_box();
  const MeshFile colours = decode_mesh(encode_3mf(coloured, 40.0, {}), "x");
  EXPECT_EQ(colours.mesh.colours.size(), colours.mesh.vertices.size());

  // Components that turn, colours of base materials, inches.
  const auto file = [](const char* name, const std::string& text) { return NamedFile{name, bytes_of(text)}; };
  const std::string head =
      "<?xml version=\"1.0\"?><model unit=\"inch\" xmlns:m=\"x\"><resources>"
      "<basematerials id=\"5\"><base name=\"a\" displaycolor=\"#FF0000\"/><base name=\"b\" "
      "displaycolor=\"#0000FF80\"/></basematerials>"
      "<object id=\"1\" pid=\"5\" pindex=\"1\"><mesh><vertices><vertex x=\"0\" y=\"0\" z=\"0\"/><vertex x=\"1\" y=\"0\" "
      "z=\"0\"/>"
      "<vertex x=\"0\" y=\"1\" z=\"0\"/></vertices><triangles><triangle v1=\"0\" v2=\"1\" v3=\"2\"/>"
      "<triangle v1=\"0\" v2=\"2\" v3=\"1\" pid=\"5\" p1=\"0\"/></triangles></mesh></object>";
  const auto package = [&](const std::string& rest) {
    std::vector<NamedFile> files;
    files.push_back(file("[Content_Types].xml", "<Types/>"));
    files.push_back(
        file("_rels/.rels",
             R"(<Relationships><Relationship Id="r" Target="/3D/m.model" Type="http://x/3dmodel"/></Relationships>)"));
    files.push_back(file("3D/m.model", head + rest));
    return encode_zip(files);
  };
  const MeshFile other = decode_mesh(package("<object id=\"2\"><components><component objectid=\"1\" transform=\"0 1 0 -1 0 0 "
                                             "0 0 1 10 0 0\"/></components></object></resources>"
                                             "<build><item objectid=\"2\"/></build></model>"),
                                     "x");
  EXPECT_EQ(other.metres_per_unit, 0.0254);
  ASSERT_EQ(other.mesh.vertex_count(), 6);
  EXPECT_EQ(Floats(other.mesh.vertices.begin() + 3, other.mesh.vertices.begin() + 6), (Floats{10, 1, 0}));
  EXPECT_EQ(Floats(other.mesh.colours.begin(), other.mesh.colours.begin() + 3), (Floats{0, 0, 1}));
  EXPECT_EQ(Floats(other.mesh.colours.end() - 3, other.mesh.colours.end()), (Floats{1, 0, 0}));
  expect_error(ErrorCode::format, {"hang in each other"}, [&] {
    (void)decode_mesh(
        package("<object id=\"2\"><components><component objectid=\"2\"/></components></object></resources><build><item "
                "objectid=\"2\"/></build></model>"),
        "x");
  });
  expect_error(ErrorCode::format, {"object 9"},
               [&] { (void)decode_mesh(package("</resources><build><item objectid=\"9\"/></build></model>"), "x"); });
}

TEST(Archives, DamagedOnes) {
  std::vector<NamedFile> files;
  files.push_back({"box.obj", encode_obj(test::sample_box(), {})});
  const auto good = encode_zip(files);
  EXPECT_EQ(decode_mesh(good, "x").mesh.face_count(), 12);
  auto bad = good;
  bad[60] = bad[60] ^ std::byte{0x55};
  expect_error(ErrorCode::format, {}, [&] { (void)decode_mesh(bad, "x"); });
  bad = good;
  bad.resize(bad.size() - 10);
  expect_error(ErrorCode::format, {"directory"}, [&] { (void)decode_mesh(bad, "x"); });
  files.front().name = "readme.txt";
  expect_error(ErrorCode::unsupported, {"holds no GLB"}, [&] { (void)decode_mesh(encode_zip(files), "x"); });
}

}  // namespace
}  // namespace espalier
