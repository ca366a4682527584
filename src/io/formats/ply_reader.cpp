#include <algorithm>
#include <cmath>

#include "base/printable.h"
#include "io/formats/numbering.h"
#include "io/formats/polygon.h"
#include "io/formats/reader_parts.h"

namespace espalier::reader {

namespace {

enum class Type { int8, uint8, int16, uint16, int32, uint32, float32, float64 };

struct TypeName {
  std::string_view old_name, new_name;
  Type type;
  std::size_t bytes;
};
constexpr std::array kTypes = {TypeName{"char", "int8", Type::int8, 1},        TypeName{"uchar", "uint8", Type::uint8, 1},
                               TypeName{"short", "int16", Type::int16, 2},     TypeName{"ushort", "uint16", Type::uint16, 2},
                               TypeName{"int", "int32", Type::int32, 4},       TypeName{"uint", "uint32", Type::uint32, 4},
                               TypeName{"float", "float32", Type::float32, 4}, TypeName{"double", "float64", Type::float64, 8}};

struct Property {
  std::string name;
  const TypeName* type = nullptr;
  const TypeName* list_count = nullptr;  // of a list
  std::vector<float>* keep = nullptr;    // where its values go, if they are wanted
  bool bits = false;                     // as they are stored, not as numbers
  int colour = -1;                       // of a face: which channel
};

struct Element {
  std::string name;
  std::uint64_t count = 0;
  std::vector<Property> properties;
};

enum class Encoding { text, little_endian, big_endian };

// What the header says.
class Header {
 public:
  explicit Header(const Source& source) : source_(source) {}

  // Returns where the body begins.
  std::size_t read() {
    constexpr std::size_t kMaxHeader = std::size_t{4} << 20U;
    const std::string_view text = text_of(source_.bytes).substr(0, kMaxHeader);
    std::string_view rest = text, line;
    // In a binary file the byte behind the header may look like the end of a line, so the first line shows what an end is.
    const std::size_t first = text.find_first_of("\r\n");
    const bool two = text.substr(std::min(first, text.size())).starts_with("\r\n");
    const char last = first != std::string_view::npos && !two ? text[first] : '\n';
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(last), rest.size());
      line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (read_line(line)) return text.size() - rest.size();
    }
    source_.damaged("the header has no end");
  }

  Encoding encoding = Encoding::text;
  std::vector<Element> elements;
  std::vector<std::string> comments;

 private:
  bool read_line(std::string_view line) {
    constexpr std::size_t kMaxElements = 64, kMaxProperties = 1024, kMaxComments = 100'000;
    Words words(line);
    const std::string_view key = words.word();
    if (key == "end_header") {
      if (!has_format_) source_.damaged("the header names no format");
      return true;
    }
    if (key == "format") {
      read_format(words.word());
      has_format_ = true;
    } else if (key == "comment") {
      if (comments.size() < kMaxComments) comments.emplace_back(trimmed(words.rest()));
    } else if (key == "element") {
      if (elements.size() == kMaxElements) source_.damaged("the header has more than ", kMaxElements, " elements");
      Element element;
      element.name = words.word();
      std::int64_t count = -1;
      if (!parse_number(words.word(), count) || count < 0) source_.damaged("an element of the header has no count");
      element.count = static_cast<std::uint64_t>(count);
      elements.push_back(std::move(element));
    } else if (key == "property") {
      if (elements.empty()) source_.damaged("a property of the header stands before all elements");
      if (elements.back().properties.size() == kMaxProperties)
        source_.damaged("an element has more than ", kMaxProperties, " properties");
      elements.back().properties.push_back(read_property(words));
    }
    return false;
  }

  void read_format(std::string_view name) {
    if (name == "ascii") {
      encoding = Encoding::text;
    } else if (name == "binary_little_endian") {
      encoding = Encoding::little_endian;
    } else if (name == "binary_big_endian") {
      encoding = Encoding::big_endian;
    } else {
      source_.damaged("the format \"", name.substr(0, 40), "\" of a PLY is unknown");
    }
  }

  const TypeName* type_of(std::string_view name) const {
    for (const TypeName& type : kTypes) {
      if (name == type.old_name || name == type.new_name) return &type;
    }
    source_.damaged("the type \"", name.substr(0, 40), "\" of a property is unknown");
  }

