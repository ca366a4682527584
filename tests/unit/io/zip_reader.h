// A zip reader of its own for checking what the writer wrote: members by way of the central directory, each compared with
// its local header.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace espalier::test {

struct ZipMember {
  std::string text;
  bool deflated = false;
};

class ZipReader {
 public:
  static std::map<std::string, ZipMember> read(const std::vector<std::byte>& bytes) { return ZipReader(bytes).members_; }

 private:
  explicit ZipReader(const std::vector<std::byte>& bytes) : bytes_(reinterpret_cast<const char*>(bytes.data()), bytes.size()) {
    const std::size_t end = bytes_.size() - 22;  // an archive without comment
    want(bytes_.substr(end, 4) == "PK\5\6", "no end of the directory");
    std::size_t at = number(end + 16, 4);
    want(at + number(end + 12, 4) == end, "the directory does not end where it should");
    for (std::size_t i = 0; i < number(end + 10, 2); ++i) at = read_member(at);
    want(at == end, "bytes behind the directory");
  }

  std::size_t read_member(std::size_t at) {
    want(bytes_.substr(at, 4) == "PK\1\2", "no directory entry");
    const std::size_t method = number(at + 10, 2), packed = number(at + 20, 4), size = number(at + 24, 4);
    const std::size_t name_size = number(at + 28, 2), local = number(at + 42, 4);
    const std::string name = bytes_.substr(at + 46, name_size);
    want(bytes_.substr(local, 4) == "PK\3\4", "no local header");
    want(bytes_.substr(local + 4, 24) == bytes_.substr(at + 6, 24), "the headers differ");
    const std::size_t extra = number(local + 28, 2);
    want(bytes_.substr(local + 30, name_size) == name, "the names differ");
    ZipMember member{bytes_.substr(local + 30 + name_size + extra, packed), method == 8};
    if (member.deflated) member.text = inflated(member.text, size);
    want(member.text.size() == size, "the size differs");
    want(crc32_z(0, reinterpret_cast<const Bytef*>(member.text.data()), size) == number(at + 16, 4), "the checksum differs");
    want(members_.emplace(name, member).second, "a name twice");
    return at + 46 + name_size;
  }

  static std::string inflated(const std::string& packed, std::size_t size) {
    std::string out(size, '\0');
    z_stream stream{};
    inflateInit2(&stream, -15);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(size);
    const int status = inflate(&stream, Z_FINISH);
    inflateEnd(&stream);
    want(status == Z_STREAM_END && stream.avail_out == 0 && stream.avail_in == 0, "the deflated data are damaged");
    return out;
  }

  [[nodiscard]] std::size_t number(std::size_t at, std::size_t width) const {
    want(at + width <= bytes_.size(), "the file ends early");
    std::size_t value = 0;
    std::memcpy(&value, bytes_.data() + at, width);
    return value;
  }
  static void want(bool condition, const char* what) {
    if (!condition) throw std::runtime_error(what);
  }

  std::string bytes_;
  std::map<std::string, ZipMember> members_;
};

}  // namespace espalier::test
