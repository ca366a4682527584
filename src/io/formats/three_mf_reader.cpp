#include "io/formats/three_mf_reader.h"

#include <cmath>
#include <map>

#include "base/printable.h"
#include "io/formats/numbering.h"
#include "io/formats/xml_reader.h"

namespace espalier::reader {

namespace {

using Matrix = std::array<double, 12>;  // rows of three; the last one moves
constexpr Matrix kIdentity = {1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0};

Matrix product(const Matrix& first, const Matrix& then) {
  Matrix out{};
  for (std::size_t r = 0; r < 4; ++r) {
    for (std::size_t c = 0; c < 3; ++c) {
      for (std::size_t k = 0; k < 3; ++k) out[3 * r + c] += first[3 * r + k] * then[3 * k + c];
      if (r == 3) out[3 * r + c] += then[9 + c];
    }
  }
  return out;
}

// What a triangle's corner may name: a colour, or a place in a texture.
struct Group {
  bool textured = false;
  std::int32_t texture = -1;                 // resource of a texture, for a group of coordinates
  std::vector<std::array<float, 4>> values;  // colours with alpha, or u and v
};
struct Property {
  std::int32_t group = -1, index = -1;
};
struct Triangle {
  std::array<std::int32_t, 3> v;
  std::int32_t group;
  std::array<std::int32_t, 3> p;
};
struct Part {
  std::string path;
  std::int32_t object = -1;
  Matrix place = kIdentity;
};
struct Object {
  std::vector<float> vertices;
  std::vector<Triangle> triangles;
  std::vector<Part> parts;
  Property usual;
  bool support = false;
};
struct Texture {
  std::string path;
  Wrap u = Wrap::repeat, v = Wrap::repeat;
  bool nearest = false;
};
// One part of the package with its resources.
struct Model {
  std::map<std::int32_t, Object> objects;
  std::map<std::int32_t, Group> groups;
  std::map<std::int32_t, Texture> textures;
  std::vector<Part> build;
  double metres_per_unit = 0.001;
};

Wrap wrap_of(std::string_view style) {
  return style == "mirror" ? Wrap::mirror : style == "clamp" || style == "none" ? Wrap::clamp : Wrap::repeat;
}

class ModelReader {
 public:
  ModelReader(std::string_view xml, const Source& source) : xml_(xml, source), source_(source) {}

  Model read() {
    while (xml_.next()) {
      source_.tick();
      if (in_slices_) {  // whose vertices have no depth
        in_slices_ = !(xml_.closes() && xml_.name() == "slicestack");
      } else if (!xml_.closes()) {
        read_tag();
      }
    }
    return std::move(model_);
  }

 private:
  void read_tag() {
    const std::string_view name = xml_.name();
    if (name == "vertex") {
      read_vertex();
    } else if (name == "triangle") {
      read_triangle();
    } else if (name == "model") {
      read_unit();
    } else if (name == "object") {
      object_ = &model_.objects[number("id", -1)];
      object_->usual = {number("pid", -1), number("pindex", 0)};
      const std::string_view type = xml_.attribute("type");
      object_->support = type == "support" || type == "solidsupport" || type == "other";
      source_.visit();
    } else if (name == "component" && object_ != nullptr) {
      object_->parts.push_back(part());
    } else if (name == "item") {
      model_.build.push_back(part());
    } else if (name == "basematerials" || name == "colorgroup" || name == "texture2dgroup") {
      group_ = &model_.groups[number("id", -1)];
      group_->textured = name == "texture2dgroup";
      if (group_->textured) group_->texture = number("texid", -1);
    } else if (name == "base" || name == "color") {
      add_value(colour(xml_.attribute(name == "base" ? "displaycolor" : "color")));
    } else if (name == "tex2coord") {
      add_value({real("u"), real("v"), 0.0F, 0.0F});
    } else if (name == "texture2d") {
      model_.textures[number("id", -1)] = {xml_.text("path"), wrap_of(xml_.attribute("tilestyleu")),
                                           wrap_of(xml_.attribute("tilestylev")), xml_.attribute("filter") == "nearest"};
    } else if (name == "multiproperties" || name == "compositematerials") {
      source_.left_out("mixed materials (", name, ") are left out");
    } else if (name == "beamlattice" || name == "slicestack") {
      source_.left_out("the part ", name, " is left out");
      in_slices_ = name == "slicestack" && !xml_.empty();
    }
  }