  Property read_property(Words& words) {
    Property property;
    std::string_view type = words.word();
    if (type == "list") {
      property.list_count = type_of(words.word());
      if (property.list_count->type == Type::float32 || property.list_count->type == Type::float64) {
        source_.damaged("the length of a list is not an integer");
      }
      type = words.word();
    }
    property.type = type_of(type);
    property.name = words.word();
    return property;
  }

  const Source& source_;
  bool has_format_ = false;
};

// What a face says beside its corners.
struct FaceLook {
  std::int32_t texture = 0;
  std::uint32_t colour = 0;  // 0xBBGGRR
  bool coloured = false;
};

std::uint32_t byte_of(double value, const TypeName& type) {
  const bool real = type.type == Type::float32 || type.type == Type::float64;
  const double scale = real ? 255.0 : type.type == Type::uint16 || type.type == Type::int16 ? 255.0 / 65535.0 : 1.0;
  return std::isfinite(value) ? static_cast<std::uint32_t>(std::lround(std::clamp(value * scale, 0.0, 255.0))) : 0U;
}

// All three channels, or none; whether they are there.
bool find_face_colours(Element& element) {
  constexpr std::array<std::string_view, 3> kNames = {"red", "green", "blue"};
  std::array<Property*, 3> found{};
  for (Property& p : element.properties) {
    for (std::size_t k = 0; k < 3; ++k) {
      if (p.name == kNames[k] && p.list_count == nullptr) found[k] = &p;
    }
  }
  if (std::find(found.begin(), found.end(), nullptr) != found.end()) return false;
  for (std::size_t k = 0; k < 3; ++k) found[k]->colour = static_cast<int>(k);
  return true;
}

// Polygons whose vertices are not read yet: in a row, for each its counts, its look, its corners and their coordinates.
class LaterPolygons {
 public:
  // The corners are natural numbers below 2^31.
  void add(const std::vector<double>& corners, const std::vector<double>& corner_uvs, const FaceLook& look,
           const Source& source) {
    const std::size_t uvs = corner_uvs.size() == 2 * corners.size() ? corner_uvs.size() : 0;
    source.take_memory(kHead + corners.size() + uvs, sizeof(std::uint32_t));
    words_.insert(words_.end(), {static_cast<std::uint32_t>(corners.size()), static_cast<std::uint32_t>(uvs),
                                 static_cast<std::uint32_t>(look.texture), look.colour, look.coloured ? 1U : 0U});
    for (const double index : corners) words_.push_back(static_cast<std::uint32_t>(index));
    for (std::size_t i = 0; i < uvs; ++i) words_.push_back(std::bit_cast<std::uint32_t>(static_cast<float>(corner_uvs[i])));
  }
  // The one that begins at `at`, which moves behind it; false at the end.
  bool take(std::size_t& at, std::vector<double>& corners, std::vector<double>& corner_uvs, FaceLook& look) const {
    if (at == words_.size()) return false;
    const std::size_t n = words_[at], uvs = words_[at + 1];
    look = {static_cast<std::int32_t>(words_[at + 2]), words_[at + 3], words_[at + 4] != 0};
    at += kHead;
    corners.clear();
    corner_uvs.clear();
    for (std::size_t i = 0; i < n; ++i) corners.push_back(words_[at++]);
    for (std::size_t i = 0; i < uvs; ++i) corner_uvs.push_back(std::bit_cast<float>(words_[at++]));
    return true;
  }

 private:
  static constexpr std::size_t kHead = 5;
  std::vector<std::uint32_t> words_;
};

class Parser {
 public:
  Parser(const Source& source, std::span<const std::string_view> wanted) : source_(source), wanted_(wanted) {}

  Ply parse() {
    Header header(source_);
    const std::size_t body = header.read();
    encoding_ = header.encoding;
    ply_.comments = std::move(header.comments);
    Cursor cursor(source_.bytes.subspan(body), source_);
    Words words(text_of(source_.bytes).substr(body));
    for (Element& element : header.elements) read_element(element, cursor, words);
    add_later_polygons();
    check_faces();
    if (cutter_.gave_up()) source_.left_out("polygons with too many corners were cut as if they were convex");
    return std::move(ply_);
  }

 private:
  static constexpr std::int64_t kManyCorners = 100'000;  // of a polygon in a file whose vertices come behind its faces

