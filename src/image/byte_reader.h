// Numbers in foreign bytes: every access is checked, and what lies beyond the end is an error that names the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "image/codec_parts.h"

namespace espalier::codec {

class ByteReader {
 public:
  // `kind` is the format's name, for messages. The bytes stay the caller's.
  ByteReader(Bytes bytes, std::string name, const char* kind, bool big_endian)
      : bytes_(bytes), name_(std::move(name)), kind_(kind), big_endian_(big_endian) {}

  [[nodiscard]] std::uint64_t size() const { return bytes_.size(); }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] bool holds(std::uint64_t offset, std::uint64_t size) const {
    return offset <= bytes_.size() && size <= bytes_.size() - offset;
  }
  // Throws format when the bytes end before.
  [[nodiscard]] Bytes part(std::uint64_t offset, std::uint64_t size) const {
    if (!holds(offset, size)) damaged("it ends early");
    return bytes_.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size));
  }
  // The same numbers in some of the bytes.
  [[nodiscard]] ByteReader within(std::uint64_t offset, std::uint64_t size) const {
    return {part(offset, size), name_, kind_, big_endian_};
  }
  // A number of `size` bytes, at most 8.
  [[nodiscard]] std::uint64_t number(std::uint64_t offset, unsigned size) const {
    const Bytes bytes = part(offset, size);
    std::uint64_t value = 0;
    for (unsigned i = 0; i < size; ++i) {
      const auto byte = std::to_integer<std::uint64_t>(bytes[i]);
      value = big_endian_ ? value << 8U | byte : value | byte << (8U * i);
    }
    return value;
  }
  [[nodiscard]] std::uint32_t u8(std::uint64_t at) const { return static_cast<std::uint32_t>(number(at, 1)); }
  [[nodiscard]] std::uint32_t u16(std::uint64_t at) const { return static_cast<std::uint32_t>(number(at, 2)); }
  [[nodiscard]] std::uint32_t u32(std::uint64_t at) const { return static_cast<std::uint32_t>(number(at, 4)); }
  [[nodiscard]] std::int32_t i32(std::uint64_t at) const { return static_cast<std::int32_t>(u32(at)); }
  [[nodiscard]] std::string text(std::uint64_t at, std::uint64_t size) const {
    const Bytes bytes = part(at, size);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  [[noreturn]] void damaged(const std::string& reason) const { fail_damaged(name_, kind_, reason); }

 private:
  Bytes bytes_;
  std::string name_;
  const char* kind_;
  bool big_endian_;
};

}  // namespace espalier::codec
