// Whole assets as one safetensors file: everything that was decoded, so that it can be finished again.
#include <algorithm>
#include <cmath>
#include <span>

#include "api/asset_file_parts.h"
#include "api/asset_writers.h"
#include "image/codec.h"
#include "image/preprocess.h"
#include "weights/safetensors.h"

namespace espalier {

namespace fs = std::filesystem;

namespace {

constexpr const char* kAssetFormat = "espalier-asset-1";
constexpr const char* kRecord = "record: ";
constexpr const char* kStructure = "structure";  // absent before assets could be edited, and where it is not known
constexpr const char* kSurface = "surface";      // absent: the reference's rule
constexpr const char* kSolid = "solid";
constexpr std::size_t kMostImages = 64;

Gaussians read_gaussians_of(const SafetensorsFile& file) {
  Gaussians g;
  g.xyz = need<float>(file, "gaussians.xyz", -1, 3);
  const auto count = static_cast<std::int64_t>(g.xyz.size() / 3);
  g.dc = need<float>(file, "gaussians.dc", count, 3);
  g.scale = need<float>(file, "gaussians.scale", count, 3);
  g.rotation = need<float>(file, "gaussians.rotation", count, 4);
  g.opacity = need<float>(file, "gaussians.opacity", count, 1);
  const auto harmonics = file.entries().find("gaussians.sh");
  if (harmonics == file.entries().end()) return g;
  const auto& extents = harmonics->second.extents;
  const std::int64_t values = extents.size() == 2 ? extents[1] : 0;
  if (values != 9 && values != 24 && values != 45)
    fail(ErrorCode::format, file.label(), ": gaussians.sh has ", values, " columns", hint("9, 24 or 45 were expected"));
  g.sh = need<float>(file, "gaussians.sh", count, values);
  return g;
}

std::int64_t number_of(const SafetensorsFile& file, const std::string& key, std::int64_t low, std::int64_t high) {
  const auto found = file.metadata().find(key);
  const std::string text = found == file.metadata().end() ? "" : found->second;
  std::int64_t value = -1;
  if (!text.empty() && text.size() < 8 && text.find_first_not_of("0123456789") == std::string::npos) value = std::stoll(text);
  if (value < low || value > high)
    fail(ErrorCode::format, file.label(), ": ", key, " is \"", text.substr(0, 20), "\"",
         hint("a number in [", low, ", ", high, "] was expected"));
  return value;
}

RadianceField read_radiance_field_of(const SafetensorsFile& file) {
  RadianceField field;
  field.resolution = static_cast<int>(number_of(file, "radiance_field.resolution", 1, 1024));
  field.rank = static_cast<int>(number_of(file, "radiance_field.rank", 1, 1024));
  field.dim = static_cast<int>(number_of(file, "radiance_field.dim", 1, 1024));
  field.position = need<float>(file, "radiance_field.position", -1, 3);
  const auto count = static_cast<std::int64_t>(field.position.size() / 3);
  field.trivec = need<float>(file, "radiance_field.trivec", count, std::int64_t{field.rank} * 3 * field.dim);
  field.density = need<float>(file, "radiance_field.density", count, field.rank);
  field.features_dc = need<float>(file, "radiance_field.features_dc", count, std::int64_t{field.rank} * 3);
  return field;
}

// Whoever reads the file later could not tell that something is missing.
void require_parts(const Asset::Data& data, const std::string& label) {
  const char* lack = nullptr;
  if (data.mesh && data.mesh->faces.empty()) lack = "a mesh was asked for, but it has no faces";
  if (data.gaussians && data.gaussians->count() == 0) lack = "Gaussians were asked for, but there are none";
  if (data.radiance_field && data.radiance_field->position.empty()) lack = "a radiance field was asked for, but it is empty";
  if (lack == nullptr) return;
  fail(ErrorCode::invalid_argument, label, ": ", lack, ", so the asset would lack it",
       hint("try another seed or image, or ask for other formats"));
}

std::string image_key(std::size_t index) { return "image." + std::to_string(index + 1); }

// PNG bytes, as many as there are without a gap. Files of earlier versions call them `picture.1`, `picture.2`...
std::vector<Image> read_images_of(const SafetensorsFile& file) {
  std::vector<Image> images;
  for (std::size_t i = 0; i < kMostImages; ++i) {
    std::string key = image_key(i);
    if (!file.has(key)) key = "picture." + std::to_string(i + 1);
    if (!file.has(key)) break;
    const std::string where = file.label() + ": " + key;
    const std::vector<std::uint8_t> bytes = file.load(key).to_vector<std::uint8_t>(key);
    Image image = decode_image(std::as_bytes(std::span(bytes)), where);
    if (image.channels != 4 || image.width != image.height || image.width < kLeastCutout || image.width > kMostCutout) {
      fail(ErrorCode::format, where, " is ", image.width, " x ", image.height, " with ", image.channels, " channels",
           hint("a square RGBA image of ", kLeastCutout, " to ", kMostCutout, " pixels was expected"));
    }
    images.push_back(std::move(image));
  }
  return images;
}

Voxels read_voxels(const SafetensorsFile& file, const std::string& name) {
  const auto resolution = static_cast<int>(number_of(file, "resolution", 1, 1024));
  try {
    return make_voxels(need<std::int32_t>(file, name, -1, 4), 1, resolution);
  } catch (const Error& e) {
    fail(ErrorCode::format, file.label(), ": ", e.message(), hint(e.hint()));
  }
}

std::vector<float> read_latent(const SafetensorsFile& file, const std::string& name, std::int64_t rows) {
  const auto feats = file.entries().find(name);
  if (feats == file.entries().end() || feats->second.extents.size() != 2)
    fail(ErrorCode::format, file.label(), ": ", name, " is missing or not a matrix");
  return need<float>(file, name, rows, feats->second.extents[1]);
}

std::string earlier_key(std::size_t index) { return "earlier." + std::to_string(index + 1) + "."; }

// The states before edits; eight cells of `touched` are a byte, the first in its lowest bit.
void put_earlier(const std::vector<EarlierState>& states, Tensors& tensors) {
  for (std::size_t i = 0; i < states.size(); ++i) {
    const EarlierState& state = states[i];
    std::vector<std::uint8_t> bits((state.touched.size() + 7) / 8, 0);
    for (std::size_t c = 0; c < state.touched.size(); ++c)
      bits[c / 8] = static_cast<std::uint8_t>(bits[c / 8] | (state.touched[c] != 0 ? 1U << c % 8 : 0U));
    put(tensors, earlier_key(i) + "coords", state.voxels.coords, 4);
    put(tensors, earlier_key(i) + "feats", state.latent, static_cast<std::int64_t>(state.latent.size()) / state.voxels.rows());
    put(tensors, earlier_key(i) + "touched", bits, 1);
  }
}

std::vector<EarlierState> read_earlier(const SafetensorsFile& file) {
  std::vector<EarlierState> states;
  for (std::size_t i = 0; i < kMostEdits && file.has(earlier_key(i) + "coords"); ++i) {
    EarlierState state{read_voxels(file, earlier_key(i) + "coords"), {}, {}};
    state.latent = read_latent(file, earlier_key(i) + "feats", state.voxels.rows());
    const std::int64_t side = state.voxels.resolution, cells = side * side * side;
    const auto bits = need<std::uint8_t>(file, earlier_key(i) + "touched", (cells + 7) / 8, 1);
    for (std::size_t c = 0; c < static_cast<std::size_t>(cells); ++c)
      state.touched.push_back(static_cast<std::uint8_t>(bits[c / 8] >> c % 8 & 1));
    states.push_back(std::move(state));
  }
  return states;
}

SurfaceRule surface_of(const SafetensorsFile& file) {
  const auto found = file.metadata().find(kSurface);
  return found != file.metadata().end() && found->second == kSolid ? SurfaceRule::solid : SurfaceRule::reference;
}

std::string format_of(const SafetensorsFile& file) {
  const auto found = file.metadata().find("format");
  return found == file.metadata().end() ? "" : found->second;
}

[[noreturn]] void fail_format(const fs::path& path) {
  fail(ErrorCode::format, path.string(), ": no asset saved by this program (write one with --save-asset)");
}

}  // namespace

SavedTensors asset_tensors(const Asset::Data& data, const std::string& label) {
  if (!data.mesh && !data.gaussians && !data.radiance_field) {
    fail(ErrorCode::invalid_argument, label, ": nothing was decoded, so there is no asset to save");
  }
  require_parts(data, label);
  std::map<std::string, std::string> metadata{{"format", kAssetFormat}};
  for (const auto& [key, value] : data.record) metadata[kRecord + key] = value;
  Tensors tensors;
  if (!data.latent.empty()) {
    metadata["resolution"] = std::to_string(data.voxels.resolution);
    put(tensors, "coords", data.voxels.coords, 4);
    put(tensors, "feats", data.latent, static_cast<std::int64_t>(data.latent.size()) / data.voxels.rows());
    put(tensors, kStructure, data.structure, 1);
    put_earlier(data.earlier, tensors);
  }
  if (data.mesh) {
    put_mesh(*data.mesh, "mesh.", tensors);
    if (data.surface == SurfaceRule::solid) metadata[kSurface] = kSolid;
  }
  if (data.gaussians) {
    put(tensors, "gaussians.xyz", data.gaussians->xyz, 3);
    put(tensors, "gaussians.dc", data.gaussians->dc, 3);
    put(tensors, "gaussians.scale", data.gaussians->scale, 3);
    put(tensors, "gaussians.rotation", data.gaussians->rotation, 4);
    put(tensors, "gaussians.opacity", data.gaussians->opacity, 1);
    put(tensors, "gaussians.sh", data.gaussians->sh,
        static_cast<std::int64_t>(data.gaussians->sh.size()) / std::max<std::int64_t>(data.gaussians->count(), 1));
  }
  if (data.radiance_field) {
    const RadianceField& field = *data.radiance_field;
    metadata["radiance_field.resolution"] = std::to_string(field.resolution);
    metadata["radiance_field.rank"] = std::to_string(field.rank);
    metadata["radiance_field.dim"] = std::to_string(field.dim);
    put(tensors, "radiance_field.position", field.position, 3);
    put(tensors, "radiance_field.trivec", field.trivec, std::int64_t{field.rank} * 3 * field.dim);
    put(tensors, "radiance_field.density", field.density, field.rank);
    put(tensors, "radiance_field.features_dc", field.features_dc, std::int64_t{field.rank} * 3);
  }
  for (std::size_t i = 0; i < data.images.size(); ++i) {
    const std::vector<std::byte> png = encode_png(data.images[i], PngEffort::quick);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(png.data());
    put(tensors, image_key(i), std::vector<std::uint8_t>(bytes, bytes + png.size()), 1);
  }
  if (data.finished) put_finished(*data.finished, tensors);
  return {std::move(tensors), std::move(metadata)};
}

namespace {

bool is_asset(const SafetensorsFile& file, const fs::path& path) {
  const std::string format = format_of(file);
  if (format == kAssetFormat) return true;
  if (format.rfind("espalier-latent", 0) == 0) return false;
  fail(ErrorCode::format, path.string(), ": neither an asset nor a latent saved by this program");
}

}  // namespace

bool is_asset_file(const fs::path& path) { return is_asset(SafetensorsFile(path), path); }

std::int64_t saved_voxels(const fs::path& path) {
  const SafetensorsFile file(path);
  static_cast<void>(is_asset(file, path));
  const auto coords = file.entries().find("coords");
  return coords == file.entries().end() || coords->second.extents.empty() ? 0 : coords->second.extents.front();
}

Asset load_asset(const fs::path& path) {
  const SafetensorsFile file(path);
  if (format_of(file) != kAssetFormat) fail_format(path);
  AssetBuilder builder;
  if (file.has("coords")) {
    const Voxels voxels = read_voxels(file, "coords");
    builder.latent(voxels, read_latent(file, "feats", voxels.rows()));
    builder.structure(get<float>(file, kStructure, -1, 1));
    for (EarlierState& state : read_earlier(file)) builder.earlier(std::move(state));
  }
  if (file.has("mesh.vertices")) builder.mesh(read_mesh(file, "mesh."), surface_of(file));
  if (file.has("gaussians.xyz")) builder.gaussians(read_gaussians_of(file));
  if (file.has("radiance_field.position")) builder.radiance_field(read_radiance_field_of(file));
  if (file.has("finished.vertices"))
    builder.finished(read_finished(file, builder.data().mesh ? &*builder.data().mesh : nullptr));
  for (Image& image : read_images_of(file)) builder.image(std::move(image));
  for (const auto& [key, value] : file.metadata()) {
    if (key.rfind(kRecord, 0) == 0) builder.record(key.substr(std::string(kRecord).size()), value);
  }
  return builder.build();
}

}  // namespace espalier
