#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "image/colour.h"
#include "io/formats/mtl_reader.h"
#include "io/formats/numbering.h"
#include "io/formats/polygon.h"
#include "io/formats/reader_parts.h"

namespace espalier::reader {

namespace {

// Index of a position, of a texture coordinate and of a normal, -1 for none; and the material, whose textures may take
// coordinates of their own.
using Corner = std::array<std::int32_t, 4>;

// The colours behind the positions, and whether they are there.
class VertexColours {
 public:
  // Of a line of `count` numbers.
  void add(const std::array<float, 7>& v, std::size_t count) {
    any_ = any_ || count >= 6;
    all_ = all_ && count >= 6;
    if (!all_) return;
    // r g b, or four more numbers: w r g b, or r g b a. Which of the two only all lines together tell.
    seven_ = seven_ || count == 7;
    weights_are_one_ = weights_are_one_ && (count != 7 || v[3] == 1.0F);
    alphas_are_one_ = alphas_are_one_ && (count != 7 || v[6] == 1.0F);
    values_.insert(values_.end(), {v[3], v[4], v[5], count == 7 ? v[6] : 1.0F});
  }

  void finish(const Source& source) {
    if (any_ && !all_) source.left_out("the colours of vertices are left out: some vertices have none");
    all_ = all_ && any_;
    if (!all_) return;
    const bool weights = seven_ && weights_are_one_ && !alphas_are_one_;
    float largest = 0.0F;
    for (std::size_t i = 0; i < values_.size(); i += 4) {
      if (weights) std::rotate(&values_[i], &values_[i] + 1, &values_[i] + 4);
      if (weights) values_[i + 3] = 1.0F;
      for (std::size_t k = 0; k < 3; ++k) largest = std::max(largest, values_[i + k]);
    }
    constexpr float kByte = 255.0F;
    const float scale = largest > 1.0F && largest <= kByte ? 1.0F / kByte : 1.0F;
    for (std::size_t i = 0; i < values_.size(); ++i) {
      if (i % 4 != 3) values_[i] *= scale;
      if (i % 4 == 3) any_alpha_ = any_alpha_ || values_[i] < 1.0F;
    }
    // Bytes of alpha beside bytes of colour.
    for (std::size_t i = 3; i < values_.size(); i += 4)
      values_[i] = std::min(values_[i] * (values_[i] > 1.0F ? scale : 1.0F), 1.0F);
  }

  // Behind finish(): whether all vertices have colours, and some of them less than full alpha.
  [[nodiscard]] bool there() const { return all_; }
  [[nodiscard]] bool any_alpha() const { return any_alpha_; }
  // Four numbers.
  [[nodiscard]] const float* of(std::size_t vertex) const { return &values_[4 * vertex]; }

 private:
  std::vector<float> values_;
  bool any_ = false, all_ = true, any_alpha_ = false;
  bool seven_ = false, weights_are_one_ = true, alphas_are_one_ = true;
};

void drop_unused(Appearance& look) {
  std::vector<std::int32_t> number(look.materials.size(), -1);
  std::vector<Material> used;
  for (std::int32_t& m : look.of_face) {
    std::int32_t& at = number[static_cast<std::size_t>(m)];
    if (at < 0) {
      used.push_back(look.materials[static_cast<std::size_t>(m)]);
      at = static_cast<std::int32_t>(used.size() - 1);
    }
    m = at;
  }
  look.materials = std::move(used);
}

void bake_factors(Mesh& mesh, Appearance& look) {
  mesh.colours.resize(mesh.vertices.size(), 1.0F);
  for (std::size_t i = 0; i < mesh.faces.size(); ++i) {
    const auto& factor = look.materials[static_cast<std::size_t>(look.of_face[i / 3])].factor;
    for (std::size_t k = 0; k < 3; ++k)
      mesh.colours[3 * static_cast<std::size_t>(mesh.faces[i]) + k] = srgb_of_linear(factor[k]);
  }
  for (Material& m : look.materials) m.factor[0] = m.factor[1] = m.factor[2] = 1.0F;
}

class Parser {
 public:
  explicit Parser(const Source& source) : source_(source), library_(source) {}

  MeshFile parse() {
    Words lines(without_mark(text_of(source_.bytes)));
    std::string_view line;
    std::string joined;
    while (lines.line(line)) {
      source_.tick();
      if (continues(line)) {
        joined.clear();
        do {
          joined.append(line.substr(0, line.find_last_of('\\'))).push_back(' ');
          line = {};
        } while (lines.line(line) && continues(line));
        joined += line;
        read_line(joined);
      } else {
        read_line(line);
      }
    }
    return build();
  }

 private:
  // A vertex of the result with its entry in the numbering of corners.
  static constexpr std::uint64_t kVertexBytes = 12 * sizeof(float) + sizeof(Corner) + 24;

