// How generate and preprocess come to a foreground: networks by name, by file and by being there.
#include <gtest/gtest.h>

#include <algorithm>

#include "image/codec.h"
#include "program.h"
#include "support/data.h"
#include "support/temporary_folder.h"

namespace espalier::test {
namespace {

class BackgroundOption : public ::testing::Test {
 protected:
  BackgroundOption() {
    // A soft gradient, so that the network has something to respond to.
    Image image(120, 90, 3);
    for (int y = 0; y < image.height; ++y) {
      for (int x = 0; x < image.width; ++x) {
        std::uint8_t* p = image.at(x, y);
        p[0] = static_cast<std::uint8_t>(2 * x);
        p[1] = static_cast<std::uint8_t>(2 * y);
        p[2] = static_cast<std::uint8_t>(255 - x - y);
      }
    }
    const auto bytes = encode_png(image);
    write_text(image_, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    std::filesystem::create_directories(folder_.path() / "home/.u2net");
  }
  Outcome preprocess(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments{"preprocess", image_.string(), "-o", out_.string(), "--device", "cpu"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return espalier(arguments, {"HOME=" + (folder_.path() / "home").string(), "XDG_DATA_HOME=", "U2NET_HOME="});
  }

  TemporaryFolder folder_;
  std::filesystem::path image_ = folder_.path() / "image.png", out_ = folder_.path() / "out.png";
  std::filesystem::path network_ = data_path("golden_matting/onnx/u2net_odd.onnx");
};

TEST_F(BackgroundOption, ANetworkByItsFile) {
  const Outcome outcome = preprocess({"--background-network", network_.string()});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("background removed by u2net_odd.onnx"), std::string::npos) << outcome.err;
  const Image made = load_image_file(out_);
  EXPECT_EQ(made.width, 518);
  EXPECT_EQ(made.channels, 4);
}

TEST_F(BackgroundOption, ANetworkThatIsThereServesByItself) {
  std::filesystem::copy_file(network_, folder_.path() / "home/.u2net/u2netp.onnx");
  EXPECT_NE(preprocess({}).err.find("background removed by u2netp.onnx"), std::string::npos);
  EXPECT_NE(preprocess({"--background-network", "u2netp"}).err.find("background removed by u2netp.onnx"), std::string::npos);
  EXPECT_EQ(preprocess({"--background", "plain"}).err.find("u2netp"), std::string::npos);
  std::filesystem::create_directories(folder_.path() / "other");
  EXPECT_EQ(preprocess({"--networks", (folder_.path() / "other").string()}).err.find("u2netp"), std::string::npos);
}

TEST_F(BackgroundOption, AMaskByHandSaysWhatTheObjectIs) {
  Image mask(60, 45, 3);
  for (int y = 10; y < 30; ++y) {
    for (int x = 20; x < 40; ++x) std::fill_n(mask.at(x, y), 3, 255);
  }
  const auto bytes = encode_png(mask);
  const std::filesystem::path file = folder_.path() / "mask.png";
  write_text(file, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  const Outcome outcome = preprocess({"--mask", file.string()});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const Image made = load_image_file(out_);
  EXPECT_EQ(made.at(259, 259)[3], 255);
  EXPECT_EQ(made.at(5, 5)[3], 0);
  expect_refusal(preprocess({"--mask", file.string(), "--mask", file.string()}), 2, {"2 masks", "1 images"});
  expect_refusal(preprocess({"--mask", file.string(), "--background", "plain"}), 2, {"--mask", "--background"});
  expect_refusal(preprocess({"--mask", "none.png"}), 1, {"mask none.png", "does not exist"});
  expect_refusal(preprocess({"--mask", network_.string()}), 1, {"known format"});
  std::fill(mask.pixels.begin(), mask.pixels.end(), std::uint8_t{128});
  const auto grey = encode_png(mask);
  write_text(file, {reinterpret_cast<const char*>(grey.data()), grey.size()});
  expect_refusal(espalier({"generate", image_.string(), "--mask", file.string(), "-o", (folder_.path() / "a.glb").string(),
                           "--device", "cpu", "--quiet"}),
                 1, {"the mask is nowhere white", "mark the object white"});
}

TEST_F(BackgroundOption, RefusesWhatIsNotThereOrNoNetwork) {
  expect_refusal(preprocess({"--background-network", "isnet"}), 1, {"isnet", "home/.u2net", "--networks"});
  expect_refusal(preprocess({"--background-network", "none.onnx"}), 1, {"none.onnx"});
  expect_refusal(preprocess({"--background-network", data_path("hostile_onnx/unknown_op.onnx").string()}), 1,
                 {"unknown_op.onnx", "operator"});
  expect_refusal(preprocess({"--background-network", data_path("hostile_onnx/good_small.onnx").string()}), 1,
                 {"does not remove backgrounds"});
  expect_refusal(preprocess({"--background", "magic"}), 2, {"--background"});
}

}  // namespace
}  // namespace espalier::test
