#include <optional>

#include "image/codec.h"
#include "io/formats/numbering.h"
#include "io/formats/reader_parts.h"

namespace espalier::reader {

namespace {

// Index of a position, of a texture coordinate and of a normal; -1 for none.
using Corner = std::array<std::int32_t, 3>;

class Parser {
 public:
  explicit Parser(const Source& source) : source_(source) {}

  MeshFile parse() {
    Words lines(text_of(source_.bytes));
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
  static constexpr std::uint64_t kVertexBytes = 11 * sizeof(float) + sizeof(Corner) + 24;

  static bool continues(std::string_view line) {
    const std::size_t last = line.find_last_not_of(" \t\r");
    return last != std::string_view::npos && line[last] == '\\';
  }

  void read_line(std::string_view line) {
    Words words(line);
    const std::string_view key = words.word();
    if (key == "v") {
      read_position(words);
    } else if (key == "vt") {
      const auto uv = floats<2>(words, 1);
      uvs_.insert(uvs_.end(), {uv[0], 1.0F - uv[1]});
    } else if (key == "vn") {
      const auto n = floats<3>(words, 3);
      normals_.insert(normals_.end(), {n[0], -n[2], n[1]});
    } else if (key == "f") {
      read_face(words);
    } else if (key == "usemtl") {
      material_ = std::string(words.word());
      same_material_ = !first_material_ || *first_material_ == material_;
    } else if (key == "mtllib") {
      library_ = std::string(words.word());
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
      if (!parse_number(word, value)) source_.damaged("\"", word.substr(0, 40), "\" is no number");
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
    // Colours stand behind the position, or behind its weight.
    const std::size_t colour = count_ == 7 ? 4 : 3;
    const bool coloured = count_ >= 6;
    all_coloured_ = all_coloured_ && coloured;
    if (all_coloured_)
      colours_.insert(colours_.end(), v.begin() + static_cast<std::ptrdiff_t>(colour),
                      v.begin() + static_cast<std::ptrdiff_t>(colour) + 3);
  }

  // "7", "7/2", "7//3" or "7/2/3"; negative numbers count from the end.
  Corner read_corner(std::string_view word) {
    const std::array<std::size_t, 3> sizes = {positions_.size() / 3, uvs_.size() / 2, normals_.size() / 3};
    Corner corner = {-1, -1, -1};
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
    std::array<std::int32_t, 3> fan{};
    std::size_t corners = 0;
    for (std::string_view word = words.word(); !word.empty() && word.front() != '#'; word = words.word(), ++corners) {
      source_.tick();
      const Corner corner = read_corner(word);
      all_textured_ = all_textured_ && corner[1] >= 0;
      all_lit_ = all_lit_ && corner[2] >= 0;
      const std::size_t known = corners_.keys().size();
      const std::int32_t vertex = corners_.of(corner);
      source_.check_counts(corners_.keys().size(), faces_.size() / 3 + 1);
      if (corners_.keys().size() > known) source_.take_memory(1, kVertexBytes);
      source_.take_memory(1, 3 * sizeof(std::int32_t));
      fan[std::min<std::size_t>(corners, 2)] = vertex;
      if (corners < 2) continue;
      faces_.insert(faces_.end(), fan.begin(), fan.end());
      fan[1] = vertex;
    }
    if (corners < 3) source_.damaged("a face has ", corners, " corners");
    if (!first_material_) first_material_ = material_;
    one_material_ = one_material_ && same_material_;
  }

  MeshFile build() {
    MeshFile file;
    file.format = "OBJ";
    Mesh& mesh = file.mesh;
    mesh.faces = std::move(faces_);
    const auto copy = [](const std::vector<float>& from, std::int32_t index, std::size_t width, std::vector<float>& to) {
      const auto at = from.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(index) * width);
      to.insert(to.end(), at, at + static_cast<std::ptrdiff_t>(width));
    };
    for (const Corner& corner : corners_.keys()) {
      copy(positions_, corner[0], 3, mesh.vertices);
      if (all_coloured_) copy(colours_, corner[0], 3, mesh.colours);
      if (all_textured_) copy(uvs_, corner[1], 2, mesh.uvs);
      if (all_lit_) copy(normals_, corner[2], 3, mesh.normals);
    }
    if (source_.options.texture && all_textured_ && one_material_ && !library_.empty()) load_texture(file);
    return file;
  }

  void load_texture(MeshFile& file) const {
    const std::vector<std::byte> library = source_.neighbour(library_);
    Words lines(text_of(library));
    std::string_view line;
    bool ours = false;
    while (lines.line(line)) {
      Words words(line);
      const std::string_view key = words.word();
      if (key == "newmtl") ours = words.word() == *first_material_;
      if (key != "map_Kd" || !ours) continue;
      std::string picture;  // the last word; options stand before it
      for (std::string_view word = words.word(); !word.empty(); word = words.word()) picture = word;
      file.texture = decode_picture(source_.neighbour(picture), picture, source_.options.monitor);
      return;
    }
  }

  const Source& source_;
  std::vector<float> positions_, colours_, uvs_, normals_;
  Numbering<Corner, HashWords<std::int32_t, 3>> corners_;
  std::vector<std::int32_t> faces_;
  bool all_coloured_ = true, all_textured_ = true, all_lit_ = true, one_material_ = true, same_material_ = true;
  std::string material_, library_;
  std::optional<std::string> first_material_;
  std::size_t count_ = 0;  // numbers that the last call of floats found
};

}  // namespace

MeshFile read_obj(const Source& source) { return Parser(source).parse(); }

}  // namespace espalier::reader
