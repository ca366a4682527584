#include <algorithm>
#include <cmath>

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
};

struct Element {
  std::string name;
  std::uint64_t count = 0;
  std::vector<Property> properties;
};

enum class Encoding { text, little_endian, big_endian };

class Parser {
 public:
  Parser(const Source& source, std::span<const std::string_view> wanted) : source_(source), wanted_(wanted) {}

  Ply parse() {
    const std::size_t body = read_header();
    Cursor cursor(source_.bytes.subspan(body), source_);
    Words words(text_of(source_.bytes).substr(body));
    for (Element& element : elements_) read_element(element, cursor, words);
    check_faces();
    return std::move(ply_);
  }

 private:
  static constexpr std::int64_t kManyCorners = 100'000;  // of a polygon in a file whose vertices come behind its faces

  // Returns where the body begins.
  std::size_t read_header() {
    constexpr std::size_t kMaxHeader = std::size_t{1} << 20U, kMaxElements = 64, kMaxProperties = 1024;
    const std::string_view text = text_of(source_.bytes).substr(0, kMaxHeader);
    Words lines(text);
    std::string_view line;
    bool has_format = false;
    while (lines.line(line)) {
      Words words(line);
      const std::string_view key = words.word();
      if (key == "end_header") {
        if (!has_format) source_.damaged("the header names no format");
        return text.size() - lines.rest().size();
      }
      if (key == "format") {
        read_format(words.word());
        has_format = true;
      } else if (key == "comment") {
        ply_.comments.emplace_back(trimmed(words.rest()));
      } else if (key == "element") {
        if (elements_.size() == kMaxElements) source_.damaged("the header has more than ", kMaxElements, " elements");
        Element element;
        element.name = words.word();
        std::int64_t count = -1;
        if (!parse_number(words.word(), count) || count < 0) source_.damaged("an element of the header has no count");
        element.count = static_cast<std::uint64_t>(count);
        elements_.push_back(std::move(element));
      } else if (key == "property") {
        if (elements_.empty()) source_.damaged("a property of the header stands before all elements");
        if (elements_.back().properties.size() == kMaxProperties)
          source_.damaged("an element has more than ", kMaxProperties, " properties");
        elements_.back().properties.push_back(read_property(words));
      }
    }
    source_.damaged("the header has no end");
  }

