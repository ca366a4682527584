#include "support/gltf.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "assets/tangents.h"
#include "image/codec.h"
#include "io/formats/checks.h"
#include "io/formats/mesh_files.h"
#include "io/formats/mesh_reader.h"
#include "sample_mesh.h"
#include "support/chart_ball.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace espalier {
namespace {

using test::expect_error;
using test::read_accessor;
using test::read_glb;
using test::read_indices;
using test::sample_box;
using test::sample_box_with_uvs;
using test::volume;

TEST(Glb, ReadsBackWithAnotherReader) {
  const Mesh mesh = sample_box();
  const auto bytes = encode_glb(mesh, {.generator = "Espalier test", .extras_json = R"({"seed": 7, "note": "caf\u00e9"})"});
  ASSERT_EQ(bytes.size() % 4, 0U);
  const tinygltf::Model model = read_glb(bytes);
  EXPECT_EQ(model.asset.generator, "Espalier test");
  EXPECT_EQ(model.asset.extras.Get("seed").GetNumberAsInt(), 7);
  EXPECT_EQ(model.asset.extras.Get("note").Get<std::string>(), "caf\xC3\xA9");

  const auto& primitive = model.meshes.at(0).primitives.at(0);
  const auto positions = read_accessor<float>(model, primitive.attributes.at("POSITION"));
  const auto normals = read_accessor<float>(model, primitive.attributes.at("NORMAL"));
  const auto colours = read_accessor<float>(model, primitive.attributes.at("COLOR_0"));
  const auto indices = read_indices(model, primitive.indices);
  ASSERT_EQ(positions.size(), mesh.vertices.size());
  for (std::size_t i = 0; i < positions.size(); i += 3) {
    EXPECT_EQ(positions[i], mesh.vertices[i]);
    EXPECT_EQ(positions[i + 1], mesh.vertices[i + 2]);
    EXPECT_EQ(positions[i + 2], -mesh.vertices[i + 1]);
    EXPECT_NEAR(std::hypot(normals[i], normals[i + 1], normals[i + 2]), 1.0, 1e-6);
    EXPECT_GT(normals[i + 1] * mesh.normals[i + 2], 0.0F);
    EXPECT_NEAR(colours[i + 1], mesh.colours[i + 1] == 0.5F ? 0.21404114 : 0.02 / 12.92, 1e-6);
  }
  EXPECT_TRUE(std::equal(indices.begin(), indices.end(), mesh.faces.begin(), mesh.faces.end()));
  EXPECT_NEAR(volume(positions, indices), 6 * 0.4 * 0.2 * 0.2, 1e-6);

  const auto& accessor = model.accessors.at(static_cast<std::size_t>(primitive.attributes.at("POSITION")));
  EXPECT_FLOAT_EQ(static_cast<float>(accessor.minValues.at(1)), -0.15F);
  EXPECT_FLOAT_EQ(static_cast<float>(accessor.maxValues.at(2)), -0.25F);
  const auto& material = model.materials.at(static_cast<std::size_t>(primitive.material));
  EXPECT_TRUE(material.doubleSided);
  EXPECT_EQ(material.pbrMetallicRoughness.metallicFactor, 0.0);
  EXPECT_EQ(material.pbrMetallicRoughness.roughnessFactor, 1.0);
}

TEST(Glb, WithoutColoursAndNormals) {
  Mesh mesh = sample_box();
  mesh.colours.clear();
  mesh.normals.clear();
  const tinygltf::Model model = read_glb(encode_glb(mesh, {}));
  EXPECT_EQ(model.meshes.at(0).primitives.at(0).attributes.size(), 1U);
  EXPECT_EQ(model.accessors.size(), 2U);
}

TEST(Glb, MapsComeWithTangents) {
  const Mesh ball = test::chart_ball(4);
  const auto texture = encode_jpeg(Image(8, 8, 3), 90), normals = encode_png(Image(4, 4, 3)),
             occlusion = encode_png(Image(2, 2, 3));
  const std::vector<float> wanted = tangents_of(ball);
  for (const bool quantised : {false, true}) {
    const tinygltf::Model model = read_glb(encode_glb(ball, {.quantised = quantised,
                                                             .texture = texture,
                                                             .normal_map = normals,
                                                             .occlusion_map = occlusion,
                                                             .double_sided = false}));
    const auto& material = model.materials.at(0);
    EXPECT_FALSE(material.doubleSided);
    const auto bytes_of = [&](int index) {
      const auto& image = model.images.at(static_cast<std::size_t>(model.textures.at(static_cast<std::size_t>(index)).source));
      return image.image.size();
    };
    EXPECT_EQ(bytes_of(material.pbrMetallicRoughness.baseColorTexture.index), texture.size());
    EXPECT_EQ(bytes_of(material.normalTexture.index), normals.size());
    EXPECT_EQ(bytes_of(material.occlusionTexture.index), occlusion.size());
    const int accessor = model.meshes.at(0).primitives.at(0).attributes.at("TANGENT");
    std::vector<double> found;
    if (quantised) {
      for (const std::int8_t b : read_accessor<std::int8_t>(model, accessor)) found.push_back(b / 127.0);
    } else {
      for (const float x : read_accessor<float>(model, accessor)) found.push_back(double{x});
    }
    ASSERT_EQ(found.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); i += 4) {
      EXPECT_NEAR(found[i], wanted[i], 0.005);
      EXPECT_NEAR(found[i + 1], wanted[i + 2], 0.005);
      EXPECT_NEAR(found[i + 2], -wanted[i + 1], 0.005);
      EXPECT_EQ(found[i + 3], double{wanted[i + 3]});
    }
  }
  const auto packed = encode_glb(ball, {.compression = GltfCompression::draco, .texture = texture, .normal_map = normals});
  const std::string text(reinterpret_cast<const char*>(packed.data()), packed.size());
  EXPECT_NE(text.find("TANGENT"), std::string::npos);
  EXPECT_NE(text.find("normalTexture"), std::string::npos);
  expect_error(ErrorCode::invalid_argument, {"normal"},
               [&] { (void)encode_glb(ball, {.texture = texture, .normal_map = encode_webp(Image(4, 4, 3), {})}); });
}

