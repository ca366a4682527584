// The wire format of protocol buffers, for readers of foreign files: fields of one message after another, nothing copied.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace espalier {

enum class ProtoWire : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

struct ProtoField {
  std::uint32_t number = 0;
  ProtoWire wire = ProtoWire::varint;
  std::uint64_t value = 0;  // of varint, fixed64 and fixed32
  std::string_view bytes;   // of bytes; points into the message
};

// Reads the fields of a message in the order in which they are stored.
class ProtoReader {
 public:
  // `label` names the file in errors; both must outlive the reader.
  ProtoReader(std::string_view message, const std::string& label) : rest_(message), label_(&label) {}

  // False at the end of the message. Throws format for what is not the wire format: field number 0, groups, numbers of more
  // than ten bytes, lengths beyond the message.
  bool next(ProtoField& field);
  // The next number of a packed list; false at its end.
  bool next_number(std::uint64_t& number);

 private:
  [[nodiscard]] std::uint64_t varint();
  [[nodiscard]] std::uint64_t fixed(std::size_t width);
  [[noreturn]] void refuse(const char* why) const;

  std::string_view rest_;
  const std::string* label_;
};

// How many numbers a packed list holds, without reading them.
[[nodiscard]] std::int64_t count_packed(std::string_view list);

}  // namespace espalier
