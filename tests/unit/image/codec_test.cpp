#include "image/codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "codec_samples.h"
#include "support/bytes.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace espalier {
namespace {

using test::bytes_of;
using test::expect_error;

int largest_difference(const Image& a, const Image& b) {
  if (a.width != b.width || a.height != b.height || a.channels != b.channels) return 256;
  int largest = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) largest = std::max(largest, std::abs(a.pixels[i] - b.pixels[i]));
  return largest;
}

// Wants to stop at a given look.
class Stopping final : public Monitor {
 public:
  explicit Stopping(int at) : at_(at) {}
  void progress(int /*done*/, int /*total*/) const override {}
  [[nodiscard]] bool cancelled() const override { return ++looks_ >= at_; }
  [[nodiscard]] int looks() const { return looks_; }

 private:
  int at_;
  mutable int looks_ = 0;
};

TEST(Png, WhatIsEncodedIsDecoded) {
  for (const int channels : {3, 4}) {
    const Image image = test::gradient(37, 21, channels);
    EXPECT_EQ(largest_difference(decode_image(encode_png(image), "x"), image), 0);
  }
}

// Many times the codec's buffers, of noise and of flat colour.
TEST(Png, LargeImagesComeBackWhole) {
  for (const int channels : {3, 4}) {
    Image image(331, 719, channels);
    std::uint32_t state = 1;
    for (std::size_t i = 0; i < image.pixels.size(); ++i) {
      state = state * 1664525U + 1013904223U;
      image.pixels[i] = i / 65536 % 2 == 0 ? static_cast<std::uint8_t>(state >> 24U) : 77;
    }
    const std::vector<std::byte> bytes = encode_png(image);
    EXPECT_LT(bytes.size(), image.pixels.size() * 3 / 4);
    EXPECT_EQ(decode_image(bytes, "x").pixels, image.pixels);
    EXPECT_EQ(encode_png(image), bytes);
  }
}

TEST(Png, SixteenBitsKeepTheHighByte) {
  const test::PngForm form{.colour_type = SPNG_COLOR_TYPE_TRUECOLOR_ALPHA, .bit_depth = 16};
  const Image image = decode_image(test::make_png(1, 1, form, {0x12, 0xFF, 0x34, 0x80, 0x56, 0x00, 0x78, 0x9A}), "x");
  EXPECT_EQ(image.pixels, (std::vector<std::uint8_t>{0x12, 0x34, 0x56, 0x78}));
}

TEST(Png, GrayBecomesRgb) {
  const test::PngForm gray{.colour_type = SPNG_COLOR_TYPE_GRAYSCALE};
  EXPECT_EQ(decode_image(test::make_png(2, 1, gray, {7, 200}), "x").pixels,
            (std::vector<std::uint8_t>{7, 7, 7, 200, 200, 200}));
  const test::PngForm with_alpha{.colour_type = SPNG_COLOR_TYPE_GRAYSCALE_ALPHA};
  EXPECT_EQ(decode_image(test::make_png(1, 1, with_alpha, {9, 100}), "x").pixels, (std::vector<std::uint8_t>{9, 9, 9, 100}));
  const test::PngForm bits{.colour_type = SPNG_COLOR_TYPE_GRAYSCALE, .bit_depth = 1};
  EXPECT_EQ(decode_image(test::make_png(2, 1, bits, {0x40}), "x").pixels, (std::vector<std::uint8_t>{0, 0, 0, 255, 255, 255}));
}