TEST(Glb, AZeroNormalBecomesAUnitVector) {
  Mesh mesh = sample_box();
  std::fill_n(mesh.normals.begin(), 3, 0.0F);
  const tinygltf::Model model = read_glb(encode_glb(mesh, {}));
  const auto normals = read_accessor<float>(model, model.meshes.at(0).primitives.at(0).attributes.at("NORMAL"));
  EXPECT_EQ(normals[1], 1.0F);
}

TEST(Glb, FourGibibytesAreTheLimit) {
  EXPECT_NO_THROW(check_glb_size(0xFFFFFFFFULL));
  expect_error(ErrorCode::invalid_argument, {"4294967296", "4 GiB", "simplify"}, [] { check_glb_size(1ULL << 32U); });
}

TEST(Glb, ExtrasMustBeAnObject) {
  for (const char* text : {"[1]", "{", "3"}) {
    expect_error(ErrorCode::internal, {"extras"}, [&] { (void)encode_glb(sample_box(), {.extras_json = text}); });
  }
}

Image sample_texture() {
  Image image(16, 8, 3);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(i);
  return image;
}

std::vector<std::byte> image_bytes(const tinygltf::Model& model, int index) {
  const auto& image = model.images.at(static_cast<std::size_t>(index)).image;
  const auto* data = reinterpret_cast<const std::byte*>(image.data());
  return {data, data + image.size()};
}

TEST(Glb, TexturedWithPngAndJpeg) {
  const Mesh mesh = sample_box_with_uvs();
  for (const bool png : {true, false}) {
    const auto image = png ? encode_png(sample_texture()) : encode_jpeg(sample_texture(), 90);
    const tinygltf::Model model = read_glb(encode_glb(mesh, {.texture = image}));
    const auto& primitive = model.meshes.at(0).primitives.at(0);
    EXPECT_EQ(read_accessor<float>(model, primitive.attributes.at("TEXCOORD_0")), mesh.uvs);
    EXPECT_EQ(primitive.attributes.count("COLOR_0"), 0U);
    const auto& material = model.materials.at(0);
    EXPECT_EQ(material.pbrMetallicRoughness.baseColorTexture.index, 0);
    EXPECT_EQ(material.pbrMetallicRoughness.baseColorFactor, (std::vector<double>{1, 1, 1, 1}));
    const auto& texture = model.textures.at(0);
    EXPECT_EQ(image_bytes(model, texture.source), image);
    EXPECT_EQ(model.images.at(0).mimeType, png ? "image/png" : "image/jpeg");
    const auto& sampler = model.samplers.at(static_cast<std::size_t>(texture.sampler));
    EXPECT_EQ(sampler.minFilter, TINYGLTF_TEXTURE_FILTER_LINEAR_MIPMAP_LINEAR);
    EXPECT_EQ(sampler.magFilter, TINYGLTF_TEXTURE_FILTER_LINEAR);
    EXPECT_EQ(sampler.wrapS, TINYGLTF_TEXTURE_WRAP_CLAMP_TO_EDGE);
    EXPECT_EQ(sampler.wrapT, TINYGLTF_TEXTURE_WRAP_CLAMP_TO_EDGE);
    EXPECT_TRUE(model.extensionsUsed.empty());
  }
}

