// Files whose geometry or Gaussians are packed, made here by the libraries that unpack them and by hand.
#pragma once

#include <draco/compression/encode.h>
#include <draco/mesh/triangle_soup_mesh_builder.h>
#include <meshoptimizer.h>

#include <array>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "image/codec.h"
#include "io/formats/glb_file.h"
#include "io/formats/zip.h"

namespace espalier::test {

// A square of two triangles, its texture coordinates, and a colour for each corner of it.
inline constexpr std::array<std::array<float, 3>, 4> kSquare = {{{0, 0, 0}, {1, 0, 0}, {1, 1, 0}, {0, 1, 0.5F}}};
inline constexpr std::array<std::array<float, 2>, 4> kSquareUvs = {{{0, 1}, {1, 1}, {1, 0}, {0, 0}}};
inline constexpr std::array<std::uint32_t, 6> kSquareCorners = {0, 1, 2, 0, 2, 3};

inline void put_bytes(std::vector<std::byte>& out, const void* data, std::size_t size) {
  const auto* bytes = static_cast<const std::byte*>(data);
  out.insert(out.end(), bytes, bytes + size);
  while (out.size() % 4 != 0) out.push_back(std::byte{0});
}

// `meshes` and what it needs; `binary` is its one buffer.
inline std::vector<std::byte> glb_with(const std::string& members, const std::vector<std::byte>& binary,
                                       const std::string& used) {
  return glb_of(R"({"asset":{"version":"2.0"},"extensionsUsed":[")" + used + R"("],"extensionsRequired":[")" + used +
                    R"("],"scene":0,"scenes":[{"nodes":[0]}],"nodes":[{"mesh":0}],)" + members + "}",
                binary);
}

inline std::vector<std::byte> draco_glb() {
  draco::TriangleSoupMeshBuilder builder;
  builder.Start(2);
  const int position = builder.AddAttribute(draco::GeometryAttribute::POSITION, 3, draco::DT_FLOAT32);
  const int uv = builder.AddAttribute(draco::GeometryAttribute::TEX_COORD, 2, draco::DT_FLOAT32);
  for (std::uint32_t f = 0; f < 2; ++f) {
    const auto at = [&](std::size_t k) { return kSquareCorners[3 * f + k]; };
    builder.SetAttributeValuesForFace(position, draco::FaceIndex(f), kSquare[at(0)].data(), kSquare[at(1)].data(),
                                      kSquare[at(2)].data());
    builder.SetAttributeValuesForFace(uv, draco::FaceIndex(f), kSquareUvs[at(0)].data(), kSquareUvs[at(1)].data(),
                                      kSquareUvs[at(2)].data());
  }
  const auto mesh = builder.Finalize();
  draco::Encoder encoder;
  encoder.SetAttributeQuantization(draco::GeometryAttribute::POSITION, 14);
  encoder.SetAttributeQuantization(draco::GeometryAttribute::TEX_COORD, 12);
  draco::EncoderBuffer buffer;
  if (!encoder.EncodeMeshToBuffer(*mesh, &buffer).ok()) return {};
  std::vector<std::byte> binary;
  put_bytes(binary, buffer.data(), buffer.size());
  return glb_with(
      R"("meshes":[{"primitives":[{"attributes":{"POSITION":0,"TEXCOORD_0":1},"indices":2,"extensions":)"
      R"({"KHR_draco_mesh_compression":{"bufferView":0,"attributes":{"POSITION":0,"TEXCOORD_0":1}}}}]}],)"
      R"("accessors":[{"componentType":5126,"count":4,"type":"VEC3"},{"componentType":5126,"count":4,"type":"VEC2"},)"
      R"({"componentType":5125,"count":6,"type":"SCALAR"}],"bufferViews":[{"buffer":0,"byteLength":)" +
          std::to_string(buffer.size()) + R"(}],"buffers":[{"byteLength":)" + std::to_string(binary.size()) + "}]",
      binary, "KHR_draco_mesh_compression");
}

