#include "io/formats/mesh_reader.h"

#include <gtest/gtest.h>
#include <tiny_gltf.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <sstream>

#include "base/file.h"
#include "image/codec.h"
#include "io/formats/mesh_files.h"
#include "sample_files.h"
#include "sample_mesh.h"
#include "support/bytes.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace espalier {
namespace {

using test::bytes_of;
using test::expect_error;
using test::sample_box;
using test::sample_box_with_uvs;
using test::sample_gltf;

using Floats = std::vector<float>;
using Faces = std::vector<std::int32_t>;

void expect_near(const Floats& a, const Floats& b, float tolerance, const char* what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], tolerance) << what << " " << i;
}

// The triangles as coordinates, for formats that number vertices anew.
Floats corners_of(const Mesh& mesh) {
  Floats corners;
  for (const std::int32_t v : mesh.faces) {
    const auto at = mesh.vertices.begin() + 3 * v;
    corners.insert(corners.end(), at, at + 3);
  }
  return corners;
}

Image sample_texture() {
  Image image(16, 8, 3);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(i);
  return image;
}

// Of the only texture; empty where there is none, or more than that says how the mesh looks.
std::vector<std::uint8_t> texture_of(const MeshFile& file) {
  const Image* texture = plain_texture(file.appearance, file.mesh.uvs, file.mesh.colours);
  return texture == nullptr ? std::vector<std::uint8_t>() : texture->pixels;
}

TEST(ReadMesh, GlbGivesBackWhatWasWritten) {
  const Mesh mesh = sample_box();
  const MeshFile file = decode_mesh(encode_glb(mesh, {}), "x");
  EXPECT_EQ(file.format, "GLB");
  EXPECT_EQ(file.metres_per_unit, 1.0);
  EXPECT_EQ(file.mesh.vertices, mesh.vertices);
  EXPECT_EQ(file.mesh.faces, mesh.faces);
  expect_near(file.mesh.colours, mesh.colours, 1e-6F, "colour");
  Floats unit = mesh.normals;
  for (float& x : unit) x /= std::sqrt(3.0F);
  expect_near(file.mesh.normals, unit, 1e-6F, "normal");
  EXPECT_TRUE(file.mesh.uvs.empty());
  EXPECT_TRUE(file.appearance.images.empty());

  Mesh plain = sample_box();
  plain.colours.clear();
  plain.normals.clear();
  const MeshFile bare = decode_mesh(encode_glb(plain, {}), "x");
  EXPECT_TRUE(bare.mesh.colours.empty());
  EXPECT_TRUE(bare.mesh.normals.empty());
}

TEST(ReadMesh, TexturesOfGlbAndOfAFolder) {
  const Mesh mesh = sample_box_with_uvs();
  const Image image = sample_texture();
  const auto png = encode_png(image), webp = encode_webp(image, {.lossless = true});
  for (const auto& options :
       {GlbOptions{.texture = png}, GlbOptions{.texture = webp}, GlbOptions{.texture = webp, .texture_fallback = png}}) {
    const MeshFile file = decode_mesh(encode_glb(mesh, options), "x", {.texture = true});
    EXPECT_EQ(file.mesh.uvs, mesh.uvs);
    EXPECT_EQ(texture_of(file), image.pixels);
    EXPECT_TRUE(file.mesh.colours.empty());
    EXPECT_TRUE(decode_mesh(encode_glb(mesh, options), "x").appearance.materials.empty());
    const test::TemporaryFolder folder;
    write_files(folder.path(), encode_gltf(mesh, options, "a b%"));
    const MeshFile beside = read_mesh(folder / "a b%.gltf", {.texture = true});
    EXPECT_EQ(beside.format, "glTF");
    EXPECT_EQ(beside.mesh.vertices, mesh.vertices);
    EXPECT_EQ(texture_of(beside), image.pixels);
  }
}

