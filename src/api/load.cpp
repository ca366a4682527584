// Assets from files of other programs.
#include <algorithm>
#include <array>
#include <fstream>
#include <string>

#include "api/asset.h"
#include "geometry/mesh/mesh_report.h"
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

// What a PLY holds, by its header; nothing is said of a file that cannot be read.
FileContent content_of_ply(const fs::path& path) {
  constexpr std::size_t kHeader = std::size_t{1} << 16U;
  std::string head(kHeader, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  head.resize(std::min(head.find("end_header"), head.size()));
  return head.find(" f_dc_0") != std::string::npos && head.find("element face ") == std::string::npos ? FileContent::gaussians
                                                                                                      : FileContent::mesh;
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
  return builder.build();
}

FileContent content_of(const fs::path& path) {
  const std::string extension = lower_extension(path);
  if (extension == ".safetensors") return is_asset_file(path) ? FileContent::asset : FileContent::latent;
  if (extension == ".spz" || extension == ".splat") return FileContent::gaussians;
  return extension == ".ply" ? content_of_ply(path) : FileContent::mesh;
}

Asset load_any(const fs::path& path) {
  switch (content_of(path)) {
    case FileContent::gaussians: return load_gaussians(path);
    case FileContent::mesh: return load_mesh(path);
    case FileContent::asset: return load_asset(path);
    case FileContent::latent: break;
  }
  fail(ErrorCode::invalid_argument, path.string(), ": a latent has to be decoded before it can be shown",
       hint("save an asset of it with: espalier export ", path.filename().string(), " --save-asset FILE"));
}

}  // namespace espalier