inline std::vector<std::byte> meshopt_glb() {
  std::vector<unsigned char> vertices(meshopt_encodeVertexBufferBound(4, 12)), indices(meshopt_encodeIndexBufferBound(6, 4));
  meshopt_encodeVertexVersion(0);
  meshopt_encodeIndexVersion(1);
  vertices.resize(meshopt_encodeVertexBuffer(vertices.data(), vertices.size(), kSquare.data(), 4, 12));
  indices.resize(meshopt_encodeIndexBuffer(indices.data(), indices.size(), kSquareCorners.data(), 6));
  std::vector<std::byte> binary;
  put_bytes(binary, vertices.data(), vertices.size());
  const std::size_t second = binary.size();
  put_bytes(binary, indices.data(), indices.size());
  const auto view = [](std::size_t offset, std::size_t size, std::size_t length, int stride, int count, const char* mode) {
    return R"({"buffer":1,"byteLength":)" + std::to_string(length) +
           R"(,"extensions":{"EXT_meshopt_compression":{"buffer":0,"byteOffset":)" + std::to_string(offset) +
           R"(,"byteLength":)" + std::to_string(size) + R"(,"byteStride":)" + std::to_string(stride) + R"(,"count":)" +
           std::to_string(count) + R"(,"mode":")" + mode + R"("}}})";
  };
  return glb_with(
      R"("meshes":[{"primitives":[{"attributes":{"POSITION":0},"indices":1}]}],"accessors":[)"
      R"({"bufferView":0,"componentType":5126,"count":4,"type":"VEC3"},{"bufferView":1,"componentType":5125,"count":6,"type":"SCALAR"}],)"
      R"("bufferViews":[)" +
          view(0, vertices.size(), 48, 12, 4, "ATTRIBUTES") + "," + view(second, indices.size(), 24, 4, 6, "TRIANGLES") +
          R"(],"buffers":[{"byteLength":)" + std::to_string(binary.size()) +
          R"(},{"byteLength":72,"extensions":{"EXT_meshopt_compression":{"fallback":true}}}])",
      binary, "EXT_meshopt_compression");
}

// Positions without a buffer view, of which the sparse part changes all but the first.
inline std::string sparse_gltf() {
  // indices 1 2 3 as bytes and a filler; (1,0,0) (1,1,0) (0,1,0)
  return R"({"asset":{"version":"2.0"},"meshes":[{"primitives":[{"attributes":{"POSITION":0},"mode":6}]}],)"
         R"("accessors":[{"componentType":5126,"count":4,"type":"VEC3","sparse":{"count":3,"indices":{"bufferView":0,"componentType":5121},)"
         R"("values":{"bufferView":1}}}],"bufferViews":[{"buffer":0,"byteLength":3},{"buffer":0,"byteOffset":4,"byteLength":36}],)"
         R"("buffers":[{"byteLength":40,"uri":"data:application/octet-stream;base64,)"
         "AQIDAAAAgD8AAAAAAAAAAAAAgD8AAIA/AAAAAAAAAAAAAIA/AAAAAA=="
         R"("}]})";
}

