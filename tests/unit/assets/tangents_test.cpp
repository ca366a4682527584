// Tangents as MikkTSpace defines them.
#include "assets/tangents.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "support/chart_ball.h"

namespace espalier {
namespace {

// Two triangles in the plane z = 0, seen from above; v falls with y, as in images.
Mesh square() {
  Mesh mesh;
  mesh.vertices = {0, 0, 0, 2, 0, 0, 2, 1, 0, 0, 1, 0};
  mesh.normals = {0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1};
  mesh.uvs = {0, 1, 1, 1, 1, 0, 0, 0};
  mesh.faces = {0, 1, 2, 0, 2, 3};
  return mesh;
}

void expect_tangent(const std::vector<float>& tangents, std::size_t vertex, const std::array<double, 4>& wanted) {
  for (std::size_t k = 0; k < 4; ++k) EXPECT_NEAR(tangents.at(4 * vertex + k), wanted[k], 1e-6) << vertex << ", " << k;
}

TEST(Tangents, PointWhereUGrowsAndTheirBitangentsUpTheImage) {
  const std::vector<float> tangents = tangents_of(square());
  for (std::size_t v = 0; v < 4; ++v) expect_tangent(tangents, v, {1, 0, 0, 1});
}

TEST(Tangents, MirroredTexturesTurnTheSide) {
  Mesh mesh = square();
  for (std::size_t v = 0; v < 4; ++v) mesh.uvs[2 * v] = 1 - mesh.uvs[2 * v];
  for (std::size_t v = 0; v < 4; ++v) expect_tangent(tangents_of(mesh), v, {-1, 0, 0, -1});
}

TEST(Tangents, TurnWithTheTexture) {
  Mesh mesh = square();
  for (std::size_t v = 0; v < 4; ++v) {
    const float u = mesh.uvs[2 * v], w = mesh.uvs[2 * v + 1];
    mesh.uvs[2 * v] = 1 - w;  // u grows with y, and v grows with x
    mesh.uvs[2 * v + 1] = u;
  }
  for (std::size_t v = 0; v < 4; ++v) expect_tangent(tangents_of(mesh), v, {0, 1, 0, 1});
}

TEST(Tangents, AnglesAreTheWeights) {
  // Around vertex 0 a face of 90 degrees whose u grows along (1, 0), and one of 45 degrees whose u grows along (1, -1).
  Mesh mesh;
  mesh.vertices = {0, 0, 0, 1, 0, 0, 0, 1, 0, -1, 1, 0};
  mesh.normals = {0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1};
  mesh.uvs = {0, 1, 1, 1, 0, 0, -1, 1};
  mesh.faces = {0, 1, 2, 0, 2, 3};
  const std::vector<float> tangents = tangents_of(mesh);
  const double x = 2 + std::sqrt(0.5), y = -std::sqrt(0.5), length = std::hypot(x, y);
  expect_tangent(tangents, 0, {x / length, y / length, 0, 1});
  expect_tangent(tangents, 1, {1, 0, 0, 1});
  expect_tangent(tangents, 3, {std::sqrt(0.5), -std::sqrt(0.5), 0, 1});
}

TEST(Tangents, AreUprightOnNormalsAndOfLengthOne) {
  const Mesh ball = test::chart_ball(8);
  const std::vector<float> tangents = tangents_of(ball);
  ASSERT_EQ(tangents.size(), 4 * ball.vertices.size() / 3);
  for (std::size_t v = 0; v < ball.vertices.size() / 3; ++v) {
    const float *t = &tangents[4 * v], *n = &ball.normals[3 * v];
    EXPECT_NEAR(std::hypot(t[0], t[1], t[2]), 1, 1e-5);
    EXPECT_NEAR(t[0] * n[0] + t[1] * n[1] + t[2] * n[2], 0, 1e-5);
    EXPECT_EQ(std::abs(t[3]), 1.0F);
  }
}

TEST(Tangents, FacesWithoutTextureAreaGetAny) {
  Mesh mesh = square();
  std::fill(mesh.uvs.begin(), mesh.uvs.end(), 0.5F);
  const std::vector<float> tangents = tangents_of(mesh);
  for (std::size_t v = 0; v < 4; ++v) {
    EXPECT_NEAR(std::hypot(tangents[4 * v], tangents[4 * v + 1]), 1, 1e-6);
    EXPECT_EQ(tangents[4 * v + 2], 0.0F);
  }
  mesh.normals.clear();
  EXPECT_TRUE(tangents_of(mesh).empty());
}

}  // namespace
}  // namespace espalier
