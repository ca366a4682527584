// Assets as files of all formats, one writer per ending.
#include "api/asset_writers.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/file.h"
#include "image/codec.h"
#include "io/formats/appearance_files.h"
#include "io/formats/gaussian_ply.h"
#include "io/formats/mesh_files.h"
#include "io/formats/splat_files.h"
#include "io/formats/zip.h"

namespace espalier {

namespace fs = std::filesystem;

namespace {

// What errors call a file, and what the names of its parts begin with.
struct Naming {
  std::string label, stem;
};

const Mesh& mesh_of(const Asset::Data& data, const std::string& label) {
  if (!data.mesh) fail(ErrorCode::invalid_argument, label, ": the asset has no mesh", hint("ask for the mesh"));
  if (data.mesh->faces.empty())
    fail(ErrorCode::invalid_argument, label, ": the mesh has no faces, so there is nothing to write");
  return *data.mesh;
}
std::vector<std::string> comments_of(const Asset::Data& data) {
  std::vector<std::string> lines;
  for (const auto& [key, value] : data.record) {
    std::string line = key + ": " + value;
    for (char& c : line) {
      if (c < ' ' || c > '~') c = '?';
    }
    lines.push_back(line.substr(0, 200));
  }
  return lines;
}

std::string extras_of(const Asset::Data& data) {
  return nlohmann::json(data.record).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
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

// The mesh that is written, and its texture as a file; empty without one.
struct Shown {
  const Mesh* mesh;
  std::vector<std::byte> texture;
};
Shown shown(const Asset::Data& data, const std::string& label, TextureFormat format) {
  if (!data.finished) return {&mesh_of(data, label), {}};
  const FinishedMesh& finished = *data.finished;
  if (finished.texture.width == 0) return {&finished.mesh, {}};
  constexpr int kJpegQuality = 92;
  switch (format) {
    case TextureFormat::jpeg: return {&finished.mesh, encode_jpeg(finished.texture, kJpegQuality)};
    case TextureFormat::webp: return {&finished.mesh, encode_webp(finished.texture, {})};
    default: return {&finished.mesh, encode_png(finished.texture)};
  }
}
// For formats that know no WebP.
TextureFormat without_webp(TextureFormat format) { return format == TextureFormat::webp ? TextureFormat::png : format; }

GlbOptions glb_options(const Asset::Data& data, const SaveOptions& options, const Shown& what) {
  GlbOptions glb;
  glb.generator = "Espalier " + version();
  glb.extras_json = extras_of(data);
  glb.unlit = options.unlit;
  glb.texture = what.texture;
  return glb;
}

AppearanceOptions appearance_options(const Asset::Data& data, const SaveOptions& options) {
  constexpr std::array kKinds = {PictureKind::png, PictureKind::jpeg, PictureKind::webp};
  return {"Espalier " + version(), extras_of(data), options.unlit, kKinds.at(static_cast<std::size_t>(options.texture))};
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
Mesh coloured(const Asset::Data& data, const std::string& label) {
  return with_vertex_colours(mesh_of(data, label), *data.appearance);
}

using Files = std::vector<NamedFile>;

// A set of one.
Files one(const Naming& naming, const char* ending, std::vector<std::byte> bytes) {
  Files files;
  files.push_back({naming.stem + ending, std::move(bytes)});
  return files;
}

Files splats_glb(const Asset::Data& data, const Naming& naming, const SaveOptions& /*options*/) {
  return one(naming, ".splats.glb",
             encode_gaussian_glb(gaussians_of(data, naming.label), "Espalier " + version(), extras_of(data)));
}
Files glb(const Asset::Data& data, const Naming& naming, const SaveOptions& options) {
  if (only_gaussians(data)) {
    Files files = splats_glb(data, naming, options);
    files.front().name = naming.stem + ".glb";
    return files;
  }
  if (const Appearance* look = appearance_of(data))
    return one(naming, ".glb", encode_glb(mesh_of(data, naming.label), *look, appearance_options(data, options)));
  const Shown what = shown(data, naming.label, options.texture);
  return one(naming, ".glb", encode_glb(*what.mesh, glb_options(data, options, what)));
}
Files gltf(const Asset::Data& data, const Naming& naming, const SaveOptions& options) {
  if (const Appearance* look = appearance_of(data))
    return encode_gltf(mesh_of(data, naming.label), *look, appearance_options(data, options), naming.stem);
  const Shown what = shown(data, naming.label, options.texture);
  return encode_gltf(*what.mesh, glb_options(data, options, what), naming.stem);
}
Files gltf_zip(const Asset::Data& data, const Naming& naming, const SaveOptions& options) {
  return one(naming, ".gltf.zip", encode_zip(gltf(data, naming, options)));
}
Files obj(const Asset::Data& data, const Naming& naming, const SaveOptions& options) {
  if (const Appearance* look = appearance_of(data))
    return encode_obj_files(mesh_of(data, naming.label), *look, comments_of(data), appearance_options(data, options),
                            naming.stem);
  const Shown what = shown(data, naming.label, without_webp(options.texture));
  if (what.texture.empty()) return one(naming, ".obj", encode_obj(*what.mesh, comments_of(data)));
  return encode_obj_files(*what.mesh, comments_of(data), what.texture, naming.stem);
}
Files obj_zip(const Asset::Data& data, const Naming& naming, const SaveOptions& options) {
  return one(naming, ".obj.zip", encode_zip(obj(data, naming, options)));
}
Files stl(const Asset::Data& data, const Naming& naming, const SaveOptions& options) {
  const Shown what = shown(data, naming.label, TextureFormat::png);
  return one(naming, ".stl", encode_stl(*what.mesh, options.size_mm, "Espalier " + version()));
}
Files three_mf(const Asset::Data& data, const Naming& naming, const SaveOptions& options) {
  if (const Picture* texture = only_texture(data)) {
    const EncodedPicture picture =
        encoded_picture(*texture, options.texture == TextureFormat::jpeg ? PictureKind::jpeg : PictureKind::png);
    return one(naming, ".3mf", encode_3mf(mesh_of(data, naming.label), options.size_mm, comments_of(data), picture.bytes));
  }
  if (appearance_of(data) != nullptr)
    return one(naming, ".3mf", encode_3mf(coloured(data, naming.label), options.size_mm, comments_of(data)));
  const Shown what = shown(data, naming.label, without_webp(options.texture));
  return one(naming, ".3mf", encode_3mf(*what.mesh, options.size_mm, comments_of(data), what.texture));
}
Files mesh_ply(const Asset::Data& data, const Naming& naming, const SaveOptions& /*options*/) {
  if (appearance_of(data) != nullptr)
    return one(naming, ".mesh.ply", encode_mesh_ply(coloured(data, naming.label), comments_of(data)));
  return one(naming, ".mesh.ply",
             encode_mesh_ply(data.finished ? data.finished->mesh : mesh_of(data, naming.label), comments_of(data)));
}
Files ply(const Asset::Data& data, const Naming& naming, const SaveOptions& options) {
  if (!data.gaussians) {
    Files files = mesh_ply(data, naming, options);
    files.front().name = naming.stem + ".ply";
    return files;
  }
  return one(naming, ".ply", encode_gaussian_ply(*data.gaussians, comments_of(data)));
}
Files compressed_ply(const Asset::Data& data, const Naming& naming, const SaveOptions& /*options*/) {
  return one(naming, ".compressed.ply", encode_compressed_ply(gaussians_of(data, naming.label), comments_of(data)));
}
Files spz(const Asset::Data& data, const Naming& naming, const SaveOptions& options) {
  const std::vector<std::string> comments = comments_of(data);
  SpzOptions spz;
  spz.version = options.spz_version;
  if (spz.version < 4) spz.comments = comments;
  return one(naming, ".spz", encode_spz(gaussians_of(data, naming.label), spz));
}
Files splat(const Asset::Data& data, const Naming& naming, const SaveOptions& /*options*/) {
  return one(naming, ".splat", encode_splat(gaussians_of(data, naming.label)));
}

// Longer endings come before those that they end in.
struct Writer {
  const char* ending;
  Files (*encode)(const Asset::Data&, const Naming&, const SaveOptions&);
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
  const Files files = writer.encode(data, {path.string(), stem}, options);
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
    if (lower(format) == writer.ending + 1) return writer.encode(data, {label, options.name}, options);
  }
  fail(ErrorCode::invalid_argument, label, ": unknown format",
       hint("preview, latent, asset, or the endings ", kEndings, " without their dots are known"));
}

}  // namespace espalier
