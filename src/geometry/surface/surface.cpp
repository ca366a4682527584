// What both back ends of extract_surface check, and how much they can need.
#include <unordered_map>

#include "geometry/surface/surface_extractor.h"

namespace espalier::surface {
namespace {

constexpr std::int64_t kMaxCubes = std::int64_t{1} << 24;  // keeps every index in 32 bits

constexpr std::int64_t cube_of(std::int64_t edge) { return edge * edge * edge; }

}  // namespace

Bounds bounds_for(std::int64_t cubes, int resolution, int block) {
  // A block on its own has (block + 1)^3 lattice vertices, and surface can run through it and one cube around it.
  const std::int64_t blocks = (cubes + cube_of(block) - 1) / cube_of(block);
  return {std::min(blocks * cube_of(block + 1), cube_of(resolution + 1)),
          std::min(blocks * cube_of(block + 2), cube_of(resolution))};
}

std::int64_t most_band(std::int64_t cubes, int block) {
  constexpr std::int64_t kLeast = 1024;
  return std::min(cubes / cube_of(block) + kLeast, kMaxCubes / cube_of(block));
}

void check_solid(int resolution, int block) {
  constexpr int kMostSide = 128;
  if (block % 2 != 0 || block > kMostBlock || resolution % block != 0 || resolution / block > kMostSide) {
    fail(ErrorCode::invalid_argument, "extract_solid: blocks of ", block, "^3 cubes in a grid of ", resolution, "^3",
         hint("blocks of 2^3 or 4^3 are needed that divide the grid into at most ", kMostSide, "^3"));
  }
}

void check_sizes(std::int64_t cubes, std::int64_t cube_columns, std::int64_t feature_rows, std::int64_t channels,
                 int resolution, int block) {
  require(cube_columns == 4, "extract_surface", "cubes have ", cube_columns, " columns instead of batch, x, y, z");
  require(feature_rows == cubes, "extract_surface", feature_rows, " rows of features for ", cubes, " cubes");
  require(block >= 1 && block <= kMaxResolution, "extract_surface", "blocks of ", block, "^3 cubes");
  if (channels != cube_channels(false) && channels != cube_channels(true)) {
    fail(ErrorCode::invalid_argument, "extract_surface: cubes have ", channels, " feature channels",
         hint(cube_channels(false), " or, with colour, ", cube_channels(true), " are needed"));
  }
  if (resolution < 1 || resolution > kMaxResolution) {
    fail(ErrorCode::invalid_argument, "extract_surface: resolution ", resolution, " is outside 1 to ", kMaxResolution);
  }
  if (cubes > kMaxCubes) {
    fail(ErrorCode::invalid_argument, "extract_surface: ", cubes, " cubes",
         hint("at most ", kMaxCubes, " can be taken at once, so extract the object in parts"));
  }
}

void fail_cubes(const std::vector<std::int32_t>& cubes, int resolution) {
  std::unordered_map<std::int64_t, std::size_t> seen;
  for (std::size_t i = 0; 3 * i < cubes.size(); ++i) {
    const std::int32_t* at = cubes.data() + 3 * i;
    const auto cell = str("cube row ", i, " at (", at[0], ", ", at[1], ", ", at[2], ")");
    for (int axis = 0; axis < 3; ++axis) {
      if (at[axis] < 0 || at[axis] >= resolution) {
        fail(ErrorCode::invalid_argument, "extract_surface: ", cell, " lies outside the grid of ", resolution,
             "^3: check the coordinates and the resolution");
      }
    }
    const std::int64_t index = (std::int64_t{at[0]} * resolution + at[1]) * resolution + at[2];
    const auto [first, fresh] = seen.emplace(index, i);
    if (!fresh) {
      fail(ErrorCode::invalid_argument, "extract_surface: ", cell, " repeats row ", first->second,
           ": list every cube once, and only one batch element at a time");
    }
  }
  fail(ErrorCode::internal, "extract_surface: cubes were found invalid, but no row is");
}

}  // namespace espalier::surface
