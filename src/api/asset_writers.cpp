// Assets as files of all formats, one writer per ending.
#include "api/asset_writers.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "api/asset_placement.h"
#include "base/file.h"
#include "image/codec.h"
#include "io/formats/appearance_files.h"
#include "io/formats/checks.h"
#include "io/formats/gaussian_ply.h"
#include "io/formats/mesh_files.h"
#include "io/formats/splat_files.h"
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

std::map<std::string, std::string> record_of(const Asset::Data& data, const AssetPlacement& placement) {
  std::map<std::string, std::string> record = data.record;
  if (!placement.is_identity()) record["placement"] = placement.in_words();
  return record;
}

std::vector<std::string> comments_of(const std::map<std::string, std::string>& record) {
  std::vector<std::string> lines;
  for (const auto& [key, value] : record) {
    std::string line = key + ": " + value;
    for (char& c : line) {
      if (c < ' ' || c > '~') c = '?';
    }
    lines.push_back(line.substr(0, 200));
  }
  return lines;
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

// What is written: of what, how, and where it stands in the file.
struct Job {
  const Asset::Data& data;
  const Naming& naming;
  const SaveOptions& options;
  AssetPlacement placement;

  [[nodiscard]] std::string extras() const {
    return nlohmann::json(record_of(data, placement)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  [[nodiscard]] std::vector<std::string> comments() const { return comments_of(record_of(data, placement)); }
  [[nodiscard]] const Mesh& source() const { return data.finished ? data.finished->mesh : mesh_of(data, naming.label); }
  [[nodiscard]] Mesh mesh() const { return placement.is_identity() ? source() : placed(source(), placement); }
  [[nodiscard]] Gaussians gaussians() const {
    const Gaussians& own = gaussians_of(data, naming.label);
    return placement.is_identity() ? own : placed(own, placement);
  }
};

// The texture as a file; empty without one.
std::vector<std::byte> texture_of(const Asset::Data& data, TextureFormat format) {
  if (!data.finished || data.finished->texture.width == 0) return {};
  const Picture& texture = data.finished->texture;
  constexpr int kJpegQuality = 92;
  switch (format) {
    case TextureFormat::jpeg: return encode_jpeg(texture, kJpegQuality);
    case TextureFormat::webp: return encode_webp(texture, {});
    default: return encode_png(texture);
  }
}
// For formats that know no WebP.
TextureFormat without_webp(TextureFormat format) { return format == TextureFormat::webp ? TextureFormat::png : format; }

GlbOptions glb_options(const Job& job, std::span<const std::byte> texture) {
  GlbOptions glb;
  glb.generator = "Espalier " + version();
  glb.extras_json = job.extras();
  glb.unlit = job.options.unlit;
  glb.texture = texture;
  glb.title = job.naming.title;
  return glb;
}

AppearanceOptions appearance_options(const Job& job) {
  constexpr std::array kKinds = {PictureKind::png, PictureKind::jpeg, PictureKind::webp};
  const SaveOptions& options = job.options;
  return {"Espalier " + version(), job.extras(), options.unlit, kKinds.at(static_cast<std::size_t>(options.texture))};
}
// Materials that say more than one texture; null where there are none.
const Appearance* appearance_of(const Asset::Data& data) { return data.appearance ? &*data.appearance : nullptr; }
// Of an asset that has Gaussians and no mesh.
bool only_gaussians(const Asset::Data& data) { return data.gaussians && !data.mesh && !data.finished; }
// Of an appearance that says nothing else but which sides are seen; null for every other.
const Picture* only_texture(const Asset::Data& data) {
  return data.appearance ? plain_texture(*data.appearance, data.mesh->uvs, data.mesh->colours, true) : nullptr;
}
// The mesh with its materials as colours, for formats that know no others.
Mesh coloured(const Job& job) { return with_vertex_colours(job.mesh(), *job.data.appearance); }

using Files = std::vector<NamedFile>;

// A set of one.
Files one(const Job& job, const char* ending, std::vector<std::byte> bytes) {
  Files files;
  files.push_back({job.naming.stem + ending, std::move(bytes)});
  return files;
}

Files splats_glb(const Job& job) {
  return one(job, ".splats.glb", encode_gaussian_glb(job.gaussians(), "Espalier " + version(), job.extras()));
}
Files glb(const Job& job) {
  if (only_gaussians(job.data)) {
    Files files = splats_glb(job);
    files.front().name = job.naming.stem + ".glb";
    return files;
  }
  if (const Appearance* look = appearance_of(job.data))
    return one(job, ".glb", encode_glb(job.mesh(), *look, appearance_options(job)));
  const std::vector<std::byte> texture = texture_of(job.data, job.options.texture);
  return one(job, ".glb", encode_glb(job.mesh(), glb_options(job, texture)));
}
Files gltf(const Job& job) {
  if (const Appearance* look = appearance_of(job.data))
    return encode_gltf(job.mesh(), *look, appearance_options(job), job.naming.stem);
  const std::vector<std::byte> texture = texture_of(job.data, job.options.texture);
  return encode_gltf(job.mesh(), glb_options(job, texture), job.naming.stem);
}
Files obj(const Job& job) {
  if (const Appearance* look = appearance_of(job.data))
    return encode_obj_files(job.mesh(), *look, job.comments(), appearance_options(job), job.naming.stem);
  const std::vector<std::byte> texture = texture_of(job.data, without_webp(job.options.texture));
  const Mesh mesh = job.mesh();
  if (texture.empty()) return one(job, ".obj", encode_obj(mesh, job.comments(), job.naming.title));
  return encode_obj_files(mesh, job.comments(), texture, job.naming.stem, job.naming.title);
}
// The members of an archive are called as what they hold, not as the archive.
template <Files (*members)(const Job&)>
Files zipped(const Job& job, const char* ending) {
  const Naming inside{job.naming.label, job.naming.title, job.naming.title};
  return one(job, ending, encode_zip(members({job.data, inside, job.options, job.placement})));
}
Files gltf_zip(const Job& job) { return zipped<gltf>(job, ".gltf.zip"); }
Files obj_zip(const Job& job) { return zipped<obj>(job, ".obj.zip"); }

// In millimetres. Height and origin are in the placement already; without a height the largest side is what was asked for.
Placement print_placement(const Job& job, const Mesh& mesh, const char* format) {
  constexpr double kMillimetres = 1000.0;
  return job.options.height ? scaled_placement(mesh, kMillimetres, format)
                            : placement_in_place(mesh, job.options.size_mm, format);
}
Files stl(const Job& job) {
  constexpr const char* kFormat = "STL";
  const Mesh mesh = job.mesh();
  check_writable_mesh(mesh, kFormat);
  std::string title = "Espalier " + version() + ", mm, " + (job.options.up == UpAxis::y ? "Y up" : "Z up");
  if (const auto seed = job.data.record.find("seed"); seed != job.data.record.end()) title += ", seed " + seed->second;
  return one(job, ".stl", encode_stl(mesh, print_placement(job, mesh, kFormat), title));
}
Files three_mf(const Job& job) {
  constexpr const char* kFormat = "3MF";
  const Mesh mesh = appearance_of(job.data) != nullptr && only_texture(job.data) == nullptr ? coloured(job) : job.mesh();
  check_writable_mesh(mesh, kFormat);
  std::vector<std::byte> texture;
  if (const Picture* own = only_texture(job.data)) {
    texture = encoded_picture(*own, job.options.texture == TextureFormat::jpeg ? PictureKind::jpeg : PictureKind::png).bytes;
  } else if (appearance_of(job.data) == nullptr) {
    texture = texture_of(job.data, without_webp(job.options.texture));
  }
  return one(job, ".3mf", encode_3mf(mesh, print_placement(job, mesh, kFormat), job.comments(), texture, job.naming.title));
}
Files mesh_ply(const Job& job) {
  const Mesh mesh = appearance_of(job.data) != nullptr ? coloured(job) : job.mesh();
  return one(job, ".mesh.ply", encode_mesh_ply(mesh, job.comments()));
}
Files ply(const Job& job) {
  if (!job.data.gaussians) {
    Files files = mesh_ply(job);
    files.front().name = job.naming.stem + ".ply";
    return files;
  }
  return one(job, ".ply", encode_gaussian_ply(job.gaussians(), job.comments()));
}
Files compressed_ply(const Job& job) {
  return one(job, ".compressed.ply", encode_compressed_ply(job.gaussians(), job.comments()));
}
Files spz(const Job& job) {
  const std::vector<std::string> comments = job.comments();
  SpzOptions spz;
  spz.version = job.options.spz_version;
  if (spz.version < 4) spz.comments = comments;
  return one(job, ".spz", encode_spz(job.gaussians(), spz));
}
Files splat(const Job& job) { return one(job, ".splat", encode_splat(job.gaussians())); }

// Longer endings come before those that they end in.
struct Writer {
  const char* ending;
  Files (*encode)(const Job&);
};
constexpr Writer kWriters[] = {{".splats.glb", splats_glb},
                               {".glb", glb},
                               {".gltf", gltf},
                               {".gltf.zip", gltf_zip},
                               {".obj.zip", obj_zip},
                               {".obj", obj},
                               {".stl", stl},
                               {".3mf", three_mf},
                               {".mesh.ply", mesh_ply},
                               {".compressed.ply", compressed_ply},
                               {".ply", ply},
                               {".spz", spz},
                               {".splat", splat}};
constexpr const char* kEndings =
    ".glb, .gltf, .gltf.zip, .obj, .obj.zip, .stl, .3mf, .mesh.ply, .ply, .compressed.ply, .splats.glb, .spz and .splat";

const Writer& writer_of(const std::string& name, const std::string& label) {
  for (const Writer& writer : kWriters) {
    if (ends_with(name, writer.ending)) return writer;
  }
  fail(ErrorCode::invalid_argument, label, ": unknown extension", hint(kEndings, " can be written"));
}

Files written(const Asset::Data& data, const Writer& writer, Naming naming, const SaveOptions& options) {
  naming.title = title_for_programs(options.title.empty() ? naming.stem : options.title);
  std::string format = writer.ending + 1;
  if (format == "ply" && !data.gaussians) format = "mesh.ply";
  return writer.encode({data, naming, options, placement_in_file(data, options, format, naming.label)});
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
  const Files files = written(data, writer, {path.string(), stem, {}}, options);
  if (files.size() == 1) return write_file(path, files.front().bytes);
  write_files(path.has_parent_path() ? path.parent_path() : fs::path("."), files);
}

namespace {

// What of several materials a format has no place for.
void materials_left_out(const Asset::Data& data, const std::string& format, std::vector<std::string>& out) {
  const Appearance& look = *data.appearance;
  const auto any = [&](const auto& is) { return std::any_of(look.materials.begin(), look.materials.end(), is); };
  const bool mesh = format == "stl" || format == "3mf" || format == "ply" || format == "mesh.ply",
             obj = format.starts_with("obj");
  if (format == "3mf" && only_texture(data) != nullptr) return;
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
    if (is({"ply", "mesh.ply"})) out.emplace_back("the texture is left out: a PLY has no place for it");
  }
  return out;
}

std::vector<NamedFile> encoded_as(const Asset::Data& data, const std::string& format, const SaveOptions& options) {
  const std::string label = "encoding as " + format.substr(0, 40);
  for (const Writer& writer : kWriters) {
    if (lower(format) == writer.ending + 1) return written(data, writer, {label, options.name, {}}, options);
  }
  fail(ErrorCode::invalid_argument, label, ": unknown format",
       hint("preview, latent, asset, or the endings ", kEndings, " without their dots are known"));
}

}  // namespace espalier
