// The readers behind mesh_reader.h and gaussian_reader.h, and what they share.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "image/codec.h"
#include "io/formats/mesh_reader.h"

namespace espalier::reader {

using Bytes = std::span<const std::byte>;

inline std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
// A text without the mark of UTF-8 that editors put at its beginning.
[[nodiscard]] inline std::string_view without_mark(std::string_view text) {
  return text.substr(text.starts_with("\xEF\xBB\xBF") ? 3 : 0);
}

// Text in two bytes for each character, which no reader here takes; without a mark, where its beginning is plain letters.
[[nodiscard]] inline bool is_utf16(std::string_view text) {
  constexpr std::size_t kSeen = 16;
  std::array<std::size_t, 2> letters{}, zeros{};
  for (std::size_t i = 0; i < std::min(text.size(), kSeen); ++i) {
    const char c = text[i];
    if ((c >= ' ' && c <= '~') || c == '\t' || c == '\r' || c == '\n') ++letters[i % 2];
    if (c == '\0') ++zeros[i % 2];
  }
  constexpr std::size_t kHalf = kSeen / 2;
  return text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF") || (letters[0] == kHalf && zeros[1] == kHalf) ||
         (zeros[0] == kHalf && letters[1] == kHalf);
}
[[nodiscard]] inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n\f\v";
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

// Letters of ASCII alone, as names of files and formats are compared.
[[nodiscard]] std::string lower(std::string text);

// The files around one that is read: of its folder, or of the archive that it is in.
class Folder {
 public:
  Folder() = default;
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  virtual ~Folder() = default;
  // The name that a file really has, in whatever case it is asked for; nothing when there is none. Names are plain paths.
  [[nodiscard]] virtual std::optional<std::string> find(const std::string& name) const = 0;
  [[nodiscard]] virtual std::vector<std::byte> read(const std::string& name) const = 0;
};

// On the disk. Nothing larger than `most_bytes` is read.
class DiskFolder final : public Folder {
 public:
  DiskFolder(std::filesystem::path folder, std::uint64_t most_bytes) : folder_(std::move(folder)), most_bytes_(most_bytes) {}
  [[nodiscard]] std::optional<std::string> find(const std::string& name) const override;
  [[nodiscard]] std::vector<std::byte> read(const std::string& name) const override;

 private:
  // The names of a folder that differ in case from those asked for: in lower case -> the first one in the order of names.
  using Listing = std::map<std::string, std::string, std::less<>>;
  const Listing& listing(const std::filesystem::path& folder) const;

  std::filesystem::path folder_;
  std::uint64_t most_bytes_;
  mutable std::map<std::filesystem::path, Listing> listings_;  // a file may name many that are not there
};

// One file that is being read.
class Source {
 public:
  // `folder` has the files that this one names; null where it stands alone.
  Source(Bytes file, std::string file_name, const ReadOptions& read_options, const Folder* folder)
      : bytes(file), name(std::move(file_name)), options(read_options), folder_(folder) {}

  const Bytes bytes;
  const std::string name;
  const ReadOptions& options;

  template <class... Parts>
  [[noreturn]] void damaged(const Parts&... reason) const {
    fail(ErrorCode::format, name, ": ", reason..., hint("export the file again with another program"));
  }
  // Of a file that is shorter than what it announces.
  template <class... Parts>
  [[noreturn]] void cut_off(const Parts&... reason) const {
    fail(ErrorCode::format, name, ": ", reason..., ", at byte ", bytes.size(),
         hint("the file is not whole: copy or download it again"));
  }
  template <class... Parts>
  [[noreturn]] void unsupported(const Parts&... reason) const {
    fail(ErrorCode::unsupported, name, ": ", reason...);
  }
  // Says what of the file is not in the result; the same is said once. Throws unsupported when nothing may be left out.
  template <class... Parts>
  void left_out(const Parts&... what) const {
    note(str(what...));
  }
  // Throws when so many are too many. The sums that come here are of numbers below 2^62.
  void check_counts(std::uint64_t vertices, std::uint64_t faces) const;
  // Call it before memory of the result is taken. Throws when all of it is out of proportion to the bytes that were read.
  void take_memory(std::uint64_t rows, std::uint64_t bytes_per_row) const;
  // Allows more memory: for bytes that are packed, which honest files unpack to `times` their size.
  void unpacks(std::uint64_t packed, std::uint64_t times) const { credit_ += packed * times; }
  // Call it for each part of a file that may be shown more often than it is stored. Throws when there are too many.
  void visit(std::uint64_t times = 1) const;
  // Call it for each row; looks for cancellation now and then.
  void tick() const {
    if ((++ticks_ & 0xFFFFU) == 0 && options.monitor != nullptr) options.monitor->check();
  }
  // A file that this one cannot be read without, looked for as companions are.
  [[nodiscard]] std::vector<std::byte> neighbour(const std::string& file) const;
  // The name under which it is read.
  [[nodiscard]] std::string name_of_neighbour(std::string file) const;
  // A file that this one can be read without, such as a texture: names are taken as programs of other systems write them
  // (backslashes, another case, whole paths, of which the last part is looked for). Where it is not there, that is said.
  [[nodiscard]] std::optional<std::vector<std::byte>> companion(std::string file, const char* what) const;
  // The plain name of a file as it is there, in whatever case it is asked for.
  [[nodiscard]] std::optional<std::string> find_companion(const std::string& file) const;
  // The same for an image in bytes: nothing, and a notice, for one that cannot be read or that would be too much.
  [[nodiscard]] std::optional<Image> image(Bytes file, const std::string& what,
                                           ColourProfiles profiles = ColourProfiles::applied) const;
  // The same bytes, for writers that may take them over.
  [[nodiscard]] static ImageFile image_file(Bytes file);
  [[nodiscard]] std::vector<std::string> take_notices() const { return std::move(notices_); }

