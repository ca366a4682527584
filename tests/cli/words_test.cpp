// Words with the text checkpoint that ships with the program.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "image/codec.h"
#include "program.h"
#include "support/temporary_folder.h"

namespace espalier::test {
namespace {

using Words = std::vector<std::string>;

struct Rgb {
  double red = 0, green = 0, blue = 0;
};

// Mean over the pixels that are no background: those whose channels differ much.
Rgb vivid_colour(const Image& image) {
  Rgb sum;
  double count = 0;
  const auto step = static_cast<std::size_t>(image.channels);
  for (std::size_t i = 0; i + 2 < image.pixels.size(); i += step) {
    const std::uint8_t r = image.pixels[i], g = image.pixels[i + 1], b = image.pixels[i + 2];
    if (std::max({r, g, b}) - std::min({r, g, b}) < 40) continue;
    sum = {sum.red + r, sum.green + g, sum.blue + b};
    ++count;
  }
  EXPECT_GT(count, 0.02 * static_cast<double>(image.pixels.size() / step));
  return {sum.red / count, sum.green / count, sum.blue / count};
}

class ShippedText : public ::testing::Test {
 protected:
  [[nodiscard]] std::string out(const std::string& name) const { return (folder_.path() / name).string(); }
  [[nodiscard]] nlohmann::json made(const std::string& prompt, const std::string& name) const {
    const Outcome done = espalier({"generate", "--prompt", prompt, "-o", out(name + ".glb"), "--preview", out(name + ".png"),
                                   "--device", "cpu", "--texture-size", "512", "--bake-views", "12", "--quiet", "--json"});
    EXPECT_EQ(done.code, 0) << done.err;
    const Outcome checked = espalier({"check", out(name + ".glb"), "--json"});
    EXPECT_EQ(checked.code, 0) << checked.err;
    return checked.code == 0 ? nlohmann::json::parse(checked.out).at(0) : nlohmann::json::object();
  }
  const TemporaryFolder folder_;
};

TEST_F(ShippedText, APromptWithoutAModelMakesASolidOfTheColourAskedFor) {
  const auto red = made("a red fish with red fins", "red");
  EXPECT_EQ(red.at("watertight"), true);
  const Rgb r = vivid_colour(load_image_file(out("red.png")));
  EXPECT_GT(r.red, r.green + 80);
  EXPECT_GT(r.red, r.blue + 80);

  const auto blue = made("a blue fish with blue fins", "blue");
  EXPECT_EQ(blue.at("watertight"), true);
  const Rgb b = vivid_colour(load_image_file(out("blue.png")));
  EXPECT_GT(b.blue, b.red + 80);
  EXPECT_GT(b.blue, b.green + 40);
}

TEST_F(ShippedText, IsFoundByItsName) {
  const Outcome done = espalier({"info", "sprout-text", "--json"});
  ASSERT_EQ(done.code, 0) << done.err;
  const auto info = nlohmann::json::parse(done.out);
  std::vector<std::string> roles;
  for (const auto& module : info.at("modules")) roles.push_back(module.at("role"));
  EXPECT_EQ(std::count(roles.begin(), roles.end(), "text_cond_model"), 1);
  EXPECT_EQ(std::count(roles.begin(), roles.end(), "slat_decoder_mesh"), 1);
}

}  // namespace
}  // namespace espalier::test