  static bool continues(std::string_view line) {
    const std::size_t last = line.find_last_not_of(" \t\r");
    if (last == std::string_view::npos || line[last] != '\\') return false;
    // A line of numbers ends in a backslash only to go on, a comment or a name, of a Windows folder for example, by chance.
    const std::string_view key = Words(line).word();
    if (key.starts_with('#')) return false;
    constexpr std::array<std::string_view, 6> kNaming = {"o", "g", "s", "usemtl", "mtllib", "usemap"};
    return std::find(kNaming.begin(), kNaming.end(), key) == kNaming.end();
  }

  void read_line(std::string_view line) {
    Words words(line);
    const std::string_view key = words.word();
    if (key == "v") {
      read_position(words);
    } else if (key == "vt") {
      const auto uv = floats<2>(words, 1);
      uvs_.insert(uvs_.end(), {uv[0], uv[1]});
    } else if (key == "vn") {
      const auto n = floats<3>(words, 3);
      normals_.insert(normals_.end(), {n[0], -n[2], n[1]});
    } else if (key == "f" || key == "fo") {
      read_face(words);
    } else if (key == "usemtl") {
      material_name_ = std::string(trimmed(words.rest()));
      material_ = -1;
    } else if (key == "mtllib") {
      if (source_.options.texture) library_.load(words.rest());
    } else if (key == "l" || key == "p") {
      source_.left_out("points and lines are left out");
    } else if (key == "curv" || key == "surf" || key == "cstype") {
      source_.left_out("free-form curves and surfaces are left out");
    }
  }

  // Up to N numbers; the first `needed` must be there, the others are zero if they are not.
  template <std::size_t N>
  std::array<float, N> floats(Words& words, std::size_t needed) {
    std::array<float, N> out{};
    count_ = 0;
    for (float& x : out) {
      const std::string_view word = words.word();
      if (word.empty() || word.front() == '#') break;
      double value = 0.0;
      if (!parse_number(word, value)) source_.damaged("\"", word.substr(0, 40), "\" is not a number");
      x = static_cast<float>(value);
      ++count_;
    }
    if (count_ < needed) source_.damaged("a line has ", count_, " numbers instead of ", needed);
    return out;
  }

  void read_position(Words& words) {
    const auto v = floats<7>(words, 3);
    source_.check_counts(positions_.size() / 3 + 1, 0);
    positions_.insert(positions_.end(), {v[0], -v[2], v[1]});
    colours_.add(v, count_);
  }

  // "7", "7/2", "7//3" or "7/2/3"; negative numbers count from the end.
  Corner read_corner(std::string_view word) {
    const std::array<std::size_t, 3> sizes = {positions_.size() / 3, uvs_.size() / 2, normals_.size() / 3};
    Corner corner = {-1, -1, -1, 0};
    const std::string_view whole = word;
    for (std::size_t k = 0; k < 3; ++k) {
      const std::size_t slash = std::min(word.find('/'), word.size());
      const std::string_view part = word.substr(0, slash);
      if (!part.empty() || k == 0) {
        std::int64_t index = 0;
        const bool read = parse_number(part, index);
        const auto size = static_cast<std::int64_t>(sizes[k]);
        if (read && index < 0) index += size + 1;
        if (!read || index < 1 || index > size)
          source_.damaged("the corner \"", whole.substr(0, 40), "\" of a face names nothing");
        corner[k] = static_cast<std::int32_t>(index - 1);
      }
      if (slash == word.size()) break;
      word.remove_prefix(slash + 1);
    }
    return corner;
  }

  void read_face(Words& words) {
    polygon_.clear();
    bool textured = true, lit = true;
    for (std::string_view word = words.word(); !word.empty() && word.front() != '#'; word = words.word()) {
      source_.tick();
      const Corner corner = read_corner(word);
      textured = textured && corner[1] >= 0;
      lit = lit && corner[2] >= 0;
      source_.check_counts(corners_.keys().size(), faces_.size() / 3 + polygon_.size());
      // Of a polygon that grows without end, what its lists take while they move counts as well.
      constexpr std::size_t kLong = 1000;
      source_.take_memory(polygon_.size() < kLong ? 1 : 3, 4 * sizeof(std::int32_t) + sizeof(PolygonCutter::Point));
      polygon_.push_back(corner);
    }
    if (polygon_.size() < 3) return source_.left_out("faces with fewer than three corners are left out");
    any_textured_ = any_textured_ || textured;
    all_lit_ = all_lit_ && lit;
    add_polygon(material_of(textured), textured);
  }

  // Number of the material in use, with or without its texture, which needs coordinates at every corner.
  std::int32_t material_of(bool textured) {
    if (material_ < 0) {
      material_ = names_.emplace(material_name_, static_cast<std::int32_t>(names_.size())).first->second;
      if (names_.size() > kMostMaterials) source_.damaged("it uses more than ", kMostMaterials, " materials");
    }
    return 2 * material_ + (textured ? 0 : 1);
  }

  void add_polygon(std::int32_t material, bool textured) {
    points_.clear();
    vertices_.clear();
    for (Corner corner : polygon_) {
      corner[3] = source_.options.texture ? material : 0;  // shapes alone need no seams between materials
      if (!textured) corner[1] = -1;
      const float* p = &positions_[3 * static_cast<std::size_t>(corner[0])];
      points_.push_back({p[0], p[1], p[2]});
      const std::size_t known = corners_.keys().size();
      vertices_.push_back(corners_.of(corner));
      if (corners_.keys().size() > known) source_.take_memory(1, kVertexBytes);
    }
    for (const std::int32_t corner : cutter_.cut(points_)) faces_.push_back(vertices_[static_cast<std::size_t>(corner)]);
    of_face_.resize(faces_.size() / 3, material);
  }

