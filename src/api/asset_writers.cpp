// Assets as files of all formats, one writer per ending.
#include "api/asset_writers.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "api/asset_placement.h"
#include "api/finish_given.h"
#include "api/mesh_fit.h"
#include "base/file.h"
#include "image/codec.h"
#include "image/image_header.h"
#include "io/formats/appearance_files.h"
#include "io/formats/checks.h"
#include "io/formats/fbx.h"
#include "io/formats/gaussian_ply.h"
#include "io/formats/mesh_files.h"
#include "io/formats/splat_files.h"
#include "io/formats/usdz.h"
#include "io/formats/zip.h"

namespace espalier {

namespace fs = std::filesystem;

namespace {

// What errors call a file, what the names of its parts begin with, and what its contents are called.
struct Naming {
  std::string label, stem, title;
};

const Mesh& mesh_of(const Asset::Data& data, const std::string& label) {
  if (!data.mesh) fail(ErrorCode::invalid_argument, label, ": the asset has no mesh", hint("ask for the mesh"));
  if (data.mesh->faces.empty())
    fail(ErrorCode::invalid_argument, label, ": the mesh has no faces, so there is nothing to write");
  return *data.mesh;
}

// What is written: of what, how, and where it stands in the file.
struct Job {
  const Asset::Data& data;
  const Naming& naming;
  const SaveOptions& options;
  AssetPlacement placement;
  bool splats = false;  // what is written are the Gaussians, which nothing finishes