TEST(Png, PalettesAndTransparentColours) {
  spng_plte palette{};
  palette.n_entries = 2;
  palette.entries[0] = {10, 20, 30, 0};
  palette.entries[1] = {40, 50, 60, 0};
  test::PngForm form{.colour_type = SPNG_COLOR_TYPE_INDEXED, .palette = &palette};
  EXPECT_EQ(decode_image(test::make_png(2, 1, form, {1, 0}), "x").pixels, (std::vector<std::uint8_t>{40, 50, 60, 10, 20, 30}));
  spng_trns transparency{};
  transparency.n_type3_entries = 1;
  transparency.type3_alpha[0] = 77;
  form.transparency = &transparency;
  EXPECT_EQ(decode_image(test::make_png(2, 1, form, {1, 0}), "x").pixels,
            (std::vector<std::uint8_t>{40, 50, 60, 255, 10, 20, 30, 77}));
  spng_trns colour{};
  colour.red = 1;
  colour.green = 2;
  colour.blue = 3;
  const test::PngForm keyed{.transparency = &colour};
  EXPECT_EQ(decode_image(test::make_png(2, 1, keyed, {1, 2, 3, 1, 2, 4}), "x").pixels,
            (std::vector<std::uint8_t>{1, 2, 3, 0, 1, 2, 4, 255}));
}

TEST(Png, InterlacedIsTheSameImage) {
  const Image image = test::gradient(13, 9, 3);
  const test::PngForm form{.interlaced = true};
  EXPECT_EQ(largest_difference(decode_image(test::make_png(13, 9, form, image.pixels), "x"), image), 0);
}

TEST(Jpeg, DecodesColourGrayAndProgressive) {
  Image smooth(64, 48, 3);
  for (std::size_t i = 0; i < smooth.pixels.size(); ++i)
    smooth.pixels[i] = static_cast<std::uint8_t>(60 + 40 * (i % 3) + i / 200);
  EXPECT_LE(largest_difference(decode_image(test::make_jpeg(smooth, {}), "x"), smooth), 8);
  EXPECT_LE(largest_difference(decode_image(test::make_jpeg(smooth, {.progressive = true}), "x"), smooth), 8);
  Image gray(8, 8, 1);
  std::fill(gray.pixels.begin(), gray.pixels.end(), 90);
  const Image decoded = decode_image(test::make_jpeg(gray, {.space = JCS_GRAYSCALE}), "x");
  EXPECT_EQ(decoded.channels, 3);
  EXPECT_TRUE(std::all_of(decoded.pixels.begin(), decoded.pixels.end(), [](int v) { return v == 90; }));
}

TEST(Jpeg, ACutFileIsAnErrorAndNotGray) {
  auto bytes = test::make_jpeg(test::gradient(64, 64, 3), {});
  bytes.resize(bytes.size() / 2);
  expect_error(ErrorCode::format, {"half.jpg", "damaged JPEG"}, [&] { (void)decode_image(bytes, "half.jpg"); });
}

TEST(WebP, DecodesRgbAndRgba) {
  for (const int channels : {3, 4}) {
    const Image image = test::gradient(20, 12, channels);
    EXPECT_EQ(largest_difference(decode_image(test::make_webp(image), "x"), image), 0);
  }
}

// An image that lossy codecs keep well.
Image smooth_image(int width, int height, int channels) {
  Image image(width, height, channels);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        image.at(x, y)[c] = static_cast<std::uint8_t>(c == 3 ? 255 - x : 40 + x + 2 * y / (c + 1));
      }
    }
  }
  return image;
}

TEST(Jpeg, WhatIsEncodedIsDecoded) {
  const Image image = smooth_image(61, 43, 3);
  const auto fine = encode_jpeg(image, 95), coarse = encode_jpeg(image, 20);
  EXPECT_EQ(image_format(fine), ImageFormat::jpeg);
  EXPECT_LE(largest_difference(decode_image(fine, "x"), image), 4);
  EXPECT_LE(largest_difference(decode_image(coarse, "x"), image), 40);
  EXPECT_LT(coarse.size(), fine.size());
  EXPECT_EQ(fine, encode_jpeg(image, 95));
}

