#include "base/random.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/data.h"

namespace espalier {
namespace {

constexpr float kTolerance = 1e-6F;
const std::vector<std::uint64_t> kSeeds = {0, 1, 42, 2147483647};

std::vector<float> draw(TorchGenerator& generator, std::size_t n) {
  std::vector<float> values(n);
  generator.randn(values);
  return values;
}

void expect_values(const nlohmann::json& reference, const std::vector<float>& values, std::size_t offset,
                   const std::string& name) {
  const auto expected = reference.at(name).get<std::vector<float>>();
  ASSERT_LE(offset + expected.size(), values.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(values[offset + i], expected[i], kTolerance) << name << "[" << i << "]";
}

TEST(TorchGenerator, DrawsTheNoiseOfAGeneration) {
  const auto reference = test::json_data("rng/normal.json");
  for (const std::uint64_t seed : kSeeds) {
    const std::string name = std::to_string(seed);
    TorchGenerator generator(seed);
    const auto structure = draw(generator, 8 * 16 * 16 * 16);
    const auto latent = draw(generator, 777 * 8);
    expect_values(reference, structure, 0, name + ".ss_first");
    expect_values(reference, structure, structure.size() - 64, name + ".ss_last");
    expect_values(reference, latent, 0, name + ".slat_first");
    expect_values(reference, latent, latent.size() - 64, name + ".slat_last");
  }
}

TEST(TorchGenerator, MixesShortAndLongDraws) {
  const auto reference = test::json_data("rng/normal.json");
  for (const std::uint64_t seed : kSeeds) {
    TorchGenerator generator(seed);
    for (const std::size_t n : {1U, 3U, 15U, 16U, 17U, 24U, 40U}) {
      expect_values(reference, draw(generator, n), 0, std::to_string(seed) + ".draw" + std::to_string(n));
    }
  }
}

TEST(TorchGenerator, TakesTheSeedModulo32Bits) {
  TorchGenerator low(7);
  TorchGenerator high((std::uint64_t{5} << 32U) + 7);
  EXPECT_EQ(draw(low, 100), draw(high, 100));
}

TEST(TorchGenerator, AnEmptyDrawTakesNothing) {
  TorchGenerator plain(3);
  TorchGenerator other(3);
  (void)draw(other, 0);
  EXPECT_EQ(draw(plain, 20), draw(other, 20));
}

}  // namespace
}  // namespace espalier
