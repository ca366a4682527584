// Both sides of a seam show the same colours.
#include "bake/seams.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "bake/bake_steps.h"

namespace espalier::test {
namespace {

constexpr int kSize = 64;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// A strip of squares bent at every edge, each square a chart of its own somewhere in the texture and turned by itself.
Mesh strip(int squares) {
  Mesh mesh;
  for (int s = 0; s < squares; ++s) {
    const auto first = static_cast<std::int32_t>(mesh.vertex_count());
    const float left = 0.05F + 0.3F * static_cast<float>(s % 3), top = 0.05F + 0.3F * static_cast<float>(s / 3);
    for (int i = 0; i < 4; ++i) {
      const int x = i % 2, y = i / 2;
      const float along = static_cast<float>(s + x);
      mesh.vertices.insert(mesh.vertices.end(), {along, static_cast<float>(y), static_cast<float>((s + x) % 2)});
      const bool turned = s % 2 == 1;
      mesh.uvs.insert(mesh.uvs.end(),
                      {left + 0.2F * static_cast<float>(turned ? y : x), top + 0.17F * static_cast<float>(turned ? x : y)});
    }
    for (const int v : {0, 1, 3, 0, 3, 2}) mesh.faces.push_back(first + v);
  }
  return mesh;
}

float colour_at(const std::vector<float>& texture, float u, float v, std::size_t channel) {
  const baking::Footprint foot = baking::footprint_at(u, v, kSize);
  float value = 0;
  for (int k = 0; k < 4; ++k) {
    // As the eight bits of the image have it.
    const float texel = std::round(std::clamp(texture[3 * at(foot.texel[k]) + channel], 0.0F, 1.0F) * 255);
    value += foot.weight[k] * texel;
  }
  return value;
}

// The largest difference of the two sides of the edges between squares.
float apart(const Mesh& mesh, const std::vector<float>& texture) {
  float most = 0;
  for (std::int64_t v = 4; v < mesh.vertex_count(); v += 4) {
    for (int i = 0; i <= 97; ++i) {
      const float t = static_cast<float>(i) / 97;
      const auto place = [&](std::int64_t a, std::int64_t b, std::size_t axis) {
        return mesh.uvs[2 * at(a) + axis] + t * (mesh.uvs[2 * at(b) + axis] - mesh.uvs[2 * at(a) + axis]);
      };
      for (std::size_t c = 0; c < 3; ++c) {
        const float before = colour_at(texture, place(v - 3, v - 1, 0), place(v - 3, v - 1, 1), c);
        const float here = colour_at(texture, place(v, v + 2, 0), place(v, v + 2, 1), c);
        most = std::max(most, std::abs(before - here));
      }
    }
  }
  return most;
}

TEST(Seams, BothSidesShowTheSame) {
  const Mesh mesh = strip(8);
  std::vector<float> texture(3 * kSize * kSize);
  for (std::size_t i = 0; i < texture.size(); ++i) {
    const auto texel = static_cast<float>(i / 3 % kSize), row = static_cast<float>(i / 3 / kSize);
    texture[i] = 0.5F + 0.2F * std::sin(0.25F * texel + static_cast<float>(i % 3)) * std::cos(0.2F * row);
  }
  const std::vector<float> before = texture;
  ASSERT_GT(apart(mesh, texture), 20);
  match_seams(mesh, kSize, texture);
  EXPECT_LE(apart(mesh, texture), 2);
  std::size_t same = 0;
  for (std::size_t i = 0; i < texture.size(); ++i) same += texture[i] == before[i] ? 1 : 0;
  EXPECT_GT(same, texture.size() * 3 / 4);
  std::vector<float> again = before;
  match_seams(mesh, kSize, again);
  EXPECT_EQ(texture, again);
}

TEST(Seams, WithoutSeamsNothingChanges) {
  const Mesh mesh = strip(1);
  std::vector<float> texture(3 * kSize * kSize);
  for (std::size_t i = 0; i < texture.size(); ++i) texture[i] = static_cast<float>(i % 7) / 7;
  const std::vector<float> before = texture;
  match_seams(mesh, kSize, texture);
  EXPECT_EQ(texture, before);
}

}  // namespace
}  // namespace espalier::test