  static std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
    return text;
  }

  void read_format(std::string_view name) {
    if (name == "ascii") {
      encoding_ = Encoding::text;
    } else if (name == "binary_little_endian") {
      encoding_ = Encoding::little_endian;
    } else if (name == "binary_big_endian") {
      encoding_ = Encoding::big_endian;
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
        source_.damaged("the length of a list is no integer");
      }
      type = words.word();
    }
    property.type = type_of(type);
    property.name = words.word();
    return property;
  }

  // The fewest bytes that a row can take; a header that announces more rows than fit is refused before anything is kept.
  void check_rows(const Element& element, std::size_t bytes_left) const {
    std::uint64_t row = 0;
    for (const Property& p : element.properties) {
      row += encoding_ == Encoding::text ? 2 : (p.list_count != nullptr ? p.list_count->bytes : p.type->bytes);
    }
    if (row == 0 && element.count > 0) source_.damaged("the element \"", element.name, "\" has no properties");
    // The last number of a text needs no space behind it.
    if (row > 0 && element.count > (bytes_left + 1) / row) {
      source_.damaged("it announces ", element.count, " rows of \"", element.name, "\", but ends before");
    }
  }

  void read_element(Element& element, Cursor& cursor, Words& words) {
    const bool vertices = element.name == "vertex", faces = element.name == "face";
    check_rows(element, encoding_ == Encoding::text ? words.rest().size() : cursor.left());
    if (vertices) {
      if (has_vertices_) source_.damaged("the element \"vertex\" occurs twice");
      has_vertices_ = true;
      source_.check_counts(element.count, 0);
      ply_.vertices = static_cast<std::int64_t>(element.count);
      for (Property& p : element.properties) want(p, element.count);
    }
    if (faces) {
      source_.check_counts(0, element.count);
      ply_.has_faces = true;
    }
    std::vector<double> list;
    for (std::uint64_t row = 0; row < element.count; ++row) {
      source_.tick();
      for (Property& p : element.properties) {
        if (p.list_count == nullptr) {
          const double value = read(*p.type, cursor, words);
          if (p.keep != nullptr) p.keep->push_back(static_cast<float>(value));
          continue;
        }
        const bool polygon = faces && (p.name == "vertex_indices" || p.name == "vertex_index");
        const std::uint64_t length = list_length(p, cursor, words);
        if (!polygon) {
          for (std::uint64_t i = 0; i < length; ++i) (void)read(*p.type, cursor, words);
          continue;
        }
        // No corner of a polygon comes twice, so the list takes no more than the vertices do.
        if (length > static_cast<std::uint64_t>(std::max<std::int64_t>(ply_.vertices, kManyCorners)))
          source_.damaged("a face has ", length, " corners, but the file has ", ply_.vertices, " vertices");
        list.clear();
        for (std::uint64_t i = 0; i < length; ++i) list.push_back(read(*p.type, cursor, words));
        add_polygon(list);
      }
    }
  }

  void want(Property& p, std::uint64_t rows) {
    if (p.list_count != nullptr || std::find(wanted_.begin(), wanted_.end(), p.name) == wanted_.end()) return;
    const auto [at, fresh] = ply_.columns.try_emplace(p.name);
    if (!fresh) source_.damaged("the property \"", p.name, "\" occurs twice");
    ply_.types[p.name] = p.type->old_name;
    source_.take_memory(rows, sizeof(float));  // twice: as a column, and in what becomes of it
    at->second.reserve(static_cast<std::size_t>(rows));
    p.keep = &at->second;
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

  void add_polygon(const std::vector<double>& corners) {
    for (const double index : corners) {
      if (!(index >= 0.0) || index > 2147483647.0 || index != std::floor(index)) source_.damaged("a face names vertex ", index);
    }
    if (corners.size() > 2) source_.take_memory(corners.size() - 2, 3 * sizeof(std::int32_t));
    for (std::size_t i = 2; i < corners.size(); ++i) {
      for (const std::size_t k : {std::size_t{0}, i - 1, i}) ply_.faces.push_back(static_cast<std::int32_t>(corners[k]));
    }
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
      if (word.empty()) source_.damaged("the file ends early");
      if (!parse_number(word, value)) source_.damaged("\"", word.substr(0, 40), "\" is no number");
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
  std::vector<Element> elements_;
  Ply ply_;
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

}  // namespace

Ply parse_ply(const Source& source, std::span<const std::string_view> wanted) { return Parser(source, wanted).parse(); }

MeshFile read_ply(const Source& source) {
  constexpr std::array<std::string_view, 16> kWanted = {"x",    "y", "z", "nx", "ny", "nz",        "red",       "green",
                                                        "blue", "s", "t", "u",  "v",  "texture_u", "texture_v", "f_dc_0"};
  Ply ply = parse_ply(source, kWanted);
  if (ply.faces.empty() && ply.column("f_dc_0") != nullptr) {
    source.unsupported("this PLY holds Gaussians, not a mesh", hint("export a mesh"));
  }
  MeshFile file;
  file.format = "PLY";
  file.mesh.vertices = joined(ply, {"x", "y", "z"});
  if (file.mesh.vertices.empty()) source.damaged("the vertices have no x, y and z");
  file.mesh.faces = std::move(ply.faces);
  file.mesh.normals = joined(ply, {"nx", "ny", "nz"});
  file.mesh.colours = joined(ply, {"red", "green", "blue"});
  if (!file.mesh.colours.empty()) {
    const std::string& type = ply.types.at("red");
    const float scale = type == "uchar" ? 1.0F / 255.0F : (type == "ushort" ? 1.0F / 65535.0F : 1.0F);
    for (float& c : file.mesh.colours) c *= scale;
  }
  for (const auto& names : {std::array{"s", "t"}, std::array{"u", "v"}, std::array{"texture_u", "texture_v"}}) {
    if (file.mesh.uvs.empty()) file.mesh.uvs = joined(ply, {names[0], names[1]});
  }
  for (std::size_t i = 1; i < file.mesh.uvs.size(); i += 2) file.mesh.uvs[i] = 1.0F - file.mesh.uvs[i];
  return file;
}

}  // namespace espalier::reader
