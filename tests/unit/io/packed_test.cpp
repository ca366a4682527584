// Packed geometry of glTF, and Gaussians of the formats that only others write.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "io/formats/gaussian_reader.h"
#include "io/formats/mesh_reader.h"
#include "packed_samples.h"
#include "support/bytes.h"
#include "support/errors.h"

namespace espalier {
namespace {

using test::bytes_of;
using test::expect_error;

// Corner by corner, in the axes of the file.
void expect_square(const Mesh& mesh, float tolerance) {
  ASSERT_EQ(mesh.faces.size(), 6U);
  std::vector<std::array<float, 3>> wanted, read;
  for (std::size_t c = 0; c < 6; ++c) {
    const float* p = &mesh.vertices[3 * static_cast<std::size_t>(mesh.faces[c])];
    read.push_back({p[0], p[2], -p[1]});
    wanted.push_back(test::kSquare[test::kSquareCorners[c]]);
  }
  // Packing may turn the order of triangles, and of the corners in one.
  for (const auto& p : wanted) {
    EXPECT_TRUE(std::any_of(read.begin(), read.end(),
                            [&](const auto& q) {
                              return std::abs(p[0] - q[0]) <= tolerance && std::abs(p[1] - q[1]) <= tolerance &&
                                     std::abs(p[2] - q[2]) <= tolerance;
                            }))
        << p[0] << " " << p[1] << " " << p[2];
  }
}

TEST(ReadPacked, Draco) {
  const MeshFile file = decode_mesh(test::draco_glb(), "x");
  expect_square(file.mesh, 1e-3F);
  ASSERT_EQ(file.mesh.uvs.size(), 8U);
  for (std::size_t v = 0; v < 4; ++v) {
    // u is x, and v goes down where y goes up.
    EXPECT_NEAR(file.mesh.uvs[2 * v], file.mesh.vertices[3 * v], 1e-3);
  }
}

TEST(ReadPacked, DamagedDraco) {
  const auto good = test::draco_glb();
  const std::string text(reinterpret_cast<const char*>(good.data()), good.size());
  const std::size_t at = text.find("DRACO");
  ASSERT_NE(at, std::string::npos);
  const auto refuse = [&](std::size_t offset, std::uint8_t value, ErrorCode code, std::initializer_list<const char*> words) {
    auto bad = good;
    bad[at + offset] = static_cast<std::byte>(value);
    expect_error(code, words, [&] { (void)decode_mesh(bad, "x"); });
  };
  refuse(0, 'X', ErrorCode::format, {"Draco"});
  refuse(5, 1, ErrorCode::unsupported, {"version 1.2"});
  refuse(7, 0, ErrorCode::format, {"not a mesh"});
  // Counts beyond the limits, before anything is unpacked.
  auto many = good;
  for (std::size_t i = 0; i < 4; ++i) many[at + 12 + i] = std::byte{0xFF};
  many[at + 16] = std::byte{0x0F};
  expect_error(ErrorCode::format, {"not accepted"}, [&] { (void)decode_mesh(many, "x"); });
}

TEST(ReadPacked, Meshopt) {
  const auto good = test::meshopt_glb();
  expect_square(decode_mesh(good, "x").mesh, 0.0F);
  std::string text(reinterpret_cast<const char*>(good.data()), good.size());
  const auto refuse = [&](const std::string& from, const std::string& to, std::initializer_list<const char*> words) {
    SCOPED_TRACE(to);
    std::string bad = text;
    bad.replace(bad.find(from), from.size(), to);
    expect_error(ErrorCode::format, words, [&] { (void)decode_mesh(bytes_of(bad), "x"); });
  };
  refuse("\"byteStride\":12", "\"byteStride\":13", {"13 bytes"});
  refuse("\"count\":6,\"mode\":\"TRIANGLES\"", "\"count\":5,\"mode\":\"TRIANGLES\"", {"5 elements"});
  refuse("ATTRIBUTES", "ATTRIBUTED", {"ATTRIBUTED"});
}

TEST(ReadPacked, SparseWithoutABufferView) {
  const Mesh mesh = decode_mesh(bytes_of(test::sparse_gltf()), "x.gltf").mesh;
  EXPECT_EQ(mesh.vertices, (std::vector<float>{0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1}));
  EXPECT_EQ(mesh.faces, (std::vector<std::int32_t>{1, 2, 0, 2, 3, 0}));
  std::string bad = test::sparse_gltf();
  bad.replace(bad.find("AQID"), 4, "AQIE");  // changes value 4 of 4
  expect_error(ErrorCode::format, {"value 4 of 4"}, [&] { (void)decode_mesh(bytes_of(bad), "x.gltf"); });
}

TEST(ReadPacked, Sog) {
  for (const int version : {1, 2}) {
    SCOPED_TRACE(version);
    const GaussianFile file = decode_gaussians(test::sog(version), "x");
    EXPECT_EQ(file.format, "SOG");
    const Gaussians& g = file.gaussians;
    ASSERT_EQ(g.count(), 2);
    EXPECT_NEAR(g.xyz[0], 0.0F, 1e-6);
    EXPECT_NEAR(g.xyz[3], 1.0F, 1e-5);
    EXPECT_NEAR(g.scale[0], std::exp(-2.0), 1e-4);
    EXPECT_NEAR(g.scale[3], std::exp(-4.0), 1e-4);
    EXPECT_NEAR(g.dc[0], 1.0F, 1e-5);
    EXPECT_NEAR(g.dc[1], -1.0F, 1e-5);
    EXPECT_NEAR(g.dc[4], 1.0F, 1e-5);
    EXPECT_NEAR(g.opacity[1], version == 2 ? 51.0 / 255 : 0.8, 1e-5);
    // Hardly turned in the file's axes: a quarter about x in ours.
    EXPECT_NEAR(std::abs(g.rotation[0]), std::sqrt(0.5), 0.01);
  }
}

TEST(ReadPacked, Ksplat) {
  for (const std::uint16_t level : {0, 1, 2}) {
    SCOPED_TRACE(level);
    const GaussianFile file = decode_gaussians(test::ksplat(level), "x.ksplat");
    const Gaussians& g = file.gaussians;
    ASSERT_EQ(g.count(), 1);
    // (x, y, z) of the file is (x, z, -y) here.
    EXPECT_NEAR(g.xyz[0], 0.5F, 1e-4);
    EXPECT_NEAR(g.xyz[1], 1.0F, 1e-4);
    EXPECT_NEAR(g.xyz[2], 0.25F, 1e-4);
    EXPECT_NEAR(g.scale[0], 0.125F, 1e-6);
    EXPECT_EQ(g.opacity[0], 1.0F);
    EXPECT_NEAR(g.dc[1], (128.0 / 255 - 0.5) / 0.28209479, 1e-5);
    ASSERT_EQ(g.sh.size(), 9U);
    const auto largest = std::max_element(g.sh.begin(), g.sh.end(), [](float a, float b) { return std::abs(a) < std::abs(b); });
    EXPECT_NEAR(std::abs(*largest), 0.5, 0.02);
  }
  auto bad = test::ksplat(1);
  bad[4096] = std::byte{9};  // Gaussians of the section
  bad[4096 + 4] = std::byte{9};
  expect_error(ErrorCode::format, {}, [&] { (void)decode_gaussians(bad, "x.ksplat"); });
}

}  // namespace
}  // namespace espalier
