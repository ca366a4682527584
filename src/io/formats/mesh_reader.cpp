#include "io/formats/mesh_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/file.h"
#include "io/formats/reader_parts.h"

namespace espalier {

namespace reader {

void Source::check_counts(std::uint64_t vertices, std::uint64_t faces) const {
  const auto check = [&](std::uint64_t count, std::int64_t limit, const char* what) {
    if (count > static_cast<std::uint64_t>(limit)) {
      fail(ErrorCode::format, name, ": more than ", limit, " ", what, " are not accepted", hint("simplify the mesh first"));
    }
  };
  check(vertices, options.max_vertices, "vertices");
  check(faces, options.max_faces, "faces");
}

void Source::take_memory(std::uint64_t rows, std::uint64_t bytes_per_row) const {
  // Vectors that grow hold their old values beside the new ones for a moment.
  constexpr std::uint64_t kGrowth = 2;
  const std::uint64_t allowed = options.spare_memory + options.memory_per_byte * bytes_read_;
  if (bytes_per_row > 0 && rows > (allowed - memory_) / (kGrowth * bytes_per_row)) {
    fail(ErrorCode::format, name, ": its ", bytes_read_, " bytes would take more than ", allowed >> 20U, " MiB of memory",
         hint("simplify the mesh, or export it with another program"));
  }
  memory_ += kGrowth * rows * bytes_per_row;
}

void Source::visit() const {
  tick();
  if (++visits_ > options.max_visits) {
    fail(ErrorCode::format, name, ": it shows more than ", options.max_visits, " parts, each counted as often as it is shown",
         hint("join its meshes first"));
  }
}

std::vector<std::byte> Source::neighbour(const std::string& file) const {
  // What is no plain path below the file's folder is never opened.
  bool plain = !file.empty() && file.front() != '/' && file.find('\\') == std::string::npos &&
               file.find(':') == std::string::npos && file.find('\0') == std::string::npos;
  for (const auto& part : std::filesystem::path(file)) plain = plain && part != "..";
  if (!plain) damaged("it names the file \"", file.substr(0, 200), "\", which does not lie beside it");
  if (!neighbour_) damaged("it names the file \"", file.substr(0, 200), "\", but it stands alone");
  std::vector<std::byte> found = neighbour_(file);
  bytes_read_ += found.size();
  if (bytes_read_ > options.max_bytes) damaged("it and the files that it names have more than ", options.max_bytes, " bytes");
  return found;
}

bool Words::line(std::string_view& out) {
  if (text_.empty()) return false;
  const std::size_t end = std::min(text_.find('\n'), text_.size());
  out = text_.substr(0, end);
  text_.remove_prefix(std::min(end + 1, text_.size()));
  return true;
}

std::string_view Words::word(bool lines) {
  const std::string_view spaces = lines ? " \t\r\n\f\v" : " \t\r";
  const std::size_t begin = text_.find_first_not_of(spaces);
  if (begin == std::string_view::npos) {
    text_ = {};
    return {};
  }
  text_.remove_prefix(begin);
  const std::size_t end = std::min(text_.find_first_of(spaces), text_.size());
  const std::string_view word = text_.substr(0, end);
  text_.remove_prefix(end);
  return word;
}

namespace {

template <class T>
std::errc parse(std::string_view word, T& out) {
  if (word.size() > 1 && word.front() == '+' && word[1] != '-') word.remove_prefix(1);
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), out);
  return end == word.data() + word.size() ? error : std::errc::invalid_argument;
}

}  // namespace

bool parse_number(std::string_view word, double& out) {
  const std::errc error = parse(word, out);
  // What is too small for a double is zero for us; what is too large is refused.
  const bool tiny = error == std::errc::result_out_of_range && word.find_first_of("eE") + 1 == word.find('-', 1);
  if (tiny) out = 0.0;
  return tiny || error == std::errc();
}