  [[nodiscard]] std::map<std::string, std::string> record() const {
    std::map<std::string, std::string> record = data.record;
    if (splats || !data.finished) record.erase(kFinishing);
    if (!placement.is_identity()) record["placement"] = placement.in_words();
    return record;
  }
  [[nodiscard]] Gaussians gaussians() const {
    const Gaussians& own = gaussians_of(data, naming.label);
    return placement.is_identity() ? own : placed(own, placement);
  }
  // Of the members of an archive, which are called as what they hold.
  [[nodiscard]] Naming inside() const { return {naming.label, naming.title, naming.title}; }
};

std::vector<std::string> comments_of(const Job& job) {
  std::vector<std::string> lines;
  for (const auto& [key, value] : job.record()) {
    std::string line = key + ": " + value;
    for (char& c : line) {
      if (c < ' ' || c > '~') c = '?';
    }
    lines.push_back(line.substr(0, 200));
  }
  return lines;
}

std::string extras_of(const Job& job) {
  return nlohmann::json(job.record()).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool ends_with(const std::string& s, const char* tail) {
  const std::string t(tail);
  return s.size() >= t.size() && s.compare(s.size() - t.size(), t.size(), t) == 0;
}

std::string lower(std::string s) {
  std::transform(s.begin(), s.end(), s.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return s;
}

// ---- Writers, one per ending

// What textures a format takes.
enum class TextureKind { none, any, not_webp };

MeshSource source_of(const Asset::Data& data, const std::string& label) {
  if (!data.finished) return {&mesh_of(data, label), nullptr, nullptr};
  const FinishedMesh& finished = *data.finished;
  return {&finished.mesh, &finished.texture, finished.texture_file, &finished.maps.normal, &finished.maps.occlusion};
}

bool compressed(const SaveOptions& options) { return options.compress != MeshCompression::none; }

// Of a file of another program, with the texture that it came with.
bool came_as_file(const Asset::Data& data) { return data.record.contains("source") && !data.record.contains(kFinishing); }

TextureFormat format_of(const std::vector<std::byte>& image) {
  const auto header = image_header(image);
  const std::string_view ending = header ? header->ending : "";
  return ending == ".jpg" ? TextureFormat::jpeg : ending == ".webp" ? TextureFormat::webp : TextureFormat::png;
}
ImageFormat image_format(TextureFormat format) {
  if (format == TextureFormat::jpeg) return ImageFormat::jpeg;
  return format == TextureFormat::webp ? ImageFormat::webp : ImageFormat::png;
}

// From best to smallest, the file that it came as before all; the first alone where files may have any size. What came as a
// file loses nothing unless that is asked for.
std::vector<TextureChoice> texture_choices(const MeshSource& source, TextureKind kind, bool came, const SaveOptions& options) {
  constexpr int kJpeg = 92, kWebp = 90, kSmallestSide = 128;
  TextureFormat format = options.texture;
  if (format == TextureFormat::automatic) {
    format = compressed(options) ? TextureFormat::webp : TextureFormat::jpeg;
    if (kind != TextureKind::any || came) format = TextureFormat::png;
  }
  if (kind != TextureKind::any && format == TextureFormat::webp) format = TextureFormat::png;
  const bool any_format = options.texture == TextureFormat::automatic;
  std::vector<TextureChoice> choices;
  if (source.file != nullptr && source.textured()) {
    const TextureFormat own = format_of(*source.file);
    if (own == format || (any_format && (kind == TextureKind::any || own != TextureFormat::webp)))
      choices.push_back({.format = image_format(own), .as_found = true});
  }
  const auto add = [&](ImageFormat as, std::initializer_list<int> qualities, int divide) {
    for (const int quality : qualities) choices.push_back({as, quality, divide});
  };
  const int side = source.textured() ? std::min(source.texture->width, source.texture->height) : 0;
  for (int divide = 1; divide == 1 || side / divide >= kSmallestSide; divide *= 2) {
    switch (format) {
      case TextureFormat::png:
        add(ImageFormat::png, {0}, divide);
        if (any_format) format = TextureFormat::jpeg;  // only where PNGs are too large; the same size comes again
        if (any_format) add(ImageFormat::jpeg, {kJpeg, 85, 75}, divide);
        break;
      case TextureFormat::jpeg:
        add(ImageFormat::jpeg, {kJpeg, 85, 75}, divide);
        if (any_format && kind == TextureKind::any) format = TextureFormat::webp;  // half the size; the extension is the price
        if (format == TextureFormat::webp) add(ImageFormat::webp, {80, 65}, divide);
        break;
      default: add(ImageFormat::webp, {kWebp, 80, 65}, divide); break;
    }
  }
  for (std::size_t i = 1; i < choices.size(); ++i) choices[i].lossy_maps = true;  // where the best is too large
  return choices;
}

GlbOptions glb_options(const Job& job, const ShownMesh& what) {
  const SaveOptions& options = job.options;
  GlbOptions glb;
  glb.generator = "Espalier " + version();
  glb.extras_json = extras_of(job);
  glb.title = job.naming.title;
  glb.unlit = options.unlit;
  glb.texture = what.texture;
  glb.normal_map = what.normal_map;
  glb.occlusion_map = what.occlusion_map;
  if (job.data.finished) glb.double_sided = job.data.finished->coat.double_sided;
  glb.unlit = glb.unlit || (job.data.finished && job.data.finished->coat.unlit);
  glb.levels = what.levels;
  // A mesh as decoded is written number for number.
  glb.quantised = options.quantise && job.data.finished.has_value();
  switch (options.compress) {
    case MeshCompression::none: break;
    case MeshCompression::meshopt: glb.compression = GltfCompression::meshopt; break;
    case MeshCompression::draco: glb.compression = GltfCompression::draco; break;
  }
  return glb;
}

using Files = std::vector<NamedFile>;

// A set of one.
Files one(const Naming& naming, const char* ending, std::vector<std::byte> bytes) {
  Files files;
  files.push_back({naming.stem + ending, std::move(bytes)});
  return files;
}

// ---- Of a mesh, one per ending

Files glb(const ShownMesh& what, const Job& job) {
  return one(job.naming, ".glb", encode_glb(*what.mesh, glb_options(job, what)));
}
Files gltf(const ShownMesh& what, const Job& job) { return encode_gltf(*what.mesh, glb_options(job, what), job.naming.stem); }
Files gltf_zip(const ShownMesh& what, const Job& job) {
  const Naming inside = job.inside();
  return one(job.naming, ".gltf.zip", encode_zip(gltf(what, {job.data, inside, job.options, job.placement})));
}
Files obj_look(const Mesh& mesh, const Appearance& look, const Job& job);
Files obj(const ShownMesh& what, const Job& job) {
  if (what.texture.empty()) {
    if (const auto flat = flatly_coloured(*what.mesh, nullptr)) return obj_look(flat->mesh, flat->look, job);
  }
  if (what.texture.empty()) return one(job.naming, ".obj", encode_obj(*what.mesh, comments_of(job), job.naming.title));
  return encode_obj_files(*what.mesh, comments_of(job), what.texture, job.naming.stem, job.naming.title, what.normal_map);
}
Files obj_zip(const ShownMesh& what, const Job& job) {
  const Naming inside = job.inside();
  return one(job.naming, ".obj.zip", encode_zip(obj(what, {job.data, inside, job.options, job.placement})));
}
// In millimetres. Height and origin are in the mesh already; without a height the largest side is what was asked for.
Placement print_placement(const Job& job, const Mesh& mesh, const char* format) {
  constexpr double kMillimetres = 1000.0;
  check_writable_mesh(mesh, format);
  const Placement placement =
      job.options.height ? scaled_placement(mesh, kMillimetres, format) : placement_in_place(mesh, job.options.size_mm, format);
  // Who turns one file for printing into another may expect its size.
  const auto unit = job.data.record.find(kUnit);
  if (unit == job.data.record.end() || !job.options.message) return placement;
  const double before = std::strtod(unit->second.c_str(), nullptr);
  const double largest = std::max({placement.size[0], placement.size[1], placement.size[2]});
  if (std::abs(placement.scale - before) > 1e-3 * before) {
    job.options.message(str("the largest side was ", largest / placement.scale * before, " mm and is ", largest, " mm in the ",
                            format, "; --size keeps or changes it"));
  }
  return placement;
}
Files stl(const ShownMesh& what, const Job& job) {
  std::string title = "Espalier " + version() + ", mm, " + (job.options.up == UpAxis::y ? "Y up" : "Z up");
  if (const auto seed = job.data.record.find("seed"); seed != job.data.record.end()) title += ", seed " + seed->second;
  return one(job.naming, ".stl", encode_stl(*what.mesh, print_placement(job, *what.mesh, "STL"), title));
}
Files three_mf(const ShownMesh& what, const Job& job) {
  const Placement placement = print_placement(job, *what.mesh, "3MF");
  return one(job.naming, ".3mf", encode_3mf(*what.mesh, placement, comments_of(job), what.texture, job.naming.title));
}
SceneOptions scene_options(const Job& job) {
  SceneOptions options{"Espalier " + version(), job.naming.title, comments_of(job)};
  if (job.data.finished) options.double_sided = job.data.finished->coat.double_sided;
  return options;
}
Files usdz(const ShownMesh& what, const Job& job) {
  SceneOptions options = scene_options(job);
  options.normal_map = what.normal_map;
  options.occlusion_map = what.occlusion_map;
  return one(job.naming, ".usdz", encode_usdz(*what.mesh, what.texture, options));
}
Files fbx_look(const Mesh& mesh, const Appearance& look, const Job& job);
Files fbx(const ShownMesh& what, const Job& job) {
  if (what.texture.empty()) {
    if (const auto flat = flatly_coloured(*what.mesh, nullptr)) return fbx_look(flat->mesh, flat->look, job);
  }
  SceneOptions options = scene_options(job);
  options.normal_map = what.normal_map;
  return one(job.naming, ".fbx", encode_fbx(*what.mesh, what.texture, options));
}
Files mesh_ply(const ShownMesh& what, const Job& job) {
  return one(job.naming, ".mesh.ply", encode_mesh_ply(*what.mesh, comments_of(job)));
}
Files ply_of_mesh(const ShownMesh& what, const Job& job) {
  return one(job.naming, ".ply", encode_mesh_ply(*what.mesh, comments_of(job)));
}

// ---- Of a mesh with materials that say more than one texture

AppearanceOptions appearance_options(const Job& job) {
  ImageKind images = job.options.texture == TextureFormat::png ? ImageKind::png : ImageKind::as_found;
  if (job.options.texture == TextureFormat::jpeg) images = ImageKind::jpeg;
  if (job.options.texture == TextureFormat::webp) images = ImageKind::webp;
  return {"Espalier " + version(), extras_of(job), job.options.unlit, images, job.naming.title};
}
// Of an appearance that says nothing else but which sides are seen; null for every other.
const Image* only_texture(const Asset::Data& data) {
  return data.appearance ? plain_texture(*data.appearance, data.mesh->uvs, data.mesh->colours, true) : nullptr;
}

Files glb_look(const Mesh& mesh, const Appearance& look, const Job& job) {
  return one(job.naming, ".glb", encode_glb(mesh, look, appearance_options(job)));
}
Files gltf_look(const Mesh& mesh, const Appearance& look, const Job& job) {
  return encode_gltf(mesh, look, appearance_options(job), job.naming.stem);
}
Files gltf_zip_look(const Mesh& mesh, const Appearance& look, const Job& job) {
  const Naming inside = job.inside();
  return one(job.naming, ".gltf.zip", encode_zip(gltf_look(mesh, look, {job.data, inside, job.options, job.placement})));
}
Files obj_look(const Mesh& mesh, const Appearance& look, const Job& job) {
  if (const auto flat = flatly_coloured(mesh, &look)) return obj_look(flat->mesh, flat->look, job);
  return encode_obj_files(mesh, look, comments_of(job), appearance_options(job), job.naming.stem);
}
Files obj_zip_look(const Mesh& mesh, const Appearance& look, const Job& job) {
  const Naming inside = job.inside();
  return one(job.naming, ".obj.zip", encode_zip(obj_look(mesh, look, {job.data, inside, job.options, job.placement})));
}
Files stl_look(const Mesh& mesh, const Appearance& /*look*/, const Job& job) { return stl({&mesh, {}, {}}, job); }
Files three_mf_look(const Mesh& mesh, const Appearance& look, const Job& job) {
  if (const Image* texture = only_texture(job.data)) {
    const auto image = static_cast<std::size_t>(texture - job.data.appearance->images.data());
    return three_mf({&mesh, {}, encoded_image(look, image, appearance_options(job).images, false).bytes}, job);
  }
  const Mesh coloured = with_vertex_colours(mesh, look);
  return three_mf({&coloured, {}, {}}, job);
}
Files usdz_look(const Mesh& mesh, const Appearance& look, const Job& job) {
  if (const auto flat = flatly_coloured(mesh, &look)) return usdz_look(flat->mesh, flat->look, job);
  return one(job.naming, ".usdz", encode_usdz(mesh, look, appearance_options(job).images, scene_options(job)));
}
Files fbx_look(const Mesh& mesh, const Appearance& look, const Job& job) {
  if (const auto flat = flatly_coloured(mesh, &look)) return fbx_look(flat->mesh, flat->look, job);
  return one(job.naming, ".fbx", encode_fbx(mesh, look, appearance_options(job).images, scene_options(job)));
}
Files mesh_ply_look(const Mesh& mesh, const Appearance& look, const Job& job) {
  const Mesh coloured = with_vertex_colours(mesh, look);
  return mesh_ply({&coloured, {}, {}}, job);
}
Files ply_look(const Mesh& mesh, const Appearance& look, const Job& job) {
  const Mesh coloured = with_vertex_colours(mesh, look);
  return ply_of_mesh({&coloured, {}, {}}, job);
}

// ---- Of Gaussians

// Of an asset that has Gaussians and no mesh.
bool only_gaussians(const Asset::Data& data) { return data.gaussians && !data.mesh && !data.finished; }

std::vector<std::byte> gaussian_glb(const Job& job) {
  return encode_gaussian_glb(job.gaussians(), "Espalier " + version(), extras_of(job));
}
Files glb_of_gaussians(const Job& job) { return one(job.naming, ".glb", gaussian_glb(job)); }
Files splats_glb(const Job& job) { return one(job.naming, ".splats.glb", gaussian_glb(job)); }
Files ply(const Job& job) { return one(job.naming, ".ply", encode_gaussian_ply(job.gaussians(), comments_of(job))); }
Files compressed_ply(const Job& job) {
  return one(job.naming, ".compressed.ply", encode_compressed_ply(job.gaussians(), comments_of(job)));
}
Files spz(const Job& job) {
  const std::vector<std::string> comments = comments_of(job);
  SpzOptions spz;
  spz.version = job.options.spz_version;
  if (spz.version < 4) spz.comments = comments;
  return one(job.naming, ".spz", encode_spz(job.gaussians(), spz));
}
Files splat(const Job& job) { return one(job.naming, ".splat", encode_splat(job.gaussians())); }

// Which maps a format has a place for, by the ending of its files without the dot.
struct HeldMaps {
  bool normal = false, occlusion = false;
};
HeldMaps maps_in(const std::string& format) {
  const bool both = format == "glb" || format.starts_with("gltf") || format == "usdz";
  return {both || format.starts_with("obj") || format == "fbx", both};
}

// Longer endings come before those that they end in. What may hold either holds the mesh if there is one, a .ply the Gaussians
// if there are any.
struct Writer {
  const char* ending;
  Files (*mesh)(const ShownMesh&, const Job&);
  Files (*look)(const Mesh&, const Appearance&, const Job&);
  Files (*gaussians)(const Job&);
  TextureKind texture = TextureKind::none;
  bool gltf = false;  // may be compressed, and hold levels of detail
  bool gaussians_first = false;
  bool vertex_colours = false;  // instead of a texture
};
constexpr Writer kWriters[] = {{".splats.glb", nullptr, nullptr, splats_glb},
                               {".glb", glb, glb_look, glb_of_gaussians, TextureKind::any, true},
                               {".gltf", gltf, gltf_look, nullptr, TextureKind::any, true},
                               {".gltf.zip", gltf_zip, gltf_zip_look, nullptr, TextureKind::any, true},
                               {".obj.zip", obj_zip, obj_zip_look, nullptr, TextureKind::not_webp},
                               {".obj", obj, obj_look, nullptr, TextureKind::not_webp},
                               {".stl", stl, stl_look, nullptr},
                               {".3mf", three_mf, three_mf_look, nullptr, TextureKind::not_webp},
                               {".usdz", usdz, usdz_look, nullptr, TextureKind::not_webp},
                               {".fbx", fbx, fbx_look, nullptr, TextureKind::not_webp},
                               {".mesh.ply", mesh_ply, mesh_ply_look, nullptr, TextureKind::none, false, false, true},
                               {".compressed.ply", nullptr, nullptr, compressed_ply},
                               {".ply", ply_of_mesh, ply_look, ply, TextureKind::none, false, true, true},
                               {".spz", nullptr, nullptr, spz},
                               {".splat", nullptr, nullptr, splat}};
constexpr const char* kEndings =
    ".glb, .gltf, .gltf.zip, .obj, .obj.zip, .stl, .3mf, .usdz, .fbx, .mesh.ply, .ply, .compressed.ply, .splats.glb, .spz and "
    ".splat";

const Writer& writer_of(const std::string& name, const std::string& label) {
  for (const Writer& writer : kWriters) {
    if (ends_with(name, writer.ending)) return writer;
  }
  fail(ErrorCode::invalid_argument, label, ": unknown extension", hint(kEndings, " can be written"));
}

Files encoded_look(const Writer& writer, const Job& job) {
  const SaveOptions& options = job.options;
  if (options.max_bytes > 0 || (writer.gltf && (options.lods > 1 || compressed(options)))) {
    fail(ErrorCode::unsupported, job.naming.label, ": a mesh that came with materials of its own is written as it is, without ",
         options.max_bytes > 0 ? "a limit of bytes"
         : options.lods > 1    ? "levels of detail"
                               : "compression",
         hint("leave that option out, or finish the mesh (simplify, faces), which bakes one texture"));
  }
  const Mesh& mesh = mesh_of(job.data, job.naming.label);
  if (job.placement.is_identity()) return writer.look(mesh, *job.data.appearance, job);
  return writer.look(placed(mesh, job.placement), *job.data.appearance, job);
}

Files encoded_mesh(const Writer& writer, const Job& job) {
  const SaveOptions& options = job.options;
  constexpr int kMostLevels = 8;
  if (options.lods < 1 || options.lods > kMostLevels)
    fail(ErrorCode::invalid_argument, job.naming.label, ": ", options.lods, " levels of detail",
         hint("1 to ", kMostLevels, " can be written"));
  if (job.data.appearance) return encoded_look(writer, job);
  MeshSource source = source_of(job.data, job.naming.label);
  Mesh moved;
  if (!job.placement.is_identity()) {
    moved = placed(*source.mesh, job.placement);
    source.mesh = &moved;
  }
  Mesh coloured;
  if (writer.vertex_colours && source.textured()) {
    coloured = with_vertex_colours(*source.mesh, textured_look(*source.mesh, *source.texture));
    source.mesh = &coloured;
  }
  if (writer.texture == TextureKind::none) source.texture = nullptr;
  const HeldMaps held = maps_in(writer.ending + 1);
  if (!held.normal) source.normal_map = nullptr;
  if (!held.occlusion) source.occlusion_map = nullptr;
  const std::vector<TextureChoice> textures = texture_choices(source, writer.texture, came_as_file(job.data), options);
  const int lods = writer.gltf ? options.lods : 1;
  const auto encode = [&](const ShownMesh& what) { return writer.mesh(what, job); };
  if (options.max_bytes > 0)
    return fitted(source, {options.max_bytes, lods, textures, job.naming.label, job.naming.stem + writer.ending}, encode,
                  options.message);
  EncodedLook look = encoded_look(source, textures.front());
  return encode({source.mesh, levels_of(*source.mesh, lods), std::move(look.texture), std::move(look.normal_map),
                 std::move(look.occlusion_map)});
}

Files encoded(const Writer& writer, const Asset::Data& data, Naming naming, const SaveOptions& options) {
  const bool gaussians = writer.mesh == nullptr ||
                         (writer.gaussians != nullptr && data.gaussians && (writer.gaussians_first || only_gaussians(data)));
  naming.title = title_for_programs(options.title.empty() ? naming.stem : options.title);
  const std::string format = writer.gaussians_first && !gaussians ? "mesh.ply" : writer.ending + 1;
  const Job job{data, naming, options, placement_in_file(data, options, format, naming.label), gaussians};
  return gaussians ? writer.gaussians(job) : encoded_mesh(writer, job);
}

}  // namespace

const Gaussians& gaussians_of(const Asset::Data& data, const std::string& label) {
  if (!data.gaussians) fail(ErrorCode::invalid_argument, label, ": the asset has no Gaussians", hint("ask for gaussians"));
  return *data.gaussians;
}

void save_as(const Asset::Data& data, const fs::path& path, const SaveOptions& options) {
  const std::string name = path.filename().string();
  const Writer& writer = writer_of(lower(name), path.string());
  // Of both endings of an archive the first names what is in it.
  const std::size_t ending = std::string_view(writer.ending).size();
  const std::string stem = name.size() > ending ? name.substr(0, name.size() - ending) : path.stem().string();
  // What was done to fit a limit is only true once the file is there.
  std::vector<std::string> lines;
  SaveOptions later = options;
  later.message = [&](const std::string& line) { lines.push_back(line); };
  const Files files = encoded(writer, data, {path.string(), stem, {}}, later);
  if (files.size() == 1) {
    write_file(path, files.front().bytes);
  } else {
    write_files(path.has_parent_path() ? path.parent_path() : fs::path("."), files);
  }
  for (const std::string& line : lines) {
    if (options.message) options.message(line);
  }
}

namespace {

// What of several materials a .usdz or .fbx has no place for.
void scene_left_out(const Asset::Data& data, bool fbx, std::vector<std::string>& out) {
  const Appearance& look = *data.appearance;
  const auto any = [&](const auto& is) { return std::any_of(look.materials.begin(), look.materials.end(), is); };
  const auto white = [](const Material& m) { return m.factor[0] == 1.0F && m.factor[1] == 1.0F && m.factor[2] == 1.0F; };
  const auto two_sides = [](const Material& m) { return m.double_sided; };
  const auto mirrors = [](const TextureUse& use) { return use.used() && (use.u == Wrap::mirror || use.v == Wrap::mirror); };
  if (!data.mesh->colours.empty()) {
    if (any([](const Material& m) { return m.texture.used() && m.vertex_colours; }))
      out.emplace_back("colours of vertices that multiply a texture are left out");
    if (any([&](const Material& m) { return !m.texture.used() && !white(m); }))
      out.emplace_back("colours of materials that multiply those of vertices are left out");
  }
  if (!look.alpha.empty()) out.emplace_back("alpha of vertices is left out");
  if (any([](const Material& m) { return m.unlit; })) out.emplace_back("that surfaces have no light is left out");
  if (!fbx && any(two_sides) && !std::all_of(look.materials.begin(), look.materials.end(), two_sides))
    out.emplace_back("surfaces with one side get two, as others of the mesh have");
  if (!fbx) return;
  if (!std::all_of(look.materials.begin(), look.materials.end(), two_sides))
    out.emplace_back("that surfaces have one side is left out");
  if (any([&](const Material& m) { return m.texture.used() && !white(m); }))
    out.emplace_back("colours that multiply a texture are left out");
  if (any([&](const Material& m) { return mirrors(m.texture) || mirrors(m.emission_texture); }))
    out.emplace_back("textures that mirror repeat instead");
  if (any([](const Material& m) { return m.alpha == AlphaMode::mask; }))
    out.emplace_back("holes by a mask become transparency");
  if (!look.emission_uvs.empty()) out.emplace_back("textures of emission with coordinates of their own are left out");
}

// What of several materials a format has no place for.
void materials_left_out(const Asset::Data& data, const std::string& format, std::vector<std::string>& out) {
  const Appearance& look = *data.appearance;
  const auto any = [&](const auto& is) { return std::any_of(look.materials.begin(), look.materials.end(), is); };
  const bool mesh = format == "stl" || format == "3mf" || format == "ply" || format == "mesh.ply",
             obj = format.starts_with("obj");
  if (format == "3mf" && only_texture(data) != nullptr) return;
  if (format == "usdz" || format == "fbx") return scene_left_out(data, format == "fbx", out);
  if (format == "stl") out.emplace_back("STL knows no colours: materials and textures are left out");
  if (mesh && format != "stl")
    out.push_back("the materials" + std::string(look.textured() ? " and textures" : "") + " become colours at vertices");
  if (!obj) return;
  if (any([&](const Material& m) { return m.texture.used() && m.vertex_colours; }) && !data.mesh->colours.empty())
    out.emplace_back("colours of vertices that multiply a texture are left out");
  const auto mirrors = [](const TextureUse& use) { return use.used() && (use.u != use.v || use.u == Wrap::mirror); };
  if (any([&](const Material& m) { return mirrors(m.texture) || mirrors(m.emission_texture); }))
    out.emplace_back("textures that mirror, or go on in one direction alone, repeat instead");
  if (any([](const Material& m) { return m.alpha == AlphaMode::mask; }))
    out.emplace_back("holes by a mask become transparency");
  if (any([](const Material& m) { return !m.double_sided || m.unlit; }))
    out.emplace_back("that surfaces have one side or no light is left out");
  if (!look.emission_uvs.empty()) out.emplace_back("textures of emission with coordinates of their own are left out");
  if (!look.alpha.empty()) out.emplace_back("alpha of vertices is left out");
}

}  // namespace

namespace {

// The maps that a format has no place for.
void maps_left_out(const FinishedMaps& maps, const std::string& format, std::vector<std::string>& out) {
  const HeldMaps held = maps_in(format);
  const char* const name = format.starts_with("obj") ? "an OBJ"
                           : format == "fbx"         ? "an FBX"
                           : format.ends_with("ply") ? "a PLY"
                           : format == "stl"         ? "an STL"
                                                     : "a 3MF";
  if (maps.normal.width > 0 && !held.normal) out.push_back(str("the normal map is left out: ", name, " has no place for it"));
  if (maps.occlusion.width > 0 && !held.occlusion)
    out.push_back(str("the occlusion map is left out: ", name, " has no place for it"));
}

}  // namespace

std::vector<std::string> left_out_of(const Asset::Data& data, const std::string& format) {
  const std::string name = lower(format);
  std::vector<std::string> out;
  const auto is = [&](std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(), [&](const char* n) { return name == n; });
  };
  const bool gaussians = data.gaussians && (is({"ply", "spz", "splat", "compressed.ply", "splats.glb"}) ||
                                            (name == "glb" && only_gaussians(data)));
  if (gaussians && name == "splat" && !data.gaussians->sh.empty()) out.emplace_back("harmonics above degree 0 are left out");
  if (gaussians || is({"preview", "latent", "asset"})) return out;
  if (data.appearance) {
    materials_left_out(data, name, out);
  } else if (data.finished && data.finished->texture.width > 0) {
    if (name == "stl") out.emplace_back("STL knows no colours: the texture is left out");
    if (is({"ply", "mesh.ply"})) out.emplace_back("the texture becomes colours at vertices: a PLY has no place for it");
    maps_left_out(data.finished->maps, name, out);
  }
  return out;
}

std::vector<NamedFile> encoded_as(const Asset::Data& data, const std::string& format, const SaveOptions& options) {
  const std::string label = "encoding as " + format.substr(0, 40);
  for (const Writer& writer : kWriters) {
    if (lower(format) == writer.ending + 1) return encoded(writer, data, {label, options.name, {}}, options);
  }
  fail(ErrorCode::invalid_argument, label, ": unknown format",
       hint("preview, latent, asset, or the endings ", kEndings, " without their dots are known"));
}

}  // namespace espalier