  // The fewest bytes that a row can take; a header that announces more rows than fit is refused before anything is kept.
  void check_rows(const Element& element, std::size_t bytes_left) const {
    std::uint64_t row = 0;
    for (const Property& p : element.properties) {
      row += encoding_ == Encoding::text ? 2 : (p.list_count != nullptr ? p.list_count->bytes : p.type->bytes);
    }
    if (row == 0 && element.count > 0) source_.damaged("the element \"", element.name, "\" has no properties");
    // The last number of a text needs no space behind it.
    if (row > 0 && element.count > (bytes_left + 1) / row) {
      source_.cut_off("it announces ", element.count, " rows of \"", element.name, "\", but ends before");
    }
  }

  void read_element(Element& element, Cursor& cursor, Words& words) {
    const bool vertices = element.name == "vertex", faces = element.name == "face", strips = element.name == "tristrips";
    check_rows(element, encoding_ == Encoding::text ? words.rest().size() : cursor.left());
    if (vertices) {
      if (has_vertices_) source_.damaged("the element \"vertex\" occurs twice");
      has_vertices_ = true;
      source_.check_counts(element.count, 0);
      ply_.vertices = static_cast<std::int64_t>(element.count);
    }
    if (vertices || element.name == "chunk" || element.name == "sh") {
      source_.check_counts(element.count, 0);
      for (Property& p : element.properties) want(element, p);
    }
    if (faces) {
      source_.check_counts(0, element.count);
      ply_.has_faces = ply_.has_faces || element.count > 0;
      coloured_ = find_face_colours(element);
    }
    for (std::uint64_t row = 0; row < element.count; ++row) {
      source_.tick();
      corners_.clear();
      corner_uvs_.clear();
      look_ = {.coloured = coloured_};
      for (Property& p : element.properties) read_value(p, faces, strips, cursor, words);
      if (strips) add_strip();
      if (faces) add_polygon();
    }
    if (vertices) place_vertices();
  }

  void read_value(Property& p, bool faces, bool strips, Cursor& cursor, Words& words) {
    if (p.list_count == nullptr) {
      if (p.bits) {
        p.keep->push_back(std::bit_cast<float>(static_cast<std::uint32_t>(read(*p.type, cursor, words))));
        return;
      }
      const double value = read(*p.type, cursor, words);
      if (p.keep != nullptr) p.keep->push_back(static_cast<float>(value));
      if (faces && p.name == "texnumber" && value >= 0.0 && value < 1e6) look_.texture = static_cast<std::int32_t>(value);
      if (p.colour >= 0) look_.colour |= byte_of(value, *p.type) << (8U * static_cast<unsigned>(p.colour));
      return;
    }
    const bool polygon = (faces || strips) && (p.name == "vertex_indices" || p.name == "vertex_index");
    const bool uvs = faces && p.name == "texcoord";
    const std::uint64_t length = list_length(p, cursor, words);
    if (!polygon && !uvs) {
      for (std::uint64_t i = 0; i < length; ++i) (void)read(*p.type, cursor, words);
      return;
    }
    // No corner of a polygon comes twice, so the list takes no more than the vertices do. Strips come back to vertices.
    const auto most = static_cast<std::uint64_t>(std::max<std::int64_t>(ply_.vertices, kManyCorners)) * (uvs ? 2 : 1);
    if (faces && length > most)
      source_.damaged("a face has ", length, " corners, but the file has ", ply_.vertices, " vertices");
    auto& list = polygon ? corners_ : corner_uvs_;
    list.clear();
    if (strips) source_.take_memory(length, sizeof(double));
    for (std::uint64_t i = 0; i < length; ++i) list.push_back(read(*p.type, cursor, words));
  }

  void want(const Element& element, Property& p) {
    const std::string name = element.name == "vertex" ? p.name : element.name + ":" + p.name;
    if (p.list_count != nullptr || std::find(wanted_.begin(), wanted_.end(), name) == wanted_.end()) return;
    const auto [at, fresh] = ply_.columns.try_emplace(name);
    if (!fresh) source_.damaged("the property \"", printable(p.name), "\" occurs twice");
    ply_.types[name] = p.type->old_name;
    source_.take_memory(element.count, sizeof(float));  // twice: as a column, and in what becomes of it
    at->second.reserve(static_cast<std::size_t>(element.count));
    p.keep = &at->second;
    p.bits = p.name.starts_with("packed_");
    if (p.bits && p.type->type != Type::uint32) source_.damaged("the property \"", printable(p.name), "\" is not a uint");
  }

