#include <algorithm>

#include "io/formats/numbering.h"
#include "io/formats/reader_parts.h"

namespace espalier::reader {

namespace {

class Builder {
 public:
  explicit Builder(const Source& source) : source_(source) {}
  void corner(float x, float y, float z) {
    const std::size_t known = points_.keys().size();
    file_.mesh.faces.push_back(points_.of({x + 0.0F, y + 0.0F, z + 0.0F}));
    source_.take_memory(1, sizeof(std::int32_t) + (points_.keys().size() > known ? kPointBytes : 0));
    source_.check_counts(points_.keys().size(), file_.mesh.faces.size() / 3);
  }
  MeshFile finish() {
    file_.mesh.vertices.reserve(points_.keys().size() * 3);
    for (const auto& p : points_.keys()) file_.mesh.vertices.insert(file_.mesh.vertices.end(), p.begin(), p.end());
    file_.format = "STL";
    file_.metres_per_unit = 0.001;
    return std::move(file_);
  }

 private:
  static constexpr std::uint64_t kPointBytes = 6 * sizeof(float) + PointNumbering::kBytesPerEntry;
  const Source& source_;
  MeshFile file_;
  PointNumbering points_;
};

bool same_word(std::string_view word, std::string_view lower) {
  return word.size() == lower.size() && std::equal(word.begin(), word.end(), lower.begin(), [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
         });
}

// Whether a corner with its coordinates is there.
bool has_vertex(std::string_view text) {
  Words words(text);
  std::string_view word = words.word(true);
  while (!word.empty()) {
    const bool vertex = same_word(word, "vertex");
    int numbers = 0;
    double value = 0.0;
    for (word = words.word(true); vertex && numbers < 3 && parse_number(word, value); word = words.word(true)) ++numbers;
    if (numbers == 3) return true;
  }
  return false;
}

// The lines behind the title, which may have any word in it; a file without ends of lines has its facets there.
std::string_view behind_title(std::string_view text) {
  Words words(text);
  std::string_view title;
  while (words.line(title) && trimmed(title).empty()) {
  }
  return has_vertex(title) ? text : words.rest();
}

MeshFile read_text(const Source& source) {
  Builder builder(source);
  const std::string_view whole = without_mark(text_of(source.bytes)), text = whole.substr(0, whole.find('\0'));
  if (text.size() < whole.size()) source.left_out(whole.size() - text.size(), " bytes behind the text are left out");
  Words words(behind_title(text));
  int corners = 0;
  for (std::string_view word = words.word(true); !word.empty(); word = words.word(true)) {
    source.tick();
    if (same_word(word, "endfacet")) {
      if (corners != 3) source.damaged("a facet has ", corners, " corners");
      corners = 0;
    }
    if (!same_word(word, "vertex")) continue;
    std::array<float, 3> p;
    for (float& x : p) {
      double value = 0.0;
      const std::string_view number = words.word(true);
      if (!parse_number(number, value)) source.damaged("\"", number.substr(0, 40), "\" is not a coordinate");
      x = static_cast<float>(value);
    }
    if (++corners > 3) source.damaged("a facet has more than three corners");
    builder.corner(p[0], p[1], p[2]);
  }
  if (corners != 0) source.damaged("the file ends inside a facet");
  return builder.finish();
}

constexpr std::size_t kTitle = 80, kFacet = 50;

// Programs begin binary files with "solid", too. Text has a facet, or its end, behind the first line, and no zeros before it;
// or it has a corner with its coordinates.
bool is_text(std::string_view text) {
  text = without_mark(text);
  const bool zeros = text.substr(0, 4096).find('\0') != std::string_view::npos;
  text = text.substr(0, text.find('\0'));
  if (!same_word(trimmed(text).substr(0, 5), "solid")) return false;
  if (zeros) return has_vertex(text);
  Words words(text);
  std::string_view title;
  while (words.line(title) && trimmed(title).empty()) {
  }
  for (std::string_view word = words.word(true); !word.empty(); word = words.word(true)) {
    if (same_word(word, "facet") || same_word(word, "endsolid")) return true;
  }
  return has_vertex(title);
}

// As many facets as there are: of counts that say less, some programs write 0 because they do not know it yet.
std::uint64_t facets_of(std::uint32_t count, std::size_t bytes, const Source& source) {
  const std::uint64_t held = bytes / kFacet, over = bytes % kFacet;
  constexpr std::uint32_t kUnknown = 0xFFFFFFFFU;
  if (count == kUnknown && over == 0 && held > 0) return held;
  if (count > held) source.damaged("it announces ", count, " facets, but holds ", held);
  if (count == held && over == 0) return held;
  if (over == 0) {
    source.left_out("it announces ", count, " facets, but holds ", held, ", which are all taken");
    return held;
  }
  source.left_out(bytes - count * kFacet, " bytes behind the last facet are left out");
  return count;
}

}  // namespace

bool is_stl_text(std::string_view text) {
  text = trimmed(without_mark(text));
  return same_word(text.substr(0, 5), "solid");
}

MeshFile read_stl(const Source& source) {
  if (is_text(text_of(source.bytes))) return read_text(source);
  Cursor cursor(source.bytes, source);
  if (source.bytes.size() < kTitle + 4) {
    // Too short for the other kind.
    return is_stl_text(text_of(source.bytes)) ? read_text(source) : (source.cut_off("the file ends early"), MeshFile{});
  }
  const bool magics = text_of(cursor.take(kTitle)).find("COLOR=") != std::string_view::npos;
  const auto announced = cursor.number<std::uint32_t>();
  const std::uint64_t count = facets_of(announced, cursor.left(), source);
  source.check_counts(0, count);
  Builder builder(source);
  bool coloured = magics;
  for (std::uint64_t f = 0; f < count; ++f) {
    source.tick();
    cursor.take(3 * sizeof(float));  // the normal, which follows from the corners
    std::array<float, 9> c;
    for (float& x : c) x = cursor.number<float>();
    for (std::size_t k = 0; k < 9; k += 3) builder.corner(c[k], c[k + 1], c[k + 2]);
    constexpr std::uint16_t kColoured = 0x8000;
    const auto attribute = cursor.number<std::uint16_t>();
    coloured = coloured || (attribute & kColoured) != 0;
  }
  if (coloured) source.left_out("the colours of facets are left out");
  return builder.finish();
}

}  // namespace espalier::reader