TEST(Jpeg, WhatCannotBeEncoded) {
  for (const int quality : {0, 101}) {
    expect_error(ErrorCode::invalid_argument, {"quality", "JPEG"}, [&] { (void)encode_jpeg(Image(2, 2, 3), quality); });
  }
  expect_error(ErrorCode::invalid_argument, {"transparency"}, [] { (void)encode_jpeg(Image(2, 2, 4), 90); });
  expect_error(ErrorCode::invalid_argument, {"65500"}, [] { (void)encode_jpeg(Image(65501, 1, 3), 90); });
  expect_error(ErrorCode::internal, {"encode_jpeg"}, [] { (void)encode_jpeg(Image(2, 2, 1), 90); });
}

TEST(WebP, WhatIsEncodedIsDecoded) {
  for (const int channels : {3, 4}) {
    const Image image = smooth_image(61, 43, channels);
    const auto lossless = encode_webp(image, {.lossless = true}), lossy = encode_webp(image, {.quality = 90});
    EXPECT_EQ(image_format(lossy), ImageFormat::webp);
    EXPECT_EQ(largest_difference(decode_image(lossless, "x"), image), 0);
    EXPECT_LE(largest_difference(decode_image(lossy, "x"), image), 16);
    EXPECT_EQ(lossy, encode_webp(image, {.quality = 90}));
  }
}

TEST(WebP, WhatCannotBeEncoded) {
  for (const int quality : {-1, 101}) {
    expect_error(ErrorCode::invalid_argument, {"quality", "WebP"},
                 [&] { (void)encode_webp(Image(2, 2, 3), {.quality = quality}); });
  }
  expect_error(ErrorCode::invalid_argument, {"16383"}, [] { (void)encode_webp(Image(1, 16384, 3), {}); });
}

TEST(Png, TheFormatIsKnownByItsFirstBytes) {
  EXPECT_EQ(image_format(encode_png(Image(1, 1, 3))), ImageFormat::png);
  EXPECT_EQ(image_format(bytes_of("GIF89a")), std::nullopt);
  EXPECT_EQ(image_format({}), std::nullopt);
}

// The marked corner of an image with each orientation ends where EXIF says.
TEST(Orientation, EveryValueInPngAndJpeg) {
  struct Expectation {
    int orientation, width, height, x, y;
  };
  // Stored is 16 x 8 with a white block at the top left.
  constexpr Expectation kExpected[] = {{1, 16, 8, 0, 0}, {2, 16, 8, 15, 0}, {3, 16, 8, 15, 7}, {4, 16, 8, 0, 7},
                                       {5, 8, 16, 0, 0}, {6, 8, 16, 7, 0},  {7, 8, 16, 7, 15}, {8, 8, 16, 0, 15}};
  Image stored(16, 8, 3);
  for (int y = 0; y < 4; ++y) {
    for (int x = 0; x < 8; ++x) std::fill_n(stored.at(x, y), 3, 255);
  }
  for (const Expectation& e : kExpected) {
    for (const int form_of_block : {0, 1, 2, 3}) {
      const auto exif = test::exif_block(e.orientation, form_of_block % 2 != 0, form_of_block >= 2);
      const test::PngForm form{.exif = &exif};
      for (const auto& file : {test::make_png(16, 8, form, stored.pixels), test::make_jpeg(stored, {.exif = &exif})}) {
        const Image seen = decode_image(file, "x");
        ASSERT_EQ(seen.width, e.width) << e.orientation;
        ASSERT_EQ(seen.height, e.height);
        EXPECT_GT(seen.at(e.x, e.y)[0], 200) << e.orientation;
        EXPECT_LT(seen.at(seen.width - 1 - e.x, seen.height - 1 - e.y)[0], 55) << e.orientation;
      }
    }
  }
}

TEST(Orientation, DamagedExifIsIgnored) {
  const Image image = test::gradient(16, 8, 3);
  for (std::size_t length = 0; length < 26; ++length) {
    auto exif = test::exif_block(6, true);
    exif.resize(length);
    EXPECT_NO_THROW((void)decode_image(test::make_jpeg(image, {.exif = &exif}), "x"));
  }
}