  // Where the corners of polygons lie, once that is known.
  void place_vertices() {
    for (const char* name : {"x", "y", "z"}) axes_.push_back(ply_.column(name));
    if (std::find(axes_.begin(), axes_.end(), nullptr) != axes_.end()) axes_.clear();
  }

  // Of the list that begins here; its items may still be damaged, but there is room for them.
  std::uint64_t list_length(const Property& p, Cursor& cursor, Words& words) const {
    const double length = read(*p.list_count, cursor, words);
    const std::size_t left = encoding_ == Encoding::text ? words.rest().size() + 1 : cursor.left();
    const std::size_t each = encoding_ == Encoding::text ? 2 : p.type->bytes;
    const std::size_t most = left / each;
    if (length < 0.0 || length > static_cast<double>(most)) source_.damaged("a list is longer than the file");
    return static_cast<std::uint64_t>(length);
  }

  std::int32_t index_of(double index) const {
    if (!(index >= 0.0) || index > 2147483647.0 || index != std::floor(index)) source_.damaged("a face names vertex ", index);
    return static_cast<std::int32_t>(index);
  }

  // Polygons that came before the vertices, whose places say how they are cut.
  void add_later_polygons() {
    has_vertices_ = true;  // or there are none
    for (std::size_t at = 0; later_.take(at, corners_, corner_uvs_, look_);) {
      source_.tick();
      add_polygon();
    }
  }

  void add_polygon() {
    const std::size_t n = corners_.size();
    for (const double index : corners_) (void)index_of(index);
    if (n < 3) return;
    const bool textured = corner_uvs_.size() == 2 * n;
    if (!corner_uvs_.empty() && !textured) {
      if (!corner_uvs_.empty()) source_.left_out("texture coordinates of faces are left out where they do not fit the corners");
    }
    if (n > 3 && !has_vertices_) {
      return later_.add(corners_, corner_uvs_, look_, source_);
    }
    source_.take_memory(n - 2, 3 * sizeof(std::int32_t));
    points_.assign(n, {});
    for (std::size_t i = 0; i < n && n > 3 && !axes_.empty(); ++i) {
      const std::int32_t v = index_of(corners_[i]);
      if (v >= ply_.vertices) source_.damaged("a face names vertex ", v, " of ", ply_.vertices);
      for (std::size_t k = 0; k < 3; ++k) points_[i][k] = (*axes_[k])[static_cast<std::size_t>(v)];
    }
    const auto add = [&](std::size_t corner) {
      ply_.faces.push_back(index_of(corners_[corner]));
      if (ply_.corner_uvs.empty() && !textured) return;
      source_.take_memory(1, 2 * sizeof(float));
      ply_.corner_uvs.resize(2 * (ply_.faces.size() - 1), 0.0F);
      for (std::size_t k = 0; k < 2; ++k)
        ply_.corner_uvs.push_back(textured ? static_cast<float>(corner_uvs_[2 * corner + k]) : 0.0F);
    };
    for (const std::int32_t corner : cutter_.cut(points_)) add(static_cast<std::size_t>(corner));
    source_.check_counts(0, ply_.faces.size() / 3);
    const std::size_t before = ply_.faces.size() / 3 - (n - 2);
    if (look_.coloured || !ply_.face_colours.empty()) {
      constexpr std::uint32_t kWhite = 0xFFFFFF;
      source_.take_memory(n - 2, sizeof(std::uint32_t));
      ply_.face_colours.resize(before, kWhite);
      ply_.face_colours.resize(ply_.faces.size() / 3, look_.coloured ? look_.colour : kWhite);
    }
    if (look_.texture == 0 && ply_.textures.empty()) return;
    ply_.textures.resize(before, 0);
    ply_.textures.resize(ply_.faces.size() / 3, look_.texture);
  }

  // Every corner makes a triangle with the two before it; -1 begins anew.
  void add_strip() {
    std::size_t begin = 0;
    for (std::size_t i = 0; i < corners_.size(); ++i) {
      if (corners_[i] == -1.0) {
        begin = i + 1;
        continue;
      }
      (void)index_of(corners_[i]);
      if (i < begin + 2) continue;
      const bool odd = (i - begin) % 2 != 0;
      const std::int32_t a = index_of(corners_[i - 2]), b = index_of(corners_[i - 1]), c = index_of(corners_[i]);
      if (a == b || b == c || a == c) continue;  // which strips use to turn
      source_.take_memory(1, 3 * sizeof(std::int32_t));
      ply_.faces.insert(ply_.faces.end(), {odd ? b : a, odd ? a : b, c});
    }
    ply_.has_faces = true;
    source_.check_counts(0, ply_.faces.size() / 3);
  }