TEST(ReadMesh, Obj) {
  const Mesh mesh = sample_box();
  const MeshFile file = decode_mesh(encode_obj(mesh, {}), "x.obj");
  EXPECT_EQ(file.format, "OBJ");
  EXPECT_EQ(corners_of(file.mesh), corners_of(mesh));
  EXPECT_EQ(file.mesh.vertex_count(), 8);
  EXPECT_EQ(file.mesh.colours.size(), 24U);

  const Mesh textured = sample_box_with_uvs();
  const Image image = sample_texture();
  const test::TemporaryFolder folder;
  write_files(folder.path(), encode_obj_files(textured, {}, encode_png(image), "my box"));
  const MeshFile with_texture = read_mesh(folder / "my box.obj", {.texture = true});
  EXPECT_EQ(corners_of(with_texture.mesh), corners_of(textured));
  EXPECT_EQ(texture_of(with_texture), image.pixels);
  const std::int32_t vertex = with_texture.mesh.faces[1];  // vertex 2 of the box
  EXPECT_EQ(with_texture.mesh.uvs[static_cast<std::size_t>(vertex) * 2], textured.uvs[4]);
  EXPECT_EQ(with_texture.mesh.uvs[static_cast<std::size_t>(vertex) * 2 + 1], textured.uvs[5]);
}

TEST(ReadMesh, ObjOfOtherPrograms) {
  const MeshFile file = decode_mesh(bytes_of("# a square and a triangle\r\n"
                                             "g first\nv 0 0 0\nv +1 0 0 1.0\nv 1e0 1 0\n\tv 0 1 1e-400\n"
                                             "vt 0.5\nvn 0 0 1\n"
                                             "f 1/1/1 2/1/1 \\\n 3/1/1 4/1/1 # comment\n"
                                             "f -1 -2 1\n"),
                                    "x.obj");
  EXPECT_EQ(file.mesh.face_count(), 3);
  // Corners without a coordinate lie at the origin of the texture.
  ASSERT_EQ(file.mesh.uvs.size() / 2, file.mesh.vertices.size() / 3);
  EXPECT_EQ(std::count(file.mesh.uvs.begin(), file.mesh.uvs.end(), 0.5F), 4);
  EXPECT_TRUE(file.mesh.colours.empty());
  // (x, y, z) of the file is (x, -z, y) here.
  EXPECT_EQ(corners_of(file.mesh), (Floats{0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0, 1, 0, 0, 0}));
  // Without the ending, the first word tells.
  EXPECT_EQ(decode_mesh(bytes_of("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3"), "x").format, "OBJ");
}

TEST(ReadMesh, StlBinaryAndText) {
  const Mesh mesh = sample_box();
  const MeshFile file = decode_mesh(encode_stl(mesh, 40.0), "x");
  EXPECT_EQ(file.format, "STL");
  EXPECT_EQ(file.metres_per_unit, 0.001);
  EXPECT_EQ(file.mesh.vertex_count(), 8);  // corners in one place are one vertex
  EXPECT_EQ(file.mesh.face_count(), 12);
  const auto corners = corners_of(file.mesh);
  EXPECT_NEAR(corners[0], -20.0F, 1e-5);
  EXPECT_NEAR(corners[2], 0.0F, 1e-5);

  std::ostringstream text;
  text << "solid box\n";
  for (std::size_t f = 0; f < mesh.faces.size(); f += 3) {
    text << "  facet normal 0 0 0\n    outer loop\n";
    for (std::size_t k = 0; k < 3; ++k) {
      const float* v = &mesh.vertices[static_cast<std::size_t>(mesh.faces[f + k]) * 3];
      text << "      vertex " << v[0] << " " << v[1] << " " << v[2] << "\n";
    }
    text << "    endloop\n  endfacet\n";
  }
  text << "endsolid box\n";
  const MeshFile read = decode_mesh(bytes_of(text.str()), "x");
  EXPECT_EQ(read.mesh.vertex_count(), 8);
  EXPECT_EQ(corners_of(read.mesh), corners_of(mesh));

  // A binary file whose title begins as the text does.
  auto binary = encode_stl(mesh, 40.0);
  std::memcpy(binary.data(), "solid", 5);
  EXPECT_EQ(corners_of(decode_mesh(binary, "x.stl").mesh), corners);
}

TEST(ReadMesh, PlyGivesBackWhatWasWritten) {
  const Mesh mesh = sample_box_with_uvs();
  const MeshFile file = decode_mesh(encode_mesh_ply(mesh, {}), "x");
  EXPECT_EQ(file.format, "PLY");
  EXPECT_EQ(file.mesh.vertices, mesh.vertices);
  EXPECT_EQ(file.mesh.faces, mesh.faces);
  EXPECT_EQ(file.mesh.normals, mesh.normals);
  EXPECT_EQ(file.mesh.uvs, mesh.uvs);
  expect_near(file.mesh.colours, mesh.colours, 0.5F / 255.0F + 1e-6F, "colour");
}