bool parse_number(std::string_view word, std::int64_t& out) { return parse(word, out) == std::errc(); }

}  // namespace reader

namespace {

using reader::Source;

void check_finite(const std::vector<float>& values, std::size_t width, const char* what, const Source& source) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) source.damaged(what, " ", i / width, " is not finite");
  }
}

void check_result(const MeshFile& file, const Source& source) {
  const Mesh& mesh = file.mesh;
  if (mesh.faces.empty())
    fail(ErrorCode::format, source.name, ": the file holds no triangles", hint("name a file with a mesh"));
  check_finite(mesh.vertices, 3, "vertex", source);
  check_finite(mesh.normals, 3, "the normal of vertex", source);
  check_finite(mesh.colours, 3, "the colour of vertex", source);
  check_finite(mesh.uvs, 2, "the texture coordinate of vertex", source);
  for (const std::int32_t index : mesh.faces) {
    require(index >= 0 && index < mesh.vertex_count(), "read_mesh", "index ", index, " of ", mesh.vertex_count());
  }
}

bool ends_with(std::string name, std::string_view ending) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return name.size() >= ending.size() && name.compare(name.size() - ending.size(), ending.size(), ending) == 0;
}

// The first word of a text is one that begins a line of an OBJ.
bool looks_like_obj(std::string_view text) {
  constexpr std::array kWords = {"#", "v", "vt", "vn", "o", "g", "mtllib", "usemtl", "s", "f"};
  const std::string_view first = reader::Words(text.substr(0, 4096)).word(true);
  return std::any_of(kWords.begin(), kWords.end(), [&](std::string_view w) { return first == w; }) ||
         (!first.empty() && first.front() == '#');
}

bool is_binary_stl(reader::Bytes bytes) {
  constexpr std::size_t kHeader = 84, kFacet = 50;
  if (bytes.size() < kHeader) return false;
  std::uint32_t count = 0;
  std::memcpy(&count, bytes.data() + kHeader - 4, 4);
  return bytes.size() == kHeader + std::uint64_t{count} * kFacet;
}

MeshFile decode(const Source& source) {
  const std::string_view text = reader::text_of(source.bytes);
  if (text.empty()) fail(ErrorCode::format, source.name, ": the file is empty", hint("name a GLB, glTF, OBJ, STL or PLY file"));
  if (text.substr(0, 4) == "glTF") return reader::read_gltf(source);
  if (text.substr(0, 4) == "ply\n" || text.substr(0, 4) == "ply\r") return reader::read_ply(source);
  if (is_binary_stl(source.bytes)) return reader::read_stl(source);
  if (ends_with(source.name, ".obj")) return reader::read_obj(source);
  if (ends_with(source.name, ".stl") || text.substr(0, 5) == "solid") return reader::read_stl(source);
  if (reader::Words(text.substr(0, 4096)).word(true).substr(0, 1) == "{") return reader::read_gltf(source);
  if (text.substr(0, 2) == "PK") {
    source.unsupported("this is a zip archive (3MF is one, too), which is not read", hint("unpack it, or export as GLB"));
  }
  if (looks_like_obj(text)) return reader::read_obj(source);
  source.unsupported("this is no GLB, glTF, OBJ, STL or PLY file", hint("export the mesh as GLB"));
}

MeshFile decode_checked(const Source& source) {
  MeshFile file = decode(source);
  check_result(file, source);
  return file;
}

}  // namespace

MeshFile decode_mesh(std::span<const std::byte> bytes, const std::string& name, const ReadOptions& options) {
  return decode_checked(Source(bytes, name, options, nullptr));
}

MeshFile read_mesh(const std::filesystem::path& path, const ReadOptions& options) {
  const std::vector<std::byte> bytes = read_file(path, options.max_bytes);
  return decode_checked(Source(bytes, path.string(), options, [&](const std::string& name) {
    return read_file(path.parent_path() / name, options.max_bytes);
  }));
}

}  // namespace espalier