  void check_faces() const {
    for (const std::int32_t index : ply_.faces) {
      if (index >= ply_.vertices) source_.damaged("a face names vertex ", index, " of ", ply_.vertices);
    }
  }

  template <class T>
  double number(Cursor& cursor) const {
    return static_cast<double>(encoding_ == Encoding::big_endian ? cursor.big_endian_number<T>() : cursor.number<T>());
  }

  double read(const TypeName& type, Cursor& cursor, Words& words) const {
    if (encoding_ == Encoding::text) {
      double value = 0.0;
      const std::string_view word = words.word(true);
      if (word.empty()) source_.cut_off("the file ends early");
      if (!parse_number(word, value)) source_.damaged("\"", word.substr(0, 40), "\" is not a number");
      return value;
    }
    switch (type.type) {
      case Type::int8: return number<std::int8_t>(cursor);
      case Type::uint8: return number<std::uint8_t>(cursor);
      case Type::int16: return number<std::int16_t>(cursor);
      case Type::uint16: return number<std::uint16_t>(cursor);
      case Type::int32: return number<std::int32_t>(cursor);
      case Type::uint32: return number<std::uint32_t>(cursor);
      case Type::float32: return number<float>(cursor);
      case Type::float64: return number<double>(cursor);
    }
    fail(ErrorCode::internal, "parse_ply: an unknown type");
  }

  const Source& source_;
  std::span<const std::string_view> wanted_;
  Encoding encoding_ = Encoding::text;
  bool has_vertices_ = false;
  Ply ply_;
  PolygonCutter cutter_;
  std::vector<const std::vector<float>*> axes_;  // x, y and z, once they are read
  std::vector<double> corners_, corner_uvs_;     // of the face that is read
  FaceLook look_;                                // of that face, too
  bool coloured_ = false;                        // whether faces have colours
  LaterPolygons later_;
  std::vector<PolygonCutter::Point> points_;
};

// Columns side by side, or nothing when one is missing.
std::vector<float> joined(const Ply& ply, std::initializer_list<std::string_view> names) {
  std::vector<const std::vector<float>*> columns;
  for (const std::string_view name : names) {
    columns.push_back(ply.column(name));
    if (columns.back() == nullptr) return {};
  }
  std::vector<float> out;
  out.reserve(columns.size() * static_cast<std::size_t>(ply.vertices));
  for (std::size_t i = 0; i < static_cast<std::size_t>(ply.vertices); ++i) {
    for (const auto* column : columns) out.push_back((*column)[i]);
  }
  return out;
}

// Colours under one of the names that programs give them, in [0, 1].
std::vector<float> colours_of(const Ply& ply) {
  for (const auto& names : {std::array{"red", "green", "blue"}, std::array{"diffuse_red", "diffuse_green", "diffuse_blue"},
                            std::array{"r", "g", "b"}}) {
    std::vector<float> colours = joined(ply, {names[0], names[1], names[2]});
    if (colours.empty()) continue;
    const std::string& type = ply.types.at(names[0]);
    const bool real = type == "float" || type == "double";
    float scale = real ? 1.0F : type == "ushort" || type == "short" ? 1.0F / 65535.0F : 1.0F / 255.0F;
    // Floats that count as bytes do.
    const float largest = colours.empty() ? 0.0F : *std::max_element(colours.begin(), colours.end());
    if (real && largest > 1.0F && largest <= 255.0F) scale = 1.0F / 255.0F;
    for (float& c : colours) c *= scale;
    return colours;
  }
  return {};
}

std::vector<std::string> texture_files(const Ply& ply) {
  constexpr std::string_view kKey = "TextureFile";
  std::vector<std::string> files;
  for (const std::string& comment : ply.comments) {
    if (comment.starts_with(kKey) && comment.size() > kKey.size() && files.size() < 1000)
      files.emplace_back(trimmed(std::string_view(comment).substr(kKey.size())));
  }
  return files;
}

