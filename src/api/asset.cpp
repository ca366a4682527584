#include "api/asset.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/file.h"
#include "image/codec.h"
#include "io/formats/gaussian_ply.h"
#include "io/formats/mesh_files.h"
#include "io/formats/splat_files.h"
#include "io/formats/zip.h"
#include "render/pictures/preview.h"
#include "weights/safetensors.h"

namespace espalier {

namespace fs = std::filesystem;

namespace {

constexpr const char* kLatentFormat = "espalier-latent-1";

const Mesh& mesh_of(const Asset::Data& data, const fs::path& path) {
  if (!data.mesh) fail(ErrorCode::invalid_argument, path.string(), ": the asset has no mesh; ask for the format mesh");
  if (data.mesh->faces.empty())
    fail(ErrorCode::invalid_argument, path.string(), ": the mesh has no faces, so there is nothing to write");
  return *data.mesh;
}
const Gaussians& gaussians_of(const Asset::Data& data, const fs::path& path) {
  if (!data.gaussians)
    fail(ErrorCode::invalid_argument, path.string(), ": the asset has no Gaussians; ask for the format gaussian");
  return *data.gaussians;
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
Shown shown(const Asset::Data& data, const fs::path& path, TextureFormat format) {
  if (!data.finished) return {&mesh_of(data, path), {}};
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

fs::path folder_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

void write_glb(const Asset::Data& data, const fs::path& path, const SaveOptions& options) {
  const Shown what = shown(data, path, options.texture);
  write_file(path, encode_glb(*what.mesh, glb_options(data, options, what)));
}
void write_gltf(const Asset::Data& data, const fs::path& path, const SaveOptions& options) {
  const Shown what = shown(data, path, options.texture);
  write_files(folder_of(path), encode_gltf(*what.mesh, glb_options(data, options, what), path.stem().string()));
}
void write_gltf_zip(const Asset::Data& data, const fs::path& path, const SaveOptions& options) {
  const Shown what = shown(data, path, options.texture);
  write_file(path, encode_zip(encode_gltf(*what.mesh, glb_options(data, options, what), path.stem().stem().string())));
}
void write_obj(const Asset::Data& data, const fs::path& path, const SaveOptions& options) {
  const Shown what = shown(data, path, without_webp(options.texture));
  if (what.texture.empty()) {
    write_file(path, encode_obj(*what.mesh, comments_of(data)));
  } else {
    write_files(folder_of(path), encode_obj_files(*what.mesh, comments_of(data), what.texture, path.stem().string()));
  }
}
void write_obj_zip(const Asset::Data& data, const fs::path& path, const SaveOptions& options) {
  const Shown what = shown(data, path, without_webp(options.texture));
  const std::string stem = path.stem().stem().string();
  if (what.texture.empty()) {
    write_file(path, encode_zip(std::vector<NamedFile>{{stem + ".obj", encode_obj(*what.mesh, comments_of(data))}}));
  } else {
    write_file(path, encode_zip(encode_obj_files(*what.mesh, comments_of(data), what.texture, stem)));
  }
}
void write_stl(const Asset::Data& data, const fs::path& path, const SaveOptions& options) {
  write_file(path, encode_stl(*shown(data, path, TextureFormat::png).mesh, options.size_mm, "Espalier " + version()));
}
void write_3mf(const Asset::Data& data, const fs::path& path, const SaveOptions& options) {
  const Shown what = shown(data, path, without_webp(options.texture));
  write_file(path, encode_3mf(*what.mesh, options.size_mm, comments_of(data), what.texture));
}
void write_mesh_ply(const Asset::Data& data, const fs::path& path, const SaveOptions& /*options*/) {
  write_file(path, encode_mesh_ply(data.finished ? data.finished->mesh : mesh_of(data, path), comments_of(data)));
}
void write_ply(const Asset::Data& data, const fs::path& path, const SaveOptions& options) {
  if (!data.gaussians) {
    write_mesh_ply(data, path, options);
  } else {
    write_file(path, encode_gaussian_ply(gaussians_of(data, path), comments_of(data)));
  }
}

void write_spz(const Asset::Data& data, const fs::path& path, const SaveOptions& /*options*/) {
  const std::vector<std::string> comments = comments_of(data);
  SpzOptions spz;
  spz.comments = comments;
  write_file(path, encode_spz(gaussians_of(data, path), spz));
}
void write_splat(const Asset::Data& data, const fs::path& path, const SaveOptions& /*options*/) {
  write_file(path, encode_splat(gaussians_of(data, path)));
}

// Longer endings come before those that they end in.
struct Writer {
  const char* ending;
  void (*write)(const Asset::Data&, const fs::path&, const SaveOptions&);
};
constexpr Writer kWriters[] = {{".glb", write_glb},         {".gltf", write_gltf},         {".gltf.zip", write_gltf_zip},
                               {".obj.zip", write_obj_zip}, {".obj", write_obj},           {".stl", write_stl},
                               {".3mf", write_3mf},         {".mesh.ply", write_mesh_ply}, {".ply", write_ply},
                               {".spz", write_spz},         {".splat", write_splat}};
constexpr const char* kEndings = ".glb, .gltf, .gltf.zip, .obj, .obj.zip, .stl, .3mf, .mesh.ply, .ply, .spz and .splat";

}  // namespace

// Not in the header: inlined, GCC 12 takes the untouched optional for a value that is read (-Wmaybe-uninitialized).
void AssetBuilder::gaussians(Gaussians value) { data_.gaussians = std::move(value); }

void AssetBuilder::latent(const Voxels& voxels, const std::vector<float>& values) {
  data_.voxels = voxels;
  data_.latent = values;
  data_.positions.clear();
  for (std::size_t i = 0; i < voxels.coords.size(); i += 4) {
    data_.positions.insert(data_.positions.end(), voxels.coords.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                           voxels.coords.begin() + static_cast<std::ptrdiff_t>(i) + 4);
  }
}

void AssetBuilder::drop_finished() {
  data_.finished.reset();
  std::erase_if(data_.stages, [](const StageReport& s) {
    return s.stage == Stage::clean_mesh || s.stage == Stage::unwrap_mesh || s.stage == Stage::bake_texture ||
           s.stage == Stage::project_images;
  });
}

void AssetBuilder::costs(const std::vector<StageCost>& costs) {
  for (const StageCost& c : costs)
    data_.stages.push_back({c.stage, c.seconds, c.weight_bytes, c.planned_bytes, c.peak_bytes, c.process_bytes});
}

void AssetBuilder::report_notices(const Observer& observer) {
  for (; reported_ < data_.notices.size(); ++reported_) {
    if (observer.message) observer.message(data_.notices[reported_]);
  }
}

Asset::Asset() : data_(std::make_shared<Data>()) {}
Asset::Asset(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
Asset::~Asset() = default;
Asset::Asset(const Asset&) = default;
Asset::Asset(Asset&&) noexcept = default;
Asset& Asset::operator=(const Asset&) = default;
Asset& Asset::operator=(Asset&&) noexcept = default;

const Asset::Data& Asset::data() const { return *data_; }
std::span<const float> Asset::vertices() const {
  return data_->mesh ? std::span<const float>(data_->mesh->vertices) : std::span<const float>();
}
std::span<const std::int32_t> Asset::faces() const {
  return data_->mesh ? std::span<const std::int32_t>(data_->mesh->faces) : std::span<const std::int32_t>();
}
std::span<const float> Asset::colours() const {
  return data_->mesh ? std::span<const float>(data_->mesh->colours) : std::span<const float>();
}
std::int64_t Asset::gaussian_count() const { return data_->gaussians ? data_->gaussians->count() : 0; }
std::span<const std::int32_t> Asset::voxels() const { return data_->positions; }
std::span<const float> Asset::latent() const { return data_->latent; }
const std::vector<StageReport>& Asset::stages() const { return data_->stages; }
const std::vector<std::string>& Asset::notices() const { return data_->notices; }
const std::map<std::string, std::string>& Asset::record() const { return data_->record; }

std::optional<FinishReport> Asset::finish_report() const {
  return data_->finished ? std::optional(data_->finished->report) : std::nullopt;
}

MeshSummary Asset::mesh_summary() const {
  if (data_->finished) return data_->finished->report.after;
  return data_->mesh ? summary_of(report_of(*data_->mesh)) : MeshSummary{};
}

GaussianSummary Asset::gaussian_summary() const {
  GaussianSummary summary;
  if (!data_->gaussians || data_->gaussians->count() == 0) return summary;
  const Gaussians& g = *data_->gaussians;
  constexpr float kDrawn = 1.0F / 255.0F;  // render/splat_renderer.h
  const auto n = static_cast<std::size_t>(g.count());
  summary.gaussians = g.count();
  while ((summary.harmonics_degree + 1) * (summary.harmonics_degree + 3) * 3 * n <= g.sh.size()) ++summary.harmonics_degree;
  summary.unseen = std::count_if(g.opacity.begin(), g.opacity.end(), [](float o) { return o < kDrawn; });
  summary.mean_opacity = std::accumulate(g.opacity.begin(), g.opacity.end(), 0.0) / static_cast<double>(n);
  std::vector<float> largest(n);
  for (std::size_t i = 0; i < n; ++i) largest[i] = *std::max_element(&g.scale[3 * i], &g.scale[3 * i] + 3);
  const auto middle = largest.begin() + static_cast<std::ptrdiff_t>(n / 2);
  std::nth_element(largest.begin(), middle, largest.end());
  summary.median_scale = *middle;
  for (std::size_t k = 0; k < 3; ++k) {
    summary.low[k] = summary.high[k] = g.xyz[k];
    for (std::size_t i = k; i < g.xyz.size(); i += 3) {
      summary.low[k] = std::min(summary.low[k], double{g.xyz[i]});
      summary.high[k] = std::max(summary.high[k], double{g.xyz[i]});
    }
  }
  return summary;
}

void Asset::save(const fs::path& path, const SaveOptions& options) const {
  const std::string name = lower(path.filename().string());
  for (const Writer& writer : kWriters) {
    if (!ends_with(name, writer.ending)) continue;
    writer.write(*data_, path, options);
    return;
  }
  fail(ErrorCode::invalid_argument, path.string(), ": unknown extension; ", kEndings, " can be written");
}

void Asset::save_latent(const fs::path& path) const {
  if (data_->latent.empty()) fail(ErrorCode::invalid_argument, path.string(), ": the asset has no latent");
  const auto rows = data_->voxels.rows();
  const auto channels = static_cast<std::int64_t>(data_->latent.size()) / rows;
  std::map<std::string, std::string> metadata{{"format", kLatentFormat},
                                              {"resolution", std::to_string(data_->voxels.resolution)}};
  for (const auto& [key, value] : data_->record) metadata["record: " + key] = value;
  std::map<std::string, HostTensor> tensors;
  tensors.emplace("coords", HostTensor::from(data_->voxels.coords, {rows, 4}));
  tensors.emplace("feats", HostTensor::from(data_->latent, {rows, channels}));
  save_safetensors(path, tensors, metadata);
}

void Asset::save_preview(const fs::path& path) const {
  const PreviewOptions options;
  if (data_->finished) {
    const FinishedMesh& finished = *data_->finished;
    write_file(path,
               encode_png(preview_sheet(finished.mesh, options, finished.texture.width > 0 ? &finished.texture : nullptr)));
  } else if (data_->mesh && !data_->mesh->faces.empty()) {
    write_file(path, encode_png(preview_sheet(*data_->mesh, options)));
  } else {
    write_file(path, encode_png(preview_sheet(gaussians_of(*data_, path), options)));
  }
}

SavedLatent load_latent(const fs::path& path, int resolution, std::int64_t channels) {
  const SafetensorsFile file(path);
  const auto& metadata = file.metadata();
  const auto format = metadata.find("format");
  if (format == metadata.end() || format->second != kLatentFormat || !file.has("coords") || !file.has("feats")) {
    fail(ErrorCode::format, path.string(), ": no latent saved by this program (write one with --save-latent)");
  }
  const auto grid = metadata.find("resolution");
  if (grid == metadata.end() || grid->second != std::to_string(resolution)) {
    fail(ErrorCode::format, path.string(), ": its voxels lie on a grid of ",
         grid == metadata.end() ? "unknown size" : grid->second, ", but this checkpoint works on ", resolution);
  }
  SavedLatent saved;
  const HostTensor coords = file.load("coords");
  const HostTensor feats = file.load("feats");
  try {
    (void)coords.bind<std::int32_t, 2>("coords", {-1, 4});
    (void)feats.bind<float, 2>("feats", {coords.extents()[0], channels});
  } catch (const Error& e) {
    fail(e.code(), path.string(), ": ", e.what(), "; the file belongs to another checkpoint or is damaged");
  }
  if (coords.extents()[0] == 0) fail(ErrorCode::format, path.string(), ": it holds no voxel");
  for (const float v : feats.to_vector<float>("feats")) {
    if (!(v - v == 0.0F)) fail(ErrorCode::format, path.string(), ": a latent value is not finite");
  }
  try {
    saved.voxels = make_voxels(coords.to_vector<std::int32_t>("coords"), 1, resolution);
  } catch (const Error& e) {
    fail(ErrorCode::format, path.string(), ": ", e.what());
  }
  saved.latent = feats.to_vector<float>("feats");
  for (const auto& [key, value] : metadata) {
    if (key.rfind("record: ", 0) == 0) saved.record[key.substr(8)] = value;
  }
  return saved;
}

}  // namespace espalier
