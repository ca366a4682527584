// A reader of binary FBX of its own for checking what the writer wrote: every offset, length and array as the format has them.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace espalier::test {

struct FbxProperty {
  char type = 0;
  std::int64_t integer = 0;        // of C, Y, I and L
  double number = 0.0;             // of F and D
  std::string text;                // of S and R
  std::vector<double> numbers;     // of d
  std::vector<std::int32_t> ints;  // of i
  bool packed = false;             // of arrays
};

struct FbxRecord {
  std::string name;
  std::vector<FbxProperty> properties;
  std::vector<FbxRecord> records;

  [[nodiscard]] std::vector<const FbxRecord*> all(const std::string& wanted) const {
    std::vector<const FbxRecord*> found;
    for (const FbxRecord& record : records) {
      if (record.name == wanted) found.push_back(&record);
    }
    return found;
  }
  [[nodiscard]] const FbxRecord& one(const std::string& wanted) const {
    const auto found = all(wanted);
    if (found.size() != 1) throw std::runtime_error(name + " has " + std::to_string(found.size()) + " of " + wanted);
    return *found[0];
  }
  // The first value of the record of that name, which has to be of that type.
  [[nodiscard]] const FbxProperty& value(const std::string& wanted, char type) const { return one(wanted).property(0, type); }
  [[nodiscard]] const FbxProperty& property(std::size_t index, char type) const {
    const FbxProperty& found = properties.at(index);
    if (found.type != type) throw std::runtime_error(name + " has another type");
    return found;
  }
  // The values of a named entry of Properties70, or null.
  [[nodiscard]] const FbxRecord* entry(const std::string& wanted) const {
    for (const FbxRecord* p : one("Properties70").all("P")) {
      if (p->property(0, 'S').text == wanted) return p;
    }
    return nullptr;
  }
};

class FbxReader {
 public:
  // What is at the top, as the records of one without a name.
  static FbxRecord read(const std::vector<std::byte>& bytes) {
    FbxReader reader(bytes);
    FbxRecord root;
    while (reader.number<std::uint32_t>(reader.at_) != 0) root.records.push_back(reader.record());
    reader.end_of_list();
    reader.footer();
    return root;
  }

 private:
  explicit FbxReader(const std::vector<std::byte>& bytes) : bytes_(reinterpret_cast<const char*>(bytes.data()), bytes.size()) {
    want(bytes_.substr(0, 23) == std::string("Kaydara FBX Binary  \0\x1A\0", 23), "not a binary FBX");
    want(number<std::uint32_t>(23) == 7400, "another version");
    at_ = 27;
  }

  FbxRecord record() {
    const std::size_t end = take<std::uint32_t>(), count = take<std::uint32_t>(), length = take<std::uint32_t>();
    FbxRecord record;
    record.name = text(take<std::uint8_t>());
    want(end <= bytes_.size() && at_ + length <= end, "a record ends behind the file");
    const std::size_t behind = at_ + length;
    for (std::size_t i = 0; i < count; ++i) record.properties.push_back(property());
    want(at_ == behind, "the properties have another length");
    if (at_ == end) return record;
    while (number<std::uint32_t>(at_) != 0) record.records.push_back(this->record());
    end_of_list();
    want(at_ == end, "a record ends elsewhere");
    return record;
  }

  FbxProperty property() {
    FbxProperty p;
    p.type = take<char>();
    switch (p.type) {
      case 'C': p.integer = take<char>(); break;
      case 'Y': p.integer = take<std::int16_t>(); break;
      case 'I': p.integer = take<std::int32_t>(); break;
      case 'L': p.integer = take<std::int64_t>(); break;
      case 'F': p.number = static_cast<double>(take<float>()); break;
      case 'D': p.number = take<double>(); break;
      case 'S':
      case 'R': p.text = text(take<std::uint32_t>()); break;
      case 'i': p.ints = array<std::int32_t>(p.packed); break;
      case 'd': p.numbers = array<double>(p.packed); break;
      default: want(false, "a property of an unknown type");
    }
    return p;
  }

  template <class T>
  std::vector<T> array(bool& packed) {
    const std::size_t count = take<std::uint32_t>(), encoding = take<std::uint32_t>(), length = take<std::uint32_t>();
    want(encoding <= 1, "an array in an unknown encoding");
    packed = encoding == 1;
    const std::string body = text(length);
    std::vector<T> values(count);
    if (packed) {
      uLongf size = static_cast<uLongf>(count * sizeof(T));
      const int status = uncompress(reinterpret_cast<Bytef*>(values.data()), &size, reinterpret_cast<const Bytef*>(body.data()),
                                    static_cast<uLong>(length));
      want(status == Z_OK && size == count * sizeof(T), "a packed array is damaged");
    } else {
      want(length == count * sizeof(T), "an array has another length");
      if (count > 0) std::memcpy(values.data(), body.data(), length);
    }
    return values;
  }

  void end_of_list() { want(text(13) == std::string(13, '\0'), "no zeros at the end of a list"); }

  void footer() {
    want(text(16) == "\xFA\xBC\xAB\x09\xD0\xC8\xD4\x66\xB1\x76\xFB\x83\x1C\xF7\x26\x7E", "the end has another name");
    want(text(4) == std::string(4, '\0'), "no zeros behind the name of the end");
    const std::size_t gap = 16 - at_ % 16;
    want(text(gap) == std::string(gap, '\0'), "the gap is not empty");
    want(take<std::uint32_t>() == 7400, "another version at the end");
    want(text(120) == std::string(120, '\0'), "what is reserved is not empty");
    want(text(16) == "\xF8\x5A\x8C\x6A\xDE\xF5\xD9\x7E\xEC\xE9\x0C\xE3\x75\x8F\x29\x0B", "no mark at the end");
    want(at_ == bytes_.size(), "bytes behind the end");
  }

  std::string text(std::size_t size) {
    want(at_ + size <= bytes_.size(), "the file ends early");
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }
  template <class T>
  [[nodiscard]] T number(std::size_t at) const {
    want(at + sizeof(T) <= bytes_.size(), "the file ends early");
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof(T));
    return value;
  }
  template <class T>
  T take() {
    const T value = number<T>(at_);
    at_ += sizeof(T);
    return value;
  }
  static void want(bool condition, const char* what) {
    if (!condition) throw std::runtime_error(what);
  }

  std::string bytes_;
  std::size_t at_ = 0;
};

}  // namespace espalier::test
