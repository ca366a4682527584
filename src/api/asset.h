// Assets while they are made and as files.
#pragma once

#include <optional>

#include "assets/appearance.h"
#include "assets/gaussians.h"
#include "assets/mesh.h"
#include "assets/radiance_field.h"
#include "assets/region.h"
#include "assets/voxels.h"
#include "espalier/espalier.h"
#include "finishing/finish.h"
#include "session/stage_runner.h"

namespace espalier {

// Key of the record of an asset whose mesh was given and kept: it stands where it stood.
inline constexpr const char* kGivenFrame = "frame";
// Key of the record that says how the mesh was finished: only of what holds a finished mesh.
inline constexpr const char* kFinishing = "finishing";
inline constexpr const char* kUnit = "unit";  // of a file of another program that does not count in metres: "1 mm"

// Of one asset: all of them are decoded again with each.
inline constexpr std::size_t kMostEdits = 64;

struct Asset::Data {
  Voxels voxels;
  std::vector<std::int32_t> positions;  // x, y, z of each voxel
  std::vector<float> latent;
  std::vector<float> structure;       // the latent that the voxels were decoded of; empty where it is not known
  std::vector<EarlierState> earlier;  // what edits began with, from the first on
  std::optional<Mesh> mesh;
  SurfaceRule surface = SurfaceRule::reference;  // of the mesh
  std::optional<Gaussians> gaussians;
  std::optional<RadianceField> radiance_field;
  std::vector<Image> images;  // foregrounds of what it was made of (RGBA, square), for project_image
  std::optional<FinishedMesh> finished;
  std::optional<Appearance> appearance;  // of a mesh from a file of another program, where one texture does not say it all
  std::vector<StageReport> stages;
  std::vector<std::string> notices;
  std::map<std::string, std::string> record;
};

class AssetBuilder {
 public:
  AssetBuilder() = default;
  explicit AssetBuilder(const Asset::Data& data) : data_(data), reported_(data.notices.size()) {}
  void latent(const Voxels& voxels, const std::vector<float>& values);
  void structure(std::vector<float> latent) { data_.structure = std::move(latent); }
  void earlier(EarlierState state) { data_.earlier.push_back(std::move(state)); }
  void mesh(Mesh value, SurfaceRule rule = SurfaceRule::reference) {
    data_.mesh = std::move(value);
    data_.surface = rule;
  }
  void gaussians(Gaussians value);
  void radiance_field(RadianceField value) { data_.radiance_field = std::move(value); }
  void image(Image value) { data_.images.push_back(std::move(value)); }
  void drop_images() { data_.images.clear(); }
  void finished(FinishedMesh value) {
    data_.finished = std::move(value);
    data_.appearance.reset();
  }
  void appearance(Appearance value) { data_.appearance = std::move(value); }
  // Forgets what finishing made, and what it cost.
  void drop_finished();
  [[nodiscard]] std::vector<StageReport>& stages() { return data_.stages; }
  void stage(StageReport report) { data_.stages.push_back(std::move(report)); }
  [[nodiscard]] const Asset::Data& data() const { return data_; }
  void costs(const std::vector<StageCost>& costs);
  void notice(const std::string& line) { data_.notices.push_back(line); }
  void record(const std::string& key, const std::string& value) { data_.record[key] = value; }
  // Hands notices that the observer has not seen yet to it.
  void report_notices(const Observer& observer);
  [[nodiscard]] bool mesh_is_empty() const { return data_.mesh && data_.mesh->faces.empty(); }
  // A copy of what there is.
  [[nodiscard]] Asset so_far() const { return Asset(std::make_shared<Asset::Data>(data_)); }
  [[nodiscard]] Asset build() { return Asset(std::make_shared<Asset::Data>(std::move(data_))); }

 private:
  Asset::Data data_;
  std::size_t reported_ = 0;
};

struct SavedLatent {
  Voxels voxels;
  std::vector<float> latent;
  std::map<std::string, std::string> record;
};
// Reads what Asset::save_latent wrote. Throws format when the file is no such file or belongs to a checkpoint with
// another grid or other latent channels.
[[nodiscard]] SavedLatent load_latent(const std::filesystem::path& path, int resolution, std::int64_t channels);

}  // namespace espalier
