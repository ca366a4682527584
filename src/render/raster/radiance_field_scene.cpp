#include "render/raster/radiance_field_scene.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "render/raster/view_checks.h"

namespace espalier::radiance {

namespace {

constexpr int kMaxSteps = 1024;  // per side of a voxel
constexpr int kMaxResolution = 1024, kMaxRank = 64, kMaxDim = 64;
constexpr const char* kWhat = "a radiance field to render";

void check_finite(const std::vector<float>& values, const char* what) {
  const auto bad = std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
  if (bad != values.end()) fail(ErrorCode::invalid_argument, kWhat, " has ", what, " that are not finite");
}

// The grid of a field's voxels.
void fill_grid(const RadianceField& f, HostField& host) {
  const auto side = static_cast<std::size_t>(host.side_of_bricks);
  host.bricks.assign(side * side * side, -1);
  constexpr std::size_t kCells = std::size_t{kBrick} * kBrick * kBrick;
  for (std::size_t i = 0; 3 * i < f.position.size(); ++i) {
    std::size_t cell[3];
    for (std::size_t k = 0; k < 3; ++k) {
      const float at = std::floor(f.position[3 * i + k] * static_cast<float>(f.resolution));
      if (!(at >= 0.0F) || !(at < static_cast<float>(f.resolution))) {
        fail(ErrorCode::invalid_argument, kWhat, " has voxel ", i, " outside its grid");
      }
      cell[k] = static_cast<std::size_t>(at);
    }
    std::int32_t& brick = host.bricks[((cell[0] / kBrick) * side + cell[1] / kBrick) * side + cell[2] / kBrick];
    if (brick < 0) {
      brick = static_cast<std::int32_t>(host.voxels.size() / kCells);
      host.voxels.resize(host.voxels.size() + kCells, -1);
    }
    const std::size_t inside = ((cell[0] % kBrick) * kBrick + cell[1] % kBrick) * kBrick + cell[2] % kBrick;
    std::int32_t& voxel = host.voxels[static_cast<std::size_t>(brick) * kCells + inside];
    if (voxel >= 0) fail(ErrorCode::invalid_argument, kWhat, " has voxels ", voxel, " and ", i, " in one place");
    voxel = static_cast<std::int32_t>(i);
  }
}

// [N, rows, columns] to [N, columns, rows].
std::vector<float> transposed(const std::vector<float>& values, std::size_t rows, std::size_t columns) {
  std::vector<float> out(values.size());
  const std::size_t block = rows * columns;
  for (std::size_t begin = 0; begin < values.size(); begin += block) {
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < columns; ++c) out[begin + c * rows + r] = values[begin + r * columns + c];
    }
  }
  return out;
}

}  // namespace

HostField host_field_of(const RadianceField& f) {
  const bool sizes = f.resolution >= 1 && f.resolution <= kMaxResolution && f.rank >= 1 && f.rank <= kMaxRank && f.dim >= 1 &&
                     f.dim <= kMaxDim;
  if (!sizes) {
    fail(ErrorCode::invalid_argument, kWhat, " has resolution ", f.resolution, ", rank ", f.rank, " and dim ", f.dim,
         hint("up to ", kMaxResolution, ", ", kMaxRank, " and ", kMaxDim, " are possible"));
  }
  const auto rank = static_cast<std::size_t>(f.rank), dim = static_cast<std::size_t>(f.dim);
  const std::size_t n = f.position.size() / 3;
  if (f.position.size() != 3 * n || f.trivec.size() != n * rank * 3 * dim || f.density.size() != n * rank ||
      f.features_dc.size() != n * rank * 3) {
    fail(ErrorCode::invalid_argument, kWhat, " of ", f.position.size(), " coordinates has ", f.trivec.size(),
         " samples of vectors, ", f.density.size(), " densities and ", f.features_dc.size(),
         " colours, which do not belong together");
  }
  check_finite(f.trivec, "vectors");
  check_finite(f.density, "densities");
  check_finite(f.features_dc, "colours");
  HostField host;
  host.resolution = f.resolution;
  host.side_of_bricks = (f.resolution + kBrick - 1) / kBrick;
  host.rank = f.rank;
  host.dim = f.dim;
  fill_grid(f, host);
  host.vectors = transposed(f.trivec, rank, 3 * dim);
  host.density = f.density;
  host.colour = transposed(f.features_dc, rank, 3);
  return host;
}

void check_options(const RadianceFieldOptions& o) {
  check_view(o.width, o.height, o.ssaa, o.background);
  if (!(o.near_plane >= 0.0F) || !(o.far_plane > o.near_plane)) {
    fail(ErrorCode::invalid_argument, "a view from ", o.near_plane, " to ", o.far_plane, " is not possible",
         hint("choose 0 <= near < far"));
  }
  if (o.steps < 1 || o.steps > kMaxSteps) {
    fail(ErrorCode::invalid_argument, o.steps, " steps per voxel are not possible", hint("choose 1 to ", kMaxSteps));
  }
}

RayCamera ray_camera_of(const Camera& camera, const RadianceFieldOptions& o, int resolution) {
  check_camera(camera);
  RayCamera r{};
  r.width = o.width * o.ssaa;
  r.height = o.height * o.ssaa;
  const auto scale = static_cast<float>(resolution);
  const float fx = camera.fx * static_cast<float>(r.width), fy = camera.fy * static_cast<float>(r.height);
  const std::array<float, 3> position = camera.position();
  for (std::size_t k = 0; k < 3; ++k) {
    const float right = camera.rotation[k], down = camera.rotation[3 + k], forward = camera.rotation[6 + k];
    r.origin[k] = (position[k] + 0.5F) * scale;
    r.across[k] = right / fx * scale;
    r.down[k] = down / fy * scale;
    r.ahead[k] = (forward - right * camera.cx / camera.fx - down * camera.cy / camera.fy) * scale;
    r.background[k] = o.background[k];
  }
  r.near_plane = o.near_plane;
  r.far_plane = o.far_plane;
  r.steps = static_cast<float>(o.steps);
  r.side = 1.0F / scale;
  r.at_ends = o.samples == VectorSamples::ends;
  return r;
}

}  // namespace espalier::radiance
