#include "io/formats/numbering.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>

namespace espalier {
namespace {

TEST(Numbering, CountsInTheOrderOfFirstAppearance) {
  std::mt19937 random(7);
  Numbering<std::array<std::int32_t, 2>, HashWords<std::int32_t, 2>> numbers;
  std::map<std::array<std::int32_t, 2>, std::int32_t> expected;
  for (int i = 0; i < 100'000; ++i) {
    const std::array<std::int32_t, 2> key = {static_cast<std::int32_t>(random() % 300),
                                             static_cast<std::int32_t>(random() % 300)};
    const auto number = expected.try_emplace(key, static_cast<std::int32_t>(expected.size())).first->second;
    ASSERT_EQ(numbers.of(key), number);
  }
  ASSERT_EQ(numbers.keys().size(), expected.size());
  for (const auto& [key, number] : expected) ASSERT_EQ(numbers.keys()[static_cast<std::size_t>(number)], key);
}

// A file of them would else be searched from end to end for every one.
TEST(Numbering, WhatIsNoNumberIsFoundAgain) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  PointNumbering points;
  EXPECT_EQ(points.of({kNan, 0, kNan}), 0);
  EXPECT_EQ(points.of({1, 0, 0}), 1);
  EXPECT_EQ(points.of({kNan, 0, kNan}), 0);
}

// Or a file could be made whose points all meet in one place.
TEST(Numbering, HashesBeginWithASecret) {
  const HashWords<float, 3> one, other;
  EXPECT_NE(one({1, 2, 3}), other({1, 2, 3}));
}

}  // namespace
}  // namespace espalier
