// Images before a pipeline sees them: what files are, masks by hand, the whole image with its foreground; what checkpoints
// say of themselves; which images are familiar.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "base/hash.h"
#include "espalier/checkpoint.h"
#include "espalier/images.h"
#include "image/codec.h"
#include "recipes/familiarity.h"
#include "support/data.h"
#include "support/errors.h"
#include "support/temporary_folder.h"
#include "weights/safetensors.h"

namespace espalier {
namespace {

using test::data_path;
using test::expect_error;
using test::project_path;
using test::TemporaryFolder;

InputImage image_of(const Image& image, const std::string& name) {
  const auto bytes = std::as_bytes(std::span(image.pixels));
  return InputImage::pixels({bytes.begin(), bytes.end()}, image.width, image.height, image.channels, name);
}
Image filled(int width, int height, const std::vector<std::uint8_t>& colour) {
  Image image(width, height, static_cast<int>(colour.size()));
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = colour[i % colour.size()];
  return image;
}
int alpha_at(const InputImage& image, int x, int y) {
  return std::to_integer<int>(
      image.bytes()[(static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width()) + static_cast<std::size_t>(x)) * 4 +
                    3]);
}

TEST(ImageInfo, OfEveryFormat) {
  for (const auto& [name, format] : std::vector<std::pair<std::string, std::string>>{
           {"foreign/q.heic", "heic"}, {"foreign/q.avif", "avif"}, {"foreign/q.gif", "gif"}, {"foreign/q.tif", "tiff"}}) {
    const ImageInfo info = image_info(data_path("images/" + name));
    EXPECT_EQ(info.format, format);
    EXPECT_EQ(info.media_type, "image/" + format);
    // ffmpeg puts a TIFF's directory behind its pixels, which may be beyond what is looked at; here it is not.
    EXPECT_EQ(info.width, 48U) << name;
    EXPECT_EQ(info.height, 32U) << name;
  }
  const TemporaryFolder folder;
  const Image image = filled(30, 20, {1, 2, 3});
  write_file(folder / "a", encode_png(image));
  write_file(folder / "b", encode_jpeg(image, 90));
  write_file(folder / "c", encode_webp(image, {}));
  for (const char* name : {"a", "b", "c"}) {
    EXPECT_EQ(image_info(folder / name).width, 30U) << name;
    EXPECT_EQ(image_info(folder / name).height, 20U) << name;
  }
  const std::string text = "no image";
  write_file(folder / "d", std::as_bytes(std::span(text)));
  expect_error(ErrorCode::format, {"known format"}, [&] { (void)image_info(folder / "d"); });
  expect_error(ErrorCode::not_found, {"cannot be read"}, [&] { (void)image_info(folder / "e"); });
}

TEST(Mask, IsBroughtToTheSizeOfItsImage) {
  const InputImage photo = image_of(filled(80, 40, {200, 100, 50}), "photo");
  Image mask(40, 20, 3);
  for (int y = 5; y < 15; ++y) {
    for (int x = 10; x < 30; ++x) std::fill_n(mask.at(x, y), 3, 255);
  }
  const InputImage made = with_mask(photo, image_of(mask, "mask"));
  EXPECT_EQ(made.name(), "photo");
  ASSERT_EQ(made.width(), 80);
  ASSERT_EQ(made.channels(), 4);
  EXPECT_EQ(alpha_at(made, 40, 20), 255);
  EXPECT_EQ(alpha_at(made, 5, 5), 0);
  EXPECT_EQ(std::to_integer<int>(made.bytes()[0]), 200) << "colours stay where nothing is to be seen";
  // Alpha counts where some is transparent, whatever the colours are.
  Image clear = filled(80, 40, {255, 255, 255, 0});
  clear.at(7, 7)[3] = 200;
  EXPECT_EQ(alpha_at(with_mask(photo, image_of(clear, "mask")), 7, 7), 200);
  EXPECT_EQ(alpha_at(with_mask(photo, image_of(clear, "mask")), 8, 8), 0);
  // A mask replaces what the image says of transparency.
  const InputImage cut = image_of(filled(80, 40, {1, 2, 3, 0}), "cut");
  EXPECT_EQ(alpha_at(with_mask(cut, image_of(mask, "mask")), 40, 20), 255);
}

TEST(Mask, ThatMakesNoSenseIsRefused) {
  const InputImage photo = image_of(filled(80, 40, {200, 100, 50}), "photo");
  expect_error(ErrorCode::invalid_argument, {"mask.png", "40 x 40", "another shape", "photo"}, [&] {
    (void)with_mask(photo, image_of(filled(40, 40, {255, 255, 255}), "mask.png"));
  });
  expect_error(ErrorCode::invalid_argument, {"mask.png", "leaves nothing"}, [&] {
    (void)with_mask(photo, image_of(filled(80, 40, {0, 0, 0}), "mask.png"));
  });
  // One that keeps everything is meant, too: the background stays.
  EXPECT_NO_THROW(
      (void)Pipeline::preprocess(with_mask(photo, image_of(filled(80, 40, {255, 255, 255}), "m")), Background::alpha));
}

TEST(WholeForeground, KeepsColoursAndNeedsNoObject) {
  Image image = filled(64, 64, {240, 240, 240});
  for (int y = 20; y < 44; ++y) {
    for (int x = 20; x < 44; ++x) {
      const std::uint8_t red[] = {200, 30, 30};
      std::copy_n(red, 3, image.at(x, y));
    }
  }
  const Pipeline::Foreground whole = whole_foreground(image_of(image, "p"), {});
  const Image made = decode_image(whole.png, "made");
  ASSERT_EQ(made.width, 64);
  EXPECT_EQ(made.at(2, 2)[3], 0);
  EXPECT_EQ(made.at(2, 2)[0], 240);
  EXPECT_EQ(made.at(32, 32)[3], 255);
  EXPECT_EQ(whole.notices.front(), "plain background removed");
  // Nothing stands out: the whole is there all the same, to be painted on.
  const Image empty = decode_image(whole_foreground(image_of(filled(64, 64, {9, 9, 9}), "p"), {}).png, "made");
  EXPECT_EQ(empty.width, 64);
  const Image large =
      decode_image(whole_foreground(image_of(filled(3000, 1500, {9, 9, 9}), "p"), {Background::none}).png, "made");
  EXPECT_EQ(large.width, kMostForeground);
  EXPECT_EQ(large.at(3, 3)[3], 255);
}

TEST(Description, OfSprout) {
  const PipelineOptions options{.checkpoint = project_path("models/sprout"), .device = "cpu"};
  const CheckpointDescription said = describe_checkpoint(options);
  EXPECT_EQ(said.pipeline, "TrellisImageTo3DPipeline");
  EXPECT_NE(said.text.find("demo model"), std::string::npos);
  EXPECT_EQ(said.full_model, "trellis-image-large");
  EXPECT_FALSE(said.takes_text);
  EXPECT_GT(said.weight_bytes, std::uint64_t{10} << 20U);
  EXPECT_GT(said.structure_defaults.first, 0);
  const MemoryNeed need = memory_need(options);
  EXPECT_GT(need.least, 0U);
  EXPECT_GT(need.all, need.least);
}

// One unit vector for each of `directions`.
std::vector<float> along(const std::vector<int>& directions) {
  std::vector<float> out;
  for (const int d : directions) {
    for (int i = 0; i < 4; ++i) out.push_back(i == d ? 1.0F : 0.0F);
  }
  return out;
}

TEST(Familiarity, IsTheMeanDistanceToTheNearestTypicalToken) {
  const Familiarity familiarity(along({0, 1}), 4, 0.1);
  EXPECT_DOUBLE_EQ(familiarity.distance(along({0, 1, 1})), 0.0);
  EXPECT_DOUBLE_EQ(familiarity.distance(along({0, 2})), 0.5);
  EXPECT_DOUBLE_EQ(familiarity.distance({}), 0.0);
  const TemporaryFolder folder;
  EXPECT_FALSE(Familiarity::of(folder.path(), 4));
  familiarity.save(folder.path(), {{"encoder", "x"}});
  const auto read = Familiarity::of(folder.path(), 4);
  ASSERT_TRUE(read);
  EXPECT_DOUBLE_EQ(read->limit(), 0.1);
  EXPECT_DOUBLE_EQ(read->distance(along({2, 3})), 1.0);
  expect_error(ErrorCode::format, {kFamiliarityFile, "another image encoder"},
               [&] { (void)Familiarity::of(folder.path(), 5); });
}

TEST(Familiarity, LooksAtPatchesOfTheObjectAlone) {
  // An image of 4 x 4 pixels in 2 x 2 patches, black but for the third patch; one token before those of the patches.
  std::vector<float> image(3 * 16);
  for (std::size_t c = 0; c < 3; ++c) {
    constexpr float kMean[] = {0.485F, 0.456F, 0.406F}, kDeviation[] = {0.229F, 0.224F, 0.225F};
    for (std::size_t i = 0; i < 16; ++i) image[c * 16 + i] = ((i >= 8 && i % 4 < 2 ? 0.5F : 0.0F) - kMean[c]) / kDeviation[c];
  }
  std::vector<float> tokens = along({3, 0, 1, 2, 3});
  for (float& v : tokens) v *= 7;
  EXPECT_EQ(object_tokens(image, tokens, 5, 4), along({2}));
}

// What ships with sprout belongs to its encoder: whoever trains that anew has to make it anew.
TEST(Familiarity, OfSproutIsOfItsEncoder) {
  const std::filesystem::path folder = project_path("models/sprout");
  const SafetensorsFile file(folder / kFamiliarityFile);
  EXPECT_EQ(file.metadata().at("encoder"), sha256_of_file(folder / "ckpts/dinov2_sprout14_reg.safetensors"));
  EXPECT_LT(std::filesystem::file_size(folder / kFamiliarityFile), 64U * 1024);
}

}  // namespace
}  // namespace espalier