  Part part() {
    source_.visit();
    Part out{xml_.text("path"), number("objectid", -1), kIdentity};
    const std::string_view transform = xml_.attribute("transform");
    if (transform.empty()) return out;
    Words words(transform);
    for (double& x : out.place) {
      if (!parse_number(words.word(true), x)) source_.damaged("a transform of its model does not have 12 numbers");
    }
    return out;
  }

  void read_vertex() {
    if (object_ == nullptr) source_.damaged("its model has a vertex outside of all objects");
    source_.check_counts(object_->vertices.size() / 3 + 1, 0);
    source_.take_memory(1, 3 * sizeof(float));
    for (const char* axis : {"x", "y", "z"}) object_->vertices.push_back(real(axis));
  }

  void read_triangle() {
    if (object_ == nullptr) source_.damaged("its model has a triangle outside of all objects");
    source_.check_counts(0, object_->triangles.size() + 1);
    source_.take_memory(1, sizeof(Triangle));
    Triangle t{};
    const auto last = static_cast<std::int32_t>(object_->vertices.size() / 3);
    constexpr std::array kCorner = {"v1", "v2", "v3"};
    constexpr std::array kValue = {"p1", "p2", "p3"};
    t.group = number("pid", object_->usual.group);
    const std::int32_t first = number("p1", -1);
    for (std::size_t k = 0; k < 3; ++k) {
      t.v[k] = number(kCorner[k], -1);
      if (t.v[k] < 0 || t.v[k] >= last) source_.damaged("a triangle of its model names vertex ", t.v[k], " of ", last);
      t.p[k] = first < 0 ? object_->usual.index : number(kValue[k], first);
    }
    if (!xml_.attribute("mmu_segmentation").empty() || !xml_.attribute("paint_color").empty())
      source_.left_out("colours that a slicer painted are left out");
    object_->triangles.push_back(t);
  }

  void read_unit() {
    constexpr std::array<std::pair<std::string_view, double>, 6> kUnits = {
        {{"micron", 1e-6}, {"millimeter", 1e-3}, {"centimeter", 1e-2}, {"inch", 0.0254}, {"foot", 0.3048}, {"meter", 1.0}}};
    for (const auto& [name, metres] : kUnits) {
      if (xml_.attribute("unit") == name) model_.metres_per_unit = metres;
    }
  }

  void add_value(const std::array<float, 4>& value) {
    if (group_ == nullptr) return;
    source_.take_memory(1, sizeof(value));
    group_->values.push_back(value);
  }

  [[nodiscard]] std::array<float, 4> colour(std::string_view text) const {
    std::array<float, 4> out = {1, 1, 1, 1};
    if (text.size() != 7 && text.size() != 9) return out;
    for (std::size_t k = 0; 2 * k + 2 < text.size(); ++k) {
      unsigned value = 0;
      for (const char c : text.substr(1 + 2 * k, 2)) {
        const char l = static_cast<char>(c >= 'A' && c <= 'F' ? c + 32 : c);
        const bool digit = l >= '0' && l <= '9', letter = l >= 'a' && l <= 'f';
        if (!digit && !letter) source_.damaged("\"", printable(text, 20), "\" is not a colour");
        value = value * 16 + static_cast<unsigned>(digit ? l - '0' : l - 'a' + 10);
      }
      out[k] = static_cast<float>(value) / 255.0F;
    }
    return out;
  }

  [[nodiscard]] std::int32_t number(std::string_view name, std::int32_t otherwise) const {
    const std::string_view text = xml_.attribute(name);
    std::int64_t value = 0;
    if (text.empty()) return otherwise;
    if (!parse_number(text, value) || value < 0 || value > 2147483647)
      source_.damaged("\"", printable(text, 20), "\" is not a number of its model");
    return static_cast<std::int32_t>(value);
  }
  [[nodiscard]] float real(std::string_view name) const {
    double value = 0.0;
    if (!parse_number(trimmed(xml_.attribute(name)), value))
      source_.damaged("\"", printable(xml_.attribute(name), 20), "\" is not a coordinate");
    return static_cast<float>(value);
  }

