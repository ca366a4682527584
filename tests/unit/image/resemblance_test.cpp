#include "image/resemblance.h"

#include <gtest/gtest.h>

#include <array>

namespace espalier {
namespace {

// A disc of one colour with a stripe of another, its edge at `x`; transparent around.
Image disc(std::array<int, 3> colour, std::array<int, 3> stripe, int x) {
  constexpr int kSide = 64;
  Image image(kSide, kSide, 4);
  for (int row = 0; row < kSide; ++row) {
    for (int column = 0; column < kSide; ++column) {
      const int dx = column - kSide / 2, dy = row - kSide / 2;
      if (dx * dx + dy * dy > 24 * 24) continue;
      const auto& c = column > x && column < x + 12 ? stripe : colour;
      std::uint8_t* p = &image.pixels[static_cast<std::size_t>(4 * (row * kSide + column))];
      for (std::size_t k = 0; k < 3; ++k) p[k] = static_cast<std::uint8_t>(c[k]);
      p[3] = 255;
    }
  }
  return image;
}

TEST(Resemblance, ViewsOfOneObjectShareTheirColours) {
  const Image front = disc({200, 40, 30}, {240, 240, 240}, 20), side = disc({185, 36, 28}, {225, 225, 225}, 34);
  EXPECT_GT(shared_colours(front, front), 0.999);
  EXPECT_GT(shared_colours(front, side), 2 * kViewsAlike);
}

TEST(Resemblance, OtherObjectsAreDoubted) {
  const Image red = disc({200, 40, 30}, {240, 240, 240}, 20);
  EXPECT_LT(shared_colours(red, disc({30, 60, 200}, {20, 20, 20}, 20)), kViewsAlike);
  EXPECT_LT(shared_colours(red, disc({60, 160, 60}, {20, 90, 20}, 20)), kViewsAlike);
  EXPECT_EQ(shared_colours(red, Image(8, 8, 4)), 0.0);
}

}  // namespace
}  // namespace espalier