TEST(Glb, WebPWithAndWithoutAFallback) {
  const auto webp = encode_webp(sample_texture(), {}), png = encode_png(sample_texture());
  const auto source = [](const tinygltf::Model& model) {
    return model.textures.at(0).extensions.at("EXT_texture_webp").Get("source").GetNumberAsInt();
  };
  const tinygltf::Model alone = read_glb(encode_glb(sample_box_with_uvs(), {.texture = webp}));
  EXPECT_EQ(alone.extensionsRequired, (std::vector<std::string>{"EXT_texture_webp"}));
  EXPECT_EQ(alone.textures.at(0).source, -1);
  EXPECT_EQ(image_bytes(alone, source(alone)), webp);

  const tinygltf::Model both = read_glb(encode_glb(sample_box_with_uvs(), {.texture = webp, .texture_fallback = png}));
  EXPECT_EQ(both.extensionsUsed, (std::vector<std::string>{"EXT_texture_webp"}));
  EXPECT_TRUE(both.extensionsRequired.empty());
  EXPECT_EQ(image_bytes(both, both.textures.at(0).source), png);
  EXPECT_EQ(image_bytes(both, source(both)), webp);
}

TEST(Glb, UnlitByOption) {
  const auto png = encode_png(sample_texture());
  for (const bool textured : {true, false}) {
    GlbOptions options{.unlit = true};
    if (textured) options.texture = png;
    const tinygltf::Model model = read_glb(encode_glb(sample_box_with_uvs(), options));
    EXPECT_EQ(model.extensionsUsed, (std::vector<std::string>{"KHR_materials_unlit"}));
    EXPECT_TRUE(model.extensionsRequired.empty());
    EXPECT_EQ(model.materials.at(0).extensions.count("KHR_materials_unlit"), 1U);
  }
}

Mesh read_mesh_bytes(const std::vector<std::byte>& bytes) {
  const test::TemporaryFolder folder;
  write_file(folder / "box.glb", bytes);
  return read_mesh(folder / "box.glb").mesh;
}

// What comes back lies within half a step of 16 bits, and normals within one of 8.
TEST(Glb, QuantisedAttributes) {
  for (const Mesh& mesh : {sample_box(), sample_box_with_uvs()}) {
    const auto bytes = encode_glb(mesh, {.quantised = true});
    const tinygltf::Model model = read_glb(bytes);
    EXPECT_EQ(model.extensionsRequired, std::vector<std::string>{"KHR_mesh_quantization"});
    const Mesh back = read_mesh_bytes(bytes);
    ASSERT_EQ(back.vertices.size(), mesh.vertices.size());
    EXPECT_EQ(back.faces, mesh.faces);
    for (std::size_t i = 0; i < mesh.vertices.size(); ++i)
      EXPECT_NEAR(back.vertices[i], mesh.vertices[i], 0.51 * 0.4 / 65535 + 1e-7);
    for (std::size_t i = 0; i < mesh.uvs.size(); ++i) EXPECT_NEAR(back.uvs[i], mesh.uvs[i], 0.51 / 65535);
    for (std::size_t i = 0; i < mesh.normals.size(); i += 3) {
      const auto length = std::hypot(mesh.normals[i], mesh.normals[i + 1], mesh.normals[i + 2]);
      for (std::size_t k = 0; k < 3; ++k) EXPECT_NEAR(back.normals[i + k], mesh.normals[i + k] / length, 0.01);
    }
  }
  Mesh outside = sample_box_with_uvs();
  for (float& uv : outside.uvs) uv += 1.0F;
  EXPECT_EQ(read_mesh_bytes(encode_glb(outside, {.quantised = true})).uvs, outside.uvs);
}

