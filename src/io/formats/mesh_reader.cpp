#include "io/formats/mesh_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <tuple>

#include "base/file.h"
#include "base/printable.h"
#include "image/codec.h"
#include "image/image_header.h"
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
  const std::uint64_t allowed = options.spare_memory + options.memory_per_byte * (bytes_read_ + credit_);
  if (bytes_per_row > 0 && rows > (allowed - memory_) / (kGrowth * bytes_per_row)) {
    fail(ErrorCode::format, name, ": its ", bytes_read_, " bytes would take more than ", allowed >> 20U, " MiB of memory",
         hint("simplify the mesh, or export it with another program"));
  }
  memory_ += kGrowth * rows * bytes_per_row;
}

void Source::visit(std::uint64_t times) const {
  tick();
  visits_ += std::min(times, options.max_visits + 1);
  if (visits_ > options.max_visits) {
    fail(ErrorCode::format, name, ": it shows more than ", options.max_visits, " parts, each counted as often as it is shown",
         hint("join its meshes first"));
  }
}

void Source::count_read(std::uint64_t more) const {
  bytes_read_ += more;
  if (bytes_read_ > options.max_bytes) damaged("it and the files that it names have more than ", options.max_bytes, " bytes");
}

void Source::note(std::string what) const {
  if (options.strict) unsupported(what, hint("read it without strictness to have the rest"));
  if (std::find(notices_.begin(), notices_.end(), what) != notices_.end() || notices_.size() > kMostNotices) return;
  notices_.push_back(notices_.size() == kMostNotices ? "there is more that is left out" : std::move(what));
}

namespace {

bool is_plain(const std::string& file) {
  // What is no plain path below the file's folder is never opened.
  bool plain = !file.empty() && file.front() != '/' && file.find('\\') == std::string::npos &&
               file.find(':') == std::string::npos && file.find('\0') == std::string::npos;
  for (const auto& part : std::filesystem::path(file)) plain = plain && part != "..";
  return plain;
}

// Backslashes and the folder itself, as programs of other systems write them.
void clean_name(std::string& file) {
  std::replace(file.begin(), file.end(), '\\', '/');
  while (file.starts_with("./")) file.erase(0, 2);
}

void keep_last_part(std::string& file) {
  const std::size_t end = file.find_last_of("/:");
  if (end != std::string::npos) file.erase(0, end + 1);
}

}  // namespace

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return text;
}

std::vector<std::byte> Source::neighbour(const std::string& file) const {
  const std::string name_found = name_of_neighbour(file);
  std::vector<std::byte> found = folder_->read(name_found);
  count_read(found.size());
  return found;
}

std::string Source::name_of_neighbour(std::string file) const {
  const std::string named = printable(file);
  clean_name(file);
  const bool plain = is_plain(file);
  if (plain && folder_ == nullptr) damaged("it names the file \"", named, "\", but it stands alone");
  if (!plain) keep_last_part(file);
  std::optional<std::string> found = folder_ != nullptr && is_plain(file) ? folder_->find(file) : std::nullopt;
  if (!plain && !found) damaged("it names the file \"", named, "\", which does not lie beside it");
  if (!plain) left_out("the file \"", named, "\" is taken from beside the file, where \"", printable(*found), "\" lies");
  return found ? std::move(*found) : file;  // which then is said not to be there
}

// Of files that do not exist, so many are looked for.
bool Source::too_many_missing() const {
  constexpr std::uint64_t kMost = 1000;
  return missing_ > kMost;
}

std::optional<std::string> Source::find_companion(const std::string& file) const {
  if (folder_ == nullptr || !is_plain(file) || too_many_missing()) return std::nullopt;
  auto found = folder_->find(file);
  if (!found) ++missing_;
  return found;
}

std::optional<std::vector<std::byte>> Source::companion(std::string file, const char* what) const {
  const std::string named = printable(file);
  clean_name(file);
  if (too_many_missing()) {
    // Said in any case: so many notices came before it that it would be one too many.
    if (notices_.size() > kMostNotices) notices_.pop_back();
    notices_.emplace_back("very many of the files that it names do not exist: the others are not looked for");
    return std::nullopt;
  }
  if (folder_ == nullptr) {
    left_out(what, " \"", named, "\" is left out: the file stands alone");
    return std::nullopt;
  }
  if (!is_plain(file)) {
    // A whole path, or one that leads outside: what it names may still lie beside the file.
    keep_last_part(file);
    if (!is_plain(file)) {
      left_out(what, " \"", named, "\" is left out: that is not a file name");
      return std::nullopt;
    }
    const auto beside = find_companion(file);
    if (!beside) {
      left_out(what, " \"", named, "\" is left out: it does not lie beside the file");
      return std::nullopt;
    }
    left_out(what, " \"", named, "\" is taken from beside the file, where \"", printable(*beside), "\" lies");
  }
  const auto found = find_companion(file);
  if (!found) {
    left_out(what, " \"", named, "\" is left out: there is no such file");
    return std::nullopt;
  }
  try {
    std::vector<std::byte> bytes_found = folder_->read(*found);
    count_read(bytes_found.size());
    return bytes_found;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::io && error.code() != ErrorCode::not_found) throw;
    left_out(what, " \"", named, "\" is left out: ", error.what());
    return std::nullopt;
  }
}

