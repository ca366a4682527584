// Equal values get one number, counted in the order in which they first appear. Files decide what is numbered: the numbers do
// not depend on the secret that the hash begins with, but how long a search takes does, so that no file can be made whose
// values all meet in one place.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <type_traits>
#include <utility>
#include <vector>

namespace espalier {

template <class Key, class Hash>
class Numbering {
  static_assert(std::is_trivially_copyable_v<Key>);

 public:
  static constexpr std::size_t kBytesPerEntry = 16;  // beside the key: slots are half empty and double when they are full

  std::int32_t of(const Key& key) {
    if (keys_.size() * 4 >= slots_.size() * 3) grow();
    std::int32_t& slot = slots_[place_of(key)];
    if (slot < 0) {
      slot = static_cast<std::int32_t>(keys_.size());
      keys_.push_back(key);
    }
    return slot;
  }
  [[nodiscard]] const std::vector<Key>& keys() const { return keys_; }

 private:
  // Where the key is, or the free slot that it belongs to.
  [[nodiscard]] std::size_t place_of(const Key& key) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = hash_(key) & mask;
    while (slots_[at] >= 0 && !same(keys_[static_cast<std::size_t>(slots_[at])], key)) at = (at + 1) & mask;
    return at;
  }
  // By their bits: a NaN is found again, too.
  [[nodiscard]] static bool same(const Key& a, const Key& b) { return std::memcmp(&a, &b, sizeof(Key)) == 0; }
  void grow() {
    const std::size_t size = slots_.empty() ? 16 : slots_.size() * 2;
    slots_ = {};  // before as many are taken again
    slots_.assign(size, -1);
    for (std::size_t i = 0; i < keys_.size(); ++i) slots_[place_of(keys_[i])] = static_cast<std::int32_t>(i);
  }

  Hash hash_;
  std::vector<Key> keys_;
  std::vector<std::int32_t> slots_;  // a power of two of them; numbers, or -1
};

// Words of 32 bits, well mixed.
template <class Word, std::size_t N>
class HashWords {
 public:
  std::size_t operator()(const std::array<Word, N>& words) const {
    static_assert(sizeof(Word) == 4);
    std::uint64_t h = secret_;
    for (const Word w : words) {
      h = (h ^ std::bit_cast<std::uint32_t>(w)) * 0x9E3779B97F4A7C15ULL;
      h ^= h >> 29U;
    }
    return static_cast<std::size_t>(h);
  }

 private:
  static std::uint64_t drawn() {
    std::random_device source;
    return std::uint64_t{source()} << 32U | source();
  }
  std::uint64_t secret_ = drawn();
};

// Points by their coordinates. -0 and 0 are equal but have different bits: add 0.0F to a coordinate before.
using PointNumbering = Numbering<std::array<float, 3>, HashWords<float, 3>>;

}  // namespace espalier
