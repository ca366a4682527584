#include "io/formats/gaussian_reader.h"

#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "io/formats/deflate.h"
#include "io/formats/quarter_turn.h"
#include "io/formats/reader_parts.h"
#include "io/formats/spz.h"

namespace espalier {

namespace {

using reader::Source;

constexpr std::size_t kMostHarmonics = 45;
constexpr double kHarmonic = 0.28209479177387814;

// Takes values as they mean, not as formats store them, and refuses what no Gaussian can have.
class Builder {
 public:
  // `harmonics`: coefficients of all channels that each of the Gaussians has; `raw`: bytes of each that are unpacked first.
  Builder(const Source& source, std::string format, std::uint64_t count, std::size_t harmonics, std::size_t raw)
      : source_(source) {
    if (count == 0) fail(ErrorCode::format, source.name, ": the file holds no Gaussians");
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

  // `rotation` is w x y z of any length; `turn` leads back to our axes.
  void add(const std::array<float, 3>& place, const std::array<double, 3>& dc, const std::array<double, 3>& scale,
           const std::array<float, 4>& rotation, double opacity, Quarter turn) {
    source_.tick();
    Gaussians& g = file_.gaussians;
    put(turned_point(place.data(), turn), g.xyz, "position");
    put(dc, g.dc, "colour");
    put(scale, g.scale, "scale");
    put(std::array{opacity}, g.opacity, "opacity");
    for (const float s : {g.scale.end()[-3], g.scale.end()[-2], g.scale.end()[-1]}) {
      if (s <= 0.0F) source_.damaged("the scale of Gaussian ", index(), " is not positive");
    }
    double length = 0.0;
    for (const float x : rotation) length += double{x} * x;
    if (!(length > 0.0) || !std::isfinite(length)) source_.damaged("the rotation of Gaussian ", index(), " is none");
    put(turned(rotation.data(), turn), g.rotation, "rotation");
  }
  // Of the Gaussian added last; colours innermost, 3, 8 or 15 coefficients.
  void add_harmonics(std::span<const float> values, Quarter turn) {
    std::array<float, 45> out{};
    turn_harmonics(values.data(), values.size() / 3, turn, out.data());
    for (std::size_t i = 0; i < values.size(); ++i) put(std::array{out[i]}, file_.gaussians.sh, "harmonics");
  }
  GaussianFile finish() { return std::move(file_); }

 private:
  [[nodiscard]] std::size_t index() const { return file_.gaussians.xyz.size() / 3 - 1; }
  template <class T, std::size_t N>
  void put(const std::array<T, N>& values, std::vector<float>& to, const char* what) {
    for (const T v : values) {
      to.push_back(static_cast<float>(v));
      if (!std::isfinite(to.back())) source_.damaged("the ", what, " of Gaussian ", index(), " is not finite");
    }
  }

  const Source& source_;
  GaussianFile file_;
};

// The columns f_rest_0, f_rest_1, ... of a PLY: 0, 9, 24 or 45, all of red first.
std::vector<const float*> harmonics_of(const reader::Ply& ply, std::span<const std::string> names, const Source& source) {
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
  const reader::Ply ply = reader::parse_ply(source, wanted);
  std::array<const float*, kColumns.size()> column{};
  for (std::size_t c = 0; c < column.size(); ++c) {
    const std::vector<float>* values = ply.column(kColumns[c]);
    if (values == nullptr) {
      source.damaged("the vertices have no ", kColumns[c], ", so this is no PLY of 3D Gaussian splatting");
    }
    column[c] = values->data();
  }
  const std::vector<const float*> harmonics = harmonics_of(ply, rest, source);
  const std::size_t coefficients = harmonics.size() / 3;
  std::vector<float> mixed(harmonics.size());
  Builder builder(source, "PLY", static_cast<std::uint64_t>(ply.vertices), harmonics.size(), 0);
  for (std::size_t i = 0; i < static_cast<std::size_t>(ply.vertices); ++i) {
    const auto at = [&](std::size_t c) { return column[c][i]; };
    builder.add({at(0), at(1), at(2)}, {at(3), at(4), at(5)},
                {std::exp(double{at(7)}), std::exp(double{at(8)}), std::exp(double{at(9)})}, {at(10), at(11), at(12), at(13)},
                1.0 / (1.0 + std::exp(-double{at(6)})), Quarter::back);
    for (std::size_t k = 0; k < mixed.size(); ++k) mixed[3 * (k % coefficients) + k / coefficients] = harmonics[k][i];
    builder.add_harmonics(mixed, Quarter::back);
  }
  return builder.finish();
}

// w x y z.
std::array<float, 4> spz_rotation(const std::byte* raw, int version) {
  std::array<double, 4> q{};  // x y z w
  double rest = 1.0;
  if (version == 2) {
    for (std::size_t k = 0; k < 3; ++k) q[k] = std::to_integer<int>(raw[k]) / 127.5 - 1.0;
    for (std::size_t k = 0; k < 3; ++k) rest -= q[k] * q[k];
    q[3] = std::sqrt(std::max(rest, 0.0));
  } else {
    std::uint32_t packed = 0;
    std::memcpy(&packed, raw, 4);
    const std::size_t largest = packed >> 30U;
    for (std::size_t i = 4; i-- > 0;) {
      if (i == largest) continue;
      q[i] = std::sqrt(0.5) * (packed & spz::kMagnitude) / spz::kMagnitude * ((packed >> 9U & 1U) != 0 ? -1.0 : 1.0);
      rest -= q[i] * q[i];
      packed >>= 10U;
    }
    q[largest] = std::sqrt(std::max(rest, 0.0));
  }
  return {static_cast<float>(q[3]), static_cast<float>(q[0]), static_cast<float>(q[1]), static_cast<float>(q[2])};
}

GaussianFile read_spz(const Source& source) {
  constexpr std::array<std::size_t, 4> kHarmonics = {0, 3, 8, 15};  // coefficients per channel by degree
  constexpr int kMaxFraction = 24;
  GzipReader gzip(source.bytes, source.name);
  std::array<std::byte, spz::kHeaderBytes> header{};
  gzip.read(header);
  reader::Cursor cursor(header, source);
  if (cursor.number<std::uint32_t>() != spz::kMagic) source.damaged("this is no SPZ file");
  const auto version = cursor.number<std::uint32_t>();
  if (version != 2 && version != 3) source.unsupported("SPZ version ", version, " is not read, only 2 and 3");
  const auto count = cursor.number<std::uint32_t>();
  const auto degree = cursor.number<std::uint8_t>(), fraction = cursor.number<std::uint8_t>();
  if (degree >= kHarmonics.size() || fraction > kMaxFraction) source.damaged("the header makes no sense");
  source.check_counts(count, 0);
  const std::size_t n = count, rotation_bytes = version == 2 ? 3 : 4;
  const std::size_t row = 9 + 1 + 3 + 3 + rotation_bytes + 3 * kHarmonics[degree];
  constexpr std::uint64_t kBestRatio = 1040;  // deflate cannot do better
  if (std::uint64_t{n} * row > source.bytes.size() * kBestRatio)
    source.damaged("it announces ", n, " Gaussians, but is too short");
  Builder builder(source, "SPZ", count, 3 * kHarmonics[degree], row);
  const auto column = [&](std::size_t width) {
    std::vector<std::byte> bytes(n * width);
    gzip.read(bytes);
    return bytes;
  };
  const auto places = column(9), alphas = column(1), colours = column(3), scales = column(3),
             rotations = column(rotation_bytes), harmonics = column(3 * kHarmonics[degree]);
  std::vector<float> values(3 * kHarmonics[degree]);
  const auto byte = [](const std::vector<std::byte>& from, std::size_t at) {
    return static_cast<double>(std::to_integer<int>(from[at]));
  };
  for (std::size_t i = 0; i < n; ++i) {
    std::array<float, 3> place;
    std::array<double, 3> dc, scale;
    for (std::size_t k = 0; k < 3; ++k) {
      std::uint32_t fixed = 0;
      std::memcpy(&fixed, places.data() + (i * 3 + k) * 3, 3);
      // The sign is the highest of 24 bits; moved to the top, an arithmetic shift spreads it.
      place[k] = static_cast<float>(std::ldexp(static_cast<std::int32_t>(fixed << 8U) >> 8, -int{fraction}));
      dc[k] = (byte(colours, i * 3 + k) / 255.0 - 0.5) / spz::kColourScale;
      scale[k] = std::exp(byte(scales, i * 3 + k) / spz::kScaleSteps - spz::kScaleOffset);
    }
    builder.add(place, dc, scale, spz_rotation(rotations.data() + i * rotation_bytes, static_cast<int>(version)),
                byte(alphas, i) / 255.0, Quarter::forward);
    for (std::size_t k = 0; k < values.size(); ++k) {
      values[k] = static_cast<float>((byte(harmonics, i * values.size() + k) - spz::kHarmonicZero) / spz::kHarmonicSteps);
    }
    builder.add_harmonics(values, Quarter::forward);
  }
  return builder.finish();
}

GaussianFile read_splat(const Source& source) {
  constexpr std::size_t kRow = 32;
  if (source.bytes.size() % kRow != 0) source.damaged("its size is no multiple of ", kRow, " bytes, so this is no .splat file");
  Builder builder(source, "splat", source.bytes.size() / kRow, 0, 0);
  reader::Cursor cursor(source.bytes, source);
  while (cursor.left() > 0) {
    std::array<float, 3> place;
    std::array<double, 3> scale, dc;
    std::array<float, 4> rotation;
    for (float& x : place) x = cursor.number<float>();
    for (double& x : scale) x = cursor.number<float>();
    for (double& x : dc) x = (cursor.number<std::uint8_t>() / 255.0 - 0.5) / kHarmonic;
    const double opacity = cursor.number<std::uint8_t>() / 255.0;
    for (float& x : rotation) x = (static_cast<float>(cursor.number<std::uint8_t>()) - 128.0F) / 128.0F;
    builder.add(place, dc, scale, rotation, opacity, Quarter::back);
  }
  return builder.finish();
}

GaussianFile decode(const Source& source) {
  const std::string_view text = reader::text_of(source.bytes);
  if (text.empty()) fail(ErrorCode::format, source.name, ": the file is empty", hint("name a PLY, SPZ or .splat file"));
  if (text.substr(0, 3) == "ply") return read_gaussian_ply(source);
  if (text.substr(0, 2) == "\x1F\x8B") return read_spz(source);
  if (text.substr(0, 4) == "NGSP") source.unsupported("SPZ version 4 is not read, only 2 and 3");
  if (std::filesystem::path(source.name).extension() == ".splat") return read_splat(source);
  source.unsupported("this is no PLY, SPZ or .splat file", hint("export the Gaussians as PLY"));
}

}  // namespace

GaussianFile decode_gaussians(std::span<const std::byte> bytes, const std::string& name, const ReadOptions& options) {
  return decode(Source(bytes, name, options, nullptr));
}

GaussianFile read_gaussians(const std::filesystem::path& path, const ReadOptions& options) {
  return decode_gaussians(read_file(path, options.max_bytes), path.string(), options);
}

}  // namespace espalier
