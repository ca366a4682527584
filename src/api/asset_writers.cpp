// Assets as files of all formats, one writer per ending.
#include "api/asset_writers.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "api/mesh_fit.h"
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

// What textures a format takes.
enum class TextureKind { none, any, not_webp };

MeshSource source_of(const Asset::Data& data, const std::string& label) {
  if (data.finished) return {&data.finished->mesh, &data.finished->texture};
  return {&mesh_of(data, label), nullptr};
}

bool compressed(const SaveOptions& options) { return options.compress != MeshCompression::none; }

// From best to smallest; the first alone where files may have any size.
std::vector<TextureChoice> texture_choices(const MeshSource& source, TextureKind kind, const SaveOptions& options) {
  constexpr int kJpeg = 92, kWebp = 90, kSmallestSide = 128;
  TextureFormat format = options.texture;
  if (format == TextureFormat::automatic) {
    format = kind != TextureKind::any ? TextureFormat::png : compressed(options) ? TextureFormat::webp : TextureFormat::jpeg;
  }
  if (kind != TextureKind::any && format == TextureFormat::webp) format = TextureFormat::png;
  const bool any_format = options.texture == TextureFormat::automatic;
  std::vector<TextureChoice> choices;
  const auto add = [&](PictureFormat as, std::initializer_list<int> qualities, int divide) {
    for (const int quality : qualities) choices.push_back({as, quality, divide});
  };
  const int side = source.textured() ? std::min(source.texture->width, source.texture->height) : 0;
  for (int divide = 1; divide == 1 || side / divide >= kSmallestSide; divide *= 2) {
    switch (format) {
      case TextureFormat::png:
        add(PictureFormat::png, {0}, divide);
        if (any_format) format = TextureFormat::jpeg;  // only where PNGs are too large; the same size comes again
        if (any_format) add(PictureFormat::jpeg, {kJpeg, 85, 75}, divide);
        break;
      case TextureFormat::jpeg:
        add(PictureFormat::jpeg, {kJpeg, 85, 75}, divide);
        if (any_format && kind == TextureKind::any) format = TextureFormat::webp;  // half the size; the extension is the price
        if (format == TextureFormat::webp) add(PictureFormat::webp, {80, 65}, divide);
        break;
      default: add(PictureFormat::webp, {kWebp, 80, 65}, divide); break;
    }
  }
  return choices;
}

