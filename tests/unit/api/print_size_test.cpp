// Millimetres of walls and bases are those of the file that is written, whatever is cut off and however the size is given.
#include <gtest/gtest.h>

#include "api/asset.h"
#include "espalier/espalier.h"
#include "geometry/mesh/mesh_edit.h"
#include "io/formats/mesh_reader.h"
#include "support/temporary_folder.h"

namespace espalier {
namespace {

Mesh block(float x, float y, float z) {
  Mesh mesh;
  for (int corner = 0; corner < 8; ++corner) {
    const std::array<float, 3> half{x / 2, y / 2, z / 2};
    for (int k = 0; k < 3; ++k) mesh.vertices.push_back(((corner >> k) & 1) != 0 ? half.at(k) : -half.at(k));
  }
  mesh.faces = {0, 2, 3, 0, 3, 1, 4, 5, 7, 4, 7, 6, 0, 1, 5, 0, 5, 4, 2, 6, 7, 2, 7, 3, 0, 4, 6, 0, 6, 2, 1, 3, 7, 1, 7, 5};
  mesh.colours.assign(mesh.vertices.size(), 0.5F);
  return mesh;
}

class PrintSize : public ::testing::Test {
 protected:
  // Solids of 256 steps take minutes there, and the tests of printable() have shown their memory to the sanitizers.
  void SetUp() override {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "numbers alone";
#endif
  }
  // Sides in millimetres of the .stl of the finished mesh.
  [[nodiscard]] std::array<double, 3> sides_of(const Mesh& mesh, double wall, double base, std::optional<double> height) const {
    AssetBuilder builder;
    builder.mesh(mesh, SurfaceRule::solid);
    FinishRequest request;
    request.clean = false;
    request.simplify = 0;
    request.texture = false;
    request.watertight = true;
    request.min_wall_mm = wall;
    request.flat_base_mm = base;
    request.height_mm = 1000 * height.value_or(0);
    const Asset finished = finish(builder.build(), request, "cpu");
    SaveOptions options;
    options.height = height;
    finished.save(folder_ / "print.stl", options);
    const Bounds box = box_of(read_mesh(folder_ / "print.stl").mesh);
    return {box.high[0] - box.low[0], box.high[1] - box.low[1], box.high[2] - box.low[2]};
  }
  const test::TemporaryFolder folder_;
};

TEST_F(PrintSize, WhatIsCutOffHasItsMillimetresInTheFile) {
  constexpr double kBase = 20.0;
  const auto by_size = sides_of(block(0.8F, 0.8F, 1.0F), 0, kBase, {});
  EXPECT_NEAR(by_size[2], 100, 0.1);
  EXPECT_NEAR(by_size[0] / 0.8 - by_size[2], kBase, 0.8) << "the width tells the scale";
  const auto by_height = sides_of(block(0.8F, 0.8F, 1.0F), 0, kBase, 0.25);
  EXPECT_NEAR(by_height[2], 250, 0.1);
  EXPECT_NEAR(by_height[0] / 0.8 - by_height[2], kBase, 2.0);
}

TEST_F(PrintSize, WallsHaveTheirMillimetresInTheFile) {
  const auto by_height = sides_of(block(0.9F, 0.004F, 1.0F), 3, 50, 0.2);
  EXPECT_NEAR(by_height[2], 200, 0.1);
  EXPECT_GE(by_height[1], 3.0);
  EXPECT_LE(by_height[1], 3.4);
}

}  // namespace
}  // namespace espalier
