#include "pipeline/asset.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "image/codec.h"
#include "io/gaussian_ply.h"
#include "io/mesh_files.h"
#include "render/preview.h"
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

}  // namespace

void AssetBuilder::latent(const Voxels& voxels, const std::vector<float>& values) {
  data_.voxels = voxels;
  data_.latent = values;
  data_.positions.clear();
  for (std::size_t i = 0; i < voxels.coords.size(); i += 4) {
    data_.positions.insert(data_.positions.end(), voxels.coords.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                           voxels.coords.begin() + static_cast<std::ptrdiff_t>(i) + 4);
  }
}

void AssetBuilder::costs(const std::vector<StageCost>& costs) {
  for (const StageCost& c : costs) data_.stages.push_back({c.name, c.seconds, c.weight_bytes, c.planned_bytes, c.peak_bytes});
}

void AssetBuilder::tell(const Observer& observer) {
  for (; told_ < data_.notices.size(); ++told_) {
    if (observer.message) observer.message(data_.notices[told_]);
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

void Asset::save(const fs::path& path, const SaveOptions& options) const {
  const std::string name = lower(path.filename().string());
  if (ends_with(name, ".glb")) {
    GlbOptions glb;
    glb.generator = "Espalier " + version();
    glb.extras_json = extras_of(*data_);
    write_file(path, encode_glb(mesh_of(*data_, path), glb));
  } else if (ends_with(name, ".obj")) {
    write_file(path, encode_obj(mesh_of(*data_, path), comments_of(*data_)));
  } else if (ends_with(name, ".stl")) {
    write_file(path, encode_stl(mesh_of(*data_, path), options.size_mm));
  } else if (ends_with(name, ".ply")) {
    const bool mesh = ends_with(name, ".mesh.ply") || !data_->gaussians;
    write_file(path, mesh ? encode_mesh_ply(mesh_of(*data_, path), comments_of(*data_))
                          : encode_gaussian_ply(gaussians_of(*data_, path), comments_of(*data_)));
  } else {
    fail(ErrorCode::invalid_argument, path.string(), ": unknown extension; .glb, .obj, .stl and .ply can be written");
  }
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
  PreviewOptions options;
  if (data_->mesh && !data_->mesh->faces.empty()) {
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