GlbOptions glb_options(const Asset::Data& data, const SaveOptions& options, const ShownMesh& what) {
  GlbOptions glb;
  glb.generator = "Espalier " + version();
  glb.extras_json = extras_of(data);
  glb.unlit = options.unlit;
  glb.texture = what.texture;
  glb.levels = what.levels;
  // A mesh as decoded is written number for number.
  glb.quantised = options.quantise && data.finished.has_value();
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

struct MeshJob {
  const Asset::Data& data;
  const Naming& naming;
  const SaveOptions& options;
};

Files glb(const ShownMesh& what, const MeshJob& job) {
  return one(job.naming, ".glb", encode_glb(*what.mesh, glb_options(job.data, job.options, what)));
}
Files gltf(const ShownMesh& what, const MeshJob& job) {
  return encode_gltf(*what.mesh, glb_options(job.data, job.options, what), job.naming.stem);
}
Files gltf_zip(const ShownMesh& what, const MeshJob& job) { return one(job.naming, ".gltf.zip", encode_zip(gltf(what, job))); }
Files obj(const ShownMesh& what, const MeshJob& job) {
  if (what.texture.empty()) return one(job.naming, ".obj", encode_obj(*what.mesh, comments_of(job.data)));
  return encode_obj_files(*what.mesh, comments_of(job.data), what.texture, job.naming.stem);
}
Files obj_zip(const ShownMesh& what, const MeshJob& job) { return one(job.naming, ".obj.zip", encode_zip(obj(what, job))); }
Files stl(const ShownMesh& what, const MeshJob& job) {
  return one(job.naming, ".stl", encode_stl(*what.mesh, job.options.size_mm, "Espalier " + version()));
}
Files three_mf(const ShownMesh& what, const MeshJob& job) {
  return one(job.naming, ".3mf", encode_3mf(*what.mesh, job.options.size_mm, comments_of(job.data), what.texture));
}
Files mesh_ply(const ShownMesh& what, const MeshJob& job) {
  return one(job.naming, ".mesh.ply", encode_mesh_ply(*what.mesh, comments_of(job.data)));
}
Files ply_of_mesh(const ShownMesh& what, const MeshJob& job) {
  Files files = mesh_ply(what, job);
  files.front().name = job.naming.stem + ".ply";
  return files;
}

// ---- Of Gaussians

Files ply(const Asset::Data& data, const Naming& naming) {
  return one(naming, ".ply", encode_gaussian_ply(gaussians_of(data, naming.label), comments_of(data)));
}
Files spz(const Asset::Data& data, const Naming& naming) {
  const std::vector<std::string> comments = comments_of(data);
  SpzOptions spz;
  spz.comments = comments;
  return one(naming, ".spz", encode_spz(gaussians_of(data, naming.label), spz));
}
Files splat(const Asset::Data& data, const Naming& naming) {
  return one(naming, ".splat", encode_splat(gaussians_of(data, naming.label)));
}

// Longer endings come before those that they end in. What may hold either holds the Gaussians if there are any.
struct Writer {
  const char* ending;
  Files (*mesh)(const ShownMesh&, const MeshJob&);
  Files (*gaussians)(const Asset::Data&, const Naming&);
  TextureKind texture = TextureKind::none;
  bool levels = false;
};
constexpr Writer kWriters[] = {{".glb", glb, nullptr, TextureKind::any, true},
                               {".gltf", gltf, nullptr, TextureKind::any, true},
                               {".gltf.zip", gltf_zip, nullptr, TextureKind::any, true},
                               {".obj.zip", obj_zip, nullptr, TextureKind::not_webp},
                               {".obj", obj, nullptr, TextureKind::not_webp},
                               {".stl", stl, nullptr},
                               {".3mf", three_mf, nullptr, TextureKind::not_webp},
                               {".mesh.ply", mesh_ply, nullptr},
                               {".ply", ply_of_mesh, ply},
                               {".spz", nullptr, spz},
                               {".splat", nullptr, splat}};
constexpr const char* kEndings = ".glb, .gltf, .gltf.zip, .obj, .obj.zip, .stl, .3mf, .mesh.ply, .ply, .spz and .splat";

const Writer& writer_of(const std::string& name, const std::string& label) {
  for (const Writer& writer : kWriters) {
    if (ends_with(name, writer.ending)) return writer;
  }
  fail(ErrorCode::invalid_argument, label, ": unknown extension", hint(kEndings, " can be written"));
}

Files encoded(const Writer& writer, const Asset::Data& data, const Naming& naming, const SaveOptions& options) {
  if (writer.mesh == nullptr || (writer.gaussians != nullptr && data.gaussians)) return writer.gaussians(data, naming);
  constexpr int kMostLevels = 8;
  if (options.lods < 1 || options.lods > kMostLevels)
    fail(ErrorCode::invalid_argument, naming.label, ": ", options.lods, " levels of detail",
         hint("1 to ", kMostLevels, " can be written"));
  MeshSource source = source_of(data, naming.label);
  if (writer.texture == TextureKind::none) source.texture = nullptr;
  const std::vector<TextureChoice> textures = texture_choices(source, writer.texture, options);
  const int lods = writer.levels ? options.lods : 1;
  const MeshJob job{data, naming, options};
  const auto encode = [&](const ShownMesh& what) { return writer.mesh(what, job); };
  if (options.max_bytes > 0)
    return fitted(source, {options.max_bytes, lods, textures, naming.label, naming.stem + writer.ending}, encode,
                  options.message);
  return encode({source.mesh, levels_of(*source.mesh, lods), encoded_texture(source, textures.front())});
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
  const Files files = encoded(writer, data, {path.string(), stem}, options);
  if (files.size() == 1) return write_file(path, files.front().bytes);
  write_files(path.has_parent_path() ? path.parent_path() : fs::path("."), files);
}

std::vector<NamedFile> encoded_as(const Asset::Data& data, const std::string& format, const SaveOptions& options) {
  const std::string label = "encoding as " + format.substr(0, 40);
  for (const Writer& writer : kWriters) {
    if (lower(format) == writer.ending + 1) return encoded(writer, data, {label, options.name}, options);
  }
  fail(ErrorCode::invalid_argument, label, ": unknown format",
       hint("preview, latent, asset, or the endings ", kEndings, " without their dots are known"));
}

}  // namespace espalier
