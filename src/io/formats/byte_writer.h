// Bytes of a file in the making; numbers are little endian, as all our formats want.
#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <vector>

namespace espalier {

static_assert(std::endian::native == std::endian::little, "the writers copy numbers as they lie in memory");

class ByteWriter {
 public:
  explicit ByteWriter(std::size_t expected) { bytes_.reserve(expected); }

  template <class T>
  requires std::is_arithmetic_v<T>
  void put(T value) { raw(&value, sizeof(value)); }
  void text(std::string_view text) { raw(text.data(), text.size()); }
  void raw(const void* data, std::size_t size) {
    const auto* begin = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), begin, begin + size);
  }
  // Fills up to a multiple of four bytes.
  void align4(char fill) {
    while (bytes_.size() % 4 != 0) put(fill);
  }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] const std::byte* data() const { return bytes_.data(); }
  [[nodiscard]] std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace espalier
