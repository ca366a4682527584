#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <sstream>

#include "base/error.h"
#include "image/codec.h"
#include "io/formats/mesh_files.h"
#include "sample_mesh.h"
#include "support/errors.h"
#include "zip_reader.h"

namespace espalier {
namespace {

using test::expect_error;

using Attributes = std::map<std::string, std::string>;

// All elements of that name, in order. Enough for XML that holds no comments and no CDATA; fails on tags left open.
std::vector<Attributes> elements(const std::string& xml, const std::string& name) {
  std::vector<Attributes> found;
  const std::string start = str("<", name);
  for (std::size_t at = xml.find(start); at != std::string::npos; at = xml.find(start, at + 1)) {
    const char after = xml.at(at + 1 + name.size());
    if (after != ' ' && after != '>' && after != '/') continue;
    const std::string tag = xml.substr(at, xml.find('>', at) - at);
    Attributes attributes;
    for (std::size_t equals = tag.find("=\""); equals != std::string::npos; equals = tag.find("=\"", equals + 2)) {
      const std::size_t begin = tag.rfind(' ', equals) + 1, end = tag.find('"', equals + 2);
      attributes[tag.substr(begin, equals - begin)] = tag.substr(equals + 2, end - equals - 2);
    }
    found.push_back(attributes);
  }
  return found;
}

// Tags open and close in pairs.
void expect_well_formed(const std::string& xml) {
  std::vector<std::string> open;
  for (std::size_t at = xml.find('<'); at != std::string::npos; at = xml.find('<', at + 1)) {
    const std::size_t end = xml.find('>', at);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = xml.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(tag[0] == '/' ? 1 : 0, tag.find_first_of(" /", 1) - (tag[0] == '/' ? 1 : 0));
    if (tag[0] == '?' || tag.back() == '/') continue;
    if (tag[0] != '/') {
      open.push_back(name);
    } else {
      ASSERT_FALSE(open.empty());
      EXPECT_EQ(open.back(), tag.substr(1));
      open.pop_back();
    }
  }
  EXPECT_TRUE(open.empty());
}

std::map<std::string, test::ZipMember> read(const std::vector<std::byte>& bytes) {
  auto members = test::ZipReader::read(bytes);
  for (const auto& [name, member] : members) {
    if (name.find(".png") == std::string::npos && name.find(".jpeg") == std::string::npos) expect_well_formed(member.text);
  }
  return members;
}

struct Triangles {
  std::vector<float> vertices;
  std::vector<std::uint32_t> faces;
};

Triangles triangles_of(const std::string& model) {
  Triangles t;
  for (const Attributes& vertex : elements(model, "vertex")) {
    for (const char* axis : {"x", "y", "z"}) t.vertices.push_back(std::stof(vertex.at(axis)));
  }
  for (const Attributes& triangle : elements(model, "triangle")) {
    for (const char* corner : {"v1", "v2", "v3"}) {
      const unsigned long index = std::stoul(triangle.at(corner));
      EXPECT_LT(index * 3, t.vertices.size());
      t.faces.push_back(static_cast<std::uint32_t>(index));
    }
  }
  return t;
}

TEST(ThreeMf, AColouredSolidInMillimetres) {
  const std::vector<std::string> comments = {"seed 7", "a < b & \"c\""};
  const auto bytes = encode_3mf(test::sample_box(), 80.0, comments);
  EXPECT_EQ(bytes, encode_3mf(test::sample_box(), 80.0, comments));
  const auto members = read(bytes);
  EXPECT_EQ(members.size(), 3U);
  EXPECT_EQ(elements(members.at("_rels/.rels").text, "Relationship").at(0).at("Target"), "/3D/3dmodel.model");
  const std::string& model = members.at("3D/3dmodel.model").text;
  EXPECT_EQ(elements(model, "model").at(0).at("unit"), "millimeter");
  EXPECT_NE(model.find("<metadata name=\"Description\">seed 7\na &lt; b &amp; &quot;c&quot;</metadata>"), std::string::npos);

  const Triangles t = triangles_of(model);
  ASSERT_EQ(t.faces.size(), 36U);
  EXPECT_NEAR(test::volume(t.vertices, t.faces), 6 * 80.0 * 40 * 40, 1.0);
  const auto colours = elements(model, "m:color");
  const auto first = elements(model, "triangle").at(0);
  EXPECT_EQ(first.at("pid"), elements(model, "m:colorgroup").at(0).at("id"));
  EXPECT_EQ(colours.at(std::stoul(first.at("p1"))).at("color"), "#000540");  // the colours of vertex 0
  EXPECT_EQ(colours.at(std::stoul(first.at("p2"))).at("color"), "#008040");  // and of vertex 2

  // The item stands in the positive octant.
  std::istringstream transform(elements(model, "item").at(0).at("transform"));
  for (const float expected : {1, 0, 0, 0, 1, 0, 0, 0, 1, 40, 20, 0}) {
    float value = -1.0F;
    transform >> value;
    EXPECT_NEAR(value, expected, 1e-4);
  }
  const auto [low, high] = std::minmax_element(t.vertices.begin(), t.vertices.end());
  EXPECT_EQ(*low, -40.0F);
  EXPECT_EQ(*high, 40.0F);
}

TEST(ThreeMf, ATextureAndSeamsThatAreClosed) {
  // Every face with vertices of its own, as after unwrapping.
  const Mesh box = test::sample_box_with_uvs();
  Mesh split;
  for (const std::int32_t v : box.faces) {
    const auto at = static_cast<std::size_t>(v);
    split.vertices.insert(split.vertices.end(), {box.vertices[at * 3], box.vertices[at * 3 + 1], box.vertices[at * 3 + 2]});
    split.uvs.insert(split.uvs.end(), {box.uvs[at * 2], box.uvs[at * 2 + 1]});
    split.faces.push_back(static_cast<std::int32_t>(split.faces.size()));
  }
  for (const bool png : {true, false}) {
    const Image image(4, 4, 3);
    const auto texture = png ? encode_png(image) : encode_jpeg(image, 90);
    const auto members = read(encode_3mf(split, 80.0, {}, texture));
    const std::string part = png ? "3D/Textures/texture.png" : "3D/Textures/texture.jpeg";
    EXPECT_EQ(members.at(part).text.size(), texture.size());
    EXPECT_EQ(elements(members.at("3D/_rels/3dmodel.model.rels").text, "Relationship").at(0).at("Target"), str("/", part));
    const std::string& model = members.at("3D/3dmodel.model").text;
    EXPECT_EQ(elements(model, "m:texture2d").at(0).at("path"), str("/", part));
    EXPECT_EQ(elements(model, "m:texture2dgroup").at(0).at("texid"), elements(model, "m:texture2d").at(0).at("id"));
    const Triangles t = triangles_of(model);
    EXPECT_EQ(t.vertices.size(), 24U);
    EXPECT_NEAR(test::volume(t.vertices, t.faces), 6 * 80.0 * 40 * 40, 1.0);
    const auto coordinates = elements(model, "m:tex2coord");
    ASSERT_EQ(coordinates.size(), 36U);
    const auto triangle = elements(model, "triangle").at(5);
    for (std::size_t k = 0; k < 3; ++k) {
      const auto& uv = coordinates.at(std::stoul(triangle.at(str("p", k + 1))));
      EXPECT_EQ(std::stof(uv.at("u")), split.uvs[(15 + k) * 2]);
      EXPECT_EQ(std::stof(uv.at("v")), 1.0F - split.uvs[(15 + k) * 2 + 1]);
    }
  }
}

TEST(ThreeMf, RandomMeshesObeyTheFormat) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    const Mesh mesh = test::random_mesh(seed);
    std::vector<std::byte> bytes;
    try {
      bytes = encode_3mf(mesh, 50.0, {});
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_TRUE(mesh.vertex_count() < 3 || mesh.face_count() <= 3) << error.what();  // nothing but slivers
      continue;
    }
    const auto members = read(bytes);
    const Triangles t = triangles_of(members.at("3D/3dmodel.model").text);
    for (std::size_t f = 0; f < t.faces.size(); f += 3) {
      EXPECT_TRUE(t.faces[f] != t.faces[f + 1] && t.faces[f + 1] != t.faces[f + 2] && t.faces[f + 2] != t.faces[f]);
    }
  }
}

TEST(ThreeMf, WhatIsRefused) {
  const auto webp = encode_webp(Image(2, 2, 3), {});
  expect_error(ErrorCode::invalid_argument, {"unwrap"}, [&] { (void)encode_3mf(test::sample_box(), 50.0, {}, webp); });
  expect_error(ErrorCode::invalid_argument, {"PNG or JPEG"},
               [&] { (void)encode_3mf(test::sample_box_with_uvs(), 50.0, {}, webp); });
  expect_error(ErrorCode::invalid_argument, {"millimetres"}, [] { (void)encode_3mf(test::sample_box(), 0.0, {}); });
  Mesh sliver = test::sample_box();
  sliver.faces = {1, 1, 2};
  expect_error(ErrorCode::invalid_argument, {"nothing to print"}, [&] { (void)encode_3mf(sliver, 50.0, {}); });
}

}  // namespace
}  // namespace espalier
