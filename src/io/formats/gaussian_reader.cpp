#include "io/formats/gaussian_reader.h"

#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "io/formats/gaussian_builder.h"

namespace espalier {

namespace reader {

GaussianBuilder::GaussianBuilder(const Source& source, std::string format, std::uint64_t count, std::size_t harmonics,
                                 std::size_t raw, Quarter turn)
    : source_(source), turn_(turn) {
  if (count == 0) fail(ErrorCode::format, source.name, ": the file holds no Gaussians", hint("name a file with Gaussians"));
  source.check_counts(count, 0);
  source.take_memory(count, (14 + harmonics) * sizeof(float) / 2 + raw);
  file_.format = std::move(format);
  const auto n = static_cast<std::size_t>(count);
  Gaussians& g = file_.gaussians;
  for (auto* three : {&g.xyz, &g.dc, &g.scale}) three->reserve(3 * n);
  g.sh.reserve(harmonics * n);
  g.rotation.reserve(4 * n);
  g.opacity.reserve(n);
}

void GaussianBuilder::add(const GaussianRow& row) {
  constexpr float kSmallest = 2e-9F;  // e^-20, as viewers read a scale of nothing
  source_.tick();
  bool good = std::isfinite(static_cast<float>(row.opacity));
  double length = 0.0;
  for (std::size_t k = 0; k < 3; ++k) {
    const auto scale = static_cast<float>(row.scale[k]);
    good = good && std::isfinite(row.place[k]) && std::isfinite(static_cast<float>(row.dc[k])) && std::isfinite(scale) &&
           scale >= 0.0F;
  }
  for (const float x : row.rotation) length += double{x} * x;
  good = good && length > 0.0 && std::isfinite(length);
  for (const float x : row.harmonics) good = good && std::isfinite(x);
  if (!good) {
    if (left_out_++ == 0) first_ = read_;
    ++read_;
    return;
  }
  ++read_;
  Gaussians& g = file_.gaussians;
  for (const float x : turned_point(row.place.data(), turn_)) g.xyz.push_back(x);
  for (const double x : row.dc) g.dc.push_back(static_cast<float>(x));
  for (const double x : row.scale) g.scale.push_back(std::max(static_cast<float>(x), kSmallest));
  for (const double x : turned(row.rotation.data(), turn_)) g.rotation.push_back(static_cast<float>(x));
  g.opacity.push_back(static_cast<float>(row.opacity));
  std::array<float, kMostHarmonics> out{};
  turn_harmonics(row.harmonics.data(), row.harmonics.size() / 3, turn_, out.data());
  g.sh.insert(g.sh.end(), out.begin(), out.begin() + static_cast<std::ptrdiff_t>(row.harmonics.size()));
}

GaussianFile GaussianBuilder::finish() {
  if (left_out_ == read_ && read_ > 0)
    source_.damaged("none of its ", read_, " Gaussians has finite values, positive scales and a rotation");
  if (left_out_ > 0) {
    source_.left_out(left_out_, " of ", read_, " Gaussians are left out, Gaussian ", first_,
                     " the first: their values are not finite, or their scale or rotation is none");
  }
  return std::move(file_);
}

namespace {

// The columns f_rest_0, f_rest_1, ... of a PLY: 0, 9, 24 or 45, all of red first.
std::vector<const float*> harmonics_of(const Ply& ply, std::span<const std::string> names, const Source& source) {
  std::vector<const float*> columns;
  for (const std::string& name : names) {
    const std::vector<float>* values = ply.column(name);
    if (values == nullptr) break;
    columns.push_back(values->data());
  }
  const std::size_t n = columns.size();
  if (n != 0 && n != 9 && n != 24 && n != kMostHarmonics) {
    source.damaged("it has ", n, " columns f_rest_*, but harmonics of degree 1, 2 and 3 take 9, 24 and ", kMostHarmonics);
  }
  return columns;
}

GaussianFile read_gaussian_ply(const Source& source) {
  constexpr std::array<std::string_view, 14> kColumns = {"x",      "y",       "z",       "f_dc_0",  "f_dc_1",
                                                         "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2",
                                                         "rot_0",  "rot_1",   "rot_2",   "rot_3"};
  std::vector<std::string> rest;
  for (std::size_t i = 0; i <= kMostHarmonics; ++i) rest.push_back("f_rest_" + std::to_string(i));
  std::vector<std::string_view> wanted(kColumns.begin(), kColumns.end());
  wanted.insert(wanted.end(), rest.begin(), rest.end());
  const Ply ply = parse_ply(source, wanted);
  std::array<const float*, kColumns.size()> column{};
  for (std::size_t c = 0; c < column.size(); ++c) {
    const std::vector<float>* values = ply.column(kColumns[c]);
    if (values == nullptr) {
      source.damaged("the vertices have no ", kColumns[c], ", so this is not a PLY of 3D Gaussian splatting");
    }
    column[c] = values->data();
  }
  const std::vector<const float*> harmonics = harmonics_of(ply, rest, source);
  const std::size_t coefficients = harmonics.size() / 3;
  std::vector<float> mixed(harmonics.size());
  GaussianBuilder builder(source, "PLY", static_cast<std::uint64_t>(ply.vertices), harmonics.size(), 0, Quarter::back);
  for (std::size_t i = 0; i < static_cast<std::size_t>(ply.vertices); ++i) {
    const auto at = [&](std::size_t c) { return column[c][i]; };
    for (std::size_t k = 0; k < mixed.size(); ++k) mixed[3 * (k % coefficients) + k / coefficients] = harmonics[k][i];
    builder.add({.place = {at(0), at(1), at(2)},
                 .dc = {at(3), at(4), at(5)},
                 .scale = {std::exp(double{at(7)}), std::exp(double{at(8)}), std::exp(double{at(9)})},
                 .rotation = {at(10), at(11), at(12), at(13)},
                 .opacity = logistic(at(6)),
                 .harmonics = mixed});
  }
  return builder.finish();
}

GaussianFile read_splat(const Source& source) {
  constexpr std::size_t kRow = 32;
  if (source.bytes.size() % kRow != 0)
    source.damaged("its size is not a multiple of ", kRow, " bytes, so this is not a .splat file");
  GaussianBuilder builder(source, "splat", source.bytes.size() / kRow, 0, 0, Quarter::back);
  Cursor cursor(source.bytes, source);
  while (cursor.left() > 0) {
    GaussianRow row;
    for (float& x : row.place) x = cursor.number<float>();
    for (double& x : row.scale) x = cursor.number<float>();
    for (double& x : row.dc) x = (cursor.number<std::uint8_t>() / 255.0 - 0.5) / kHarmonic;
    row.opacity = cursor.number<std::uint8_t>() / 255.0;
    for (float& x : row.rotation) x = (static_cast<float>(cursor.number<std::uint8_t>()) - 128.0F) / 128.0F;
    builder.add(row);
  }
  return builder.finish();
}

bool has_packed_columns(std::string_view text) {
  const std::string_view head =
      text.substr(0, std::min(text.find("end_header"), std::min<std::size_t>(text.size(), std::size_t{4} << 20U)));
  return content_of_ply(head).packed;
}

GaussianFile decode(const Source& source) {
  constexpr const char* kKnown = "name a PLY, SPZ, SOG, .splat, .ksplat or GLB file of Gaussians";
  const std::string_view text = text_of(source.bytes), bare = without_mark(text);
  const std::string name = lower(source.name);
  if (text.empty()) fail(ErrorCode::format, source.name, ": the file is empty", hint(kKnown));
  if (text.starts_with("version https://git-lfs"))
    source.unsupported("this is a Git LFS pointer, not the file itself", hint("fetch it: git lfs pull"));
  if (bare.starts_with("ply")) {
    return has_packed_columns(bare) ? read_compressed_ply(source) : read_gaussian_ply(source);
  }
  if (text.starts_with("\x1F\x8B") || text.starts_with("NGSP")) return read_spz(source);
  if (text.starts_with("glTF")) return read_gltf_gaussians(source);
  if (text.starts_with("PK\x03\x04")) return read_sog(source);
  if (name.ends_with(".ksplat")) return read_ksplat(source);
  if (name.ends_with(".splat")) return read_splat(source);
  if (trimmed(bare.substr(0, 4096)).starts_with('{')) {
    const bool gltf = bare.find("\"asset\"") != std::string_view::npos && name.ends_with(".gltf");
    return gltf ? read_gltf_gaussians(source) : read_sog(source);
  }
  source.unsupported("this is not a PLY, SPZ, SOG, .splat, .ksplat or GLB file of Gaussians",
                     hint("export the Gaussians as PLY"));
}

GaussianFile decode_checked(const Source& source) {
  GaussianFile file = decode(source);
  file.notices = source.take_notices();
  return file;
}

}  // namespace

}  // namespace reader

GaussianFile decode_gaussians(std::span<const std::byte> bytes, const std::string& name, const ReadOptions& options) {
  return reader::decode_checked(reader::Source(bytes, name, options, nullptr));
}

GaussianFile read_gaussians(const std::filesystem::path& path, const ReadOptions& options) {
  const std::vector<std::byte> bytes = read_file(path, options.max_bytes);
  const reader::DiskFolder folder(path.parent_path(), options.max_bytes);
  return reader::decode_checked(reader::Source(bytes, path.string(), options, &folder));
}

}  // namespace espalier
