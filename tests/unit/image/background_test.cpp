// Objects with known alpha before backgrounds of many kinds: what comes back is compared with what went in.
#include "image/background.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <random>

#include "image/codec.h"
#include "support/data.h"

namespace espalier {
namespace {

using Colour = std::array<float, 3>;
using Background = std::function<Colour(int x, int y)>;

constexpr int kMargin = 60;

// The object before a background, with a margin around it.
Image before(const Image& object, const Background& background) {
  Image rgb(object.width + 2 * kMargin, object.height + 2 * kMargin, 3);
  for (int y = 0; y < rgb.height; ++y) {
    for (int x = 0; x < rgb.width; ++x) {
      const Colour behind = background(x, y);
      const int ox = x - kMargin, oy = y - kMargin;
      const bool inside = ox >= 0 && oy >= 0 && ox < object.width && oy < object.height;
      const float alpha = inside ? static_cast<float>(object.at(ox, oy)[3]) / 255.0F : 0.0F;
      for (int c = 0; c < 3; ++c) {
        const float solid = inside ? static_cast<float>(object.at(ox, oy)[c]) : 0.0F;
        const float mixed = alpha * solid + (1.0F - alpha) * behind[static_cast<std::size_t>(c)];
        rgb.at(x, y)[c] = static_cast<std::uint8_t>(std::lround(std::clamp(mixed, 0.0F, 255.0F)));
      }
    }
  }
  return rgb;
}

// Sum of the smaller over sum of the larger alpha of both; 1 when they are equal.
double agreement(const Image& object, const Image& cutout) {
  double common = 0.0, all = 0.0;
  for (int y = 0; y < cutout.height; ++y) {
    for (int x = 0; x < cutout.width; ++x) {
      const int ox = x - kMargin, oy = y - kMargin;
      const bool inside = ox >= 0 && oy >= 0 && ox < object.width && oy < object.height;
      const double expected = inside ? object.at(ox, oy)[3] : 0.0, found = cutout.at(x, y)[3];
      common += std::min(expected, found);
      all += std::max(expected, found);
    }
  }
  return common / all;
}

Background flat(float r, float g, float b) {
  return [=](int, int) { return Colour{r, g, b}; };
}

void expect_found(const Image& object, const Background& background, double at_least, const char* what) {
  const Cutout cutout = remove_background(before(object, background));
  ASSERT_EQ(cutout.image.channels, 4);
  EXPECT_GE(agreement(object, cutout.image), at_least) << what;
  EXPECT_TRUE(cutout.warnings.empty()) << what << ": " << cutout.warnings.front();
}

// A disc of one colour with a smooth rim; `inner` > 0 makes it a ring.
Image disc(int size, float outer, float inner, Colour colour) {
  Image image(size, size, 4);
  const float centre = 0.5F * static_cast<float>(size);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const float r = std::hypot(static_cast<float>(x) + 0.5F - centre, static_cast<float>(y) + 0.5F - centre);
      const float cover =
          std::clamp(outer - r + 0.5F, 0.0F, 1.0F) * (inner > 0 ? std::clamp(r - inner + 0.5F, 0.0F, 1.0F) : 1.0F);
      std::uint8_t* p = image.at(x, y);
      for (std::size_t c = 0; c < 3; ++c) p[c] = static_cast<std::uint8_t>(colour[c]);
      p[3] = static_cast<std::uint8_t>(std::lround(cover * 255.0F));
    }
  }
  return image;
}

TEST(Background, APaintedFigureBeforePlainBackgrounds) {
  const Image figure = load_image_file(test::data_path("images/typical_humanoid_dragonborn.in.webp"));
  expect_found(figure, flat(255, 255, 255), 0.98, "white");
  expect_found(figure, flat(60, 90, 200), 0.985, "blue");
  expect_found(
      figure,
      [](int x, int y) {
        const float u = static_cast<float>(x) / 310.0F - 1.0F, v = static_cast<float>(y) / 411.0F - 1.0F;
        return Colour{225 - 35 * (u * u + v * v), 228 - 33 * (u * u + v * v) + 5 * u, 235 - 38 * (u * u + v * v)};
      },
      0.98, "vignette");
  std::mt19937 random(5);
  const auto grain = [&random](float most) { return most * (static_cast<float>(random() % 2001) / 1000.0F - 1.0F); };
  expect_found(
      figure,
      [&](int, int) {
        return Colour{215 + grain(8), 218 + grain(8), 212 + grain(8)};
      },
      0.98, "grain");
}

