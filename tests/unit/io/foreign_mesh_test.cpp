// What is less usual in OBJ, PLY, STL and 3MF of other programs, and in the files around them.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "image/codec.h"
#include "io/formats/mesh_reader.h"
#include "io/formats/zip.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace espalier {
namespace {

using test::expect_error;
using Floats = std::vector<float>;
using Faces = std::vector<std::int32_t>;

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

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

}  // namespace
}  // namespace espalier
