#include "image/preprocess.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/hash.h"
#include "image/codec.h"
#include "image/resize.h"
#include "support/data.h"
#include "support/errors.h"

namespace espalier {
namespace {

using test::data_path;
using test::expect_error;

Image transparent_with_box(int width, int height, const Box& box) {
  Image image(width, height, 4);
  for (int y = box.y0; y < box.y1; ++y) {
    for (int x = box.x0; x < box.x1; ++x) std::fill_n(image.at(x, y), 4, 255);
  }
  return image;
}

TEST(Preprocess, TheReferencesBytes) {
  for (const std::string name : {"blob_a", "blob_c", "bar"}) {
    const PreparedImage prepared = prepare_image(load_image_file(data_path("images/" + name + ".in.png")), 518);
    EXPECT_EQ(prepared.image.pixels, load_image_file(data_path("images/" + name + ".out.png")).pixels) << name;
    EXPECT_EQ(prepared.report.method, CutoutReport::Method::alpha);
    EXPECT_TRUE(prepared.report.warnings.empty());
  }
}

TEST(Preprocess, TheReferencesBytesOfARealImage) {
  const PreparedImage prepared = prepare_image(load_image_file(data_path("images/typical_humanoid_dragonborn.in.webp")), 518);
  EXPECT_EQ(sha256(std::as_bytes(std::span(prepared.image.pixels))),
            "9e15f0dd6a343bde3784717853f5ca66910f7e528a0fcff962c56149fb31d455");
}

TEST(Preprocess, TheReferencesTensor) {
  const auto reference = test::json_data("images/preprocess.json");
  const auto expected = reference.at("blob_a.normalised").get<std::vector<float>>();
  const auto tensor = encoder_input(load_image_file(data_path("images/blob_a.out.png")), 518);
  ASSERT_EQ(tensor.size(), 3U * 518 * 518);
  std::size_t i = 0;
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t y = 0; y < 518; y += 49) {
      for (std::size_t x = 0; x < 518; x += 49) ASSERT_NEAR(tensor[(c * 518 + y) * 518 + x], expected.at(i++), 1e-6);
    }
  }
  EXPECT_EQ(i, expected.size());
}

TEST(Preprocess, APlainImageIsResizedDirectly) {
  const auto expected = test::json_data("images/preprocess.json").at("direct").get<std::vector<int>>();
  const Image rgba = load_image_file(data_path("images/blob_a.in.png"));
  Image rgb(rgba.width, rgba.height, 3);
  for (std::size_t i = 0; i < rgba.pixel_count(); ++i) std::copy_n(&rgba.pixels[i * 4], 3, &rgb.pixels[i * 3]);
  const auto tensor = encoder_input(rgb, 518);
  constexpr float kMean[] = {0.485F, 0.456F, 0.406F};
  constexpr float kDeviation[] = {0.229F, 0.224F, 0.225F};
  std::size_t i = 0;
  for (std::size_t y = 0; y < 518; y += 7) {
    for (std::size_t x = 0; x < 518; x += 7) {
      for (std::size_t c = 0; c < 3; ++c, ++i) {
        const float byte = (tensor[(c * 518 + y) * 518 + x] * kDeviation[c] + kMean[c]) * 255.0F;
        ASSERT_EQ(std::lround(byte), expected.at(i)) << x << ", " << y;
      }
    }
  }
}

TEST(Preprocess, OtherSizes) {
  const PreparedImage prepared = prepare_image(load_image_file(data_path("images/blob_c.in.png")), 224);
  EXPECT_EQ(prepared.image.width, 224);
  EXPECT_EQ(prepared.image.pixels.size(), 224U * 224 * 3);
  EXPECT_EQ(encoder_input(prepared.image, 56).size(), 3U * 56 * 56);
}

TEST(Preprocess, TheBoxRoundsHalvesToEven) {
  // Extremes 10 and 19, so the centre is 14.5 and the size int(1.2 * 9) = 10.
  EXPECT_EQ(prepare_image(transparent_with_box(40, 40, {10, 10, 20, 20}), 32).box, (Box{10, 10, 20, 20}));
  // Extremes 11 and 20: centre 15.5, edges 10.5 and 20.5.
  EXPECT_EQ(prepare_image(transparent_with_box(40, 40, {11, 11, 21, 21}), 32).box, (Box{10, 10, 20, 20}));
  // Beyond the left border: extremes 0 and 9, edges -0.5 and 9.5.
  EXPECT_EQ(prepare_image(transparent_with_box(40, 40, {0, 0, 10, 10}), 32).box, (Box{0, 0, 10, 10}));
  // Extremes 0 and 10: centre 5, size 12.
  EXPECT_EQ(prepare_image(transparent_with_box(40, 40, {0, 0, 11, 11}), 32).box, (Box{-1, -1, 11, 11}));
}

