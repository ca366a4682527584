#include "scores.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <set>

#include "espalier/error.h"
#include "held_out.h"
#include "support/data.h"

namespace espalier::quality {
namespace {

std::vector<Point> line(int count, float offset) {
  std::vector<Point> points;
  for (int i = 0; i < count; ++i) points.push_back({static_cast<float>(i) / static_cast<float>(count) - 0.5F, offset, 0.0F});
  return points;
}

TEST(Scores, PointsWithinTheDistanceAreRight) {
  const auto truth = line(100, 0.0F);
  EXPECT_DOUBLE_EQ(point_f_score(truth, truth, 0.03F).value(), 1.0);
  EXPECT_DOUBLE_EQ(point_f_score(line(100, 0.029F), truth, 0.03F).value(), 1.0);
  EXPECT_DOUBLE_EQ(point_f_score(line(100, 0.031F), truth, 0.03F).value(), 0.0);
  EXPECT_DOUBLE_EQ(point_f_score({}, truth, 0.03F).value(), 0.0);
}

TEST(Scores, PrecisionAndRecallAreNotMixedUp) {
  auto found = line(100, 0.0F);
  const auto far = line(300, 0.4F);
  found.insert(found.end(), far.begin(), far.end());
  const FScore f = point_f_score(found, line(100, 0.0F), 0.02F);
  EXPECT_DOUBLE_EQ(f.precision, 0.25);
  EXPECT_DOUBLE_EQ(f.recall, 1.0);
  EXPECT_NEAR(f.value(), 0.4, 1e-12);
}

TEST(Scores, PointsOutsideTheCubeCountToo) {
  const std::vector<Point> far = {{5.0F, 5.0F, 5.0F}}, near = {{0.0F, 0.0F, 0.0F}};
  EXPECT_DOUBLE_EQ(point_f_score(far, near, 0.1F).precision, 0.0);
  EXPECT_DOUBLE_EQ(point_f_score(far, far, 0.1F).precision, 1.0);
}

TEST(Scores, VoxelsMayBeOneOff) {
  constexpr int kSide = 8;
  std::vector<std::uint8_t> a(kSide * kSide * kSide), b(a), c(a);
  a[(3 * kSide + 3) * kSide + 7] = 1;
  b[(4 * kSide + 2) * kSide + 6] = 1;  // a diagonal neighbour
  c[(4 * kSide + 4) * kSide + 0] = 1;  // next in memory but one, at the other side of the grid
  EXPECT_DOUBLE_EQ(voxel_f_score(a, b, kSide).value(), 1.0);
  EXPECT_DOUBLE_EQ(voxel_f_score(a, c, kSide).value(), 0.0);
  EXPECT_DOUBLE_EQ(voxel_f_score(a, std::vector<std::uint8_t>(a.size()), kSide).value(), 0.0);
}

TEST(Scores, ANamedColourIsJudgedOverItsPartAlone) {
  const Point red{1, 0, 0}, blue{0, 0, 1}, dull{0.5F, 0, 0};
  const std::vector<Point> truth = {red, red, blue}, found = {red, dull, red};
  ASSERT_TRUE(named_colour_error(found, truth, red, 2).has_value());
  EXPECT_NEAR(*named_colour_error(found, truth, red, 2), 0.5 * 0.5 / 3 * 255, 1e-4);
  EXPECT_NEAR(*named_colour_error(found, truth, blue, 1), 2.0 / 3 * 255, 1e-4);
  EXPECT_FALSE(named_colour_error(found, truth, red, 3).has_value());
  EXPECT_FALSE(named_colour_error(found, truth, dull, 1).has_value());
}

TEST(Scores, PointsFollowTheArea) {
  Mesh mesh;
  mesh.vertices = {0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 1, 0, 2, 1};  // areas 1/2 at z = 0 and 2 at z = 1
  mesh.faces = {0, 1, 2, 3, 4, 5};
  const auto points = points_on(mesh, 1000);
  ASSERT_EQ(points.size(), 1000U);
  int low = 0;
  for (const Point& p : points) {
    EXPECT_GE(p[0], -1e-6F);
    EXPECT_GE(p[1], -1e-6F);
    EXPECT_LE(p[0] + p[1], (p[2] < 0.5F ? 1.0F : 2.0F) + 1e-5F);
    low += p[2] < 0.5F ? 1 : 0;
  }
  EXPECT_NEAR(low, 200, 1);
  EXPECT_TRUE(points_on(Mesh{}, 10).empty());
}

TEST(Scores, PsnrLooksAtTheUnionOnly) {
  Image a(4, 4, 4), b(4, 4, 4);
  EXPECT_DOUBLE_EQ(psnr_in_union(a, b), 99.0);
  for (int i = 0; i < 2; ++i) {
    std::uint8_t* found = a.at(i, 0);
    std::uint8_t* truth = b.at(i, 0);
    found[3] = 255;
    truth[3] = i == 0 ? 255 : 0;
    for (int c = 0; c < 3; ++c) found[c] = 51;
  }
  a.at(3, 3)[0] = 255;  // not covered in either: does not count
  EXPECT_NEAR(psnr_in_union(a, b), -20 * std::log10(0.2), 1e-9);
  EXPECT_THROW((void)psnr_in_union(a, Image(4, 4, 3)), Error);
}

TEST(Scores, QuantilesAreLinearBetweenValues) {
  EXPECT_DOUBLE_EQ(quantile({3, 1, 2}, 0.5), 2.0);
  EXPECT_DOUBLE_EQ(quantile({0, 10}, 0.1), 1.0);
  EXPECT_DOUBLE_EQ(quantile({4}, 0.1), 4.0);
  EXPECT_DOUBLE_EQ(quantile({}, 0.1), 0.0);
}

// ---- the evaluation set
const std::vector<HeldOutObject>& set() {
  static const auto objects = load_held_out(ESPALIER_HELD_OUT);
  return objects;
}

TEST(HeldOut, SixtyFourObjectsOfManyFamilies) {
  ASSERT_EQ(set().size(), 64U);
  std::vector<std::string> families;
  for (const auto& object : set()) families.push_back(object.family());
  std::sort(families.begin(), families.end());
  families.erase(std::unique(families.begin(), families.end()), families.end());
  EXPECT_GE(families.size(), 16U);
}

TEST(HeldOut, SurfacePointsLieInSurfaceCells) {
  const auto& object = set()[1];
  const auto cells = object.surface_cells(32);
  const auto points = object.surface_points(500);
  int inside = 0;
  for (const Point& p : points) {
    std::size_t cell = 0;
    for (const float x : p) cell = cell * 32 + static_cast<std::size_t>((x + 0.5F) * 32);
    inside += cells[cell];
  }
  EXPECT_GT(inside, 450);  // the cells' test looks at corners, so a few grazed cells are missed
  const auto again = object.closest_on_surface(points);
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (std::size_t k = 0; k < 3; ++k) EXPECT_NEAR(again.points[i][k], points[i][k], 2e-3F);
  }
  EXPECT_EQ(points, object.surface_points(500));
}

TEST(HeldOut, ImagesShowTheObject) {
  const auto& object = set()[1];
  const Image image = object.image(96),
              view = object.render({.yaw = 1.0F, .pitch = 0.2F, .radius = 2.0F, .fov_degrees = 36.0F}, 96);
  for (const Image* p : {&image, &view}) {
    int covered = 0;
    for (std::size_t i = 3; i < p->pixels.size(); i += 4) covered += p->pixels[i] > 127 ? 1 : 0;
    EXPECT_GT(covered, 96 * 96 / 50);
    EXPECT_LT(covered, 96 * 96 * 4 / 5);
  }
  EXPECT_EQ(image.pixels, object.image(96).pixels);
}

TEST(HeldOut, HalfOfTheThirdSetAreLaterFamilies) {
  const auto set = load_held_out(std::filesystem::path(ESPALIER_HELD_OUT).parent_path() / "held_out_patterns.safetensors.gz");
  const std::set<std::string> later = {"bottle", "teapot", "truck",  "robot",  "fish",
                                       "bird",   "bench",  "castle", "cactus", "clock"};
  ASSERT_EQ(set.size(), 64U);
  std::size_t count = 0;
  for (const auto& object : set) count += later.count(object.family());
  EXPECT_GE(count, 24U);
  EXPECT_LE(count, 40U);
}

TEST(HeldOut, StripesChangeTheColourAlongAPart) {
  // One box of half sides 0.4, 0.1, 0.1 with stripes 0.1 wide, red and blue.
  std::vector<float> primitives(std::size_t{16} * 24);
  for (std::size_t k = 0; k < 16; ++k) primitives[24 * k] = -1;
  const std::vector<float> box = {0, 0, 0.05F, 0,    0,    0,    1, 0, 0, 0, 1,         0,
                                  0, 0, 1,     0.4F, 0.1F, 0.1F, 0, 1, 0, 0, 1 + 8 * 4, 255};
  std::copy(box.begin(), box.end(), primitives.begin());
  const HeldOutObject object("box", primitives, std::vector<float>(18), 0.0F);
  const std::vector<Point> points = {{0.0F, 0.0F, 0.1F}, {0.04F, 0.1F, 0.0F}, {0.06F, 0.1F, 0.0F}, {0.3F, 0.0F, -0.1F}};
  const std::vector<Point> red_blue = {{1, 0, 0}, {1, 0, 0}, {0, 0, 1}, {0, 0, 1}};
  EXPECT_EQ(object.closest_on_surface(points).colours, red_blue);
}

TEST(HeldOut, OtherTensorsAreRefused) {
  EXPECT_THROW((void)load_held_out("no/such/file"), Error);
  EXPECT_THROW((void)load_held_out(ESPALIER_WRONG_FILE), Error);
}

TEST(HeldOut, CaptionsNameTheColoursOfTheObject) {
  const auto set = load_held_out(ESPALIER_HELD_OUT_TEXT);
  ASSERT_EQ(set.size(), 64U);
  for (const HeldOutObject& object : set) {
    EXPECT_FALSE(object.caption().text.empty());
    ASSERT_FALSE(object.caption().colours.empty()) << object.caption().text;
  }
  EXPECT_TRUE(load_held_out(ESPALIER_HELD_OUT).front().caption().text.empty());
}

}  // namespace
}  // namespace espalier::quality