  XmlReader xml_;
  const Source& source_;
  Model model_;
  bool in_slices_ = false;
  Object* object_ = nullptr;
  Group* group_ = nullptr;
};

class Assembler {
 public:
  Assembler(const ZipArchive& archive, std::string root, const Source& source)
      : archive_(archive), source_(source), root_(std::move(root)) {}

  MeshFile assemble() {
    const Model& model = load(root_);
    file_.format = "3MF";
    file_.metres_per_unit = model.metres_per_unit;
    if (model.build.empty()) {
      for (const auto& [id, object] : model.objects) show({root_, id, kIdentity}, root_, kIdentity, 0);
    }
    for (const Part& item : model.build) show(item, root_, kIdentity, 0);
    if (!textured_) file_.mesh.uvs.clear();
    if (!coloured_) file_.mesh.colours.clear();
    finish_look();
    return std::move(file_);
  }

 private:
  // A corner as the file has it: in which showing of an object, and what it looks like there.
  using Key = std::array<std::int32_t, 3>;  // vertex, group, index

  const Model& load(const std::string& path) {
    const auto known = models_.find(path);
    if (known != models_.end()) return known->second;
    const auto name = archive_.find(path.starts_with('/') ? path.substr(1) : path);
    if (!name) source_.damaged("the package lacks its part \"", printable(path), "\"");
    const std::vector<std::byte> bytes = archive_.read(*name);
    source_.unpacks(bytes.size(), 2);
    return models_.emplace(path, ModelReader(text_of(bytes), source_).read()).first->second;
  }

  void show(const Part& part, const std::string& from, const Matrix& outer, int depth) {
    constexpr int kDeepest = 32;
    source_.visit();
    if (depth > kDeepest) source_.damaged("its objects hang in each other");
    const std::string path = part.path.empty() ? from : part.path;
    const Model& model = load(path);
    const auto at = model.objects.find(part.object);
    if (at == model.objects.end()) source_.damaged("it names object ", part.object, ", which is not there");
    if (at->second.support) return source_.left_out("supports, and objects that are no part of the model, are left out");
    const Matrix place = product(part.place, outer);
    for (const Part& inner : at->second.parts) show(inner, path, place, depth + 1);
    add(at->second, model, path, place);
  }

  void add(const Object& object, const Model& model, const std::string& path, const Matrix& m) {
    Numbering<Key, HashWords<std::int32_t, 3>> corners;
    const auto base = static_cast<std::int32_t>(file_.mesh.vertices.size() / 3);
    const double side =
        m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) + m[2] * (m[3] * m[7] - m[4] * m[6]);
    for (const Triangle& t : object.triangles) {
      source_.tick();
      const auto group = model.groups.find(t.group);
      const bool looks = group != model.groups.end() && (source_.options.texture || !group->second.textured);
      std::array<std::int32_t, 3> face;
      for (std::size_t k = 0; k < 3; ++k) {
        const std::size_t known = corners.keys().size();
        face[k] = base + corners.of({t.v[k], looks ? t.group : -1, looks ? t.p[k] : -1});
        if (corners.keys().size() > known) source_.take_memory(1, 11 * sizeof(float) + sizeof(Key) + 24);
      }
      if (side < 0.0) std::swap(face[1], face[2]);
      source_.check_counts(static_cast<std::uint64_t>(base) + corners.keys().size(), file_.mesh.faces.size() / 3 + 1);
      source_.take_memory(1, 4 * sizeof(std::int32_t));
      file_.mesh.faces.insert(file_.mesh.faces.end(), face.begin(), face.end());
      of_face_.push_back(looks && group->second.textured ? material_of(model, path, group->second.texture) : plain_);
    }
    for (const Key& key : corners.keys()) put_vertex(object, model, key, m);
  }