TEST(ReadMesh, PlyTextAndBothByteOrders) {
  const std::array<std::array<double, 3>, 4> points = {{{0, 0, 0}, {1, 0, 0}, {1, 1, 0}, {0, 1, 0.5}}};
  const Floats corners = {0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0.5F, 0, 0, 0, 0, 1, 0.5F, 1, 0, 0};
  const auto check = [&](const std::vector<std::byte>& bytes) {
    const MeshFile file = decode_mesh(bytes, "x");
    EXPECT_EQ(corners_of(file.mesh), corners);
    ASSERT_EQ(file.mesh.colours.size(), 12U);
    EXPECT_FLOAT_EQ(file.mesh.colours[1], 13107.0F / 65535.0F);
  };
  std::ostringstream text;
  text << "ply\r\nformat ascii" << test::kPlyHeader;
  for (const auto& p : points) text << p[0] << " " << p[1] << "\t" << p[2] << " 0 13107 65535 2 7.5 -1e2\n";
  text << "0 4 0 1 2 3\n9 3 0 3 1\n";
  check(bytes_of(text.str()));

  for (const bool big : {false, true}) {
    std::vector<std::byte> bytes =
        bytes_of(std::string("ply\nformat binary_") + (big ? "big" : "little") + "_endian" + test::kPlyHeader);
    const auto put = [&](auto value) {
      std::array<std::byte, sizeof(value)> raw;
      std::memcpy(raw.data(), &value, sizeof(value));
      if (big) std::reverse(raw.begin(), raw.end());
      bytes.insert(bytes.end(), raw.begin(), raw.end());
    };
    for (const auto& p : points) {
      put(p[0]);
      put(static_cast<float>(p[1]));
      put(static_cast<float>(p[2]));
      for (const int c : {0, 13107, 65535}) put(static_cast<std::uint16_t>(c));
      put(std::uint8_t{1});
      put(7.5F);
    }
    const std::vector<std::vector<std::uint32_t>> polygons = {{0, 1, 2, 3}, {0, 3, 1}};
    for (const auto& polygon : polygons) {
      put(std::uint8_t{0});
      put(static_cast<std::int32_t>(polygon.size()));
      for (const std::uint32_t v : polygon) put(v);
    }
    check(bytes);
  }
}

TEST(ReadMesh, GltfWithNodesStripsAndStrides) {
  const MeshFile file = decode_mesh(bytes_of(sample_gltf()), "x");
  EXPECT_EQ(file.format, "glTF");
  ASSERT_EQ(file.mesh.vertex_count(), 8);
  EXPECT_EQ(file.mesh.faces, (Faces{0, 1, 2, 1, 3, 2, 4, 6, 5, 5, 6, 7}));
  // Turned about y by 90 degrees: (1, 0, 0) -> (0, 0, -1), then moved: (1, 2, 2); in our axes (1, -2, 2).
  expect_near({file.mesh.vertices.begin() + 3, file.mesh.vertices.begin() + 6}, {1, -2, 2}, 1e-6F, "turned");
  // Mirrored: (1, 0, 0) -> (-1, 0, 0), moved (0, 2, 3); in our axes (0, -3, 2).
  expect_near({file.mesh.vertices.begin() + 15, file.mesh.vertices.begin() + 18}, {0, -3, 2}, 1e-6F, "mirrored");
  expect_near({file.mesh.colours.begin(), file.mesh.colours.begin() + 6}, {1, 0, 0, 0, 1, 0}, 1e-6F, "colour");
}

