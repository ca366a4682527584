#include "io/formats/fbx.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "fbx_reader.h"
#include "image/codec.h"
#include "io/formats/fbx_node.h"
#include "sample_mesh.h"
#include "support/errors.h"

namespace espalier {
namespace {

using test::expect_error;
using test::FbxReader;
using test::FbxRecord;

std::string classed(const std::string& name, const std::string& kind) { return name + std::string("\0\1", 2) + kind; }

// The box with vertices of its own for every face, as after unwrapping.
Mesh split_box() {
  const Mesh box = test::sample_box_with_uvs();
  Mesh split;
  for (const std::int32_t v : box.faces) {
    const auto at = static_cast<std::size_t>(v);
    for (std::size_t k = 0; k < 3; ++k) {
      split.vertices.push_back(box.vertices[at * 3 + k]);
      split.normals.push_back(box.normals[at * 3 + k]);
    }
    split.uvs.insert(split.uvs.end(), {box.uvs[at * 2], box.uvs[at * 2 + 1]});
    split.faces.push_back(static_cast<std::int32_t>(split.faces.size()));
  }
  return split;
}

struct Geometry {
  std::vector<float> vertices;
  std::vector<std::uint32_t> faces;
};
Geometry geometry_of(const FbxRecord& record) {
  Geometry g;
  for (const double x : record.value("Vertices", 'd').numbers) g.vertices.push_back(static_cast<float>(x));
  std::size_t corner = 0;
  for (const std::int32_t index : record.value("PolygonVertexIndex", 'i').ints) {
    EXPECT_EQ(index < 0, corner % 3 == 2) << corner;  // the last corner of a polygon is the negative one
    g.faces.push_back(static_cast<std::uint32_t>(index < 0 ? -1 - index : index));
    EXPECT_LT(g.faces.back() * 3, g.vertices.size());
    ++corner;
  }
  return g;
}

// Every object by its number, and who belongs to whom.
struct Graph {
  std::map<std::int64_t, const FbxRecord*> objects;
  std::map<std::pair<std::int64_t, std::int64_t>, std::string> connections;