  void put_vertex(const Object& object, const Model& model, const Key& key, const Matrix& m) {
    Mesh& mesh = file_.mesh;
    const float* p = &object.vertices[3 * static_cast<std::size_t>(key[0])];
    for (std::size_t c = 0; c < 3; ++c)
      mesh.vertices.push_back(static_cast<float>(p[0] * m[c] + p[1] * m[3 + c] + p[2] * m[6 + c] + m[9 + c]));
    std::array<float, 4> colour = {1, 1, 1, 1};
    std::array<float, 2> uv = {0, 0};
    if (const auto group = model.groups.find(key[1]); group != model.groups.end()) {
      const auto& values = group->second.values;
      if (static_cast<std::size_t>(key[2]) >= values.size())
        source_.damaged("a triangle names property ", key[2], " of ", values.size());
      const auto& value = values[static_cast<std::size_t>(key[2])];
      if (group->second.textured) {
        uv = {value[0], 1.0F - value[1]};
        textured_ = true;
      } else {
        colour = value;
        if (colour[3] < 1.0F) source_.left_out("the alpha of colours is left out");
        coloured_ = true;
      }
    }
    mesh.colours.insert(mesh.colours.end(), colour.begin(), colour.begin() + 3);
    mesh.uvs.insert(mesh.uvs.end(), uv.begin(), uv.end());
  }

  // Of a texture of one part of the package; loaded when first met.
  std::int32_t material_of(const Model& model, const std::string& path, std::int32_t texture) {
    const auto [at, fresh] = materials_.try_emplace({path, texture}, plain_);
    const auto found = model.textures.find(texture);
    if (!fresh || found == model.textures.end()) return at->second;
    std::string file = found->second.path;
    if (file.starts_with('/')) file.erase(0, 1);
    const auto name = archive_.find(file);
    if (!name) source_.left_out("texture \"", printable(file), "\" is left out: the package lacks it");
    if (!name) return at->second;
    const std::vector<std::byte> bytes = archive_.read(*name);
    auto image = source_.image(bytes, "texture \"" + printable(file) + "\"");
    if (!image) return at->second;
    Material m;
    m.name = printable(file);
    m.vertex_colours = false;
    look_.images.push_back(std::move(*image));
    look_.files.push_back(Source::image_file(bytes));
    m.texture = {static_cast<std::int32_t>(look_.images.size() - 1), found->second.u, found->second.v, found->second.nearest};
    look_.materials.push_back(std::move(m));
    at->second = static_cast<std::int32_t>(look_.materials.size());
    return at->second;
  }

  void finish_look() {
    if (look_.images.empty()) return;
    look_.materials.insert(look_.materials.begin(), Material{.name = "plain"});
    look_.of_face = std::move(of_face_);
    if (std::find(look_.of_face.begin(), look_.of_face.end(), plain_) == look_.of_face.end()) {
      look_.materials.erase(look_.materials.begin());
      for (std::int32_t& m : look_.of_face) --m;
    }
    file_.appearance = std::move(look_);
  }

  static constexpr std::int32_t plain_ = 0;
  const ZipArchive& archive_;
  const Source& source_;
  std::string root_;
  std::map<std::string, Model> models_;
  std::map<std::pair<std::string, std::int32_t>, std::int32_t> materials_;
  MeshFile file_;
  Appearance look_;
  std::vector<std::int32_t> of_face_;
  bool textured_ = false, coloured_ = false;
};

}  // namespace

std::optional<std::string> three_mf_model(const ZipArchive& archive, const Source& source) {
  const auto relationships = archive.find("_rels/.rels");
  if (!relationships) return std::nullopt;
  const std::vector<std::byte> bytes = archive.read(*relationships);
  XmlReader xml(text_of(bytes), source);
  while (xml.next()) {
    if (xml.name() == "Relationship" && xml.attribute("Type").ends_with("/3dmodel")) return xml.text("Target");
  }
  return std::nullopt;
}

MeshFile read_3mf(const ZipArchive& archive, const std::string& model, const Source& source) {
  return Assembler(archive, model, source).assemble();
}

}  // namespace espalier::reader