TEST(Background, ASoftShadowBelongsToIt) {
  const Image ball = disc(300, 140, 0, {200, 60, 40});
  expect_found(
      ball,
      [](int x, int y) {
        const float u = (static_cast<float>(x) - 210.0F) / 170.0F, v = (static_cast<float>(y) - 350.0F) / 40.0F;
        const float light = 245.0F * (1.0F - 0.45F * std::exp(-1.5F * (u * u + v * v)));
        return Colour{light, light, light};
      },
      0.96, "shadow");
}

TEST(Background, ShowsThroughOpenings) { expect_found(disc(300, 130, 80, {30, 120, 60}), flat(240, 240, 240), 0.985, "ring"); }

TEST(Background, AWhiteSpotOfTheObjectWithASoftRimStays) {
  Image ball = disc(300, 140, 0, {40, 90, 200});
  for (int y = 0; y < 300; ++y) {
    for (int x = 0; x < 300; ++x) {
      const float r = std::hypot(static_cast<float>(x) - 110.0F, static_cast<float>(y) - 110.0F);
      const float glow = std::clamp(1.2F - r / 70.0F, 0.0F, 1.0F);
      for (int c = 0; c < 3; ++c) {
        const float base = ball.at(x, y)[c];
        ball.at(x, y)[c] = static_cast<std::uint8_t>(base + (255.0F - base) * glow);
      }
    }
  }
  expect_found(ball, flat(255, 255, 255), 0.99, "highlight");
}

TEST(Background, ColoursOfTheEdgeAreFreedFromTheBackground) {
  const Cutout cutout = remove_background(before(disc(200, 90, 0, {200, 40, 40}), flat(40, 220, 60)));
  for (std::size_t i = 0; i < cutout.image.pixel_count(); ++i) {
    const std::uint8_t* p = &cutout.image.pixels[i * 4];
    if (p[3] == 0) continue;
    EXPECT_NEAR(p[0], 200, 12);
    EXPECT_NEAR(p[1], 40, 12);
  }
}

// Textures of many kinds.
std::vector<std::pair<const char*, Background>> textures() {
  std::mt19937 random(9);
  std::vector<float> noise(512 * 512);
  for (float& v : noise) v = static_cast<float>(random() % 1000) / 1000.0F;
  const auto smooth = [noise = std::move(noise)](float x, float y) {
    const auto at = [&](int i, int j) { return noise[static_cast<std::size_t>((j & 511) * 512 + (i & 511))]; };
    const int i = static_cast<int>(std::floor(x)), j = static_cast<int>(std::floor(y));
    const float u = x - static_cast<float>(i), v = y - static_cast<float>(j);
    return (at(i, j) * (1 - u) + at(i + 1, j) * u) * (1 - v) + (at(i, j + 1) * (1 - u) + at(i + 1, j + 1) * u) * v;
  };
  const auto grey = [](float v) { return Colour{v, v, v}; };
  return {{"squares", [=](int x, int y) { return grey((x / 24 + y / 24) % 2 == 0 ? 200.0F : 120.0F); }},
          {"pale squares", [=](int x, int y) { return grey((x / 24 + y / 24) % 2 == 0 ? 190.0F : 175.0F); }},
          {"stripes", [=](int x, int) { return grey(150.0F + 30.0F * std::sin(static_cast<float>(x) * 0.25F)); }},
          {"bricks",
           [=](int x, int y) {
             return y % 30 < 3 || (x + y / 30 % 2 * 32) % 64 < 3 ? grey(190) : Colour{140, 70, 50};
           }},
          {"wood",
           [=](int x, int y) {
             const float t = smooth(static_cast<float>(x) * 0.008F, static_cast<float>(y) * 0.1F);
             return Colour{110 + 110 * t, 70 + 80 * t, 40 + 50 * t};
           }},
          {"grass",
           [=](int x, int y) {
             const float t = smooth(static_cast<float>(x) * 0.4F, static_cast<float>(y) * 0.15F);
             return Colour{40 + 60 * t, 80 + 130 * t, 20 + 40 * t};
           }},
          {"gravel",
           [=](int x, int y) { return grey(60 + 130 * smooth(static_cast<float>(x) * 0.3F, static_cast<float>(y) * 0.3F)); }},
          {"clouds",
           [=](int x, int y) {
             const float t = smooth(static_cast<float>(x) * 0.012F, static_cast<float>(y) * 0.012F);
             return Colour{120 + 130 * t, 150 + 100 * t, 210 + 40 * t};
           }},
          {"floor and wall",
           [](int, int y) {
             return y > 300 ? Colour{120, 85, 60} : Colour{205, 200, 190};
           }},
          {"weave", [=](int x, int y) { return grey(110.0F + ((x / 3 + y / 3) % 2 == 0 ? 20.0F : 0.0F)); }}};
}

