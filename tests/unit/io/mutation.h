// Deterministic damage for readers: the same seed damages the same bytes.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <random>
#include <vector>

#include "base/error.h"

namespace espalier::test {

inline std::vector<std::byte> mutated(const std::vector<std::byte>& original, unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % std::max<std::size_t>(n, 1); };
  std::vector<std::byte> bytes = original;
  const std::size_t strokes = 1 + below(4);
  for (std::size_t s = 0; s < strokes && !bytes.empty(); ++s) {
    const std::size_t at = below(2) == 0 ? below(bytes.size()) : below(std::min<std::size_t>(bytes.size(), 600));
    switch (below(7)) {
      case 0: bytes[at] = static_cast<std::byte>(random()); break;
      case 1: bytes[at] ^= static_cast<std::byte>(1U << below(8)); break;
      case 2: bytes.resize(at); break;
      case 3: {  // numbers at the edges of their ranges
        constexpr std::array<std::uint32_t, 8> kEdges = {0,          1,          0x7FFFFFFF, 0x80000000,
                                                         0xFFFFFFFF, 0x7FC00000, 0x7F800000, 0x10000};
        const std::uint32_t value = kEdges[below(kEdges.size())];
        std::memcpy(bytes.data() + at, &value, std::min<std::size_t>(4, bytes.size() - at));
        break;
      }
      case 4: {  // a piece somewhere else once more
        const std::size_t size = std::min(bytes.size() - at, 1 + below(40));
        const std::vector<std::byte> piece(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                                           bytes.begin() + static_cast<std::ptrdiff_t>(at + size));
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size())), piece.begin(), piece.end());
        break;
      }
      case 5: {
        const std::size_t size = std::min(bytes.size() - at, 1 + below(40));
        bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.begin() + static_cast<std::ptrdiff_t>(at + size));
        break;
      }
      default: bytes[at] = static_cast<std::byte>("0123456789-e. /\n{}[],\""[below(23)]); break;
    }
  }
  return bytes;
}

// `read` either succeeds or throws an error that blames the file; anything else (another exception, a crash, a sanitizer's
// report) fails. Both must happen, or the damage tests nothing.
template <class Read>
void expect_survives_damage(const std::vector<std::byte>& original, int rounds, Read&& read) {
  int refused = 0, accepted = 0;
  for (int seed = 0; seed < rounds; ++seed) {
    try {
      read(mutated(original, static_cast<unsigned>(seed)));
      ++accepted;
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::format || error.code() == ErrorCode::unsupported) << seed << ": " << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 0);
  EXPECT_GT(accepted, 0);
}

}  // namespace espalier::test
