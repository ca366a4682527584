// The steps around a background network.
#include "image/matte.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "image/preprocess.h"

namespace espalier {
namespace {

Image flat(int width, int height, std::uint8_t r, std::uint8_t g, std::uint8_t b) {
  Image image(width, height, 3);
  for (std::size_t i = 0; i < image.pixel_count(); ++i) {
    image.pixels[i * 3] = r;
    image.pixels[i * 3 + 1] = g;
    image.pixels[i * 3 + 2] = b;
  }
  return image;
}

TEST(Matte, TheInputIsDividedByTheImagesOwnLargestByte) {
  MatteInput form;
  form.width = 3;
  form.height = 2;
  const std::vector<float> input = matte_input(flat(10, 7, 50, 100, 25), form);
  ASSERT_EQ(input.size(), 18U);
  EXPECT_NEAR(input[0], (0.5 - 0.485) / 0.229, 1e-6);
  EXPECT_NEAR(input[6], (1.0 - 0.456) / 0.224, 1e-6);
  EXPECT_NEAR(input[12], (0.25 - 0.406) / 0.225, 1e-6);
  for (const float v : matte_input(flat(4, 4, 0, 0, 0), form)) EXPECT_TRUE(std::isfinite(v));
}

TEST(Matte, FromSmallestToLargestAndTruncated) {
  const auto matte = matte_of({0.25F, 0.75F, 0.5F, 0.2519F}, 2, 2);
  EXPECT_EQ(matte.values, (std::vector<std::uint8_t>{0, 255, 127, 0}));
  EXPECT_EQ(matte_of({0.3F, 0.3F}, 2, 1).values, (std::vector<std::uint8_t>{0, 0})) << "a constant map holds nothing";
  EXPECT_THROW((void)matte_of({0.0F, std::numeric_limits<float>::quiet_NaN()}, 2, 1), Error);
}

TEST(Matte, ColoursAreMultipliedByAlpha) {
  Plane<std::uint8_t> matte(2, 1);
  matte.values = {0, 255};
  Image rgb = flat(2, 1, 200, 100, 51);
  EXPECT_EQ(cut_by_matte(rgb, matte).pixels, (std::vector<std::uint8_t>{0, 0, 0, 0, 200, 100, 51, 255}));
  matte.values = {128, 128};
  EXPECT_EQ(cut_by_matte(rgb, matte).pixels, (std::vector<std::uint8_t>{100, 50, 26, 128, 100, 50, 26, 128}));
}

TEST(Matte, ARemoverTakesThePlaceOfTheUsualMethod) {
  int calls = 0;
  const auto remover = [&](const Image& rgb) {
    ++calls;
    EXPECT_LE(std::max(rgb.width, rgb.height), 1024);
    Plane<std::uint8_t> matte(4, 4);
    matte.values = {0, 0, 0, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 0, 0, 0};
    return cut_by_matte(rgb, matte);
  };
  const PreparedImage prepared = prepare_image(flat(2000, 1500, 90, 90, 90), 64, remover);
  EXPECT_EQ(prepared.report.method, CutoutReport::Method::network);
  // Half of the quarter: the edge of so coarse a matte is wide and mostly below what counts as solid.
  EXPECT_NEAR(prepared.report.coverage, 0.125, 0.02);
  Image with_alpha(20, 20, 4);
  for (int y = 5; y < 15; ++y) {
    for (int x = 5; x < 15; ++x) with_alpha.at(x, y)[3] = 255;
  }
  EXPECT_EQ(prepare_image(with_alpha, 64, remover).report.method, CutoutReport::Method::alpha);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace espalier
