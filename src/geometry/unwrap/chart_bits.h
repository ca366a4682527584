// Rows of bits, for packing. Internal to unwrapping.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace espalier {

// A black-and-white image of rows of 64-bit words, the lowest bit first.
class BitRows {
 public:
  BitRows() = default;
  BitRows(int width, int height)
      : width_(width),
        height_(height),
        words_((width + 63) / 64),
        bits_(static_cast<std::size_t>(words_) * static_cast<std::size_t>(height)) {}
  [[nodiscard]] int width() const { return width_; }
  [[nodiscard]] int height() const { return height_; }
  [[nodiscard]] int words() const { return words_; }
  [[nodiscard]] std::uint64_t* row(int y) {
    return bits_.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(words_);
  }
  [[nodiscard]] const std::uint64_t* row(int y) const {
    return bits_.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(words_);
  }
  // The first column from x on whose bit is `value`; the width if there is none.
  [[nodiscard]] int next(int y, int x, bool value) const {
    const std::uint64_t* words = row(y);
    const std::uint64_t flip = value ? 0 : ~std::uint64_t{0};
    for (; x < width_; x = (x / 64 + 1) * 64) {
      const std::uint64_t word = (words[x / 64] ^ flip) >> (x % 64);
      if (word != 0) return std::min(x + std::countr_zero(word), width_);
    }
    return width_;
  }
  // Columns [begin, end).
  void set(int y, int begin, int end) {
    std::uint64_t* words = row(y);
    for (int x = begin; x < end;) {
      const int stop = std::min(end, (x / 64 + 1) * 64);
      const std::uint64_t ones = ~std::uint64_t{0} >> (64 - (stop - x));
      words[x / 64] |= ones << (x % 64);
      x = stop;
    }
  }
  [[nodiscard]] std::int64_t count() const {
    std::int64_t sum = 0;
    for (const std::uint64_t word : bits_) sum += std::popcount(word);
    return sum;
  }

 private:
  int width_ = 0, height_ = 0, words_ = 0;
  std::vector<std::uint64_t> bits_;
};

// out |= in >> shift, for the words [first, last] of `words` ones, which do not overlap.
inline void or_shifted(const std::uint64_t* in, int shift, int words, std::uint64_t* __restrict out, int first, int last) {
  const std::uint64_t* __restrict from = in + shift / 64;
  const int count = words - shift / 64;  // that there are in `from`
  const int bits = shift % 64;
  if (bits == 0) {
    for (int i = first; i <= std::min(last, count - 1); ++i) out[i] |= from[i];
    return;
  }
  for (int i = first; i <= std::min(last, count - 2); ++i) out[i] |= from[i] >> bits | from[i + 1] << (64 - bits);
  if (first < count && count - 1 <= last) out[count - 1] |= from[count - 1] >> bits;
}

}  // namespace espalier
