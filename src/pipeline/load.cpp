// Assets from files of other programs.
#include <algorithm>
#include <array>
#include <fstream>
#include <string>

#include "geometry/mesh_report.h"
#include "io/gaussian_reader.h"
#include "io/mesh_reader.h"
#include "pipeline/asset.h"

namespace espalier {

namespace fs = std::filesystem;

namespace {

enum class Kind { asset, gaussians, mesh };

std::string lower_extension(const fs::path& path) {
  std::string text = path.extension().string();
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// What a PLY holds, by its header; nothing is said of a file that cannot be read.
Kind kind_of_ply(const fs::path& path) {
  constexpr std::size_t kHeader = std::size_t{1} << 16U;
  std::string head(kHeader, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  head.resize(std::min(head.find("end_header"), head.size()));
  return head.find(" f_dc_0") != std::string::npos && head.find("element face ") == std::string::npos ? Kind::gaussians
                                                                                                      : Kind::mesh;
}

Kind kind_of(const fs::path& path) {
  const std::string extension = lower_extension(path);
  if (extension == ".safetensors") return Kind::asset;
  if (extension == ".spz" || extension == ".splat") return Kind::gaussians;
  return extension == ".ply" ? kind_of_ply(path) : Kind::mesh;
}

}  // namespace

Asset load_mesh(const fs::path& path) {
  ReadOptions options;
  options.texture = true;
  MeshFile file = read_mesh(path, options);
  AssetBuilder builder;
  if (file.texture.width > 0 && !file.mesh.uvs.empty()) {
    FinishedMesh finished;
    finished.report.before = finished.report.after = summary_of(report_of(file.mesh));
    finished.mesh = file.mesh;
    finished.texture = std::move(file.texture);
    builder.finished(std::move(finished));
  }
  builder.mesh(std::move(file.mesh));
  builder.record("source", path.filename().string());
  return builder.build();
}

Asset load_gaussians(const fs::path& path) {
  GaussianFile file = read_gaussians(path);
  AssetBuilder builder;
  builder.gaussians(std::move(file.gaussians));
  builder.record("source", path.filename().string());
  if (file.harmonics_dropped)
    builder.notice("spherical harmonics beyond degree 0 are left out: colours do not follow the view");
  return builder.build();
}

Asset load_any(const fs::path& path) {
  switch (kind_of(path)) {
    case Kind::gaussians: return load_gaussians(path);
    case Kind::mesh: return load_mesh(path);
    case Kind::asset: break;
  }
  if (!is_asset_file(path)) {
    fail(ErrorCode::invalid_argument, path.string(),
         ": a latent has to be decoded before it can be shown; save an asset of it (espalier export ", path.filename().string(),
         " --save-asset FILE)");
  }
  return load_asset(path);
}

}  // namespace espalier
