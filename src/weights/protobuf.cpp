#include "weights/protobuf.h"

#include <algorithm>

#include "base/error.h"

namespace espalier {

void ProtoReader::refuse(const char* why) const {
  fail(ErrorCode::format, *label_, ": not an ONNX file, or a damaged one (", why, ")", hint("fetch it again"));
}

std::uint64_t ProtoReader::varint() {
  constexpr unsigned kLongest = 10, kBits = 7;
  std::uint64_t value = 0;
  for (unsigned i = 0; i < kLongest; ++i) {
    if (i >= rest_.size()) refuse("it ends inside a number");
    const auto byte = static_cast<std::uint8_t>(rest_[i]);
    value |= static_cast<std::uint64_t>(byte & 0x7FU) << (i * kBits);
    if ((byte & 0x80U) != 0) continue;
    rest_.remove_prefix(i + 1);
    return value;
  }
  refuse("a number of more than ten bytes");
}

std::uint64_t ProtoReader::fixed(std::size_t width) {
  if (rest_.size() < width) refuse("it ends inside a number");
  std::uint64_t value = 0;
  for (std::size_t i = width; i-- > 0;) value = value << 8U | static_cast<std::uint8_t>(rest_[i]);
  rest_.remove_prefix(width);
  return value;
}

bool ProtoReader::next(ProtoField& field) {
  if (rest_.empty()) return false;
  constexpr std::uint64_t kMostNumber = (std::uint64_t{1} << 29U) - 1;
  const std::uint64_t tag = varint();
  const std::uint64_t number = tag >> 3U;
  if (number == 0 || number > kMostNumber) refuse("a field with an impossible number");
  field = {};
  field.number = static_cast<std::uint32_t>(number);
  switch (tag & 7U) {
    case 0:
      field.wire = ProtoWire::varint;
      field.value = varint();
      return true;
    case 1:
      field.wire = ProtoWire::fixed64;
      field.value = fixed(8);
      return true;
    case 2: {
      field.wire = ProtoWire::bytes;
      const std::uint64_t length = varint();
      if (length > rest_.size()) refuse("a field that is longer than the file; it is truncated");
      field.bytes = rest_.substr(0, static_cast<std::size_t>(length));
      rest_.remove_prefix(static_cast<std::size_t>(length));
      return true;
    }
    case 5:
      field.wire = ProtoWire::fixed32;
      field.value = fixed(4);
      return true;
    default: refuse("a field of an unknown kind");
  }
}

bool ProtoReader::next_number(std::uint64_t& number) {
  if (rest_.empty()) return false;
  number = varint();
  return true;
}

std::int64_t count_packed(std::string_view list) {
  return std::count_if(list.begin(), list.end(), [](char c) { return (static_cast<std::uint8_t>(c) & 0x80U) == 0; });
}

}  // namespace espalier