// Corners with coordinates of their own, and faces with colours: a vertex for each combination.
void split_corners(const Ply& ply, const Source& source, Mesh& mesh, std::vector<float>& alpha) {
  using Key = std::array<std::uint32_t, 4>;  // vertex, the bits of its coordinates, the colour of its face
  Numbering<Key, HashWords<std::uint32_t, 4>> numbering;
  const bool uvs = !ply.corner_uvs.empty(), coloured = !ply.face_colours.empty();
  std::vector<std::int32_t> faces;
  source.take_memory(mesh.faces.size(), sizeof(std::int32_t) / 2);
  faces.reserve(mesh.faces.size());
  for (std::size_t c = 0; c < mesh.faces.size(); ++c) {
    source.tick();
    const std::size_t known = numbering.keys().size();
    const auto bits = [&](std::size_t k) { return uvs ? std::bit_cast<std::uint32_t>(ply.corner_uvs[2 * c + k] + 0.0F) : 0U; };
    faces.push_back(
        numbering.of({static_cast<std::uint32_t>(mesh.faces[c]), bits(0), bits(1), coloured ? ply.face_colours[c / 3] : 0U}));
    if (numbering.keys().size() > known) source.take_memory(1, 12 * sizeof(float) + sizeof(Key) + 24);
  }
  source.check_counts(numbering.keys().size(), 0);
  Mesh out;
  std::vector<float> out_alpha;
  out.faces = std::move(faces);
  for (const Key& key : numbering.keys()) {
    const auto copy = [&](const std::vector<float>& from, std::vector<float>& to) {
      if (!from.empty()) to.insert(to.end(), &from[3 * std::size_t{key[0]}], &from[3 * std::size_t{key[0]}] + 3);
    };
    copy(mesh.vertices, out.vertices);
    copy(mesh.normals, out.normals);
    copy(mesh.colours, out.colours);
    if (!alpha.empty()) out_alpha.push_back(alpha[key[0]]);
    if (uvs) out.uvs.insert(out.uvs.end(), {std::bit_cast<float>(key[1]), std::bit_cast<float>(key[2])});
    if (!uvs && !mesh.uvs.empty())
      out.uvs.insert(out.uvs.end(), &mesh.uvs[2 * std::size_t{key[0]}], &mesh.uvs[2 * std::size_t{key[0]}] + 2);
    for (unsigned k = 0; k < 3 && coloured; ++k) out.colours.push_back(static_cast<float>(key[3] >> (8U * k) & 255U) / 255.0F);
  }
  mesh = std::move(out);
  alpha = std::move(out_alpha);
}

// Of the colours of vertices: nothing where all of it is full, or none, which nobody means.
std::vector<float> alpha_of(const Ply& ply) {
  std::vector<float> alpha = joined(ply, {"alpha"});
  if (alpha.empty()) return {};
  const std::string& type = ply.types.at("alpha");
  const bool real = type == "float" || type == "double", words = type == "ushort" || type == "short";
  float least = 1.0F, most = 0.0F;
  for (float& a : alpha) {
    a = std::isfinite(a) ? std::clamp(a * (real ? 1.0F : words ? 1.0F / 65535.0F : 1.0F / 255.0F), 0.0F, 1.0F) : 1.0F;
    least = std::min(least, a);
    most = std::max(most, a);
  }
  return least < 1.0F && most > 0.0F ? alpha : std::vector<float>{};
}

void add_alpha(const Source& source, MeshFile& file, std::vector<float> alpha) {
  if (alpha.empty() || !source.options.texture) return;
  Appearance& look = file.appearance;
  if (!look.materials.empty() || file.mesh.colours.empty()) return source.left_out("the alpha of vertices is left out");
  look.materials.push_back({.name = "plain", .alpha = AlphaMode::blend});
  look.of_face.assign(file.mesh.faces.size() / 3, 0);
  look.alpha = std::move(alpha);
}

