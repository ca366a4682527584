#include "assets/region.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "support/errors.h"
#include "support/temporary_folder.h"

namespace espalier {
namespace {

std::int64_t count(const CellMarks& marks) { return std::count(marks.begin(), marks.end(), 1); }
bool marked(const CellMarks& marks, int side, int x, int y, int z) {
  return marks[static_cast<std::size_t>((x * side + y) * side + z)] != 0;
}

TEST(Region, ABoxHoldsTheCellsWithTheirCentresInIt) {
  const CellMarks all = Region("box:-0.5,-0.5,-0.5,0.5,0.5,0.5").cells(4);
  EXPECT_EQ(count(all), 64);
  // Centres at -0.375, -0.125, 0.125, 0.375: a border on one of them takes it.
  const CellMarks some = Region("box:-9,-0.125,0.13,0,0.2,1e3").cells(4);
  EXPECT_EQ(count(some), 4);
  for (const int x : {0, 1}) {
    for (const int y : {1, 2}) EXPECT_TRUE(marked(some, 4, x, y, 3)) << x << y;
  }
}

TEST(Region, ASphereHoldsWhatIsNoFurtherThanItsRadius) {
  const CellMarks ball = Region("sphere:0.125,0.125,0.125,0.25").cells(4);
  EXPECT_EQ(count(ball), 7);
  EXPECT_TRUE(marked(ball, 4, 2, 2, 2) && marked(ball, 4, 1, 2, 2) && marked(ball, 4, 2, 2, 3));
  EXPECT_FALSE(marked(ball, 4, 3, 3, 2));
}

TEST(Region, AFileListsVoxels) {
  const test::TemporaryFolder folder;
  const std::string file = (folder / "part.txt").string();
  const auto write = [&](const std::string& text) { std::ofstream(file, std::ios::binary) << text; };
  write("\xEF\xBB\xBF# a comment\n0 1 2\r\n\n3,3,3\n 0,\t1 2 \n");
  const CellMarks marks = Region("voxels:" + file).cells(4);
  EXPECT_EQ(count(marks), 2);
  EXPECT_TRUE(marked(marks, 4, 0, 1, 2) && marked(marks, 4, 3, 3, 3));
  test::expect_error(ErrorCode::invalid_argument, {"voxel 3 3 3", "outside the grid", "0 to 2"},
                     [&] { (void)Region("voxels:" + file).cells(3); });
  for (const char* bad : {"0 1\n", "0 1 2 3\n", "0 1 -2\n", "0 1 2.5\n", "0 1 99999999999\n", "a b c\n"}) {
    write(std::string("0 0 0\n").append(bad));
    test::expect_error(ErrorCode::invalid_argument, {"part.txt, line 2", "x y z"}, [&] { Region("voxels:" + file); });
  }
  write("# nothing\n");
  test::expect_error(ErrorCode::invalid_argument, {"part.txt", "no voxel"}, [&] { Region("voxels:" + file); });
  test::expect_error(ErrorCode::not_found, {"missing.txt"}, [&] { Region("voxels:" + (folder / "missing.txt").string()); });
}

TEST(Region, WhatIsNoRegionIsRefused) {
  for (const char* text : {"", "cube:0,0,0,1,1,1", "voxels:", ":1,2,3"}) {
    test::expect_error(ErrorCode::invalid_argument, {"region", "not known", "box:x0"}, [&] { Region{text}; });
  }
  for (const char* text : {"box", "box:", "box:1,2,3", "box:0,0,0,1,1,1,1", "box:0,0,0,1,1,x", "box:0,0,0,1,1,",
                           "box:0 0 0 1 1 1", "box:0,0,0,1,1,nan", "box:-inf,0,0,1,1,1"}) {
    test::expect_error(ErrorCode::invalid_argument, {"6 numbers", "sphere:x,y,z,r"}, [&] { Region{text}; });
  }
  test::expect_error(ErrorCode::invalid_argument, {"4 numbers"}, [&] { Region("sphere:0,0,0"); });
  test::expect_error(ErrorCode::invalid_argument, {"the box is empty", "0.2 is not below 0.2"},
                     [&] { Region("box:0,0.2,0,1,0.2,1"); });
  test::expect_error(ErrorCode::invalid_argument, {"a radius of -1"}, [&] { Region("sphere:0,0,0,-1"); });
  // The text of an error is one line, whatever was given.
  test::expect_error(ErrorCode::invalid_argument, {"a??b"}, [&] {
    Region(
        "a\n\xff"
        "b");
  });
}

TEST(Region, OneBetweenCentresOrOutsideTheCubeIsRefused) {
  for (const char* text : {"box:0.6,0,0,0.9,1,1", "sphere:2,0,0,0.5", "box:0,0,0,0.001,0.001,0.001"}) {
    test::expect_error(ErrorCode::invalid_argument, {"the centre of no voxel", "-0.5 and 0.5"},
                       [&] { (void)Region(text).cells(64); });
  }
}

TEST(Region, GrowsByItsRimToAllSidesAndNotAroundTheBorder) {
  CellMarks one(125, 0);
  one[(0 * 5 + 2) * 5 + 4] = 1;
  EXPECT_EQ(grown(one, 5, 0), one);
  const CellMarks more = grown(one, 5, 1);
  EXPECT_EQ(count(more), 2 * 3 * 2);
  for (const int x : {0, 1}) {
    for (const int y : {1, 2, 3}) {
      for (const int z : {3, 4}) EXPECT_TRUE(marked(more, 5, x, y, z)) << x << y << z;
    }
  }
  EXPECT_EQ(count(grown(one, 5, 16)), 125);
}

TEST(Region, VoxelsAreDividedAndJoinedAgain) {
  const Voxels all = make_voxels({0, 0, 0, 1, 0, 0, 2, 0, 0, 1, 1, 1, 0, 2, 0, 2}, 1, 4);
  const CellMarks right = Region("box:-0.1,-1,-1,1,1,1").cells(4);  // x of 2 and 3
  const Voxels in = voxels_where(all, right, true), out = voxels_where(all, right, false);
  EXPECT_EQ(in.coords, (std::vector<std::int32_t>{0, 2, 0, 2}));
  EXPECT_EQ(out.rows(), 3);
  EXPECT_EQ(joined(in, out).coords, all.coords);
  EXPECT_EQ(box_in_words(all), "box:-0.5,-0.5,-0.5,0.25,0.25,0.25");
}

}  // namespace
}  // namespace espalier