  explicit Graph(const FbxRecord& root) {
    for (const FbxRecord& object : root.one("Objects").records)
      EXPECT_TRUE(objects.emplace(object.property(0, 'L').integer, &object).second) << "a number twice";
    for (const FbxRecord* c : root.one("Connections").all("C")) {
      const std::int64_t part = c->property(1, 'L').integer, whole = c->property(2, 'L').integer;
      EXPECT_EQ(objects.count(part), 1U) << part;
      EXPECT_TRUE(whole == 0 || objects.count(whole) == 1) << whole;
      const bool named = c->property(0, 'S').text == "OP";
      connections[{part, whole}] += named ? "," + c->property(3, 'S').text : std::string(",");
    }
  }
  // Pairs of classes, with the property.
  [[nodiscard]] std::set<std::string> kinds() const {
    std::set<std::string> found;
    for (const auto& [ends, property] : connections) {
      const std::string whole = ends.second == 0 ? "root" : objects.at(ends.second)->name;
      found.insert(objects.at(ends.first)->name + ">" + whole + property);
    }
    return found;
  }
};

void expect_counts(const FbxRecord& root) {
  std::map<std::string, std::int64_t> counts;
  for (const FbxRecord& object : root.one("Objects").records) ++counts[object.name];
  counts["GlobalSettings"] = 1;
  std::int64_t all = 0;
  for (const FbxRecord* type : root.one("Definitions").all("ObjectType")) {
    EXPECT_EQ(type->value("Count", 'I').integer, counts.at(type->property(0, 'S').text));
    all += type->value("Count", 'I').integer;
    counts.erase(type->property(0, 'S').text);
  }
  EXPECT_TRUE(counts.empty());
  EXPECT_EQ(root.one("Definitions").value("Count", 'I').integer, all);
}

TEST(Fbx, ATexturedBoxInCentimetres) {
  const auto png = encode_png(Image(2, 2, 3));
  const SceneOptions options = {"Espalier test", "blue mug", {"seed: 7", "steps: 12"}};
  const Mesh mesh = split_box();
  const auto bytes = encode_fbx(mesh, png, options);
  EXPECT_EQ(bytes, encode_fbx(mesh, png, options));
  const FbxRecord root = FbxReader::read(bytes);
  EXPECT_EQ(root.value("CreationTime", 'S').text, "1970-01-01 10:00:00:000");
  EXPECT_EQ(root.value("Creator", 'S').text, "Espalier test");
  EXPECT_EQ(root.value("FileId", 'R').text.size(), 16U);
  EXPECT_EQ(root.one("FBXHeaderExtension").one("SceneInfo").one("MetaData").value("Comment", 'S').text, "seed: 7\nsteps: 12");
  for (const auto& [name, axis] : {std::pair("UpAxis", 1), {"FrontAxis", 2}, {"CoordAxis", 0}})
    EXPECT_EQ(root.one("GlobalSettings").entry(name)->property(4, 'I').integer, axis) << name;
  EXPECT_EQ(root.one("GlobalSettings").entry("UnitScaleFactor")->property(4, 'D').number, 1.0);
  expect_counts(root);

  const FbxRecord& record = root.one("Objects").one("Geometry");
  EXPECT_EQ(record.property(1, 'S').text, classed("blue mug", "Geometry"));
  const Geometry g = geometry_of(record);
  EXPECT_EQ(g.vertices.size(), 24U);  // seams are closed
  EXPECT_EQ(g.faces.size(), 36U);
  EXPECT_NEAR(test::volume(g.vertices, g.faces), 6 * 40.0 * 20 * 20, 1e-2);
  EXPECT_TRUE(record.value("PolygonVertexIndex", 'i').packed);
  EXPECT_FALSE(record.one("LayerElementMaterial").value("Materials", 'i').packed);
  const auto& uv = record.one("LayerElementUV");
  EXPECT_EQ(uv.value("MappingInformationType", 'S').text, "ByPolygonVertex");
  const std::vector<double>& uvs = uv.value("UV", 'd').numbers;
  const std::vector<double>& normals = record.one("LayerElementNormal").value("Normals", 'd').numbers;
  ASSERT_EQ(normals.size(), 108U);
  for (std::size_t c = 0; c < mesh.faces.size(); ++c) {
    const auto v = static_cast<std::size_t>(mesh.faces[c]), point = std::size_t{g.faces[c]};
    EXPECT_FLOAT_EQ(g.vertices[3 * point], 100.0F * mesh.vertices[3 * v]);
    EXPECT_FLOAT_EQ(g.vertices[3 * point + 1], 100.0F * mesh.vertices[3 * v + 2]);
    EXPECT_FLOAT_EQ(g.vertices[3 * point + 2], -100.0F * mesh.vertices[3 * v + 1]);
    const auto i = static_cast<std::size_t>(uv.value("UVIndex", 'i').ints.at(c));
    EXPECT_EQ(uvs.at(2 * i), double{mesh.uvs[2 * v]});
    EXPECT_EQ(uvs.at(2 * i + 1), 1.0 - double{mesh.uvs[2 * v + 1]});  // v points up
    EXPECT_NEAR(normals[3 * c], mesh.normals[3 * v] / std::sqrt(3.0), 1e-9);
    EXPECT_NEAR(normals[3 * c + 1], mesh.normals[3 * v + 2] / std::sqrt(3.0), 1e-9);
    EXPECT_NEAR(normals[3 * c + 2], -mesh.normals[3 * v + 1] / std::sqrt(3.0), 1e-9);
  }

  const FbxRecord& video = root.one("Objects").one("Video");
  EXPECT_EQ(video.value("RelativeFilename", 'S').text, "blue_mug.png");
  EXPECT_EQ(video.value("Content", 'R').text, std::string(reinterpret_cast<const char*>(png.data()), png.size()));
  const FbxRecord& texture = root.one("Objects").one("Texture");
  EXPECT_EQ(texture.entry("WrapModeU")->property(4, 'I').integer, 1);  // clamp
  EXPECT_EQ(texture.entry("UVSet")->property(4, 'S').text, uv.value("Name", 'S').text);
  EXPECT_EQ(Graph(root).kinds(), (std::set<std::string>{"Geometry>Model,", "Material>Model,", "Model>root,",
                                                        "Texture>Material,DiffuseColor", "Video>Texture,"}));
}

TEST(Fbx, ANormalMapBelongsToTheMaterial) {
  const auto png = encode_png(Image(2, 2, 3)), normals = encode_png(Image(4, 4, 3));
  SceneOptions options;
  options.normal_map = normals;
  const FbxRecord root = FbxReader::read(encode_fbx(split_box(), png, options));
  expect_counts(root);
  EXPECT_EQ(Graph(root).kinds().count("Texture>Material,NormalMap"), 1U);
  EXPECT_EQ(root.one("Objects").all("Video").size(), 2U);
}

TEST(Fbx, ColoursOfVertices) {
  const Mesh mesh = test::sample_box();
  const FbxRecord root = FbxReader::read(encode_fbx(mesh, {}, {}));
  const FbxRecord& layer = root.one("Objects").one("Geometry").one("LayerElementColor");
  const std::vector<double>& colours = layer.value("Colors", 'd').numbers;
  const std::vector<std::int32_t>& index = layer.value("ColorIndex", 'i').ints;
  ASSERT_EQ(index, mesh.faces);
  ASSERT_EQ(colours.size(), 32U);
  for (std::size_t i = 0; i < 8; ++i) {
    for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ(colours[4 * i + k], double{mesh.colours[3 * i + k]});
    EXPECT_EQ(colours[4 * i + 3], 1.0);
  }
  EXPECT_EQ(Graph(root).kinds(), (std::set<std::string>{"Geometry>Model,", "Material>Model,", "Model>root,"}));
  expect_counts(root);
}

Appearance two_materials() {
  Appearance look;
  look.images = {Image(2, 2, 3), Image(2, 2, 3), Image(2, 2, 4)};
  Material plain, glass;
  plain.name = glass.name = "part";
  plain.factor = {0.25F, 0.5F, 1.0F, 1.0F};
  plain.emission = {0.5F, 0, 0};
  glass.texture = {2, Wrap::repeat, Wrap::clamp};
  glass.alpha = AlphaMode::blend;
  look.materials = {Material{}, plain, glass};
  look.of_face = {1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1};
  return look;
}

TEST(Fbx, SeveralMaterials) {
  const Mesh mesh = test::sample_box_with_uvs();
  const FbxRecord root = FbxReader::read(encode_fbx(mesh, two_materials(), ImageKind::webp, {}));
  expect_counts(root);
  const FbxRecord& objects = root.one("Objects");
  const auto materials = objects.all("Material");
  ASSERT_EQ(materials.size(), 2U);  // the first one has no faces
  EXPECT_EQ(materials[0]->property(1, 'S').text, classed("part", "Material"));
  EXPECT_EQ(materials[1]->property(1, 'S').text, classed("part_2", "Material"));
  EXPECT_EQ(materials[0]->entry("DiffuseColor")->property(5, 'D').number, 0.5);
  EXPECT_EQ(materials[0]->entry("EmissiveColor")->property(4, 'D').number, 0.5);
  const FbxRecord& layer = objects.one("Geometry").one("LayerElementMaterial");
  EXPECT_EQ(layer.value("MappingInformationType", 'S').text, "ByPolygon");
  EXPECT_EQ(layer.value("Materials", 'i').ints, (std::vector<std::int32_t>{0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(objects.all("Video").size(), 1U);  // images that nothing shows are left out
  EXPECT_EQ(objects.one("Video").value("RelativeFilename", 'S').text, "asset-0.png");
  EXPECT_EQ(objects.one("Texture").entry("WrapModeU")->property(4, 'I').integer, 0);
  EXPECT_EQ(objects.one("Texture").entry("WrapModeV")->property(4, 'I').integer, 1);
  EXPECT_EQ(Graph(root).kinds().count("Texture>Material,DiffuseColor,TransparentColor"), 1U);
}

TEST(Fbx, RandomMeshesAreRecordsAsTheFormatHasThem) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    const Mesh mesh = test::random_mesh(seed);
    const FbxRecord root = FbxReader::read(encode_fbx(mesh, {}, {}));
    const Geometry g = geometry_of(root.one("Objects").one("Geometry"));
    EXPECT_EQ(g.faces.size(), mesh.faces.size());
    expect_counts(root);
  }
}

TEST(Fbx, EveryTypeOfProperty) {
  std::list<FbxNode> nodes;
  FbxNode& node = nodes.emplace_back("Node");
  const std::vector<std::int32_t> few = {1, -2}, many(1000, 5);
  node.flag(true)
      .integer(-3)
      .id(std::int64_t{1} << 40U)
      .number(0.5)
      .text("a\n")
      .raw({})
      .integers(few)
      .integers(many)
      .numbers({});
  node.add("Inside").add("Deeper");
  nodes.emplace_back("Empty");
  const FbxRecord root = FbxReader::read(encode_fbx_nodes(nodes));
  const FbxRecord& read = root.one("Node");
  EXPECT_EQ(read.property(0, 'C').integer, 1);
  EXPECT_EQ(read.property(1, 'I').integer, -3);
  EXPECT_EQ(read.property(2, 'L').integer, std::int64_t{1} << 40U);
  EXPECT_EQ(read.property(3, 'D').number, 0.5);
  EXPECT_EQ(read.property(4, 'S').text, "a\n");
  EXPECT_EQ(read.property(5, 'R').text, "");
  EXPECT_EQ(read.property(6, 'i').ints, few);
  EXPECT_FALSE(read.property(6, 'i').packed);
  EXPECT_EQ(read.property(7, 'i').ints, many);
  EXPECT_TRUE(read.property(7, 'i').packed);
  EXPECT_TRUE(read.property(8, 'd').numbers.empty());
  EXPECT_TRUE(read.one("Inside").one("Deeper").records.empty());
  EXPECT_TRUE(root.one("Empty").properties.empty());
}

TEST(Fbx, WhatIsRefused) {
  const auto png = encode_png(Image(2, 2, 3)), webp = encode_webp(Image(2, 2, 3), {});
  expect_error(ErrorCode::invalid_argument, {"FBX", "unwrap"}, [&] { (void)encode_fbx(test::sample_box(), png, {}); });
  expect_error(ErrorCode::invalid_argument, {"FBX", "PNG or JPEG"},
               [&] { (void)encode_fbx(test::sample_box_with_uvs(), webp, {}); });
  expect_error(ErrorCode::invalid_argument, {"FBX", "no faces"}, [] { (void)encode_fbx(Mesh{}, {}, {}); });
  expect_error(ErrorCode::invalid_argument, {"FBX", "ASCII"}, [] {
    (void)encode_fbx(test::sample_box(), {}, {"x", "asset", {"two\nlines"}});
  });
}

}  // namespace
}  // namespace espalier
