#include "io/formats/usdz.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <sstream>

#include "image/codec.h"
#include "image/colour.h"
#include "io/formats/zip.h"
#include "sample_mesh.h"
#include "support/errors.h"
#include "zip_reader.h"

namespace espalier {
namespace {

using test::expect_error;

std::size_t number(const std::vector<std::byte>& bytes, std::size_t at, std::size_t width) {
  std::size_t value = 0;
  std::memcpy(&value, bytes.data() + at, width);
  return value;
}

// The members by way of the local headers alone, as a reader that maps the file goes through them; the specification's rules.
std::vector<std::string> aligned_names(const std::vector<std::byte>& bytes) {
  std::vector<std::string> names;
  std::size_t at = 0;
  while (number(bytes, at, 4) == 0x04034B50) {
    EXPECT_EQ(number(bytes, at + 6, 2) & ~std::size_t{0x800}, 0U);  // no flag but that of UTF-8
    EXPECT_EQ(number(bytes, at + 8, 2), 0U);                        // stored
    const std::size_t size = number(bytes, at + 18, 4), name = number(bytes, at + 26, 2), extra = number(bytes, at + 28, 2);
    EXPECT_EQ(size, number(bytes, at + 22, 4));
    if (extra > 0) {
      EXPECT_EQ(number(bytes, at + 30 + name + 2, 2), extra - 4);  // one field of that size
    }
    names.emplace_back(reinterpret_cast<const char*>(bytes.data()) + at + 30, name);
    const std::size_t body = at + 30 + name + extra;
    EXPECT_EQ(body % 64, 0U) << names.back();
    at = body + size;
  }
  EXPECT_EQ(number(bytes, at, 4), 0x02014B50U);  // the directory follows
  return names;
}

// The numbers of an array of the layer.
std::vector<float> numbers(const std::string& layer, const std::string& declaration) {
  const std::size_t begin = layer.find(declaration + " = [");
  if (begin == std::string::npos) throw std::runtime_error("no " + declaration);
  const std::size_t from = begin + declaration.size() + 4;
  std::string body = layer.substr(from, layer.find(']', from) - from);
  for (char& c : body) {
    if (c == '(' || c == ')' || c == ',') c = ' ';
  }
  std::istringstream in(body);
  std::vector<float> values;
  for (float x = 0; in >> x;) values.push_back(x);
  EXPECT_TRUE(in.eof());
  return values;
}

bool has(const std::string& text, const std::string& what) { return text.find(what) != std::string::npos; }

// Brackets outside of quotation marks close in their order, and every path in <> names a prim that there is.
void expect_well_formed(const std::string& layer) {
  std::string open;
  bool quoted = false;
  for (std::size_t i = 0; i < layer.size(); ++i) {
    const char c = layer[i];
    if (c == '"' && layer[i - 1] != '\\') quoted = !quoted;
    if (quoted) continue;
    if (c == '(' || c == '[' || c == '{') open += c;
    if (c == ')' || c == ']' || c == '}') {
      ASSERT_FALSE(open.empty());
      ASSERT_EQ(open.back(), c == ')' ? '(' : c == ']' ? '[' : '{');
      open.pop_back();
    }
  }
  EXPECT_TRUE(open.empty());
  for (std::size_t at = layer.find("= </"); at != std::string::npos; at = layer.find("= </", at + 1)) {
    const std::string path = layer.substr(at + 3, layer.find('>', at) - at - 3);
    const std::string prim = path.substr(0, path.find('.'));
    EXPECT_TRUE(has(layer, "\"" + prim.substr(prim.rfind('/') + 1) + "\"")) << path;
  }
}

std::string layer_of(const std::vector<std::byte>& bytes, const std::string& name) {
  const auto members = test::ZipReader::read(bytes);  // which compares checksums and directory
  EXPECT_EQ(aligned_names(bytes).at(0), name);        // the first one is the scene
  const std::string& layer = members.at(name).text;
  EXPECT_EQ(layer.substr(0, 11), "#usda 1.0\n(");
  expect_well_formed(layer);
  return layer;
}

TEST(Usdz, ATexturedBoxInMetres) {
  const Mesh mesh = test::sample_box_with_uvs();
  const auto png = encode_png(Image(2, 2, 3));
  const SceneOptions options = {"Espalier test", "7 \"blue\" mugs", {"seed: 7", "path: a\\b \"c\""}};
  const auto bytes = encode_usdz(mesh, png, options);
  EXPECT_EQ(bytes, encode_usdz(mesh, png, options));
  const std::string layer = layer_of(bytes, "_7__blue__mugs.usda");
  EXPECT_EQ(aligned_names(bytes), (std::vector<std::string>{"_7__blue__mugs.usda", "textures/7__blue__mugs.png"}));
  EXPECT_EQ(test::ZipReader::read(bytes).at("textures/7__blue__mugs.png").text,
            std::string(reinterpret_cast<const char*>(png.data()), png.size()));
  for (const char* line : {"    defaultPrim = \"_7__blue__mugs\"\n", "    metersPerUnit = 1\n", "    upAxis = \"Y\"\n",
                           "    doc = \"seed: 7\\npath: a\\\\b \\\"c\\\"\"\n", "string name = \"7 \\\"blue\\\" mugs\"\n",
                           "uniform bool doubleSided = 1\n", "uniform token subdivisionScheme = \"none\"\n",
                           "asset inputs:file = @textures/7__blue__mugs.png@\n", "token inputs:wrapS = \"clamp\"\n",
                           "token inputs:sourceColorSpace = \"sRGB\"\n", "string inputs:varname = \"st\"\n",
                           "color3f inputs:diffuseColor.connect = </_7__blue__mugs/_7__blue__mugs/Texture.outputs:rgb>\n"})
    EXPECT_TRUE(has(layer, line)) << line << layer.substr(0, 600);
  EXPECT_FALSE(has(layer, "displayColor"));  // the texture has the colours
  const auto points = numbers(layer, "point3f[] points"), normals = numbers(layer, "normal3f[] normals");
  const auto st = numbers(layer, "texCoord2f[] primvars:st");
  ASSERT_EQ(points.size(), 24U);
  ASSERT_EQ(normals.size(), 24U);
  ASSERT_EQ(st.size(), 16U);
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(points[3 * i], mesh.vertices[3 * i]);
    EXPECT_EQ(points[3 * i + 1], mesh.vertices[3 * i + 2]);
    EXPECT_EQ(points[3 * i + 2], -mesh.vertices[3 * i + 1]);
    EXPECT_FLOAT_EQ(normals[3 * i + 2], -mesh.normals[3 * i + 1] / std::sqrt(3.0F));
    EXPECT_EQ(st[2 * i], mesh.uvs[2 * i]);
    EXPECT_EQ(st[2 * i + 1], 1.0F - mesh.uvs[2 * i + 1]);  // v points up
  }
  std::vector<std::uint32_t> faces;
  for (const float i : numbers(layer, "int[] faceVertexIndices")) faces.push_back(static_cast<std::uint32_t>(i));
  EXPECT_NEAR(test::volume(points, faces), 6 * 0.4 * 0.2 * 0.2, 1e-6);
  EXPECT_EQ(numbers(layer, "int[] faceVertexCounts"), std::vector<float>(12, 3.0F));
  EXPECT_EQ(numbers(layer, "float3[] extent"), (std::vector<float>{-0.1F, -0.15F, -0.45F, 0.3F, 0.05F, -0.25F}));
}

TEST(Usdz, MapsAreNumbersAndNotColours) {
  const auto png = encode_png(Image(2, 2, 3)), normals = encode_png(Image(4, 4, 3)), jpeg = encode_jpeg(Image(8, 8, 3), 90);
  SceneOptions options{.normal_map = normals, .occlusion_map = jpeg, .double_sided = false};
  const auto bytes = encode_usdz(test::sample_box_with_uvs(), png, options);
  const std::string layer = layer_of(bytes, "asset.usda");
  EXPECT_EQ(aligned_names(bytes), (std::vector<std::string>{"asset.usda", "textures/asset.png", "textures/asset-normal.png",
                                                            "textures/asset-occlusion.jpg"}));
  for (const char* line :
       {"normal3f inputs:normal.connect = </asset/asset/NormalMap.outputs:rgb>\n",
        "float inputs:occlusion.connect = </asset/asset/OcclusionMap.outputs:r>\n", "float4 inputs:bias = (-1, -1, -1, 0)\n",
        "float4 inputs:scale = (2, 2, 2, 1)\n", "token inputs:sourceColorSpace = \"raw\"\n", "uniform bool doubleSided = 0\n"})
    EXPECT_TRUE(has(layer, line)) << line;
}

TEST(Usdz, ColoursOfVertices) {
  const Mesh mesh = test::sample_box();
  const std::string layer = layer_of(encode_usdz(mesh, {}, {}), "asset.usda");
  const auto colours = numbers(layer, "color3f[] primvars:displayColor");
  ASSERT_EQ(colours.size(), 24U);
  for (std::size_t i = 0; i < 24; ++i) EXPECT_FLOAT_EQ(colours[i], linear_of_srgb(mesh.colours[i]));
  EXPECT_TRUE(has(layer, "string inputs:varname = \"displayColor\""));
  EXPECT_FALSE(has(layer, "primvars:st"));
  Mesh gray = mesh;
  gray.colours.clear();
  gray.normals.clear();
  const std::string plain = layer_of(encode_usdz(gray, {}, {}), "asset.usda");
  EXPECT_TRUE(has(plain, "color3f inputs:diffuseColor = (0.8, 0.8, 0.8)"));
  EXPECT_FALSE(has(plain, "normals"));
}

TEST(Usdz, SeveralMaterials) {
  Appearance look;
  look.images = {Image(2, 2, 3), Image(2, 2, 4)};
  Material plain, leaf, lamp;
  plain.name = "Kelch groß";
  plain.factor = {0.25F, 0.5F, 1.0F, 0.75F};
  plain.alpha = AlphaMode::blend;
  plain.double_sided = false;
  leaf.name = "Kelch_gro_";
  leaf.texture = {1, Wrap::mirror, Wrap::clamp};
  leaf.factor = {0.5F, 1, 1, 1};
  leaf.alpha = AlphaMode::mask;
  leaf.alpha_cutoff = 0.25F;
  lamp.name = "Geometry";
  lamp.emission = {1, 2, 3};
  lamp.emission_texture = {0};
  look.materials = {lamp, plain, leaf};
  look.of_face = {1, 1, 2, 2, 2, 1, 0, 0, 1, 1, 1, 1};
  Mesh mesh = test::sample_box_with_uvs();
  mesh.colours.clear();
  look.emission_uvs = mesh.uvs;
  const auto bytes = encode_usdz(mesh, look, ImageKind::jpeg, {});
  // Images in the order in which faces need them; with alpha a PNG.
  EXPECT_EQ(aligned_names(bytes), (std::vector<std::string>{"asset.usda", "textures/asset-0.png", "textures/asset-1.jpg"}));
  const std::string layer = layer_of(bytes, "asset.usda");
  for (const char* line :
       {"def Material \"Kelch_gro_\"\n", "def Material \"Kelch_gro__2\"\n", "def Material \"Geometry_2\"\n",
        "def GeomSubset \"Kelch_gro__2\" (\n", "int[] indices = [2, 3, 4]\n", "int[] indices = [6, 7]\n",
        "float inputs:opacity = 0.75\n", "float inputs:opacityThreshold = 0.25\n", "token inputs:wrapS = \"mirror\"\n",
        "float4 inputs:scale = (0.5, 1, 1, 1)\n", "float4 inputs:scale = (1, 2, 3, 1)\n", "string inputs:varname = \"st1\"\n",
        "float inputs:opacity.connect = </asset/Kelch_gro__2/Texture.outputs:a>\n",
        "rel material:binding = </asset/Kelch_gro__2>\n", "uniform bool doubleSided = 1\n"})
    EXPECT_TRUE(has(layer, line)) << line;
  EXPECT_EQ(numbers(layer, "texCoord2f[] primvars:st1").size(), 16U);
}

TEST(Usdz, NamesOfPrims) {
  EXPECT_EQ(usd_identifier("Blue mug 2", "x"), "Blue_mug_2");
  EXPECT_EQ(usd_identifier("2 mugs", "x"), "_2_mugs");
  EXPECT_EQ(usd_identifier("gro\xC3\x9F", "x"), "gro_");
  EXPECT_EQ(usd_identifier("\xD0\xA7\xD0\xB0", "x"), "x");
  EXPECT_EQ(usd_identifier("", "x"), "x");
  const auto png = encode_png(Image(2, 2, 3));
  EXPECT_EQ(aligned_names(encode_usdz(test::sample_box_with_uvs(), png, {"e", "\xD0\xA7\xD0\xB0"})),
            (std::vector<std::string>{"asset.usda", "textures/texture.png"}));
}

TEST(Usdz, RandomMeshesAreAlignedAndWellFormed) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    const Mesh mesh = test::random_mesh(seed);
    const std::string layer =
        layer_of(encode_usdz(mesh, {}, {"e", std::string(1 + seed * 2, 'a')}), std::string(1 + seed * 2, 'a') + ".usda");
    EXPECT_EQ(numbers(layer, "int[] faceVertexIndices").size(), mesh.faces.size());
  }
}

TEST(Usdz, WhatIsRefused) {
  const auto png = encode_png(Image(2, 2, 3)), webp = encode_webp(Image(2, 2, 3), {});
  expect_error(ErrorCode::invalid_argument, {"USDZ", "unwrap"}, [&] { (void)encode_usdz(test::sample_box(), png, {}); });
  expect_error(ErrorCode::invalid_argument, {"USDZ", "PNG or JPEG"},
               [&] { (void)encode_usdz(test::sample_box_with_uvs(), webp, {}); });
  expect_error(ErrorCode::invalid_argument, {"USDZ", "no faces"}, [] { (void)encode_usdz(Mesh{}, {}, {}); });
}

}  // namespace
}  // namespace espalier
