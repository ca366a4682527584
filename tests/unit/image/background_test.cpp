// Objects with known alpha before backgrounds of many kinds: what comes back is compared with what went in.
#include "image/background.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
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
Picture before(const Picture& object, const Background& background) {
  Picture rgb(object.width + 2 * kMargin, object.height + 2 * kMargin, 3);
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
double agreement(const Picture& object, const Picture& cutout) {
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

void expect_found(const Picture& object, const Background& background, double at_least, const char* what) {
  const Cutout cutout = remove_background(before(object, background));
  ASSERT_EQ(cutout.picture.channels, 4);
  EXPECT_GE(agreement(object, cutout.picture), at_least) << what;
  EXPECT_TRUE(cutout.warnings.empty()) << what << ": " << cutout.warnings.front();
}

// A disc of one colour with a smooth rim; `inner` > 0 makes it a ring.
Picture disc(int size, float outer, float inner, Colour colour) {
  Picture picture(size, size, 4);
  const float centre = 0.5F * static_cast<float>(size);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const float r = std::hypot(static_cast<float>(x) + 0.5F - centre, static_cast<float>(y) + 0.5F - centre);
      const float cover =
          std::clamp(outer - r + 0.5F, 0.0F, 1.0F) * (inner > 0 ? std::clamp(r - inner + 0.5F, 0.0F, 1.0F) : 1.0F);
      std::uint8_t* p = picture.at(x, y);
      for (std::size_t c = 0; c < 3; ++c) p[c] = static_cast<std::uint8_t>(colour[c]);
      p[3] = static_cast<std::uint8_t>(std::lround(cover * 255.0F));
    }
  }
  return picture;
}

TEST(Background, APaintedFigureBeforePlainBackgrounds) {
  const Picture figure = load_picture(test::data_path("images/typical_humanoid_dragonborn.in.png"));
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
  const Picture ball = disc(300, 140, 0, {200, 60, 40});
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
  Picture ball = disc(300, 140, 0, {40, 90, 200});
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
  for (std::size_t i = 0; i < cutout.picture.pixel_count(); ++i) {
    const std::uint8_t* p = &cutout.picture.pixels[i * 4];
    if (p[3] == 0) continue;
    EXPECT_NEAR(p[0], 200, 12);
    EXPECT_NEAR(p[1], 40, 12);
  }
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

TEST(Background, PicturesOfAnySizeAreCutOut) {
  for (const auto& [width, height] : {std::pair{1, 1}, {1, 40}, {40, 1}, {2, 3}, {7, 7}, {500, 2}}) {
    Picture rgb(width, height, 3);
    std::mt19937 random(3);
    for (std::uint8_t& v : rgb.pixels) v = static_cast<std::uint8_t>(random());
    const Cutout cutout = remove_background(rgb);
    EXPECT_EQ(cutout.picture.width, width);
    EXPECT_EQ(cutout.picture.height, height);
    EXPECT_EQ(cutout.picture.channels, 4);
  }
}

TEST(Background, APictureOfOneColourHasNoObject) {
  Picture rgb(64, 48, 3);
  std::fill(rgb.pixels.begin(), rgb.pixels.end(), std::uint8_t{200});
  const Cutout cutout = remove_background(rgb);
  for (std::size_t i = 0; i < cutout.picture.pixel_count(); ++i) ASSERT_EQ(cutout.picture.pixels[i * 4 + 3], 0);
}

}  // namespace
}  // namespace espalier