// The examples that ship with the program, as large as they are.
std::vector<std::pair<std::string, Image>> examples() {
  std::vector<std::pair<std::string, Image>> all;
  for (const auto& entry : std::filesystem::directory_iterator(test::project_path("examples"))) {
    if (entry.path().extension() == ".png") all.emplace_back(entry.path().stem().string(), load_image_file(entry.path()));
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return all;
}

// Whatever came of it.
TEST(Background, TexturesAreDoubted) {
  const Image ball = disc(300, 120, 0, {200, 60, 40});
  const auto objects = examples();
  ASSERT_GE(objects.size(), textures().size());
  std::size_t next = 0;
  for (const auto& [name, texture] : textures()) {
    const auto& [object_name, object] = objects[next++];
    for (const Cutout& cutout : {remove_background(before(ball, texture)), remove_background(before(object, texture))}) {
      EXPECT_FALSE(cutout.warnings.empty()) << name << ", " << object_name << ": unexplained " << cutout.doubt.unexplained
                                            << ", spread " << cutout.doubt.spread << ", grain " << cutout.doubt.grain;
    }
  }
}

TEST(Background, PlainOnesAreNotDoubted) {
  std::mt19937 random(4);
  const auto grain = [&random] { return 4.0F * (static_cast<float>(random() % 2001) / 1000.0F - 1.0F); };
  const std::vector<std::pair<const char*, Background>> plain{
      {"white", flat(255, 255, 255)},
      {"grey", flat(150, 150, 155)},
      {"blue", flat(60, 90, 200)},
      {"gradient",
       [](int x, int y) {
         return Colour{200 + static_cast<float>(x) * 0.06F, 205 + static_cast<float>(y) * 0.05F, 215};
       }},
      {"grain", [&](int, int) {
         return Colour{215 + grain(), 218 + grain(), 212 + grain()};
       }}};
  std::size_t next = 0;
  for (const auto& [object_name, object] : examples()) {
    const auto& [name, background] = plain[next++ % plain.size()];
    const Cutout cutout = remove_background(before(object, background));
    EXPECT_TRUE(cutout.warnings.empty()) << object_name << " before " << name << ": " << cutout.warnings.front();
  }
}

TEST(Background, TheDoubtNamesItsReasons) {
  BackgroundDoubt doubt;
  doubt.kept = 0.2;
  doubt.pieces = 1;
  EXPECT_EQ(doubt.reason(), "");
  doubt.pieces = 12;
  doubt.largest = 0.4;
  EXPECT_EQ(doubt.reason(), "what is left falls into 12 pieces, the largest 40 % of it");
  doubt.border = 0.5;
  doubt.unexplained = 0.5;
  EXPECT_EQ(doubt.reason(),
            "the background is not plain (50 % of the image's border has one smooth colour), and what is left "
            "falls into 12 pieces, the largest 40 % of it, and what is left covers 50 % of the image's border");
}

TEST(Background, AnUnevenOneIsDoubted) {
  const Cutout cutout = remove_background(before(disc(200, 90, 0, {200, 40, 40}), [](int x, int y) {
    const float t = 60.0F * std::cos(static_cast<float>(x) * 0.11F) * std::cos(static_cast<float>(y) * 0.07F);
    return Colour{130 + t, 140 - t, 110 + t / 2};
  }));
  ASSERT_EQ(cutout.warnings.size(), 1U);
  EXPECT_NE(cutout.warnings.front().find("not plain"), std::string::npos) << cutout.warnings.front();
  EXPECT_NE(cutout.warnings.front().find("transparent background"), std::string::npos) << cutout.warnings.front();
}

TEST(Background, ImagesOfAnySizeAreCutOut) {
  for (const auto& [width, height] : {std::pair{1, 1}, {1, 40}, {40, 1}, {2, 3}, {7, 7}, {500, 2}}) {
    Image rgb(width, height, 3);
    std::mt19937 random(3);
    for (std::uint8_t& v : rgb.pixels) v = static_cast<std::uint8_t>(random());
    const Cutout cutout = remove_background(rgb);
    EXPECT_EQ(cutout.image.width, width);
    EXPECT_EQ(cutout.image.height, height);
    EXPECT_EQ(cutout.image.channels, 4);
  }
}

TEST(Background, AImageOfOneColourHasNoObject) {
  Image rgb(64, 48, 3);
  std::fill(rgb.pixels.begin(), rgb.pixels.end(), std::uint8_t{200});
  const Cutout cutout = remove_background(rgb);
  for (std::size_t i = 0; i < cutout.image.pixel_count(); ++i) ASSERT_EQ(cutout.image.pixels[i * 4 + 3], 0);
}

}  // namespace
}  // namespace espalier