TEST(Preprocess, ATightCropIsCopiedNotFiltered) {
  // The cut-out has exactly the wanted size; the colours of half transparent pixels then never pass through integers
  // that were multiplied by alpha.
  Image image = transparent_with_box(40, 40, {10, 10, 20, 20});
  std::fill_n(image.at(12, 12), 3, 101);
  image.at(12, 12)[3] = 3;
  const PreparedImage prepared = prepare_image(image, 10);
  EXPECT_EQ(prepared.image.at(2, 2)[0], static_cast<std::uint8_t>(101.0F / 255.0F * (3.0F / 255.0F) * 255.0F));
}

TEST(Preprocess, HopelessMasks) {
  expect_error(ErrorCode::invalid_argument, {"transparent everywhere", "transparent background"},
               [] { (void)prepare_image(Image(30, 30, 4), 64); });
  expect_error(ErrorCode::invalid_argument, {"the mask is nowhere white", "above 204", "mark the object white"},
               [] { (void)prepare_image(Image(30, 30, 4), 64, {}, true); });
  expect_error(ErrorCode::invalid_argument, {"three pixels"}, [] {
    (void)prepare_image(transparent_with_box(30, 30, {5, 5, 7, 6}), 64);
  });
  Image full = transparent_with_box(30, 30, {0, 0, 30, 30});
  full.at(0, 0)[3] = 254;
  const CutoutReport report = prepare_image(full, 64).report;
  EXPECT_DOUBLE_EQ(report.coverage, 1.0);
  EXPECT_EQ(report.borders_touched, 4);
  ASSERT_EQ(report.warnings.size(), 2U);
  EXPECT_NE(report.warnings[0].find("100 %"), std::string::npos);
  EXPECT_NE(report.warnings[1].find("4 borders"), std::string::npos);
  for (const std::string& warning : prepare_image(full, 64, {}, true).report.warnings) {
    EXPECT_NE(warning.find("correct the mask"), std::string::npos) << warning;
    EXPECT_EQ(warning.find("transparent"), std::string::npos) << warning;
  }
}

TEST(Preprocess, AVeryLongImageNeedsNoHugeCanvas) {
  const PreparedImage prepared = prepare_image(transparent_with_box(16000, 3, {100, 1, 15900, 2}), 64);
  EXPECT_EQ(prepared.image.width, 64);
}

TEST(Preprocess, TheCutoutKeepsTheResolution) {
  const Image large = transparent_with_box(900, 700, {100, 200, 500, 400});
  const PreparedImage prepared = prepare_image(large, 64);
  EXPECT_EQ(prepared.cutout.channels, 4);
  EXPECT_EQ(prepared.cutout.width, prepared.box.width());
  EXPECT_EQ(prepared.cutout.height, prepared.cutout.width);
  EXPECT_EQ(prepared.cutout.at(prepared.cutout.width / 2, prepared.cutout.width / 2)[3], 255);
  EXPECT_EQ(prepared.cutout.at(2, 2)[3], 0);
  EXPECT_EQ(prepare_image(transparent_with_box(40, 40, {10, 10, 20, 20}), 64).cutout.width, kLeastCutout);
  EXPECT_EQ(prepare_image(transparent_with_box(3000, 3000, {10, 10, 2900, 2900}), 64).cutout.width, kMostCutout);
}

TEST(Preprocess, CutoutOfAnImageAsItIs) {
  Image rgb(200, 120, 3);
  for (int y = 40; y < 80; ++y) {
    for (int x = 50; x < 150; ++x) std::fill_n(rgb.at(x, y), 3, x > 90 && x < 110 && y > 50 && y < 70 ? 0 : 180);
  }
  const Image cutout = cutout_as_is(rgb);
  ASSERT_EQ(cutout.channels, 4);
  EXPECT_EQ(cutout.width, cutout.height);
  const int middle = cutout.width / 2;
  EXPECT_EQ(cutout.at(middle, middle)[3], 255) << "black inside of the object is the object";
  EXPECT_EQ(cutout.at(middle, middle)[0], 0);
  EXPECT_EQ(cutout.at(2, 2)[3], 0);
  EXPECT_EQ(cutout_as_is(transparent_with_box(200, 120, {50, 40, 150, 80})).width, cutout.width);
  EXPECT_EQ(cutout_as_is(Image(50, 50, 3)).width, 0);
}

TEST(Resize, ABoxOutsideIsTransparent) {
  const Image image = transparent_with_box(4, 4, {0, 0, 4, 4});
  for (const Box& box : {Box{10, 10, 14, 14}, Box{-9, 0, -2, 7}, Box{10, 10, 30, 30}}) {
    for (const std::uint8_t v : resize_lanczos(image, box, 4, 4).pixels) ASSERT_EQ(v, 0);
  }
}

TEST(Resize, AConstantStaysConstant) {
  Image image(17, 29, 3);
  std::fill(image.pixels.begin(), image.pixels.end(), 201);
  for (const int side : {1, 5, 17, 100}) {
    for (const std::uint8_t v : resize_lanczos(image, side, side).pixels) ASSERT_EQ(v, 201);
  }
}

}  // namespace
}  // namespace espalier