void add_textures(const Ply& ply, const Source& source, MeshFile& file) {
  const std::vector<std::string> names = texture_files(ply);
  if (!source.options.texture || names.empty()) return;
  if (file.mesh.uvs.empty()) return source.left_out("its texture is left out: it has no coordinates of it");
  Appearance look;
  for (const std::string& name : names) {
    Material m;
    m.name = name.substr(0, 200);
    m.vertex_colours = false;
    const auto bytes = source.companion(name, "texture");
    auto image = bytes ? source.image(*bytes, "texture \"" + printable(name) + "\"") : std::nullopt;
    if (image) {
      look.images.push_back(std::move(*image));
      look.files.push_back(Source::image_file(*bytes));
      m.texture.image = static_cast<std::int32_t>(look.images.size() - 1);
    }
    look.materials.push_back(std::move(m));
  }
  if (look.images.empty()) return;
  if (!file.mesh.colours.empty()) source.left_out("the colours of vertices are not shown where there is a texture");
  look.of_face.assign(file.mesh.faces.size() / 3, 0);
  for (std::size_t f = 0; f < ply.textures.size(); ++f) {
    const auto last = static_cast<std::int32_t>(look.materials.size() - 1);
    look.of_face[f] = std::min(ply.textures[f], last);
  }
  file.appearance = std::move(look);
}

}  // namespace

Ply parse_ply(const Source& source, std::span<const std::string_view> wanted) { return Parser(source, wanted).parse(); }

PlyContent content_of_ply(std::string_view head) {
  PlyContent content;
  if (!head.starts_with("ply")) return content;
  std::string element;
  bool harmonics = false;
  Words lines(head);
  for (std::string_view line; lines.line(line);) {
    Words words(line);
    const std::string_view key = words.word();
    if (key == "end_header") break;
    if (key == "element") {
      element = words.word();
      std::int64_t count = 0;
      content.faces =
          content.faces || ((element == "face" || element == "tristrips") && parse_number(words.word(), count) && count > 0);
    } else if (key == "property" && element == "vertex") {
      std::string_view name;
      for (std::string_view word = words.word(); !word.empty(); word = words.word()) name = word;
      harmonics = harmonics || name == "f_dc_0";
      content.packed = content.packed || name == "packed_position";
    }
  }
  content.gaussians = (harmonics || content.packed) && !content.faces;
  return content;
}

MeshFile read_ply(const Source& source) {
  constexpr std::array<std::string_view, 24> kWanted = {
      "x", "y", "z", "nx", "ny", "nz", "red", "green",     "blue",      "diffuse_red", "diffuse_green",   "diffuse_blue",
      "r", "g", "b", "s",  "t",  "u",  "v",   "texture_u", "texture_v", "f_dc_0",      "packed_position", "alpha"};
  Ply ply = parse_ply(source, kWanted);
  if (ply.faces.empty() && (ply.column("f_dc_0") != nullptr || ply.column("packed_position") != nullptr)) {
    source.unsupported("this PLY holds Gaussians, not a mesh", hint("name a mesh"));
  }
  MeshFile file;
  file.format = "PLY";
  Mesh& mesh = file.mesh;
  mesh.vertices = joined(ply, {"x", "y", "z"});
  if (mesh.vertices.empty()) source.damaged("the vertices have no x, y and z");
  if (!ply.has_faces) source.unsupported("this PLY holds points without faces", hint("make a surface of them first"));
  mesh.faces = std::move(ply.faces);
  mesh.normals = joined(ply, {"nx", "ny", "nz"});
  mesh.colours = colours_of(ply);
  std::vector<float> alpha = alpha_of(ply);
  if (!source.options.texture) ply.face_colours.clear();  // shapes alone need no seams
  if (!ply.face_colours.empty() && !mesh.colours.empty()) {
    source.left_out("the colours of faces are left out: the vertices have colours of their own");
    ply.face_colours.clear();
  }
  if (!ply.face_colours.empty()) ply.face_colours.resize(mesh.faces.size() / 3, 0xFFFFFF);
  if (!ply.corner_uvs.empty()) {
    ply.corner_uvs.resize(2 * mesh.faces.size(), 0.0F);
  } else {
    for (const auto& names : {std::array{"s", "t"}, std::array{"u", "v"}, std::array{"texture_u", "texture_v"}}) {
      if (mesh.uvs.empty()) mesh.uvs = joined(ply, {names[0], names[1]});
    }
  }
  if (!ply.corner_uvs.empty() || !ply.face_colours.empty()) split_corners(ply, source, mesh, alpha);
  for (std::size_t i = 1; i < mesh.uvs.size(); i += 2) mesh.uvs[i] = 1.0F - mesh.uvs[i];
  add_textures(ply, source, file);
  add_alpha(source, file, std::move(alpha));
  return file;
}

}  // namespace espalier::reader
