// What is less usual in OBJ, PLY, STL and 3MF of other programs, and in the files around them.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "assets/appearance.h"
#include "base/error.h"
#include "base/file.h"
#include "image/codec.h"
#include "io/formats/content.h"
#include "io/formats/gaussian_reader.h"
#include "io/formats/mesh_reader.h"
#include "io/formats/zip.h"
#include "packed_samples.h"
#include "support/bytes.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace espalier {
namespace {

using test::bytes_of;
using test::expect_error;
using Floats = std::vector<float>;
using Faces = std::vector<std::int32_t>;

std::string notices(const MeshFile& file) {
  std::string all;
  for (const std::string& notice : file.notices) all += notice + "\n";
  return all;
}

// Facets of a tetrahedron again and again, each with that attribute.
std::vector<std::byte> coloured_stl(const std::string& title, std::uint32_t facets, std::uint16_t attribute) {
  constexpr float kCorners[4][9] = {{0, 0, 0, 0, 10, 0, 10, 0, 0},
                                    {0, 0, 0, 10, 0, 0, 0, 0, 10},
                                    {0, 0, 0, 0, 0, 10, 0, 10, 0},
                                    {10, 0, 0, 0, 10, 0, 0, 0, 10}};
  std::string out = title;
  out.resize(80, 'x');
  const auto put = [&](const void* value, std::size_t size) { out.append(static_cast<const char*>(value), size); };
  put(&facets, 4);
  for (std::uint32_t f = 0; f < facets; ++f) {
    const float normal[3] = {};
    put(normal, 12);
    put(kCorners[f % 4], 36);
    put(&attribute, 2);
  }
  return bytes_of(out);
}

TEST(ForeignStl, ColouredFacets) {
  for (const std::uint32_t facets : {4U, 500U}) {
    for (const char* title : {"", "COLOR=abcd"}) {
      const MeshFile file = decode_mesh(coloured_stl(title, facets, 0x801F), "x.stl");
      EXPECT_EQ(file.mesh.face_count(), facets);
      ASSERT_EQ(file.mesh.vertex_count(), 4);
      EXPECT_EQ(Floats(file.mesh.vertices.begin(), file.mesh.vertices.begin() + 9), (Floats{0, 0, 0, 0, 10, 0, 10, 0, 0}));
      EXPECT_EQ(Faces(file.mesh.faces.begin(), file.mesh.faces.begin() + 12), (Faces{0, 1, 2, 0, 2, 3, 0, 3, 1, 2, 1, 3}));
      EXPECT_NE(notices(file).find("colours of facets"), std::string::npos);
    }
  }
}

TEST(ForeignStl, TextOfAnyShape) {
  const std::string facet = "facet normal 0 0 1 outer loop vertex 0 0 0 vertex 1 0 0 vertex 0 1 0 endloop endfacet";
  const auto vertices = [](const std::string& text) { return decode_mesh(bytes_of(text), "x.stl").mesh.vertices; };
  const Floats wanted = {0, 0, 0, 1, 0, 0, 0, 1, 0};
  EXPECT_EQ(vertices("solid a " + facet + " endsolid a"), wanted);
  EXPECT_EQ(vertices("solid " + std::string(5000, 'a') + "\n" + facet + "\nendsolid\n"), wanted);
  EXPECT_EQ(vertices(std::string(5000, ' ') + "solid a\n" + facet + "\nendsolid\n"), wanted);
  EXPECT_EQ(vertices("solid a vertex in the title\n" + facet + "\nendsolid\n"), wanted);
  const MeshFile tail = decode_mesh(bytes_of("solid a\n" + facet + "\nendsolid\n" + std::string(40, '\0')), "x.stl");
  EXPECT_EQ(tail.mesh.vertices, wanted);
  EXPECT_NE(notices(tail).find("40 bytes behind the text"), std::string::npos);
}

constexpr const char* kSquare =
    "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nusemtl a\nf 1/1 2/2 3/3 4/4\n";

// An OBJ of a square with a library and two images: of 2 x 2 pixels beside the OBJ, of 4 x 4 in a folder of its own.
class ForeignMtl : public testing::Test {
 protected:
  ForeignMtl() {
    std::filesystem::create_directory(folder_ / "sub");
    write_file(folder_ / "tex.png", encode_png(Image(2, 2, 3)));
    write_file(folder_ / "sub" / "tex.png", encode_png(Image(4, 4, 3)));
  }
  MeshFile read(const std::string& line, const std::string& library, const std::string& mtl,
                const std::string& square = kSquare) {
    write_file(folder_ / library, bytes_of(mtl));
    write_file(folder_ / "x.obj", bytes_of(line + "\n" + square));
    return read_mesh(folder_ / "x.obj", {.texture = true});
  }
  // Of the only image; 0 without one.
  static int width(const MeshFile& file) {
    EXPECT_TRUE(file.notices.empty()) << notices(file);
    return file.appearance.images.size() == 1 ? file.appearance.images[0].width : 0;
  }
  test::TemporaryFolder folder_;
};

TEST_F(ForeignMtl, TexturesLieBesideTheLibrary) {
  EXPECT_EQ(width(read("mtllib sub/a.mtl", "sub/a.mtl", "newmtl a\nmap_Kd tex.png\n")), 4);
  EXPECT_EQ(width(read("mtllib sub\\a.mtl", "sub/a.mtl", "newmtl a\nmap_Kd ..\\tex.png\n")), 2);
  EXPECT_EQ(width(read("mtllib sub/a.mtl", "sub/a.mtl", "newmtl a\nmap_Kd sub/tex.png\n")), 4);
  std::filesystem::remove(folder_ / "sub" / "tex.png");
  EXPECT_EQ(width(read("mtllib sub/a.mtl", "sub/a.mtl", "newmtl a\nmap_Kd tex.png\n")), 2);
}

TEST_F(ForeignMtl, QuotesCommentsOptionsAndCase) {
  const std::string plain = "newmtl a\nmap_Kd tex.png\n";
  EXPECT_EQ(width(read("mtllib \"two words.mtl\"", "two words.mtl", plain)), 2);
  EXPECT_EQ(width(read("mtllib a.mtl # a comment", "a.mtl", plain)), 2);
  EXPECT_EQ(width(read("mtllib a.mtl", "a.mtl", "newmtl a\nmap_Kd -colorspace sRGB tex.png\n")), 2);
  EXPECT_EQ(width(read("mtllib a.mtl", "a.mtl", "newmtl a\nmap_Kd tex.png # a comment\n")), 2);
  EXPECT_EQ(width(read("mtllib a.mtl", "a.mtl", "newmtl a\nmap_kd tex.png\n")), 2);
  EXPECT_EQ(width(read("mtllib a.mtl", "a.mtl", "NEWMTL a\nMAP_KD tex.png\n")), 2);
  std::string square = kSquare;
  square.replace(square.find("usemtl a"), 8, "usemtl a # a comment");
  EXPECT_EQ(width(read("mtllib a.mtl", "a.mtl", plain, square)), 2);
  // Names of 3ds Max have the mark in them.
  square.replace(square.find("usemtl a # a comment"), 20, "usemtl a #25");
  EXPECT_EQ(width(read("mtllib a.mtl", "a.mtl", "newmtl a\nKd 1 0 0\nnewmtl a #25\nmap_Kd tex.png\n", square)), 2);
}

TEST_F(ForeignMtl, ColoursThatVerticesHide) {
  const std::string square = "v 0 0 0 1 1 1\nv 1 0 0 1 1 1\nv 0 1 0 1 1 1\nusemtl a\nf 1 2 3\n";
  EXPECT_NE(notices(read("mtllib a.mtl", "a.mtl", "newmtl a\nKd 0 1 0\n", square)).find("(Kd) are left out"),
            std::string::npos);
  EXPECT_EQ(notices(read("mtllib a.mtl", "a.mtl", "newmtl a\nKd 0.8 0.8 0.8\n", square)), "");
}

// As many names as there are lines: after some that do not exist, the others are not looked for.
TEST_F(ForeignMtl, VeryManyFilesThatDoNotExist) {
  std::string lines;
  for (int i = 0; i < 1100; ++i) lines += "mtllib none" + std::to_string(i) + "\n";
  const MeshFile file = read(lines + "mtllib a.mtl", "a.mtl", "newmtl a\nmap_Kd tex.png\n");
  EXPECT_TRUE(file.appearance.images.empty());
  ASSERT_EQ(file.notices.size(), 21U);
  EXPECT_NE(file.notices.back().find("the others are not looked for"), std::string::npos);
  lines.resize(lines.find("none900"));
  EXPECT_EQ(read(lines + "\nmtllib a.mtl", "a.mtl", "newmtl a\nmap_Kd tex.png\n").appearance.images.size(), 1U);
}

TEST_F(ForeignMtl, NamesInAnotherCase) {
  write_file(folder_ / "Tex2.PNG", encode_png(Image(8, 8, 3)));
  write_file(folder_ / "TEX2.png", encode_png(Image(16, 16, 3)));
  EXPECT_EQ(width(read("mtllib A.MTL", "a.mtl", "newmtl a\nmap_Kd tex2.png\n")), 16);  // the first in the order of names
}

TEST(ForeignObj, FacesWithTwoCorners) {
  const MeshFile file = decode_mesh(bytes_of("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2\nf 1 2 3\n"), "x.obj");
  EXPECT_EQ(file.mesh.faces, (Faces{0, 1, 2}));
  EXPECT_NE(notices(file).find("fewer than three corners"), std::string::npos);
}

TEST(ForeignObj, CommentsAndNamesThatEndInABackslash) {
  const std::string text =
      "# made in C:\\out\\\nv 0 0 0\nv 1 0 0\no C:\\out\\\nv 0 1 0\n# C:\\\nf 1 2 3\ng x\\\nf 1 \\\n 3 2\n";
  EXPECT_EQ(decode_mesh(bytes_of(text), "x.obj").mesh.faces, (Faces{0, 1, 2, 0, 2, 1}));
}

TEST_F(ForeignMtl, DissolveWinsOverTransparency) {
  for (const char* both : {"d 1\nTr 1\n", "Tr 1\nd 1\n"}) {
    const MeshFile file = read("mtllib a.mtl", "a.mtl", str("newmtl a\nmap_Kd tex.png\n", both));
    ASSERT_EQ(file.appearance.materials.size(), 1U);
    EXPECT_EQ(file.appearance.materials[0].factor[3], 1.0F) << both;
  }
  const MeshFile file = read("mtllib a.mtl", "a.mtl", "newmtl a\nmap_Kd tex.png\nTr 0.75\n");
  EXPECT_EQ(file.appearance.materials.at(0).factor[3], 0.25F);
}

TEST(ForeignObj, TextInTwoBytesWithoutAMark) {
  for (const bool big_endian : {false, true}) {
    std::string wide;
    for (const char c : std::string("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"))
      wide += big_endian ? std::string{'\0', c} : std::string{c, '\0'};
    expect_error(ErrorCode::unsupported, {"UTF-16"}, [&] { (void)decode_mesh(bytes_of(wide), "x.obj"); });
  }
}

// Counter-clockwise corners of a square and, behind them, what `more` says.
std::string square_ply(const std::string& vertex, const std::string& face, const std::string& vertex_values,
                       const std::string& face_values) {
  std::string out = "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n" + vertex +
                    "element face 2\nproperty list uchar int vertex_indices\n" + face + "end_header\n";
  for (const char* place : {"0 0 0", "1 0 0", "1 1 0", "0 1 0"}) out += place + vertex_values + "\n";
  return out + "3 0 1 2" + face_values + "\n3 0 2 3" + face_values + "\n";
}
constexpr const char* kColours = "property uchar red\nproperty uchar green\nproperty uchar blue\n";

TEST(ForeignPly, TextureWithoutCoordinates) {
  std::string text = square_ply("", "", "", "");
  text.insert(text.find("element"), "comment TextureFile none.png\n");
  const MeshFile file = decode_mesh(bytes_of(text), "x.ply", {.texture = true});
  EXPECT_NE(notices(file).find("no coordinates"), std::string::npos) << notices(file);
}

TEST(ForeignPly, ColoursOfFaces) {
  std::string text = square_ply("", kColours, "", " 255 0 51");
  text.replace(text.rfind("255 0 51"), 8, "0 255 0");
  const MeshFile file = decode_mesh(bytes_of(text), "x.ply", {.texture = true});
  EXPECT_TRUE(file.notices.empty()) << notices(file);
  EXPECT_EQ(decode_mesh(bytes_of(text), "x.ply").mesh.vertex_count(), 4);
  ASSERT_EQ(file.mesh.vertex_count(), 6);  // two corners belong to both faces
  EXPECT_EQ(file.mesh.faces, (Faces{0, 1, 2, 3, 4, 5}));
  for (std::size_t v = 0; v < 6; ++v) {
    const Floats colour(&file.mesh.colours[3 * v], &file.mesh.colours[3 * v] + 3);
    EXPECT_EQ(colour, v < 3 ? (Floats{1, 0, 0.2F}) : (Floats{0, 1, 0})) << v;
  }
  const MeshFile both =
      decode_mesh(bytes_of(square_ply(kColours, kColours, " 0 0 255", " 255 0 0")), "x.ply", {.texture = true});
  EXPECT_EQ(Floats(both.mesh.colours.begin(), both.mesh.colours.begin() + 3), (Floats{0, 0, 1}));
  EXPECT_NE(notices(both).find("colours of faces are left out"), std::string::npos);
}

TEST(ForeignPly, AlphaOfVertices) {
  const auto read = [](const std::string& values) {
    return decode_mesh(bytes_of(square_ply(std::string(kColours) + "property uchar alpha\n", "", values, "")), "x.ply",
                       {.texture = true});
  };
  const MeshFile half = read(" 255 0 0 128");
  ASSERT_EQ(half.appearance.alpha.size(), 4U);
  EXPECT_EQ(half.appearance.alpha[3], 128.0F / 255.0F);
  ASSERT_EQ(half.appearance.materials.size(), 1U);
  EXPECT_EQ(half.appearance.materials[0].alpha, AlphaMode::blend);
  EXPECT_TRUE(half.notices.empty()) << notices(half);
  EXPECT_TRUE(read(" 255 0 0 255").appearance.materials.empty());
  EXPECT_TRUE(read(" 255 0 0 0").appearance.materials.empty());  // written by programs that know no alpha
}

// How a polygon is cut depends on the places of its vertices, which may come later.
TEST(ForeignPly, PolygonsBeforeTheirVertices) {
  const std::string vertices = "element vertex 5\nproperty float x\nproperty float y\nproperty float z\n";
  const std::string places = "0 0 0\n2 0 0\n2 2 0\n1 0.5 0\n0 2 0\n";
  const std::string faces =
      "element face 2\nproperty list uchar int vertex_indices\nproperty list uchar float texcoord\n" + std::string(kColours);
  const std::string polygons = "5 0 1 2 3 4 10 0 0 1 0 1 1 0.5 0.25 0 1 255 0 0\n3 0 1 2 0 0 0 255\n";
  const auto read = [&](bool faces_first) {
    const std::string head = "ply\nformat ascii 1.0\n";
    return decode_mesh(bytes_of(faces_first ? head + faces + vertices + "end_header\n" + polygons + places
                                            : head + vertices + faces + "end_header\n" + places + polygons),
                       "x.ply", {.texture = true});
  };
  for (const bool faces_first : {false, true}) {
    const Mesh mesh = read(faces_first).mesh;
    ASSERT_EQ(mesh.face_count(), 4);
    double area = 0.0, red = 0.0;
    for (std::size_t f = 0; f < mesh.faces.size(); f += 3) {
      const auto at = [&](std::size_t k) { return &mesh.vertices[3 * static_cast<std::size_t>(mesh.faces[f + k])]; };
      const auto colour = static_cast<std::size_t>(mesh.faces[f]);
      const double twice = (double{at(1)[0]} - at(0)[0]) * (double{at(2)[1]} - at(0)[1]) -
                           (double{at(2)[0]} - at(0)[0]) * (double{at(1)[1]} - at(0)[1]);
      EXPECT_GE(twice, 0.0) << faces_first;
      area += twice / 2;
      if (mesh.colours[3 * colour] == 1.0F) red += twice / 2;
      for (std::size_t k = 0; k < 3 && mesh.colours[3 * colour] == 1.0F; ++k) {
        const auto v = static_cast<std::size_t>(mesh.faces[f + k]);
        EXPECT_EQ(mesh.uvs[2 * v], mesh.vertices[3 * v] / 2);
        EXPECT_EQ(mesh.uvs[2 * v + 1], 1.0F - mesh.vertices[3 * v + 1] / 2);
      }
    }
    EXPECT_EQ(red, 2.5) << faces_first;
    EXPECT_EQ(area, 4.5) << faces_first;
  }
  const std::string nowhere =
      "ply\nformat ascii 1.0\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n4 0 1 2 3\n";
  expect_error(ErrorCode::format, {}, [&] { (void)decode_mesh(bytes_of(nowhere), "x.ply"); });
}

std::vector<std::byte> three_mf_of(const std::string& model) {
  std::vector<NamedFile> files;
  files.push_back({"[Content_Types].xml", bytes_of("<Types/>")});
  files.push_back(
      {"_rels/.rels",
       bytes_of(R"(<Relationships><Relationship Id="r" Target="/3D/m.model" Type="http://x/3dmodel"/></Relationships>)")});
  files.push_back({"3D/m.model", bytes_of(model)});
  return encode_zip(files);
}

TEST(Foreign3mf, ElementsInEachOther) {
  std::string deep = "<model>";
  for (int i = 0; i < 300; ++i) deep += "<a>";
  expect_error(ErrorCode::format, {"256 levels"}, [&] { (void)decode_mesh(three_mf_of(deep), "x"); });
}

TEST(Foreign3mf, AlphaOfColoursIsNamed) {
  const auto read = [](const std::string& colour) {
    return notices(decode_mesh(
        three_mf_of(R"(<model><resources><basematerials id="5"><base name="a" displaycolor=")" + colour +
                    R"("/></basematerials><object id="1" pid="5" pindex="0"><mesh><vertices><vertex x="0" y="0" z="0"/>)"
                    R"(<vertex x="1" y="0" z="0"/><vertex x="0" y="1" z="0"/></vertices><triangles>)"
                    R"(<triangle v1="0" v2="1" v3="2"/></triangles></mesh></object></resources>)"
                    R"(<build><item objectid="1"/></build></model>)"),
        "x"));
  };
  EXPECT_NE(read("#FF000080").find("the alpha of colours"), std::string::npos);
  EXPECT_EQ(read("#FF0000FF"), "");
}

TEST(Foreign3mf, WhatIsNoPartOfTheModel) {
  const std::string triangle =
      R"(<mesh><vertices><vertex x="0" y="0" z="0"/><vertex x="1" y="0" z="0"/><vertex x="0" y="1" z="0"/></vertices>)"
      R"(<triangles><triangle v1="0" v2="1" v3="2"/></triangles></mesh></object>)";
  for (const char* type : {"support", "solidsupport", "other", "surface", "model"}) {
    const MeshFile file = decode_mesh(
        three_mf_of(str(
            "<model xmlns:s=\"http://schemas.microsoft.com/3dmanufacturing/slice/2015/07\"><resources><s:slicestack id=\"9\">",
            "<s:slice ztop=\"1\"><s:vertices><s:vertex x=\"0\" y=\"0\"/></s:vertices></s:slice></s:slicestack>",
            "<object id=\"1\" type=\"", type, "\">", triangle, "<object id=\"2\">", triangle,
            "</resources><build><item objectid=\"1\"/><item objectid=\"2\"/></build></model>")),
        "x");
    const bool part = type == std::string("surface") || type == std::string("model");
    EXPECT_EQ(file.mesh.faces.size(), part ? 6U : 3U) << type;
    EXPECT_EQ(notices(file).find("no part of the model") == std::string::npos, part) << notices(file);
    EXPECT_NE(notices(file).find("slicestack"), std::string::npos);
  }
}

// The materials of formats whose readers do not look at vertices.
TEST(FlatlyColoured, ColoursOfFacesBecomeThoseOfMaterials) {
  Mesh mesh;
  mesh.vertices = {0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0};
  mesh.faces = {0, 1, 2, 3, 4, 5};
  EXPECT_FALSE(flatly_coloured(mesh, nullptr));
  mesh.colours = {1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1};
  const auto flat = flatly_coloured(mesh, nullptr);
  ASSERT_TRUE(flat);
  EXPECT_TRUE(flat->mesh.colours.empty());
  EXPECT_EQ(flat->look.of_face, (std::vector<std::int32_t>{0, 1}));
  EXPECT_EQ(flat->look.materials.at(0).factor, (std::array<float, 4>{1, 0, 0, 1}));
  EXPECT_EQ(flat->look.materials.at(1).factor, (std::array<float, 4>{0, 0, 1, 1}));
  Appearance look{.materials = {Material{.name = "a"}, Material{.name = "b", .factor = {0.5F, 0.5F, 0.5F, 0.5F}}},
                  .of_face = {1, 0},
                  .images = {}};
  const auto named = flatly_coloured(mesh, &look);
  ASSERT_TRUE(named);
  EXPECT_EQ(named->look.materials.at(0).name, "b");
  EXPECT_EQ(named->look.materials.at(0).factor, (std::array<float, 4>{0.5F, 0, 0, 0.5F}));
  EXPECT_EQ(named->look.materials.at(1).factor, (std::array<float, 4>{0, 0, 1, 1}));
  mesh.colours[1] = 0.5F;  // a gradient
  EXPECT_FALSE(flatly_coloured(mesh, nullptr));
  look.materials[1].texture.image = 0;
  look.materials[1].vertex_colours = false;  // where it does not show
  EXPECT_TRUE(flatly_coloured(mesh, &look));
  look.alpha.assign(6, 1.0F);
  EXPECT_FALSE(flatly_coloured(mesh, &look));
}

// Gaussians of other programs: with the mark of UTF-8, or packed with their folder.
TEST(ForeignGaussians, MarksAndFolders) {
  const test::TemporaryFolder folder;
  std::string ply = "\xEF\xBB\xBFply\nformat ascii 1.0\nelement vertex 1\n";
  for (const char* name : {"x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2", "rot_0",
                           "rot_1", "rot_2", "rot_3"})
    ply.append("property float ").append(name).append("\n");
  write_file(folder / "x.ply", bytes_of(ply + "end_header\n1 2 3 0 0 0 0 -2 -2 -2 1 0 0 0\n"));
  EXPECT_TRUE(holds_gaussians(folder / "x.ply"));
  EXPECT_EQ(read_gaussians(folder / "x.ply").gaussians.count(), 1);
  for (const char* inner : {"scene/", "_/", "a/b/"}) {
    const auto made = test::sog(2, inner);
    std::string zip(reinterpret_cast<const char*>(made.data()), made.size());
    // What our own writer refuses.
    for (const std::string name : {"_/me", "_/qu", "_/sc", "_/sh"}) {
      for (std::size_t at = zip.find(name); at != std::string::npos; at = zip.find(name, at)) zip[at] = '.';
    }
    write_file(folder / "x.zip", bytes_of(zip));
    EXPECT_TRUE(holds_gaussians(folder / "x.zip")) << inner;
    EXPECT_EQ(read_gaussians(folder / "x.zip").gaussians.count(), 2) << inner;
  }
  // A mesh beside which another program keeps a file of that name.
  std::vector<NamedFile> files;
  files.push_back({"a/meta.json", bytes_of("{}")});
  files.push_back({"a/x.obj", bytes_of("v 0 0 0\n")});
  write_file(folder / "x.zip", encode_zip(files));
  EXPECT_FALSE(holds_gaussians(folder / "x.zip"));
}

}  // namespace
}  // namespace espalier
