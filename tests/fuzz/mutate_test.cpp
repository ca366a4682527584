// Mutations of valid inputs, the same on every machine: no reader may crash, hang or report anything but an Error.
// ESPALIER_FUZZ_ROUNDS and ESPALIER_FUZZ_SEED make longer and other runs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string_view>

#include "json_mutator.h"
#include "targets.h"

namespace espalier::test {
namespace {

class Mutator {
 public:
  explicit Mutator(unsigned seed) : random_(seed) {}

  // One to six changes to a copy of one of `seeds`.
  Bytes next(const std::vector<Bytes>& seeds) {
    Bytes bytes = seeds[below(seeds.size())];
    for (std::size_t n = 1 + below(6); n > 0 && !bytes.empty(); --n) change(bytes, seeds[below(seeds.size())]);
    return bytes;
  }

 private:
  using Place = Bytes::difference_type;
  std::size_t below(std::size_t n) { return random_() % n; }
  Place place(const Bytes& bytes) { return static_cast<Place>(below(bytes.size())); }

  void change(Bytes& bytes, const Bytes& other) {
    constexpr std::size_t kLongest = std::size_t{1} << 16U;
    switch (below(8)) {
      case 0: bytes[below(bytes.size())] ^= static_cast<std::byte>(1U << below(8)); return;
      case 1: bytes[below(bytes.size())] = static_cast<std::byte>(random_()); return;
      case 2: overwrite(bytes, extreme()); return;
      case 3: overwrite(bytes, number()); return;
      case 4: bytes.resize(below(bytes.size() + 1)); return;
      case 5: {  // leaves a part out
        const Place from = place(bytes), to = place(bytes);
        bytes.erase(bytes.begin() + std::min(from, to), bytes.begin() + std::max(from, to));
        return;
      }
      case 6: {  // repeats a part
        const Place from = place(bytes), to = place(bytes);
        const Bytes part(bytes.begin() + std::min(from, to), bytes.begin() + std::max(from, to));
        if (bytes.size() < kLongest) bytes.insert(bytes.begin() + place(bytes), part.begin(), part.end());
        return;
      }
      default: {  // goes on as another file
        const auto keep = place(bytes);
        bytes.resize(static_cast<std::size_t>(keep));
        if (!other.empty()) bytes.insert(bytes.end(), other.begin() + place(other), other.end());
        return;
      }
    }
  }

  void overwrite(Bytes& bytes, std::string_view text) {
    const std::size_t at = below(bytes.size());
    for (std::size_t i = 0; i < text.size() && at + i < bytes.size(); ++i) bytes[at + i] = static_cast<std::byte>(text[i]);
  }

  // Binary numbers that sizes are compared with.
  std::string_view extreme() {
    using std::string_view_literals::operator""sv;
    static constexpr std::string_view kAll[] = {"\xff\xff\xff\xff\xff\xff\xff\xff"sv,
                                                "\xff\xff\xff\x7f"sv,
                                                "\x7f\xff\xff\xff"sv,
                                                "\0\0\0\0\0\0\0\0"sv,
                                                "\0\0\0\x80"sv,
                                                "\xff\xff"sv,
                                                "\0\0\0\0\x01\0\0\0"sv};
    return kAll[below(std::size(kAll))];
  }
  // Pieces of JSON, the length of others, so that the rest stays in place.
  std::string_view number() {
    static constexpr std::string_view kAll[] = {
        "-1",   "1e999",      "99999999999999999999", "-0",       "null",    "[]",      "{}", "\"\"", "1e-9",
        "true", "4294967296", "9223372036854775807",  "[[[[[[[[", "\\u0000", "\xc3\x28"};
    return kAll[below(std::size(kAll))];
  }

  std::mt19937 random_;
};

long number_from(const char* variable, long otherwise) {  // NOLINT(google-runtime-int): std::atol's type
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::atol(text);
}

class Fuzz : public ::testing::TestWithParam<FuzzTarget> {};

TEST_P(Fuzz, SeedsAreReadAndMutationsAreReadOrRefused) {
  const long rounds = number_from("ESPALIER_FUZZ_ROUNDS", 4000);
  const FuzzTarget& target = GetParam();
  const std::vector<Bytes> seeds = target.seeds();
  for (const Bytes& seed : seeds) ASSERT_TRUE(target.read(seed));
  Mutator mutator(static_cast<unsigned>(number_from("ESPALIER_FUZZ_SEED", 20)));
  for (long round = 0; round < rounds; ++round) {
    const Bytes bytes = mutator.next(seeds);
    ASSERT_NO_THROW((void)target.read(bytes)) << "round " << round;
  }
}

// The documents inside safetensors files, GLB, glTF and configurations, changed as documents, some of them up to 1 MB.
TEST_P(Fuzz, DocumentsAreReadOrRefused) {
  const long rounds = number_from("ESPALIER_FUZZ_ROUNDS", 4000) / 8;
  const FuzzTarget& target = GetParam();
  const std::vector<Bytes> seeds = target.seeds();
  JsonMutator mutator(static_cast<unsigned>(number_from("ESPALIER_FUZZ_SEED", 20)));
  for (long round = 0; round < rounds; ++round) {
    const std::size_t longest = round % 50 == 0 ? std::size_t{1} << 20U : std::size_t{1} << 12U;
    const Bytes bytes = mutator.next(seeds[static_cast<std::size_t>(round) % seeds.size()], longest);
    ASSERT_NO_THROW((void)target.read(bytes)) << "round " << round;
  }
}

INSTANTIATE_TEST_SUITE_P(Readers, Fuzz, ::testing::ValuesIn(fuzz_targets()),
                         [](const ::testing::TestParamInfo<FuzzTarget>& reader) {
                           std::string name = reader.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace espalier::test
