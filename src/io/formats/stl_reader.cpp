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

MeshFile read_text(const Source& source) {
  Builder builder(source);
  Words words(text_of(source.bytes));
  std::string_view title;
  words.line(title);
  int corners = 0;
  for (std::string_view word = words.word(true); !word.empty(); word = words.word(true)) {
    source.tick();
    if (word == "endfacet" || word == "ENDFACET") {
      if (corners != 3) source.damaged("a facet has ", corners, " corners");
      corners = 0;
    }
    if (word != "vertex" && word != "VERTEX") continue;
    std::array<float, 3> p;
    for (float& x : p) {
      double value = 0.0;
      const std::string_view number = words.word(true);
      if (!parse_number(number, value)) source.damaged("\"", number.substr(0, 40), "\" is no coordinate");
      x = static_cast<float>(value);
    }
    if (++corners > 3) source.damaged("a facet has more than three corners");
    builder.corner(p[0], p[1], p[2]);
  }
  if (corners != 0) source.damaged("the file ends inside a facet");
  return builder.finish();
}

}  // namespace

MeshFile read_stl(const Source& source) {
  constexpr std::size_t kTitle = 80, kFacet = 50;
  if (text_of(source.bytes).substr(0, 5) == "solid") {
    // Some programs begin binary files with this word, too; then the count fits the size.
    std::uint32_t count = 0;
    if (source.bytes.size() >= kTitle + 4) std::memcpy(&count, source.bytes.data() + kTitle, 4);
    if (source.bytes.size() != kTitle + 4 + std::uint64_t{count} * kFacet) return read_text(source);
  }
  Cursor cursor(source.bytes, source);
  cursor.take(kTitle);
  const auto count = cursor.number<std::uint32_t>();
  if (std::uint64_t{count} * kFacet > cursor.left()) {
    source.damaged("it announces ", count, " facets, but holds ", cursor.left() / kFacet);
  }
  source.check_counts(0, count);
  Builder builder(source);
  for (std::uint32_t f = 0; f < count; ++f) {
    source.tick();
    cursor.take(3 * sizeof(float));  // the normal, which follows from the corners
    std::array<float, 9> c;
    for (float& x : c) x = cursor.number<float>();
    for (std::size_t k = 0; k < 9; k += 3) builder.corner(c[k], c[k + 1], c[k + 2]);
    cursor.take(2);
  }
  return builder.finish();
}

}  // namespace espalier::reader