std::optional<Image> Source::image(Bytes file, const std::string& what, ColourProfiles profiles) const {
  constexpr std::uint64_t kMostPixels = 150'000'000;  // of all textures together
  constexpr std::uint64_t kMostSide = std::uint64_t{1} << 20U;
  // What it announces counts before it is decoded, and whether or not it can be: a few bytes may announce, and cost, a lot.
  const std::optional<ImageHeader> header = image_header(file);
  const std::uint64_t announced = header ? std::min(header->width, kMostSide) * std::min(header->height, kMostSide) : 0;
  const auto count = [&](std::uint64_t pixels) {
    const bool fits = pixels_ + pixels <= kMostPixels;
    if (fits) pixels_ += pixels;
    if (!fits) left_out(what, " is left out: the textures have more than ", kMostPixels, " pixels together");
    return fits;
  };
  if (!count(announced)) return std::nullopt;
  try {
    Image decoded = decode_image(file, what, nullptr, nullptr, profiles);
    const std::uint64_t pixels = decoded.pixel_count();
    if (!count(pixels > announced ? pixels - announced : 0)) return std::nullopt;
    return decoded;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::format && error.code() != ErrorCode::unsupported) throw;
    left_out(error.what(), "; it is left out");
    return std::nullopt;
  }
}

ImageFile Source::image_file(Bytes file) {
  constexpr std::size_t kHead = std::size_t{256} << 10U;
  const std::optional<ImageHeader> header = image_header(file);
  if (!header) return nullptr;
  const std::string_view head = text_of(file).substr(0, kHead), ending = header->ending;
  const auto holds = [&](std::string_view mark) { return head.find(mark) != std::string_view::npos; };
  // Profiles and orientations are applied here and ignored elsewhere; a JPEG without JFIF may have other colours than YCbCr.
  constexpr std::array kMarks = {"ICC_PROFILE", "Exif", "iCCP", "eXIf", "gAMA", "cHRM", "ICCP", "EXIF"};
  if (std::any_of(kMarks.begin(), kMarks.end(), holds)) return nullptr;
  const bool plain = ending == ".png" || ending == ".webp" || (ending == ".jpg" && holds("JFIF"));
  return plain ? std::make_shared<const std::vector<std::byte>>(file.begin(), file.end()) : nullptr;
}

bool Words::line(std::string_view& out) {
  if (text_.empty()) return false;
  // Ends are those of Unix, of Windows, and of the Macs of old.
  const std::size_t end = std::min(text_.find_first_of("\r\n"), text_.size());
  out = text_.substr(0, end);
  const bool two = end + 1 < text_.size() && text_[end] == '\r' && text_[end + 1] == '\n';
  text_.remove_prefix(std::min(end + (two ? 2 : 1), text_.size()));
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

bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

// What a shape does without.
void drop_damaged(MeshFile& file, const Source& source) {
  Mesh& mesh = file.mesh;
  if (!all_finite(mesh.normals)) {
    source.left_out("the normals are left out: some are not finite");
    mesh.normals.clear();
  }
  if (all_finite(mesh.uvs) && all_finite(file.appearance.emission_uvs)) return;
  source.left_out("the texture coordinates are left out, and the textures with them: some are not finite");
  mesh.uvs.clear();
  file.appearance.emission_uvs.clear();
  for (Material& m : file.appearance.materials) {
    if (m.emission_texture.used()) m.emission = {0, 0, 0};
    m.texture = m.emission_texture = {};
  }
  file.appearance.images.clear();
  file.appearance.files.clear();
}

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
  check_finite(mesh.colours, 3, "the colour of vertex", source);
  for (const std::int32_t index : mesh.faces) {
    require(index >= 0 && index < mesh.vertex_count(), "read_mesh", "index ", index, " of ", mesh.vertex_count());
  }
  const Appearance& look = file.appearance;
  if (look.materials.empty()) return;
  const auto fits = [](std::size_t size, std::size_t wanted) { return size == 0 || size == wanted; };
  const std::size_t vertices = mesh.vertices.size() / 3;
  require(look.of_face.size() == mesh.faces.size() / 3 && fits(look.alpha.size(), vertices) &&
              fits(look.emission_uvs.size(), 2 * vertices),
          "read_mesh", "an appearance of another mesh");
  for (const std::int32_t m : look.of_face)
    require(m >= 0 && static_cast<std::size_t>(m) < look.materials.size(), "read_mesh", "material ", m);
}

