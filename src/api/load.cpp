// Assets from files of other programs.
#include <algorithm>
#include <string>

#include "api/asset.h"
#include "geometry/mesh/mesh_report.h"
#include "io/formats/content.h"
#include "io/formats/gaussian_reader.h"
#include "io/formats/mesh_reader.h"

namespace espalier {

namespace fs = std::filesystem;

namespace {

std::string lower_extension(const fs::path& path) {
  std::string text = path.extension().string();
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// Three channels, for an image whose alpha means nothing.
Image without_alpha(Image image) {
  if (image.channels == 3) return image;
  Image out(image.width, image.height, 3);
  for (std::size_t i = 0; i < out.pixel_count(); ++i) std::copy_n(&image.pixels[4 * i], 3, &out.pixels[3 * i]);
  return out;
}

}  // namespace

Asset load_mesh(const fs::path& path, const LoadOptions& load) {
  ReadOptions options;
  options.texture = true;
  options.strict = load.strict;
  MeshFile file = read_mesh(path, options);
  AssetBuilder builder;
  for (const std::string& notice : file.notices) builder.notice(notice);
  if (plain_texture(file.appearance, file.mesh.uvs, file.mesh.colours) != nullptr) {
    FinishedMesh finished;
    finished.report.before = finished.report.after = summary_of(report_of(file.mesh));
    finished.mesh = file.mesh;
    if (file.appearance.images.front().channels == 3) finished.texture_file = file.appearance.file(0);
    finished.texture = without_alpha(std::move(file.appearance.images.front()));
    builder.finished(std::move(finished));
  } else if (!file.appearance.materials.empty()) {
    builder.appearance(std::move(file.appearance));
  }
  builder.mesh(std::move(file.mesh));
  builder.record("source", path.filename().string());
  constexpr double kMillimetres = 1000.0;
  if (file.metres_per_unit != 1.0) builder.record(kUnit, str(file.metres_per_unit * kMillimetres, " mm"));
  return builder.build();
}

Asset load_gaussians(const fs::path& path, const LoadOptions& load) {
  ReadOptions options;
  options.strict = load.strict;
  GaussianFile file = read_gaussians(path, options);
  AssetBuilder builder;
  for (const std::string& notice : file.notices) builder.notice(notice);
  builder.gaussians(std::move(file.gaussians));
  builder.record("source", path.filename().string());
  return builder.build();
}

FileContent content_of(const fs::path& path) {
  if (lower_extension(path) == ".safetensors") return is_asset_file(path) ? FileContent::asset : FileContent::latent;
  return holds_gaussians(path) ? FileContent::gaussians : FileContent::mesh;
}

Asset load_any(const fs::path& path, const LoadOptions& options) {
  switch (content_of(path)) {
    case FileContent::gaussians: return load_gaussians(path, options);
    case FileContent::mesh: return load_mesh(path, options);
    case FileContent::asset: return load_asset(path);
    case FileContent::latent: break;
  }
  fail(ErrorCode::invalid_argument, path.string(), ": a latent has to be decoded before it can be shown",
       hint("save an asset of it with: espalier export ", path.filename().string(), " --save-asset FILE"));
}

}  // namespace espalier
