// Assets as files of all formats, one writer per ending.
#include "api/asset_writers.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/file.h"
#include "image/codec.h"
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

using Files = std::vector<NamedFile>;

// A set of one.
Files one(const Naming& naming, const char* ending, std::vector<std::byte> bytes) {
  Files files;
  files.push_back({naming.stem + ending, std::move(bytes)});
  return files;
}

Files glb(const Asset::Data& data, const Naming& naming, const SaveOptions& options) {
  const Shown what = shown(data, naming.label, options.texture);
  return one(naming, ".glb", encode_glb(*what.mesh, glb_options(data, options, what)));
}
Files gltf(const Asset::Data& data, const Naming& naming, const SaveOptions& options) {
  const Shown what = shown(data, naming.label, options.texture);
  return encode_gltf(*what.mesh, glb_options(data, options, what), naming.stem);
}
Files gltf_zip(const Asset::Data& data, const Naming& naming, const SaveOptions& options) {
  return one(naming, ".gltf.zip", encode_zip(gltf(data, naming, options)));
}
Files obj(const Asset::Data& data, const Naming& naming, const SaveOptions& options) {
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
  const Shown what = shown(data, naming.label, without_webp(options.texture));
  return one(naming, ".3mf", encode_3mf(*what.mesh, options.size_mm, comments_of(data), what.texture));
}
Files mesh_ply(const Asset::Data& data, const Naming& naming, const SaveOptions& /*options*/) {
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
Files spz(const Asset::Data& data, const Naming& naming, const SaveOptions& /*options*/) {
  const std::vector<std::string> comments = comments_of(data);
  SpzOptions spz;
  spz.comments = comments;
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
constexpr Writer kWriters[] = {{".glb", glb}, {".gltf", gltf}, {".gltf.zip", gltf_zip}, {".obj.zip", obj_zip},
                               {".obj", obj}, {".stl", stl},   {".3mf", three_mf},      {".mesh.ply", mesh_ply},
                               {".ply", ply}, {".spz", spz},   {".splat", splat}};
constexpr const char* kEndings = ".glb, .gltf, .gltf.zip, .obj, .obj.zip, .stl, .3mf, .mesh.ply, .ply, .spz and .splat";

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

std::vector<NamedFile> encoded_as(const Asset::Data& data, const std::string& format, const SaveOptions& options) {
  const std::string label = "encoding as " + format.substr(0, 40);
  for (const Writer& writer : kWriters) {
    if (lower(format) == writer.ending + 1) return writer.encode(data, {label, options.name}, options);
  }
  fail(ErrorCode::invalid_argument, label, ": unknown format",
       hint("preview, latent, asset, or the endings ", kEndings, " without their dots are known"));
}

}  // namespace espalier