// Two Gaussians as SOG, its files in a folder of the archive: at (0, 0, 0) and (1, 0, 0), red and green, opacities 1 and
// 51/255, scales e^-2 and e^-4.
inline std::vector<std::byte> sog(int version, const std::string& folder = "") {
  const auto image = [](std::initializer_list<std::array<std::uint8_t, 4>> texels) {
    Image p(2, 1, 4);
    std::size_t at = 0;
    for (const auto& t : texels) {
      for (const std::uint8_t v : t) p.pixels[at++] = v;
    }
    return encode_webp(p, {.lossless = true});
  };
  std::vector<NamedFile> files;
  // ln 2 is the place of 1; the range of x is 0 to ln 2.
  files.push_back({"means_l.webp", image({{0, 0, 0, 255}, {255, 0, 0, 255}})});
  files.push_back({"means_u.webp", image({{0, 0, 0, 255}, {255, 0, 0, 255}})});
  files.push_back({"quats.webp", image({{128, 128, 128, 252}, {128, 128, 128, 252}})});
  files.push_back({"scales.webp", image({{255, 255, 255, 255}, {0, 0, 0, 255}})});
  files.push_back({"sh0.webp", image({{255, 0, 0, 255}, {0, 255, 0, 51}})});
  const std::string means =
      R"("means":{"shape":[2,3],"mins":[0,0,0],"maxs":[0.69314718056,0,0],"files":["means_l.webp","means_u.webp"]},)";
  std::string book = "-4", colours = "-1";
  for (int i = 1; i < 256; ++i) {
    book.append(",").append(std::to_string(-4.0 + 2.0 * i / 255.0));
    colours.append(",").append(std::to_string(-1.0 + 2.0 * i / 255.0));
  }
  // The first version has logits of opacity: 1.3862944 is that of 0.8 and stands at the byte 51.
  const std::string text =
      version == 2
          ? R"({"version":2,"count":2,)" + means + R"("scales":{"codebook":[)" + book +
                R"(],"files":["scales.webp"]},"quats":{"files":["quats.webp"]},"sh0":{"codebook":[)" + colours +
                R"(],"files":["sh0.webp"]}})"
          : "{" + means + R"("scales":{"mins":[-4,-4,-4],"maxs":[-2,-2,-2],"files":["scales.webp"]},)" +
                R"("quats":{"files":["quats.webp"]},"sh0":{"mins":[-1,-1,-1,0],"maxs":[1,1,1,6.931472],"files":["sh0.webp"]}})";
  std::vector<std::byte> meta;
  for (const char c : text) meta.push_back(static_cast<std::byte>(c));
  files.push_back({"meta.json", std::move(meta)});
  for (NamedFile& file : files) file.name.insert(0, folder);
  return encode_zip(files);
}

// One Gaussian as .ksplat of a level of compression: at (0.5, -0.25, 1), scales 0.125, half green, opaque, degree 1.
inline std::vector<std::byte> ksplat(std::uint16_t level) {
  std::vector<std::byte> out(4096 + 1024);
  const auto set = [&](std::size_t at, auto value) { std::memcpy(out.data() + at, &value, sizeof(value)); };
  set(1, std::uint8_t{1});
  for (const std::size_t at : {4U, 8U, 12U, 16U}) set(at, std::uint32_t{1});  // sections and Gaussians
  set(20, level);
  set(36, -2.0F);
  set(40, 2.0F);
  const std::size_t s = 4096;
  set(s, std::uint32_t{1});
  set(s + 4, std::uint32_t{1});
  set(s + 8, std::uint32_t{256});
  set(s + 12, std::uint32_t{level == 0 ? 0U : 1U});
  set(s + 16, 2.0F);  // side of a block
  set(s + 20, static_cast<std::uint16_t>(level == 0 ? 0 : 12));
  set(s + 24, std::uint32_t{level == 0 ? 1U : 32767U});
  set(s + 36, std::uint32_t{level == 0 ? 0U : 1U});  // one bucket that is not full
  set(s + 40, std::uint16_t{1});
  const auto put = [&](auto value) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&value);
    out.insert(out.end(), bytes, bytes + sizeof(value));
  };
  const auto half = [](float x) {  // of powers of two and zero
    return static_cast<std::uint16_t>(x == 0.0F ? 0 : (15 + std::ilogb(x)) << 10);
  };
  if (level > 0) {
    put(std::uint32_t{1});
    for (const float x : {0.5F, 0.0F, 0.5F}) put(x);  // the bucket's centre
    for (const double x : {0.5 - 0.5, -0.25, 1.0 - 0.5}) put(static_cast<std::uint16_t>(std::lround(32767 + x * 32767)));
    for (int i = 0; i < 3; ++i) put(half(0.125F));
    for (const float x : {1.0F, 0.0F, 0.0F, 0.0F}) put(half(x));
  } else {
    for (const float x : {0.5F, -0.25F, 1.0F}) put(x);
    for (int i = 0; i < 3; ++i) put(0.125F);
    for (const float x : {1.0F, 0.0F, 0.0F, 0.0F}) put(x);
  }
  for (const int c : {0, 128, 0, 255}) put(static_cast<std::uint8_t>(c));
  for (int i = 0; i < 9; ++i) {
    const float value = i == 4 ? 0.5F : 0.0F;  // green, the second coefficient
    if (level == 0) put(value);
    if (level == 1) put(half(value));
    if (level == 2) put(static_cast<std::uint8_t>(std::lround((value + 2.0F) / 4.0F * 255.0F)));
  }
  return out;
}

}  // namespace espalier::test