bool ends_with(const std::string& name, std::string_view ending) { return reader::lower(name).ends_with(ending); }

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
  const std::string_view text = reader::text_of(source.bytes), bare = reader::without_mark(text);
  constexpr const char* kKnown = "name a GLB, glTF, OBJ, STL, PLY or 3MF file, or a zip with one in it";
  if (text.empty()) fail(ErrorCode::format, source.name, ": the file is empty", hint(kKnown));
  if (text.starts_with("version https://git-lfs"))
    source.unsupported("this is a Git LFS pointer, not the file itself", hint("fetch it: git lfs pull"));
  // Known by content or by name, so that a cut-off file is told from one that is not read at all.
  for (const auto& [mark, ending, format] :
       {std::tuple{"Kaydara FBX", ".fbx", "FBX"}, std::tuple{"PXR-USDC", ".usdz", "USD"}, std::tuple{"#usda", ".usd", "USD"}}) {
    if (!text.starts_with(mark) && !ends_with(source.name, ending)) continue;
    source.unsupported(format, " files are written, not read",
                       hint("give the GLB of the same asset, or export the mesh as GLB"));
  }
  if (reader::is_utf16(text)) source.unsupported("this is text in UTF-16, which is not read", hint("save it as UTF-8"));
  if (text.starts_with("glTF")) return reader::read_gltf(source);
  if (bare.starts_with("ply\n") || bare.starts_with("ply\r") || bare.starts_with("ply ")) return reader::read_ply(source);
  if (is_binary_stl(source.bytes)) return reader::read_stl(source);
  if (text.starts_with("PK\x03\x04")) return reader::read_archive(source);
  if (ends_with(source.name, ".obj")) return reader::read_obj(source);
  if (ends_with(source.name, ".stl") || reader::is_stl_text(text)) return reader::read_stl(source);
  if (reader::Words(bare.substr(0, 4096)).word(true).substr(0, 1) == "{") return reader::read_gltf(source);
  if (looks_like_obj(bare)) return reader::read_obj(source);
  source.unsupported("this is not a GLB, glTF, OBJ, STL, PLY or 3MF file", hint("export the mesh as GLB"));
}

}  // namespace

namespace reader {

std::vector<std::byte> DiskFolder::read(const std::string& name) const { return read_file(folder_ / name, most_bytes_); }

const DiskFolder::Listing& DiskFolder::listing(const std::filesystem::path& folder) const {
  namespace fs = std::filesystem;
  constexpr int kMost = 100'000;
  const auto [known, fresh] = listings_.try_emplace(folder);
  Listing& names = known->second;
  if (!fresh) return names;
  std::error_code error;
  int seen = 0;
  for (fs::directory_iterator at(folder, error), end; !error && at != end && seen < kMost; at.increment(error), ++seen) {
    std::string name = at->path().filename().string();
    const auto [first, added] = names.try_emplace(lower(name), name);
    if (!added && name < first->second) first->second = std::move(name);
  }
  return names;
}

// Part by part: as it is spelt, else the first in the order of names that differs in case alone.
std::optional<std::string> DiskFolder::find(const std::string& name) const {
  namespace fs = std::filesystem;
  fs::path found;
  for (const fs::path& part : fs::path(name)) {
    std::error_code error;
    if (part == "." || part.empty()) continue;
    if (fs::exists(folder_ / found / part, error)) {
      found /= part;
      continue;
    }
    const Listing& names = listing(found.empty() && folder_.empty() ? fs::path(".") : folder_ / found);
    const auto at = names.find(lower(part.string()));
    if (at == names.end()) return std::nullopt;
    found /= at->second;
  }
  std::error_code error;
  return fs::is_regular_file(folder_ / found, error) ? std::optional(found.string()) : std::nullopt;
}

}  // namespace reader

MeshFile reader::decode_mesh_file(const Source& source) {
  MeshFile file = decode(source);
  drop_damaged(file, source);
  check_result(file, source);
  file.notices = source.take_notices();
  return file;
}

MeshFile decode_mesh(std::span<const std::byte> bytes, const std::string& name, const ReadOptions& options) {
  return reader::decode_mesh_file(Source(bytes, name, options, nullptr));
}

MeshFile read_mesh(const std::filesystem::path& path, const ReadOptions& options) {
  const std::vector<std::byte> bytes = read_file(path, options.max_bytes);
  const reader::DiskFolder folder(path.parent_path(), options.max_bytes);
  return reader::decode_mesh_file(Source(bytes, path.string(), options, &folder));
}

}  // namespace espalier