 private:
  void note(std::string what) const;
  [[nodiscard]] bool too_many_missing() const;
  void count_read(std::uint64_t more) const;
  static constexpr std::size_t kMostNotices = 20;
  const Folder* folder_;
  mutable std::uint32_t ticks_ = 0;
  mutable std::uint64_t bytes_read_ = bytes.size(), memory_ = 0, visits_ = 0, credit_ = 0, pixels_ = 0, missing_ = 0;
  mutable std::vector<std::string> notices_;
};

// Numbers from bytes, in order and never beyond the end.
class Cursor {
 public:
  Cursor(Bytes bytes, const Source& source) : bytes_(bytes), source_(source) {}
  [[nodiscard]] std::size_t left() const { return bytes_.size() - at_; }
  [[nodiscard]] std::size_t at() const { return at_; }
  Bytes take(std::uint64_t size) {
    if (size > left()) source_.cut_off("the file ends early");
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
  // Of the element "vertex": the wanted ones that are there. Those of other elements are called "element:column". Columns
  // that begin with "packed_" hold the bits of their integers.
  std::map<std::string, std::vector<float>, std::less<>> columns;
  std::map<std::string, std::string, std::less<>> types;  // of these columns, in the names of PLY 1.0 (uchar, float...)
  bool has_faces = false;
  std::vector<std::int32_t> faces;  // polygons and strips as triangles; every index names a vertex
  // Of the corners of triangles, [F * 3 * 2], with v going up; empty when faces have none. Those of faces without are zero.
  std::vector<float> corner_uvs;
  std::vector<std::int32_t> textures;       // [F] numbers of textures, or empty
  std::vector<std::uint32_t> face_colours;  // [F] 0xBBGGRR of the faces that triangles are parts of, or empty
  std::vector<std::string> comments;
  [[nodiscard]] const std::vector<float>* column(std::string_view name) const {
    const auto at = columns.find(name);
    return at == columns.end() ? nullptr : &at->second;
  }
};
[[nodiscard]] Ply parse_ply(const Source& source, std::span<const std::string_view> wanted);
// What the header says that a PLY holds.
struct PlyContent {
  bool gaussians = false, faces = false;
  bool packed = false;  // Gaussians as PlayCanvas packs them
};
// Of the beginning of a file; neither for what is no header of a PLY.
[[nodiscard]] PlyContent content_of_ply(std::string_view head);

// Whatever the file is, checked, with what was left out of it.
[[nodiscard]] MeshFile decode_mesh_file(const Source& source);
// A zip with a mesh in it; a 3MF is one.
[[nodiscard]] MeshFile read_archive(const Source& source);
[[nodiscard]] MeshFile read_gltf(const Source& source);
[[nodiscard]] MeshFile read_obj(const Source& source);
[[nodiscard]] MeshFile read_stl(const Source& source);
[[nodiscard]] MeshFile read_ply(const Source& source);
// Whether a file begins as an STL in text does, which some binary ones do, too.
[[nodiscard]] bool is_stl_text(std::string_view text);

}  // namespace espalier::reader
