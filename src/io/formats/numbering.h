// Equal values get one number, counted in the order in which they first appear.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

namespace espalier {

template <class Key, class Hash>
class Numbering {
 public:
  std::int32_t of(const Key& key) {
    const auto [at, fresh] = numbers_.try_emplace(key, static_cast<std::int32_t>(keys_.size()));
    if (fresh) keys_.push_back(key);
    return at->second;
  }
  [[nodiscard]] const std::vector<Key>& keys() const { return keys_; }

 private:
  std::vector<Key> keys_;
  std::unordered_map<Key, std::int32_t, Hash> numbers_;
};

// Words of 32 bits, well mixed.
template <class Word, std::size_t N>
struct HashWords {
  std::size_t operator()(const std::array<Word, N>& words) const {
    static_assert(sizeof(Word) == 4);
    std::uint64_t h = N;
    for (const Word w : words) {
      h = (h ^ std::bit_cast<std::uint32_t>(w)) * 0x9E3779B97F4A7C15ULL;
      h ^= h >> 29U;
    }
    return static_cast<std::size_t>(h);
  }
};

// Points by their coordinates. -0 and 0 are equal but have different bits: add 0.0F to a coordinate before.
using PointNumbering = Numbering<std::array<float, 3>, HashWords<float, 3>>;

}  // namespace espalier
