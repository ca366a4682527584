// Edits with a known outcome, and the scores of what becomes of them.
#include "edits.h"

#include <gtest/gtest.h>

#include <set>

#include "edit_scores.h"
#include "support/mesh_shapes.h"

namespace espalier::quality {
namespace {

constexpr int kSide = 32;
constexpr float kVoxel = 1.0F / 64;

TEST(EditCase, ObjectsDifferInsideTheBoxAlone) {
  const auto set = load_held_out(ESPALIER_HELD_OUT);
  const auto cases = edit_cases(set, 8, 1);
  ASSERT_EQ(cases.size(), 8U);
  std::set<std::string> families;
  for (const EditCase& example : cases) {
    SCOPED_TRACE(example.before.family() + " " + example.region());
    families.insert(example.before.family());
    const auto before = example.before.surface_cells(kSide), after = example.after.surface_cells(kSide);
    const Region region(example.region());
    const CellMarks inside = grown(region.cells(kSide), kSide, 1);
    int changed = 0, outside = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      changed += before[i] != after[i] ? 1 : 0;
      outside += before[i] != after[i] && inside[i] == 0 ? 1 : 0;
    }
    EXPECT_GT(changed, 20);
    EXPECT_EQ(outside, 0);
  }
  EXPECT_EQ(families.size(), 8U);
  EXPECT_GT(edit_cases(set, 1000, 2).size(), edit_cases(set, 1000, 1).size());
}

// A box as sdf.cu takes it.
HeldOutObject box_object(const std::array<float, 3>& middle, const std::array<float, 3>& half) {
  constexpr std::size_t kPrimitives = 16, kNumbers = 24;
  std::vector<float> primitives(kPrimitives * kNumbers);
  for (std::size_t i = 0; i < kPrimitives; ++i) primitives[i * kNumbers] = -1;
  primitives[0] = 0;
  primitives[6] = primitives[10] = primitives[14] = 1;
  for (std::size_t k = 0; k < 3; ++k) {
    primitives[3 + k] = middle[k];
    primitives[15 + k] = half[k];
  }
  return {"box", primitives, std::vector<float>(18), 0.0F};
}

Mesh box_mesh(const std::array<float, 3>& middle, const std::array<float, 3>& half) {
  Mesh mesh;
  for (int i = 0; i < 8; ++i) {
    for (int k = 0; k < 3; ++k) {
      const auto u = static_cast<std::size_t>(k);
      mesh.vertices.push_back(middle[u] + ((i >> k) & 1 ? half[u] : -half[u]));
    }
  }
  for (const auto& [a, b, c, d] :
       std::vector<std::array<int, 4>>{{0, 2, 3, 1}, {4, 5, 7, 6}, {0, 1, 5, 4}, {2, 6, 7, 3}, {0, 4, 6, 2}, {1, 3, 7, 5}}) {
    mesh.faces.insert(mesh.faces.end(), {a, b, c, a, c, d});
  }
  mesh.colours.assign(mesh.vertices.size(), 0.0F);
  return mesh;
}

constexpr std::array<float, 6> kUpper{-0.4F, -0.4F, 0, 0.4F, 0.4F, 0.5F};

TEST(EditScores, AShiftAtTheBorderIsAStep) {
  const HeldOutObject object = box_object({0, 0, 0}, {0.2F, 0.2F, 0.3F});
  const Mesh lower = box_mesh({0, 0, -0.15F}, {0.2F, 0.2F, 0.15F});
  const auto with_upper = [&](float shift) { return test::joined(lower, box_mesh({shift, 0, 0.15F}, {0.2F, 0.2F, 0.15F})); };
  const double none = step_at_border(with_upper(0), object, kUpper);
  EXPECT_NEAR(step_at_border(with_upper(5 * kVoxel), object, kUpper) - none, 5, 1);
  // What the mesh of an asset in one piece has there is no step of the edit.
  const Mesh shifted = with_upper(5 * kVoxel);
  EXPECT_LT(step_at_border(shifted, object, kUpper, &shifted), 1);
  const Mesh straight = with_upper(0);
  EXPECT_NEAR(step_at_border(shifted, object, kUpper, &straight) - none, 5, 1);
  // Where the surface ends, the other outline is as far away as it gets, unless the object ends there.
  EXPECT_GT(step_at_border(lower, object, kUpper), 60);
  EXPECT_LT(step_at_border(lower, box_object({0, 0, -0.15F}, {0.2F, 0.2F, 0.15F}), kUpper), 1);
}

TEST(EditScores, TheInsideOfTheBoxAloneCounts) {
  const HeldOutObject object = box_object({0, 0, 0}, {0.2F, 0.2F, 0.3F});
  const Mesh lower = box_mesh({0, 0, -0.15F}, {0.2F, 0.2F, 0.15F});
  const Mesh whole = box_mesh({0, 0, 0}, {0.2F, 0.2F, 0.3F});
  EXPECT_GT(f_score_inside(whole, object, kUpper, 0.02F), 0.99);
  EXPECT_LT(f_score_inside(lower, object, kUpper, 0.02F), 0.2);
  EXPECT_LT(colour_error_inside(whole, object, kUpper), 1e-3);
  EXPECT_EQ(colour_error_inside(lower, object, {0.3F, 0.3F, 0.3F, 0.4F, 0.4F, 0.4F}), 255);
  EXPECT_EQ(open_edges_of(whole), 0);
  Mesh open = whole;
  open.faces.resize(open.faces.size() - 3);
  EXPECT_EQ(open_edges_of(open), 3);
}

// Two voxels, of which an edit may touch the second.
struct Edited {
  Asset::Data before, after;
  Edited() {
    before.voxels = make_voxels({0, 2, 2, 2, 0, 12, 12, 12}, 1, 16);
    before.latent = {1, 2, 3, 4};
    before.gaussians = Gaussians{.xyz = std::vector<float>(6, 0.1F),
                                 .dc = std::vector<float>(6, 0.2F),
                                 .scale = std::vector<float>(6, 0.3F),
                                 .rotation = std::vector<float>(8, 0.4F),
                                 .opacity = {0.5F, 0.6F}};
    const Mesh far = box_mesh({-0.35F, -0.35F, -0.35F}, {0.03F, 0.03F, 0.03F});
    before.mesh = test::joined(far, box_mesh({0.3F, 0.3F, 0.3F}, {0.03F, 0.03F, 0.03F}));
    after = before;
    CellMarks touched(std::size_t{16} * 16 * 16);
    touched[(std::size_t{12} * 16 + 12) * 16 + 12] = 1;
    after.earlier.push_back({before.voxels, before.latent, touched});
  }
};

TEST(EditScores, WhatMayChangeMayAndTheRestMayNot) {
  const Edited same;
  EXPECT_TRUE(outside_is_same(same.before, same.after));
  Edited inside;
  inside.after.latent[3] = 9;
  inside.after.gaussians->opacity[1] = 0.9F;
  inside.after.mesh->vertices[3 * 8] += 0.01F;
  EXPECT_TRUE(outside_is_same(inside.before, inside.after));
  Edited latent, gaussian, vertex, face, voxel;
  latent.after.latent[1] = 9;
  EXPECT_FALSE(outside_is_same(latent.before, latent.after));
  gaussian.after.gaussians->rotation[3] = 0.41F;
  EXPECT_FALSE(outside_is_same(gaussian.before, gaussian.after));
  vertex.after.mesh->vertices[0] += 1e-6F;
  EXPECT_FALSE(outside_is_same(vertex.before, vertex.after));
  face.after.mesh->faces.erase(face.after.mesh->faces.begin(), face.after.mesh->faces.begin() + 3);
  EXPECT_FALSE(outside_is_same(face.before, face.after));
  voxel.after.voxels = make_voxels({0, 2, 2, 3, 0, 12, 12, 12}, 1, 16);
  EXPECT_FALSE(outside_is_same(voxel.before, voxel.after));
}

TEST(Edits, SummariesHoldBarsPerSetting) {
  EditRow good{.family = "a", .resample = 1, .rim = 2, .outside_same = true, .step = 0.9, .f_before = 0.5, .f_after = 0.8};
  EditRow bad = good;
  bad.resample = 4;
  bad.step = 1.5;
  const auto summaries = summaries_of({good, bad, good});
  ASSERT_EQ(summaries.size(), 2U);
  EXPECT_EQ(summaries[0].edits, 2U);
  EXPECT_TRUE(summaries[0].met());
  EXPECT_DOUBLE_EQ(summaries[0].f_after, 0.8);
  EXPECT_FALSE(summaries[1].met());
}

}  // namespace
}  // namespace espalier::quality
