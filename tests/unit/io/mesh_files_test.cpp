#include "io/formats/mesh_files.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <sstream>

#include "image/codec.h"
#include "ply_reader.h"
#include "sample_mesh.h"
#include "support/errors.h"
#include "support/gltf.h"

namespace espalier {
namespace {

using test::expect_error;
using test::sample_box;
using test::volume;

TEST(Obj, ReadsBack) {
  const Mesh mesh = sample_box();
  const std::vector<std::string> comments = {"seed 7"};
  const auto bytes = encode_obj(mesh, comments);
  std::istringstream lines(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  std::vector<float> vertices, colours, normals;
  std::vector<std::uint32_t> faces;
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(line, "# seed 7");
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string kind;
    words >> kind;
    if (kind == "v" || kind == "vn") {
      std::array<float, 6> v{};
      for (std::size_t k = 0; k < (kind == "v" ? 6U : 3U); ++k) words >> v[k];
      ASSERT_TRUE(words) << line;
      auto& to = kind == "v" ? vertices : normals;
      to.insert(to.end(), v.begin(), v.begin() + 3);
      if (kind == "v") colours.insert(colours.end(), v.begin() + 3, v.end());
    } else if (kind == "f") {
      for (int k = 0; k < 3; ++k) {
        std::uint32_t position = 0, normal = 0;
        char slash = 0;
        words >> position >> slash >> slash >> normal;
        ASSERT_TRUE(words) << line;
        EXPECT_EQ(position, normal);
        faces.push_back(position - 1);
      }
    }
  }
  EXPECT_EQ(colours, mesh.colours);
  EXPECT_EQ(normals.size(), mesh.normals.size());
  ASSERT_EQ(vertices.size(), mesh.vertices.size());
  EXPECT_EQ(vertices[1], mesh.vertices[2]);
  EXPECT_EQ(vertices[2], -mesh.vertices[1]);
  EXPECT_NEAR(volume(vertices, faces), 6 * 0.4 * 0.2 * 0.2, 1e-6);
}

std::string text_of(const std::vector<std::byte>& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

TEST(Obj, WithATexture) {
  const Mesh mesh = test::sample_box_with_uvs();
  const auto png = encode_png(Image(2, 2, 3));
  const std::vector<std::string> comments = {"seed 7"};
  const auto files = encode_obj_files(mesh, comments, png, "my box");
  ASSERT_EQ(files.size(), 3U);
  EXPECT_EQ(files[0].name, "my_box.png");
  EXPECT_EQ(files[0].bytes, png);
  EXPECT_EQ(files[1].name, "my_box.mtl");
  EXPECT_NE(text_of(files[1].bytes).find("map_Kd my_box.png\n"), std::string::npos);
  EXPECT_EQ(files[2].name, "my box.obj");
  const std::string obj = text_of(files[2].bytes);
  EXPECT_NE(obj.find("mtllib my_box.mtl\n"), std::string::npos);
  EXPECT_NE(obj.find("usemtl asset\nf 1/1/1 3/3/3 2/2/2\n"), std::string::npos);
  EXPECT_NE(obj.find("\nv -0.1 -0.15 -0.25\n"), std::string::npos);  // without colour, the texture has it
  EXPECT_NE(obj.find("\nvt 0.125 0.25\n"), std::string::npos);       // v points up

  expect_error(ErrorCode::invalid_argument, {"unwrap"}, [&] { (void)encode_obj_files(sample_box(), {}, png, "x"); });
  const auto webp = encode_webp(Image(2, 2, 3), {});
  expect_error(ErrorCode::invalid_argument, {"PNG or JPEG"}, [&] { (void)encode_obj_files(mesh, {}, webp, "x"); });
}

TEST(Obj, TextureCoordinatesWithoutNormals) {
  Mesh mesh = test::sample_box_with_uvs();
  mesh.normals.clear();
  EXPECT_NE(text_of(encode_obj(mesh, {})).find("\nf 1/1 3/3 2/2\n"), std::string::npos);
}

TEST(Stl, TheTitleHoldsTheComment) {
  const auto title = [](const std::string& comment) { return text_of(encode_stl(sample_box(), 10.0, comment)).substr(0, 80); };
  EXPECT_NE(title("seed 7").find("; seed 7  "), std::string::npos);
  EXPECT_NE(title(std::string(200, 'x')).find("xxx"), std::string::npos);
  EXPECT_EQ(encode_stl(sample_box(), 10.0, std::string(200, 'x')).size(), 84U + 12 * 50);
  expect_error(ErrorCode::invalid_argument, {"one line"}, [&] { (void)title("a\nb"); });
}

TEST(Stl, ReadsBackInMillimetres) {
  const Mesh mesh = sample_box();
  const auto bytes = encode_stl(mesh, 80.0);
  ASSERT_EQ(bytes.size(), 84U + 50 * static_cast<std::size_t>(mesh.face_count()));
  EXPECT_NE(std::memcmp(bytes.data(), "solid", 5), 0);
  std::uint32_t count = 0;
  std::memcpy(&count, bytes.data() + 80, 4);
  ASSERT_EQ(count, mesh.face_count());
  std::vector<float> vertices;
  std::vector<std::uint32_t> faces;
  for (std::size_t f = 0; f < count; ++f) {
    std::array<float, 12> facet;
    std::memcpy(facet.data(), bytes.data() + 84 + f * 50, 48);
    EXPECT_NEAR(std::hypot(facet[0], facet[1], facet[2]), 1.0, 1e-6);
    for (int k = 0; k < 3; ++k) faces.push_back(static_cast<std::uint32_t>(faces.size()));
    vertices.insert(vertices.end(), facet.begin() + 3, facet.end());
    // The normal points away from the centre of the solid.
    EXPECT_GT(facet[0] * facet[3] + facet[1] * facet[4] + facet[2] * (facet[5] - 20), 0.0F);
  }
  std::array<float, 3> low{}, high{};
  for (std::size_t i = 0; i < vertices.size(); ++i) {
    low[i % 3] = i < 3 ? vertices[i] : std::min(low[i % 3], vertices[i]);
    high[i % 3] = i < 3 ? vertices[i] : std::max(high[i % 3], vertices[i]);
  }
  constexpr std::array<float, 3> kLow = {-40, -20, 0}, kHigh = {40, 20, 40};
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_NEAR(low[k], kLow[k], 1e-4);
    EXPECT_NEAR(high[k], kHigh[k], 1e-4);
  }
  EXPECT_NEAR(volume(vertices, faces), 6 * 80.0 * 40 * 40, 1.0);
}

TEST(Stl, TheSizeMustMakeSense) {
  for (const double size : {0.0, -1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    expect_error(ErrorCode::invalid_argument, {"STL", "millimetres"}, [&] { (void)encode_stl(sample_box(), size); });
  }
  Mesh point = sample_box();
  std::fill(point.vertices.begin(), point.vertices.end(), 0.25F);
  expect_error(ErrorCode::invalid_argument, {"single point"}, [&] { (void)encode_stl(point, 10.0); });
}

TEST(MeshPly, ReadsBack) {
  const Mesh mesh = sample_box();
  const std::vector<std::string> comments = {"seed 7"};
  const test::PlyFile file = test::PlyReader::read(encode_mesh_ply(mesh, comments));
  EXPECT_EQ(file.comments, comments);
  EXPECT_EQ(file.bytes_left, 0U);
  ASSERT_EQ(file.elements.size(), 2U);
  const auto& columns = file.elements[0].columns;
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(columns.at("z")[i], mesh.vertices[i * 3 + 2]);
    EXPECT_EQ(columns.at("ny")[i], mesh.normals[i * 3 + 1]);
    EXPECT_EQ(columns.at("green")[i], mesh.colours[i * 3 + 1] == 0.5F ? 128 : 5);
  }
  ASSERT_EQ(file.elements[1].lists.size(), 12U);
  EXPECT_EQ(file.elements[1].lists[3], (std::vector<int>{5, 7, 6}));
}

TEST(MeshPly, TextureCoordinates) {
  const Mesh mesh = test::sample_box_with_uvs();
  const test::PlyFile file = test::PlyReader::read(encode_mesh_ply(mesh, {}));
  EXPECT_EQ(file.bytes_left, 0U);
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(file.elements[0].columns.at("s")[i], mesh.uvs[i * 2]);
    EXPECT_EQ(file.elements[0].columns.at("t")[i], 1.0 - mesh.uvs[i * 2 + 1]);
  }
}

TEST(EveryFormat, RefusesWhatIsNoMesh) {
  const auto refuse = [](std::initializer_list<const char*> words, auto&& damage) {
    Mesh mesh = sample_box();
    damage(mesh);
    expect_error(ErrorCode::invalid_argument, words, [&] { (void)encode_glb(mesh, {}); });
    expect_error(ErrorCode::invalid_argument, words, [&] { (void)encode_obj(mesh, {}); });
    expect_error(ErrorCode::invalid_argument, words, [&] { (void)encode_stl(mesh, 100.0); });
    expect_error(ErrorCode::invalid_argument, words, [&] { (void)encode_mesh_ply(mesh, {}); });
    expect_error(ErrorCode::invalid_argument, words, [&] { (void)encode_3mf(mesh, 100.0, {}); });
  };
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  refuse({"no faces"}, [](Mesh& m) { m.faces.clear(); });
  refuse({"no faces"}, [](Mesh& m) { m = {}; });
  refuse({"vertex 2 is not finite"}, [](Mesh& m) { m.vertices[7] = std::numeric_limits<float>::infinity(); });
  refuse({"colour of vertex 0"}, [](Mesh& m) { m.colours[1] = kNan; });
  refuse({"normal of vertex 7"}, [](Mesh& m) { m.normals[23] = kNan; });
  refuse({"face 1 names vertex 8 of 8"}, [](Mesh& m) { m.faces[4] = 8; });
  refuse({"names vertex -1"}, [](Mesh& m) { m.faces[0] = -1; });
  refuse({"multiples of three"}, [](Mesh& m) { m.faces.pop_back(); });
  refuse({"3 texture coordinates for 8"}, [](Mesh& m) { m.uvs.resize(6); });
  refuse({"texture coordinate of vertex 1"}, [](Mesh& m) { m.uvs.assign(16, 0.5F), m.uvs[2] = kNan; });
  refuse({"7 colours for 8"}, [](Mesh& m) { m.colours.resize(21); });
}

TEST(EveryFormat, ExtremeNumbersSurvive) {
  Mesh mesh = sample_box();
  mesh.vertices[0] = std::numeric_limits<float>::denorm_min();
  mesh.vertices[1] = -1e30F;
  EXPECT_NO_THROW((void)encode_obj(mesh, {}));
  EXPECT_NO_THROW((void)encode_stl(mesh, 100.0));
  EXPECT_NO_THROW((void)encode_3mf(mesh, 100.0, {}));
  EXPECT_NO_THROW((void)test::read_glb(encode_glb(mesh, {})));
}

}  // namespace
}  // namespace espalier