// A GLB from another writer: short indices, a matrix, a material without image, a second set of texture coordinates.
TEST(ReadMesh, AGlbOfTinygltf) {
  tinygltf::Model model;
  model.asset.version = "2.0";
  const Floats positions = {0, 0, 0, 1, 0, 0, 0, 1, 0}, uvs = {0, 0, 1, 0, 0, 0.25F};
  const std::vector<std::uint16_t> indices = {0, 1, 2};
  tinygltf::Buffer buffer;
  const auto add = [&](const auto& values, int component, int type) {
    const auto* data = reinterpret_cast<const unsigned char*>(values.data());
    const std::size_t size = values.size() * sizeof(values[0]);
    tinygltf::BufferView view;
    view.buffer = 0;
    view.byteOffset = buffer.data.size();
    view.byteLength = size;
    buffer.data.insert(buffer.data.end(), data, data + size);
    model.bufferViews.push_back(view);
    tinygltf::Accessor accessor;
    accessor.bufferView = static_cast<int>(model.bufferViews.size()) - 1;
    accessor.componentType = component;
    accessor.count = 3;
    accessor.type = type;
    model.accessors.push_back(accessor);
    return static_cast<int>(model.accessors.size()) - 1;
  };
  tinygltf::Primitive primitive;
  primitive.attributes["POSITION"] = add(positions, TINYGLTF_COMPONENT_TYPE_FLOAT, TINYGLTF_TYPE_VEC3);
  primitive.attributes["TEXCOORD_0"] = add(uvs, TINYGLTF_COMPONENT_TYPE_FLOAT, TINYGLTF_TYPE_VEC2);
  primitive.indices = add(indices, TINYGLTF_COMPONENT_TYPE_UNSIGNED_SHORT, TINYGLTF_TYPE_SCALAR);
  primitive.mode = TINYGLTF_MODE_TRIANGLES;
  primitive.material = 0;
  model.buffers.push_back(buffer);
  tinygltf::Material material;
  material.pbrMetallicRoughness.baseColorFactor = {1, 0, 0, 1};
  model.materials.push_back(material);
  tinygltf::Mesh mesh;
  mesh.primitives.push_back(primitive);
  model.meshes.push_back(mesh);
  tinygltf::Node node;
  node.mesh = 0;
  node.matrix = {2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 5, 6, 7, 1};
  model.nodes.push_back(node);
  tinygltf::Scene scene;
  scene.nodes.push_back(0);
  model.scenes.push_back(scene);
  std::ostringstream out;
  ASSERT_TRUE(tinygltf::TinyGLTF().WriteGltfSceneToStream(&model, out, false, true));
  const MeshFile file = decode_mesh(bytes_of(out.str()), "x");
  expect_near(file.mesh.vertices, {5, -7, 6, 7, -7, 6, 5, -7, 8}, 1e-6F, "position");
  EXPECT_EQ(file.mesh.faces, (Faces{0, 1, 2}));
  EXPECT_EQ(file.mesh.uvs, uvs);
  expect_near(file.mesh.colours, {1, 0, 0, 1, 0, 0, 1, 0, 0}, 1e-6F, "colour");
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(ReadMesh, HostileGltf) {
  const std::string good = sample_gltf();
  const auto refuse = [&](const char* from, const char* to, std::initializer_list<const char*> words,
                          ErrorCode code = ErrorCode::format) {
    expect_error(code, words, [&] { (void)decode_mesh(bytes_of(replaced(good, from, to)), "evil.gltf"); });
  };
  refuse("\"byteLength\": 64, \"byteStride\": 16", "\"byteLength\": 640, \"byteStride\": 16",
         {"evil.gltf", "beyond its buffer"});
  refuse("\"byteOffset\": 64", "\"byteOffset\": 18446744073709551615", {"beyond its buffer"});
  refuse("\"byteOffset\": 12", "\"byteOffset\": 18446744073709551612", {"beyond its buffer view"});
  refuse("\"count\": 4, \"type\": \"VEC3\"", "\"count\": 18446744073709551615, \"type\": \"VEC3\"", {"beyond its buffer view"});
  refuse("\"count\": 4, \"type\": \"VEC3\"", "\"count\": 3, \"type\": \"VEC3\"", {"names vertex 3 of 3"});
  refuse("\"count\": 4, \"type\": \"VEC3\"", "\"count\": -4, \"type\": \"VEC3\"", {"natural number"});
  refuse("\"byteStride\": 16", "\"byteStride\": 0", {"stride"});
  refuse("\"buffer\": 0", "\"buffer\": 7", {"buffer 7"});
  refuse("\"mesh\": 0", "\"mesh\": 9", {"meshes 9"});
  refuse("\"children\": [1, 2]", "\"children\": [1, 0]", {"twice"});
  refuse("\"children\": [1, 2]", "\"children\": [1, 99]", {"nodes 99"});
  refuse("\"byteLength\": 68", "\"byteLength\": 4000000000", {"announces"});
  refuse("AgM=", "Agc=", {"vertex 7 of 4"});
  refuse("data:application/octet-stream;base64,", "../secret.bin?", {"does not lie beside it"});
  refuse("data:application/octet-stream;base64,", "%2Fetc%2Fpasswd", {"does not lie beside it"});
  refuse("data:application/octet-stream;base64,", "other.bin?", {"stands alone"});
  refuse("\"version\": \"2.0\"", "\"version\": \"1.0\"", {"glTF 2"}, ErrorCode::unsupported);
  refuse("\"scene\": 0", "\"extensionsRequired\": [\"EXT_of_another_time\"]", {"EXT_of_another_time"}, ErrorCode::unsupported);
  refuse("\"scene\": 0", "\"scene\": 5", {"scenes 5"});
  refuse("[1, 2, 3]", "[1e300, 2, 3]", {"not finite"});
  refuse("[1, 2, 3]", "[1, 2]", {"translation"});

  expect_error(ErrorCode::format, {"nested"}, [] {
    (void)decode_mesh(bytes_of("{\"a\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}"), "x");
  });
  expect_error(ErrorCode::format, {"values"}, [] {
    std::string many = "{\"a\":[0";
    for (int i = 0; i < 4'000'000; ++i) many += ",0";
    (void)decode_mesh(bytes_of(many + "]}"), "x");
  });
}

TEST(ReadMesh, HostilePlyStlAndObj) {
  const auto refuse = [](const std::string& name, const std::string& text, std::initializer_list<const char*> words) {
    expect_error(ErrorCode::format, words, [&] { (void)decode_mesh(bytes_of(text), name); });
  };
  const std::string head = "ply\nformat ascii 1.0\nelement vertex ";
  const std::string columns = "\nproperty float x\nproperty float y\nproperty float z\n";
  refuse("x", head + "4000000000000" + columns + "end_header\n", {"announces 4000000000000 rows"});
  refuse("x", head + "-1" + columns + "end_header\n", {"no count"});
  refuse("x", head + "99999999999999999999" + columns + "end_header\n", {"no count"});
  refuse("x", head + "1000000000000\nend_header\n", {"no properties"});
  refuse("x", head + "1" + columns, {"no end"});
  refuse("x", head + "1" + columns + "element vertex 0\nproperty float x\nend_header\n0 0 0", {"twice"});
  const std::string three =
      head + "3" + columns + "element face 1\nproperty list int int vertex_indices\nend_header\n0 0 0 1 0 0 0 1 0 ";
  refuse("x", three + "2000000000 0 1 2", {"list is longer"});
  refuse("x", three + "-3 0 1 2", {"list is longer"});
  refuse("x", three + "3 0 1 3", {"vertex 3 of 3"});
  refuse("x", three + "3 0 1 -1", {"names vertex"});
  refuse("x", three + "3 0 1 0.5", {"names vertex"});
  refuse("x", three + "2 0 1", {"no triangles"});
  refuse("x", replaced(three, "1 0 0 ", "inf 0 0 ") + "3 0 1 2", {"vertex 1 is not finite"});
  refuse("x", replaced(three, "1 0 0 ", "1e99 0 0 ") + "3 0 1 2", {"vertex 1 is not finite"});

  std::string stl(84, ' ');
  stl[80] = stl[81] = stl[82] = stl[83] = '\xFF';
  refuse("x.stl", stl, {"4294967295 facets"});
  refuse("x.stl", "solid\nvertex 0 0 0\nvertex 1 0 0\nendfacet", {"2 corners"});
  refuse("x.stl", "solid\nvertex 0 zero 0", {"\"zero\" is not a coordinate"});
  refuse("x.stl", "solid\n" + std::string("vertex 0 0 0\n") + "vertex 0 0 0\nvertex 0 0 0\nvertex 0 0 0\n",
         {"more than three"});

  const std::string v = "v 0 0 0\nv 1 0 0\nv 0 1 0\n";
  refuse("x.obj", v + "f 1 2 4", {"\"4\" of a face names nothing"});
  refuse("x.obj", v + "f 0 1 2", {"names nothing"});
  refuse("x.obj", v + "f 1 2 -4", {"names nothing"});
  refuse("x.obj", v + "f 1/1 2/1 3/1", {"\"1/1\" of a face names nothing"});
  refuse("x.obj", v + "f 1 2 99999999999999999999", {"names nothing"});
  refuse("x.obj", v + "f 1 2", {"no triangles"});
  refuse("x.obj", v, {"no triangles"});
  refuse("x.obj", "v 0 0\n", {"2 numbers instead of 3"});
  refuse("x.obj", "v 0 0 x\n", {"\"x\" is not a number"});
  refuse("x", "", {"empty"});
  expect_error(ErrorCode::format, {"archive"}, [] { (void)decode_mesh(bytes_of("PK\3\4...."), "x.3mf"); });
  expect_error(ErrorCode::unsupported, {"UTF-16"}, [] { (void)decode_mesh(bytes_of("\xFF\xFEv..."), "x.obj"); });
  expect_error(ErrorCode::unsupported, {"not a GLB"}, [] { (void)decode_mesh(bytes_of("\x89PNG...."), "x.png"); });
  expect_error(ErrorCode::not_found, {"missing.glb"}, [] { (void)read_mesh("/nowhere/missing.glb"); });
}

TEST(ReadMesh, Limits) {
  const Mesh box = sample_box();
  const auto refuse = [&](const ReadOptions& options, std::initializer_list<const char*> words) {
    for (const auto& bytes : {encode_glb(box, {}), encode_obj(box, {}), encode_stl(box, 10.0), encode_mesh_ply(box, {})}) {
      expect_error(ErrorCode::format, words, [&] { (void)decode_mesh(bytes, "x.obj", options); });
    }
  };
  refuse({.max_vertices = 7}, {"more than 7 vertices"});
  refuse({.max_faces = 11}, {"more than 11 faces"});
  EXPECT_NO_THROW((void)decode_mesh(encode_glb(box, {}), "x", {.max_vertices = 8, .max_faces = 12}));
  // One small mesh that hangs in the scene a hundred times.
  std::string many = replaced(sample_gltf(), "{\"children\": [1, 2],", "{\"children\": [1");
  std::string nodes;
  for (int i = 3; i < 100; ++i) {
    many.insert(many.find("{\"children\": [1") + 15, str(",", i));
    nodes += ",{\"mesh\": 0}";
  }
  many = replaced(replaced(many, " \"translation\"", "], \"translation\""), "\"scale\": [-1, 1, 1]}",
                  "\"scale\": [-1, 1, 1]}" + nodes);
  EXPECT_EQ(decode_mesh(bytes_of(many), "x").mesh.vertex_count(), 98 * 4);
  expect_error(ErrorCode::format, {"more than 100 vertices"},
               [&] { (void)decode_mesh(bytes_of(many), "x", {.max_vertices = 100}); });
}

class Cancelled : public Monitor {
 public:
  void progress(int, int) const override {}
  [[nodiscard]] bool cancelled() const override { return true; }
};

TEST(ReadMesh, CanBeCancelled) {
  Mesh mesh = sample_box();
  for (int i = 0; i < 13; ++i) mesh.faces.insert(mesh.faces.end(), mesh.faces.begin(), mesh.faces.end());
  const Cancelled monitor;
  for (const auto& bytes : {encode_glb(mesh, {}), encode_obj(mesh, {}), encode_stl(mesh, 10.0), encode_mesh_ply(mesh, {})}) {
    expect_error(ErrorCode::cancelled, {}, [&] { (void)decode_mesh(bytes, "x.obj", {.monitor = &monitor}); });
  }
}

// What lies outside of the file's folder is never opened; the mesh is read without it, and that is said.
TEST(ReadMesh, FilesThatNameOthersOutside) {
  const test::TemporaryFolder folder;
  write_file(folder / "secret.mtl", bytes_of("newmtl a\nKd 1 0 0\n"));
  std::filesystem::create_directory(folder / "in");
  const auto try_library = [&](const std::string& library, bool strict = false) {
    write_file(folder / "in" / "x.obj",
               bytes_of("mtllib " + library + "\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nusemtl a\nf 1/1 2/1 3/1\n"));
    return read_mesh(folder / "in" / "x.obj", {.texture = true, .strict = strict});
  };
  for (const std::string name : {"../secret.mtl", "sub/../../secret.mtl", "/etc/passwd", "C:\\x", "file:x", "missing.mtl"}) {
    SCOPED_TRACE(name);
    const MeshFile file = try_library(name);
    EXPECT_EQ(file.mesh.face_count(), 1);
    EXPECT_TRUE(file.mesh.colours.empty());
    ASSERT_EQ(file.notices.size(), 1U);
    EXPECT_NE(file.notices[0].find(name), std::string::npos) << file.notices[0];
    expect_error(ErrorCode::unsupported, {"left out"}, [&] { (void)try_library(name, true); });
  }
  // A whole path of another machine, whose file lies beside.
  write_file(folder / "in" / "Beside.MTL", bytes_of("newmtl a\nKd 1 0 0\n"));
  const MeshFile found = try_library("D:\\work\\beside.mtl");
  EXPECT_EQ(found.mesh.colours, (Floats{1, 0, 0, 1, 0, 0, 1, 0, 0}));
}

}  // namespace
}  // namespace espalier
