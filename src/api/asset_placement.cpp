#include "api/asset_placement.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "api/painter.h"
#include "base/error.h"
#include "espalier/options.h"
#include "io/formats/quarter_turn.h"

namespace espalier {
namespace {

Origin origin_of(const Asset::Data& data, Origin asked, const std::string& format) {
  if (asked != Origin::automatic) return asked;
  if (format == "stl" || format == "3mf") return Origin::bottom;  // a printer's bed is a floor
  const bool made_here = data.voxels.rows() > 0;
  const bool unfinished = data.mesh && !data.finished, given = data.record.contains(kGivenFrame);
  return made_here && !unfinished && !given ? Origin::bottom : Origin::source;
}

const ResultFormat* format_named(const std::string& name) {
  const auto formats = result_formats();
  const auto found = std::find_if(formats.begin(), formats.end(), [&](const ResultFormat& f) { return name == f.name; });
  return found == formats.end() ? nullptr : &*found;
}

// Forward quarter turns (Quarter::forward) of the way from "Z up" that the writer of a format goes.
int writer_turn(const std::string& format) {
  if (format == "stl" || format == "3mf" || format == "mesh.ply") return 0;
  return format == "ply" || format == "compressed.ply" || format == "splat" ? 1 : 3;
}

int quarters_for(const ResultFormat& format, UpAxis up, const std::string& label) {
  if (up == UpAxis::automatic) return 0;
  const int own = writer_turn(format.name), wanted = up == UpAxis::z ? 0 : 3;
  if (!format.free_up && own != wanted) {
    fail(ErrorCode::invalid_argument, label, ": ", own == 0 ? "z" : "y", " is up in a .", format.name,
         " by its definition, not ", name_of(up),
         hint("leave the axis out, because programs that read it turn it to their own"));
  }
  return (wanted - own + 4) % 4;
}

void place_points(std::vector<float>& points, const AssetPlacement& p) {
  for (std::size_t i = 0; i < points.size(); i += 3) {
    std::array<float, 3> v{};
    for (std::size_t k = 0; k < 3; ++k) v[k] = static_cast<float>((double{points[i + k]} - p.origin[k]) * p.scale);
    for (int turn = 0; turn < p.quarters; ++turn) v = turned_point(v.data(), Quarter::forward);
    std::copy(v.begin(), v.end(), points.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

}  // namespace

bool AssetPlacement::is_identity() const { return scale == 1.0 && quarters == 0 && origin == std::array<double, 3>{}; }

std::string AssetPlacement::in_words() const {
  std::ostringstream out;
  out.precision(9);
  out << "origin " << origin[0] << ' ' << origin[1] << ' ' << origin[2] << ", scale " << scale;
  return out.str();
}

AssetPlacement placement_in_file(const Asset::Data& data, const SaveOptions& options, const std::string& format,
                                 const std::string& label) {
  AssetPlacement placement;
  if (const ResultFormat* const known = format_named(format); known != nullptr)
    placement.quarters = quarters_for(*known, options.up, label);
  const Origin origin = origin_of(data, options.origin, format);
  if (origin == Origin::source && !options.height) return placement;
  const Exhibit exhibit = exhibit_of(data);
  if (exhibit.mesh == nullptr && exhibit.gaussians == nullptr) return placement;
  const ExhibitBox box = box_of(exhibit);
  if (origin != Origin::source) {
    placement.origin = {(box.low[0] + box.high[0]) / 2, (box.low[1] + box.high[1]) / 2,
                        origin == Origin::bottom ? box.low[2] : (box.low[2] + box.high[2]) / 2};
  }
  if (options.height) {
    const double high = box.high[2] - box.low[2];
    if (!(*options.height > 0.0) || !std::isfinite(*options.height))
      fail(ErrorCode::invalid_argument, label, ": a height of ", *options.height, " m is not possible",
           hint("it must be above 0 and finite"));
    if (!(high > 0.0)) fail(ErrorCode::invalid_argument, label, ": the asset is flat, so it cannot be scaled to a height");
    placement.scale = *options.height / high;
  }
  return placement;
}

Mesh placed(const Mesh& mesh, const AssetPlacement& placement) {
  Mesh out = mesh;
  place_points(out.vertices, placement);
  AssetPlacement turn_alone;
  turn_alone.quarters = placement.quarters;
  place_points(out.normals, turn_alone);
  return out;
}

Gaussians placed(const Gaussians& gaussians, const AssetPlacement& placement) {
  Gaussians out = gaussians;
  place_points(out.xyz, placement);
  for (float& s : out.scale) s = static_cast<float>(s * placement.scale);
  const std::size_t n = out.opacity.size(), harmonics = n == 0 ? 0 : out.sh.size() / (3 * n);
  for (std::size_t i = 0; i < n; ++i) {
    for (int turn = 0; turn < placement.quarters; ++turn) {
      const Quaternion q = turned(&out.rotation[4 * i], Quarter::forward);
      for (std::size_t k = 0; k < 4; ++k) out.rotation[4 * i + k] = static_cast<float>(q[k]);
      std::array<float, 45> sh{};
      turn_harmonics(out.sh.data() + 3 * harmonics * i, harmonics, Quarter::forward, sh.data());
      std::copy_n(sh.begin(), 3 * harmonics, out.sh.begin() + static_cast<std::ptrdiff_t>(3 * harmonics * i));
    }
  }
  return out;
}

}  // namespace espalier
