#include "api/asset.h"

#include <algorithm>
#include <numeric>

#include "api/asset_writers.h"
#include "base/file.h"
#include "image/codec.h"
#include "render/views/preview.h"
#include "weights/safetensors.h"

namespace espalier {

namespace fs = std::filesystem;

namespace {

constexpr const char* kLatentFormat = "espalier-latent-1";

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
  data_.appearance.reset();
  data_.record.erase(kFinishing);
  std::erase_if(data_.stages, [](const StageReport& s) {
    return s.stage == Stage::clean_mesh || s.stage == Stage::unwrap_mesh || s.stage == Stage::bake_texture ||
           s.stage == Stage::project_images;
  });
}

void AssetBuilder::costs(const std::vector<StageCost>& costs) {
  for (const StageCost& c : costs)
    data_.stages.push_back({.stage = c.stage,
                            .seconds = c.seconds,
                            .weight_bytes = c.weight_bytes,
                            .planned_bytes = c.planned_bytes,
                            .peak_bytes = c.peak_bytes,
                            .process_bytes = c.process_bytes,
                            .assets = c.assets});
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

Asset Asset::as_decoded() const {
  if (!data_->finished && !data_->record.contains(kFinishing)) return *this;
  AssetBuilder builder(*data_);
  builder.drop_finished();
  return builder.build();
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

MeshArrays Asset::mesh() const {
  const Mesh* mesh = data_->finished ? &data_->finished->mesh : data_->mesh ? &*data_->mesh : nullptr;
  if (mesh == nullptr) return {};
  return {mesh->vertices, mesh->normals, mesh->uvs, mesh->colours, mesh->faces};
}

TextureArray Asset::texture() const {
  const bool one = data_->appearance && data_->appearance->images.size() == 1;
  if (!data_->finished && !one) return {};
  const Image& texture = one ? data_->appearance->images.front() : data_->finished->texture;
  return {texture.width, texture.height, texture.channels, texture.pixels};
}

GaussianArrays Asset::gaussians() const {
  if (!data_->gaussians) return {};
  const Gaussians& g = *data_->gaussians;
  return {g.xyz, g.dc, g.scale, g.rotation, g.opacity, g.sh};
}

int Asset::resolution() const { return data_->voxels.rows() > 0 ? data_->voxels.resolution : 0; }

std::vector<std::string> Asset::left_out_of(const std::string& format) const { return espalier::left_out_of(*data_, format); }

void Asset::save(const fs::path& path, const SaveOptions& options) const { save_as(*data_, path, options); }

void Asset::save_latent(const fs::path& path) const {
  const SavedTensors saved = latent_tensors(*data_, path.string());
  save_safetensors(path, saved.tensors, saved.metadata);
}
void Asset::save_asset(const fs::path& path) const {
  const SavedTensors saved = asset_tensors(*data_, path.string());
  save_safetensors(path, saved.tensors, saved.metadata);
}
void Asset::save_preview(const fs::path& path) const { write_file(path, encoded_preview(*data_, path.string())); }

std::vector<NamedBytes> Asset::encode(const std::string& format, const SaveOptions& options) const {
  std::vector<NamedBytes> files;
  const std::string label = "encoding as " + format.substr(0, 40);
  check_stem(options.name, label.c_str());
  if (format == "latent" || format == "asset") {
    const SavedTensors saved = format == "latent" ? latent_tensors(*data_, label) : asset_tensors(*data_, label);
    files.push_back({options.name + ".safetensors", encode_safetensors(saved.tensors, saved.metadata)});
  } else if (format == "preview") {
    files.push_back({options.name + ".png", encoded_preview(*data_, label)});
  } else {
    for (NamedFile& file : encoded_as(*data_, format, options)) files.push_back({std::move(file.name), std::move(file.bytes)});
  }
  return files;
}

SavedTensors latent_tensors(const Asset::Data& data, const std::string& label) {
  if (data.latent.empty()) fail(ErrorCode::invalid_argument, label, ": the asset has no latent");
  const auto rows = data.voxels.rows();
  const auto channels = static_cast<std::int64_t>(data.latent.size()) / rows;
  std::map<std::string, std::string> metadata{{"format", kLatentFormat},
                                              {"resolution", std::to_string(data.voxels.resolution)}};
  for (const auto& [key, value] : data.record) {
    if (key != kFinishing) metadata["record: " + key] = value;
  }
  std::map<std::string, HostTensor> tensors;
  tensors.emplace("coords", HostTensor::from(data.voxels.coords, {rows, 4}));
  tensors.emplace("feats", HostTensor::from(data.latent, {rows, channels}));
  return {std::move(tensors), std::move(metadata)};
}

std::vector<std::byte> encoded_preview(const Asset::Data& data, const std::string& label) {
  const PreviewOptions options;
  if (data.finished) {
    const FinishedMesh& finished = *data.finished;
    return encode_png(preview_sheet(finished.mesh, options, finished.texture.width > 0 ? &finished.texture : nullptr));
  }
  if (data.mesh && !data.mesh->faces.empty())
    return encode_png(data.appearance ? preview_sheet(*data.mesh, options, *data.appearance)
                                      : preview_sheet(*data.mesh, options));
  return encode_png(preview_sheet(gaussians_of(data, label), options));
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
    fail(e.code(), path.string(), ": ", e.message(), hint("the file belongs to another checkpoint or is damaged"));
  }
  if (coords.extents()[0] == 0) fail(ErrorCode::format, path.string(), ": it holds no voxel");
  for (const float v : feats.to_vector<float>("feats")) {
    if (!(v - v == 0.0F)) fail(ErrorCode::format, path.string(), ": a latent value is not finite");
  }
  try {
    saved.voxels = make_voxels(coords.to_vector<std::int32_t>("coords"), 1, resolution);
  } catch (const Error& e) {
    fail(ErrorCode::format, path.string(), ": ", e.message(), hint(e.hint()));
  }
  saved.latent = feats.to_vector<float>("feats");
  for (const auto& [key, value] : metadata) {
    if (key.rfind("record: ", 0) == 0) saved.record[key.substr(8)] = value;
  }
  saved.record.erase(kFinishing);
  return saved;
}

}  // namespace espalier