  MeshFile build() {
    if (cutter_.gave_up()) source_.left_out("polygons with too many corners were cut as if they were convex");
    MeshFile file;
    file.format = "OBJ";
    Mesh& mesh = file.mesh;
    mesh.faces = std::move(faces_);
    Appearance look;
    std::vector<MtlCoordinates> coordinates(2 * names_.size());
    if (source_.options.texture) load_materials(look, coordinates);
    const auto copy = [](const std::vector<float>& from, std::int32_t index, std::size_t width, std::vector<float>& to) {
      const auto at = from.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(index) * width);
      to.insert(to.end(), at, at + static_cast<std::ptrdiff_t>(width));
    };
    colours_.finish(source_);
    for (const Corner& corner : corners_.keys()) {
      const auto position = static_cast<std::size_t>(corner[0]);
      copy(positions_, corner[0], 3, mesh.vertices);
      if (colours_.there()) mesh.colours.insert(mesh.colours.end(), colours_.of(position), colours_.of(position) + 3);
      if (colours_.there() && colours_.any_alpha()) look.alpha.push_back(colours_.of(position)[3]);
      if (any_textured_) put_uv(corner, coordinates, mesh.uvs);
      if (all_lit_) copy(normals_, corner[2], 3, mesh.normals);
    }
    finish_look(file, std::move(look));
    return file;
  }

  void put_uv(const Corner& corner, const std::vector<MtlCoordinates>& coordinates, std::vector<float>& to) const {
    if (corner[1] < 0) {
      to.insert(to.end(), {0.0F, 0.0F});
      return;
    }
    const MtlCoordinates& c = coordinates[static_cast<std::size_t>(corner[3])];
    const float* uv = &uvs_[2 * static_cast<std::size_t>(corner[1])];
    to.insert(to.end(), {uv[0] * c.scale[0] + c.offset[0], 1.0F - (uv[1] * c.scale[1] + c.offset[1])});
  }

  void load_materials(Appearance& look, std::vector<MtlCoordinates>& coordinates) {
    look.materials.resize(2 * names_.size());
    for (const auto& [name, number] : names_) {
      MtlMaterial found = library_.find(name);
      const auto at = 2 * static_cast<std::size_t>(number);
      described_ = described_ || found.described;
      coloured_ = coloured_ || found.coloured;
      coordinates[at] = found.coordinates;
      look.materials[at + 1] = found.material;
      look.materials[at + 1].texture = look.materials[at + 1].emission_texture = {};
      look.materials[at] = std::move(found.material);
    }
    look.images = library_.take_images();
    look.files = library_.take_files();
  }

  // Materials without textures become colours of vertices, which every format has.
  void finish_look(MeshFile& file, Appearance look) {
    if (look.materials.empty()) return;
    look.of_face = std::move(of_face_);
    drop_unused(look);
    bool images = false, special = colours_.any_alpha(), tinted = false;
    for (Material& m : look.materials) {
      if (colours_.any_alpha() && colours_.there()) m.alpha = AlphaMode::blend;
      images = images || m.texture.used() || m.emission_texture.used();
      special = special || m.emits() || m.alpha != AlphaMode::opaque;
      tinted = tinted || m.factor[0] != m.factor[1] || m.factor[1] != m.factor[2];  // a gray is no loss beside colours
    }
    Mesh& mesh = file.mesh;
    if (images && colours_.there()) source_.left_out("the colours of vertices are not shown where there is a texture");
    const bool several = look.materials.size() > 1 && described_;
    if (!images && colours_.there() && tinted)
      source_.left_out("the colours of materials (Kd) are left out: the vertices have colours of their own");
    if (!images && !colours_.there() && (coloured_ || several || special)) bake_factors(mesh, look);
    if (images || special) file.appearance = std::move(look);
  }

  static constexpr std::size_t kMostMaterials = 100'000;
  const Source& source_;
  MtlLibrary library_;
  PolygonCutter cutter_;
  std::vector<float> positions_, uvs_, normals_;
  VertexColours colours_;
  std::vector<Corner> polygon_;
  std::vector<PolygonCutter::Point> points_;
  std::vector<std::int32_t> vertices_;
  Numbering<Corner, HashWords<std::int32_t, 4>> corners_;
  std::vector<std::int32_t> faces_, of_face_;
  bool any_textured_ = false, all_lit_ = true, described_ = false, coloured_ = false;
  std::string material_name_;
  std::int32_t material_ = -1;  // -1: not looked up yet
  std::map<std::string, std::int32_t> names_;
  std::size_t count_ = 0;  // numbers that the last call of floats found
};

}  // namespace

MeshFile read_obj(const Source& source) { return Parser(source).parse(); }

}  // namespace espalier::reader
