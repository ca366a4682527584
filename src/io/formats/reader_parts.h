// The readers behind mesh_reader.h and gaussian_reader.h, and what they share.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/formats/mesh_reader.h"

namespace espalier::reader {

using Bytes = std::span<const std::byte>;

inline std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// One file that is being read.
class Source {
 public:
  using Neighbour = std::function<std::vector<std::byte>(const std::string& name)>;
  // `neighbour` loads a file that this one names.
  Source(Bytes file, std::string file_name, const ReadOptions& read_options, Neighbour neighbour)
      : bytes(file), name(std::move(file_name)), options(read_options), neighbour_(std::move(neighbour)) {}

  const Bytes bytes;
  const std::string name;
  const ReadOptions& options;

  template <class... Parts>
  [[noreturn]] void damaged(const Parts&... reason) const {
    fail(ErrorCode::format, name, ": ", reason..., hint("export the file again with another program"));
  }
  template <class... Parts>
  [[noreturn]] void unsupported(const Parts&... reason) const {
    fail(ErrorCode::unsupported, name, ": ", reason...);
  }
  // Throws when so many are too many. The sums that come here are of numbers below 2^62.
  void check_counts(std::uint64_t vertices, std::uint64_t faces) const;
  // Call it before memory of the result is taken. Throws when all of it is out of proportion to the bytes that were read.
  void take_memory(std::uint64_t rows, std::uint64_t bytes_per_row) const;
  // Call it for each part of a file that may be shown more often than it is stored. Throws when there are too many.
  void visit() const;
  // Call it for each row; looks for cancellation now and then.
  void tick() const {
    if ((++ticks_ & 0xFFFFU) == 0 && options.monitor != nullptr) options.monitor->check();
  }
  [[nodiscard]] std::vector<std::byte> neighbour(const std::string& file) const;

 private:
  Neighbour neighbour_;
  mutable std::uint32_t ticks_ = 0;
  mutable std::uint64_t bytes_read_ = bytes.size(), memory_ = 0, visits_ = 0;
};

// Numbers from bytes, in order and never beyond the end.
class Cursor {
 public:
  Cursor(Bytes bytes, const Source& source) : bytes_(bytes), source_(source) {}
  [[nodiscard]] std::size_t left() const { return bytes_.size() - at_; }
  [[nodiscard]] std::size_t at() const { return at_; }
  Bytes take(std::uint64_t size) {
    if (size > left()) source_.damaged("the file ends early");
    const Bytes part = bytes_.subspan(at_, static_cast<std::size_t>(size));
    at_ += part.size();
    return part;
  }
  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  template <class T>
  T big_endian_number() {
    std::array<std::byte, sizeof(T)> raw;
    const Bytes part = take(sizeof(T));
    for (std::size_t i = 0; i < sizeof(T); ++i) raw[i] = part[sizeof(T) - 1 - i];
    return std::bit_cast<T>(raw);
  }

 private:
  Bytes bytes_;
  const Source& source_;
  std::size_t at_ = 0;
};

// Words of a text, and lines. Spaces are blanks, tabs and carriage returns.
class Words {
 public:
  explicit Words(std::string_view text) : text_(text) {}
  // The next line without its end, or false. Lines of OBJ that end in a backslash are not joined here.
  bool line(std::string_view& out);
  // The next word, empty at the end; `lines` lets it cross ends of lines.
  std::string_view word(bool lines = false);
  [[nodiscard]] std::string_view rest() const { return text_; }

 private:
  std::string_view text_;
};

// The whole word as a number; false when it is none or does not fit.
bool parse_number(std::string_view word, double& out);
bool parse_number(std::string_view word, std::int64_t& out);

// The columns and triangles of a PLY.
struct Ply {
  std::int64_t vertices = 0;
  std::map<std::string, std::vector<float>, std::less<>> columns;  // of the element "vertex": the wanted ones that are there
  std::map<std::string, std::string, std::less<>> types;  // of these columns, in the names of PLY 1.0 (uchar, float...)
  bool has_faces = false;
  std::vector<std::int32_t> faces;  // polygons as fans; every index names a vertex
  std::vector<std::string> comments;
  [[nodiscard]] const std::vector<float>* column(std::string_view name) const {
    const auto at = columns.find(name);
    return at == columns.end() ? nullptr : &at->second;
  }
};
[[nodiscard]] Ply parse_ply(const Source& source, std::span<const std::string_view> wanted);

[[nodiscard]] MeshFile read_gltf(const Source& source);
[[nodiscard]] MeshFile read_obj(const Source& source);
[[nodiscard]] MeshFile read_stl(const Source& source);
[[nodiscard]] MeshFile read_ply(const Source& source);

}  // namespace espalier::reader
