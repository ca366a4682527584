// Tables of TRELLIS' flows.
#include <gtest/gtest.h>

#include "models/trellis/structured_latent_flow.h"

namespace espalier::test {
namespace {

TEST(LatentTables, CopiesHaveTheTablesOfABatch) {
  std::vector<std::int32_t> one, three;
  for (std::int32_t b = 0; b < 3; ++b) {
    for (std::int32_t i = 0; i < 216; ++i) {
      if (i * 7 % 5 < 2) three.insert(three.end(), {b, i / 36, i / 6 % 6, i % 6});
    }
    if (b == 0) one = three;
  }
  StructuredLatentFlowConfig config;
  config.resolution = 8;
  config.io_channels = {16, 32};
  const LatentTables built = latent_tables(config, make_voxels(three, 3, 8));
  const LatentTables repeated = repeat_tables(latent_tables(config, make_voxels(one, 1, 8)), 3);
  ASSERT_EQ(repeated.levels.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    const LatentTables::Level &a = built.levels[i], &b = repeated.levels[i];
    EXPECT_EQ(a.voxels.coords, b.voxels.coords) << "level " << i;
    EXPECT_EQ(a.voxels.begin, b.voxels.begin) << "level " << i;
    EXPECT_EQ(a.voxels.resolution, b.voxels.resolution) << "level " << i;
    EXPECT_EQ(a.neighbours, b.neighbours) << "level " << i;
    EXPECT_EQ(a.neighbour_parents, b.neighbour_parents) << "level " << i;
    EXPECT_EQ(a.row_batch, b.row_batch) << "level " << i;
    EXPECT_EQ(a.coarser.coarse.coords, b.coarser.coarse.coords) << "level " << i;
    EXPECT_EQ(a.coarser.parent, b.coarser.parent) << "level " << i;
    EXPECT_EQ(a.coarser.begin, b.coarser.begin) << "level " << i;
    EXPECT_EQ(a.coarser.child, b.coarser.child) << "level " << i;
  }
}

TEST(LatentTables, ABatchIsRepeatedAsAWhole) {
  std::vector<std::int32_t> two, four;
  for (std::int32_t b = 0; b < 4; ++b) {
    for (std::int32_t i = 0; i < 216; ++i) {
      if (i * 7 % 5 < 1 + b % 2) four.insert(four.end(), {b, i / 36, i / 6 % 6, i % 6});
    }
    if (b == 1) two = four;
  }
  StructuredLatentFlowConfig config;
  config.resolution = 8;
  config.io_channels = {16};
  const LatentTables built = latent_tables(config, make_voxels(four, 4, 8));
  const LatentTables repeated = repeat_tables(latent_tables(config, make_voxels(two, 2, 8)), 2);
  ASSERT_EQ(repeated.levels.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const LatentTables::Level &a = built.levels[i], &b = repeated.levels[i];
    EXPECT_EQ(a.voxels.coords, b.voxels.coords) << "level " << i;
    EXPECT_EQ(a.voxels.begin, b.voxels.begin) << "level " << i;
    EXPECT_EQ(a.neighbours, b.neighbours) << "level " << i;
    EXPECT_EQ(a.neighbour_parents, b.neighbour_parents) << "level " << i;
    EXPECT_EQ(a.row_batch, b.row_batch) << "level " << i;
    EXPECT_EQ(a.coarser.parent, b.coarser.parent) << "level " << i;
    EXPECT_EQ(a.coarser.begin, b.coarser.begin) << "level " << i;
    EXPECT_EQ(a.coarser.child, b.coarser.child) << "level " << i;
  }
}

}  // namespace
}  // namespace espalier::test
