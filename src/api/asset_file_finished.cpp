// The finished mesh in the files of save_asset: its arrays, its texture as a PNG, and the report.
#include <algorithm>
#include <limits>
#include <span>

#include "api/asset_file_parts.h"
#include "geometry/mesh/mesh_report.h"
#include "image/codec.h"

namespace espalier {

namespace {

constexpr const char* kTexture = "finished.texture";
constexpr const char* kNormalMap = "finished.normal_map";
constexpr const char* kOcclusionMap = "finished.occlusion_map";
constexpr const char* kReport = "finished.report";
constexpr const char* kSearch = "finished.search";  // absent in files from before meshes were searched
constexpr const char* kMatches = "finished.images";
constexpr int kMostTexture = 16384;
constexpr std::size_t kMostMatches = 64;
constexpr std::int64_t kReportValues = 7, kSearchValues = 4, kMatchValues = 7;

std::vector<double> values_of(const FinishReport& r) {
  return {static_cast<double>(r.hidden_faces),
          static_cast<double>(r.small_faces),
          static_cast<double>(r.filled_holes),
          static_cast<double>(r.charts),
          r.mean_stretch,
          r.texture_use,
          r.texels_seen};
}

std::vector<double> search_of(const FinishReport& r) {
  return {r.after.hidden_share, static_cast<double>(r.after.crossing_faces), r.after.crease_length,
          static_cast<double>(r.enclosed_faces)};
}

std::vector<double> values_of(const ImageMatch& m) {
  return {m.overlap, m.colour_error, m.yaw, m.pitch, m.distance, m.texels, m.used ? 1.0 : 0.0};
}

// A count that was written as a number of 64 bits.
std::int64_t count_of(double value, const std::string& label) {
  constexpr double kMost = 1e12;
  if (!(value >= 0.0 && value <= kMost)) fail(ErrorCode::format, label, ": the report has the count ", value);
  return static_cast<std::int64_t>(value);
}

// What the file says of the finishing; all zero in a file without a report.
FinishReport report_in(const SafetensorsFile& file) {
  FinishReport r;
  const std::string& label = file.label();
  if (const std::vector<double> v = get<double>(file, kReport, 1, kReportValues); !v.empty()) {
    r.hidden_faces = count_of(v[0], label);
    r.small_faces = count_of(v[1], label);
    r.filled_holes = count_of(v[2], label);
    r.charts = static_cast<int>(std::min<std::int64_t>(count_of(v[3], label), std::numeric_limits<int>::max()));
    r.mean_stretch = v[4];
    r.texture_use = v[5];
    r.texels_seen = v[6];
  }
  const std::vector<double> matches = get<double>(file, kMatches, -1, kMatchValues);
  if (matches.size() > kMostMatches * kMatchValues)
    fail(ErrorCode::format, label, ": ", kMatches, " has more than ", kMostMatches, " rows");
  for (std::size_t i = 0; i < matches.size(); i += kMatchValues) {
    const double* m = &matches[i];
    r.images.push_back({m[0], m[1], m[2], m[3], m[4], m[5], m[6] != 0.0});
  }
  return r;
}

void put_image(Tensors& tensors, const char* name, const Image& image) {
  if (image.width == 0) return;
  const std::vector<std::byte> png = encode_png(image, PngEffort::quick);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(png.data());
  put(tensors, name, std::vector<std::uint8_t>(bytes, bytes + png.size()), 1);
}

Image image_in(const SafetensorsFile& file, const char* name) {
  if (!file.has(name)) return {};
  const std::string where = str(file.label(), ": ", name);
  const std::vector<std::uint8_t> bytes = file.load(name).to_vector<std::uint8_t>(name);
  Image texture = decode_image(std::as_bytes(std::span(bytes)), where);
  if (texture.channels != 3 || texture.width > kMostTexture || texture.height > kMostTexture) {
    fail(ErrorCode::format, where, " is ", texture.width, " x ", texture.height, " with ", texture.channels, " channels",
         hint("an RGB image of at most ", kMostTexture, " pixels on a side was expected"));
  }
  return texture;
}

}  // namespace

void put_mesh(const Mesh& mesh, const std::string& prefix, Tensors& tensors) {
  put(tensors, prefix + "vertices", mesh.vertices, 3);
  put(tensors, prefix + "faces", mesh.faces, 3);
  put(tensors, prefix + "colours", mesh.colours, 3);
  put(tensors, prefix + "normals", mesh.normals, 3);
  put(tensors, prefix + "uvs", mesh.uvs, 2);
}

Mesh read_mesh(const SafetensorsFile& file, const std::string& prefix) {
  Mesh mesh;
  mesh.vertices = need<float>(file, prefix + "vertices", -1, 3);
  mesh.faces = need<std::int32_t>(file, prefix + "faces", -1, 3);
  mesh.colours = get<float>(file, prefix + "colours", mesh.vertex_count(), 3);
  mesh.normals = get<float>(file, prefix + "normals", mesh.vertex_count(), 3);
  mesh.uvs = get<float>(file, prefix + "uvs", mesh.vertex_count(), 2);
  const auto count = static_cast<std::int32_t>(mesh.vertex_count());
  for (const std::int32_t v : mesh.faces) {
    if (v < 0 || v >= count) fail(ErrorCode::format, file.label(), ": a face names vertex ", v, ", but there are ", count);
  }
  return mesh;
}

void put_finished(const FinishedMesh& finished, Tensors& tensors) {
  put_mesh(finished.mesh, "finished.", tensors);
  put_image(tensors, kTexture, finished.texture);
  put_image(tensors, kNormalMap, finished.maps.normal);
  put_image(tensors, kOcclusionMap, finished.maps.occlusion);
  put(tensors, kReport, values_of(finished.report), kReportValues);
  if (finished.report.after.hidden_share >= 0) put(tensors, kSearch, search_of(finished.report), kSearchValues);
  std::vector<double> matches;
  for (const ImageMatch& match : finished.report.images) {
    for (const double value : values_of(match)) matches.push_back(value);
  }
  put(tensors, kMatches, matches, kMatchValues);
}

FinishedMesh read_finished(const SafetensorsFile& file, const Mesh* decoded) {
  FinishedMesh finished;
  finished.report = report_in(file);
  finished.mesh = read_mesh(file, "finished.");
  if (finished.mesh.faces.empty()) fail(ErrorCode::format, file.label(), ": the finished mesh has no faces");
  finished.texture = image_in(file, kTexture);
  finished.maps.normal = image_in(file, kNormalMap);
  finished.maps.occlusion = image_in(file, kOcclusionMap);
  if (finished.maps.any() && (finished.texture.width == 0 || finished.mesh.normals.empty()))
    fail(ErrorCode::format, file.label(), ": there are maps, but no texture or normals that they belong to");
  if (finished.texture.width > 0 && finished.mesh.uvs.empty())
    fail(ErrorCode::format, file.label(), ": there is a texture, but no texture coordinates");
  finished.report.after = summary_of(report_of(finished.mesh));
  if (const std::vector<double> v = get<double>(file, kSearch, 1, kSearchValues); !v.empty()) {
    finished.report.after.hidden_share = v[0];
    finished.report.after.crossing_faces = count_of(v[1], file.label());
    finished.report.after.crease_length = v[2];
    finished.report.enclosed_faces = count_of(v[3], file.label());
  }
  finished.report.before = decoded != nullptr ? summary_of(report_of(*decoded)) : finished.report.after;
  return finished;
}

}  // namespace espalier