// The largest number of 16 bits is no index, so 65,535 vertices are the most that short indices can name.
TEST(Glb, IndicesAreShortWhereTheySuffice) {
  for (const std::int32_t count : {65535, 65536}) {
    Mesh mesh;
    for (std::int32_t v = 0; v < count; ++v)
      mesh.vertices.insert(mesh.vertices.end(), {static_cast<float>(v % 3), static_cast<float>(v), 0});
    mesh.faces = {0, 1, count - 1};
    const auto plain = encode_glb(mesh, {});
    EXPECT_LT(encode_glb(mesh, {.quantised = true}).size(), plain.size() * 7 / 10);
    const tinygltf::Model model = read_glb(plain);
    const int indices = model.meshes.at(0).primitives.at(0).indices;
    EXPECT_EQ(model.accessors.at(static_cast<std::size_t>(indices)).componentType,
              count == 65535 ? TINYGLTF_COMPONENT_TYPE_UNSIGNED_SHORT : TINYGLTF_COMPONENT_TYPE_UNSIGNED_INT);
    EXPECT_EQ(read_indices(model, indices).back(), static_cast<std::uint32_t>(count - 1));
  }
}

TEST(Glb, TexturesThatAreRefused) {
  const auto png = encode_png(sample_texture()), webp = encode_webp(sample_texture(), {});
  const std::vector<std::byte> junk(8);
  const auto refuse = [](std::initializer_list<const char*> words, const Mesh& mesh, const GlbOptions& options) {
    expect_error(ErrorCode::invalid_argument, words, [&] { (void)encode_glb(mesh, options); });
  };
  refuse({"texture coordinates", "unwrap"}, sample_box(), {.texture = png});
  refuse({"not a PNG, JPEG or WebP"}, sample_box_with_uvs(), {.texture = junk});
  refuse({"fallback"}, sample_box_with_uvs(), {.texture = png, .texture_fallback = png});
  refuse({"fallback"}, sample_box_with_uvs(), {.texture = webp, .texture_fallback = webp});
}

TEST(Glb, RandomMeshesAreValidFiles) {
  const auto png = encode_png(sample_texture());
  for (unsigned seed = 0; seed < 40; ++seed) {
    const Mesh mesh = test::random_mesh(seed);
    GlbOptions options{.unlit = seed % 3 == 0};
    if (!mesh.uvs.empty() && seed % 2 == 0) options.texture = png;
    const tinygltf::Model model = read_glb(encode_glb(mesh, options));
    const auto indices = read_indices(model, model.meshes.at(0).primitives.at(0).indices);
    EXPECT_TRUE(std::equal(indices.begin(), indices.end(), mesh.faces.begin(), mesh.faces.end()));
  }
}

TEST(Gltf, AFolderOfFiles) {
  const Mesh mesh = sample_box_with_uvs();
  const auto webp = encode_webp(sample_texture(), {}), jpeg = encode_jpeg(sample_texture(), 90);
  // The name needs escapes in a URI.
  const std::string stem = test::kept_name() + " 50% caf\xC3\xA9";
  const auto files = encode_gltf(mesh, {.extras_json = "{\"seed\": 7}", .texture = webp, .texture_fallback = jpeg}, stem);
  std::map<std::string, std::vector<std::byte>> by_name;
  for (const NamedFile& file : files) by_name[file.name] = file.bytes;
  EXPECT_EQ(by_name.size(), 4U);
  EXPECT_EQ(by_name.at(stem + ".jpg"), jpeg);
  EXPECT_EQ(by_name.at(stem + ".webp"), webp);
  EXPECT_EQ(files.back().name, stem + ".gltf");

  write_files(test::kept_folder(), files);
  tinygltf::TinyGLTF reader;
  reader.SetImageLoader(
      [](tinygltf::Image*, int, std::string*, std::string*, int, int, const unsigned char*, int, void*) { return true; },
      nullptr);
  tinygltf::Model model;
  std::string error, warning;
  EXPECT_TRUE(reader.LoadASCIIFromFile(&model, &error, &warning, (test::kept_folder() / files.back().name).string(),
                                       tinygltf::REQUIRE_VERSION));
  EXPECT_EQ(error + warning, "");
  EXPECT_EQ(model.asset.extras.Get("seed").GetNumberAsInt(), 7);
  EXPECT_EQ(model.buffers.at(0).data.size(), by_name.at(stem + ".bin").size());
  const auto uvs = read_accessor<float>(model, model.meshes.at(0).primitives.at(0).attributes.at("TEXCOORD_0"));
  EXPECT_EQ(uvs, mesh.uvs);
}

TEST(Gltf, NamesThatAreNoFileNames) {
  for (const char* stem : {"", "a/b", "..", ".hidden", "a\\b", "new\nline"}) {
    expect_error(ErrorCode::invalid_argument, {"name of a file"}, [&] { (void)encode_gltf(sample_box(), {}, stem); });
  }
  expect_error(ErrorCode::invalid_argument, {"name of a file"},
               [&] { (void)encode_gltf(sample_box(), {}, std::string(201, 'x')); });
}

}  // namespace
}  // namespace espalier