TEST(Limits, HugeImagesAreRefusedBeforeAllocation) {
  // A header may promise anything: the sizes in a small valid file are overwritten.
  const Image small = test::gradient(4, 4, 3);
  auto jpeg = test::make_jpeg(small, {});
  for (std::size_t i = 0; i + 8 < jpeg.size(); ++i) {
    if (jpeg[i] == std::byte{0xFF} && jpeg[i + 1] == std::byte{0xC0}) {
      const std::uint8_t side[] = {20000 >> 8, 20000 & 255, 20000 >> 8, 20000 & 255};
      for (std::size_t k = 0; k < 4; ++k) jpeg[i + 5 + k] = static_cast<std::byte>(side[k]);
    }
  }
  expect_error(ErrorCode::format, {"big.jpg", "20000 x 20000", "16384", "100 million"},
               [&] { (void)decode_image(jpeg, "big.jpg"); });
  Image wide(20000, 1, 3);
  expect_error(ErrorCode::format, {"20000 x 1", "16384"}, [&] { (void)decode_image(encode_png(wide), "wide.png"); });
  EXPECT_EQ(decode_image(encode_png(Image(1, 1, 3)), "one.png").pixels.size(), 3U);
}

TEST(Limits, DecodingStopsWhenItIsNoLongerWanted) {
  Image noise(512, 512, 3);
  std::uint32_t state = 1;
  for (std::uint8_t& sample : noise.pixels) sample = static_cast<std::uint8_t>((state = state * 1664525U + 1013904223U) >> 24U);
  for (const auto& file :
       {test::make_png(512, 512, {}, noise.pixels), test::make_png(512, 512, {.interlaced = true}, noise.pixels),
        test::make_jpeg(noise, {}), test::make_jpeg(noise, {.progressive = true}), test::make_webp(noise)}) {
    constexpr int kNever = 1'000'000;
    const Stopping patient(kNever);
    EXPECT_EQ(decode_image(file, "x", &patient).pixels, decode_image(file, "x").pixels);
    EXPECT_GE(patient.looks(), 5);
    for (int at = 1; at <= patient.looks(); ++at) {
      const Stopping stopping(at);
      expect_error(ErrorCode::cancelled, {}, [&] { (void)decode_image(file, "x", &stopping); });
      EXPECT_EQ(stopping.looks(), at);
    }
  }
}

TEST(Foreign, FormatsAreNamed) {
  expect_error(ErrorCode::unsupported, {"a.png", "Photoshop", "convert"},
               [] { (void)decode_image(bytes_of("8BPS......"), "a.png"); });
  expect_error(ErrorCode::unsupported, {"JPEG XL"}, [] { (void)decode_image(bytes_of("\xFF\x0A..."), "a"); });
  expect_error(ErrorCode::unsupported, {"a film"}, [] {
    (void)decode_image(bytes_of(std::string_view("\0\0\0\x10"
                                                 "ftypisom....",
                                                 16)),
                       "a");
  });
  expect_error(ErrorCode::format, {"not an image of a known format", "HEIC"},
               [] { (void)decode_image(bytes_of("hello"), "a"); });
  expect_error(ErrorCode::format, {"not an image of a known format"},
               [] { (void)decode_image(bytes_of("BM is how this text begins"), "a"); });
  expect_error(ErrorCode::format, {"empty"}, [] { (void)decode_image({}, "a"); });
}

TEST(Foreign, TheContentDecidesNotTheName) {
  const test::TemporaryFolder folder;
  write_file(folder / "photo.jpg", encode_png(test::gradient(5, 4, 3)));
  EXPECT_EQ(load_image_file(folder / "photo.jpg").width, 5);
}

}  // namespace
}  // namespace espalier
