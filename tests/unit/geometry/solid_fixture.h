// Shells of solids as the mesh decoder predicts them, and how to extract these on a device.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <optional>
#include <set>
#include <vector>

#include "assets/mesh.h"
#include "support/sample_surfaces.h"
#include "unit/geometry/surface_fixture.h"

namespace espalier::test {

inline constexpr int kBlock = 4;

// Negative inside, in units of the grid of cubes.
using Solid = std::function<double(const P3& p)>;
using Blocks = std::set<Cell>;

inline Solid ball(const P3& centre, double radius) {
  return [=](const P3& p) { return length({p[0] - centre[0], p[1] - centre[1], p[2] - centre[2]}) - radius; };
}
inline Solid ring(const P3& centre, double radius, double thickness) {
  return [=](const P3& p) {
    const double r = std::hypot(p[0] - centre[0], p[1] - centre[1]) - radius;
    return std::hypot(r, p[2] - centre[2]) - thickness;
  };
}
inline Solid block_of(const P3& centre, const P3& half) {
  return [=](const P3& p) { return box_distance(p, centre, half); };
}
inline Solid both(const Solid& a, const Solid& b) {
  return [=](const P3& p) { return std::min(a(p), b(p)); };
}
inline Solid without(const Solid& a, const Solid& b) {
  return [=](const P3& p) { return std::max(a(p), -b(p)); };
}
// A vessel open above: a wall of the given thickness around a hollow.
inline Solid vase(const P3& centre, double radius, double height, double wall) {
  return without(
      [=](const P3& p) {
        return std::max(std::hypot(p[0] - centre[0], p[1] - centre[1]) - radius, std::abs(p[2] - centre[2]) - height / 2);
      },
      [=](const P3& p) {
        return std::max(std::hypot(p[0] - centre[0], p[1] - centre[1]) - (radius - wall),
                        (centre[2] - height / 2 + wall) - p[2]);
      });
}

// The blocks through which the surface runs.
inline Blocks shell_of(const Solid& solid, int resolution) {
  Blocks blocks;
  const int side = resolution / kBlock;
  for (std::int32_t x = 0; x < side; ++x) {
    for (std::int32_t y = 0; y < side; ++y) {
      for (std::int32_t z = 0; z < side; ++z) {
        bool in = false;
        bool out = false;
        for (int i = 0; i < 125; ++i) {
          const P3 p{x * 4.0 + i % 5, y * 4.0 + i / 5 % 5, z * 4.0 + i / 25};
          (solid(p) < 0 ? in : out) = true;
        }
        if (in && out) blocks.insert({x, y, z});
      }
    }
  }
  return blocks;
}

// The blocks without about this share of them, drawn by place.
inline Blocks thinned(const Blocks& blocks, double share, std::uint64_t seed) {
  Blocks left;
  std::copy_if(blocks.begin(), blocks.end(), std::inserter(left, left.end()), [&](const Cell& c) {
    return (hashed(seed * 4096 + static_cast<std::uint64_t>((c[0] * 16 + c[1]) * 16 + c[2])) + 1) / 2 >= share;
  });
  return left;
}

// The cubes of the blocks, in random order, with weights of 0 or random and distances in cubes, at most 1.
inline SurfaceInput solid_input(const Blocks& blocks, const Solid& solid, int resolution, bool random_weights = false) {
  std::set<Cell> cells;
  for (const Cell& block : blocks) {
    for (std::int32_t i = 0; i < 64; ++i) cells.insert({4 * block[0] + i % 4, 4 * block[1] + i / 4 % 4, 4 * block[2] + i / 16});
  }
  // The extraction adds -1 / resolution.
  SurfaceInput input = make_input(cells, resolution, true, 7, [&](const Cell& corner, float) {
    const double d = solid({double(corner[0]), double(corner[1]), double(corner[2])});
    return static_cast<float>(std::clamp(d, -1.0, 1.0) + 1.0 / resolution);
  });
  input.block = kBlock;
  for (std::size_t i = 0; !random_weights && i < input.features.size(); ++i) {
    if (i % 101 >= 8 && i % 101 < 53) input.features[i] = 0;
  }
  return input;
}

struct SolidOutput {
  Mesh mesh;  // in [-0.5, 0.5], without colours
  std::vector<float> attributes;
  SolidReport report;
  std::size_t peak = 0, promised = 0;
};

// Input in a device's memory, with as much scratch as is promised to be enough.
template <class Dev>
struct SolidRun {
  Queue<Dev> queue{0};
  DeviceArray<Dev, std::int32_t, 2> coords;
  DeviceArray<Dev, float, 2> features;
  bool with_colour;
  std::size_t promised;
  Arena<Dev> scratch;

  SolidRun(const SurfaceInput& input, bool kept)
      : coords({input.count(), 4 + input.padding}),
        features({input.count(), input.channels + input.padding}),
        with_colour(input.channels == cube_channels(true)),
        promised(solid_scratch_bytes<Dev>(input.count(), input.resolution, with_colour, input.block, kept)),
        scratch(std::max<std::size_t>(promised, 1), 0, "test scratch") {
    upload_rows(queue, input.coords, input.padding, coords.view());
    upload_rows(queue, input.features, input.padding, features.view());
    queue.use(&scratch);
  }
};

template <class Dev>
SolidClosing run_closing(const SurfaceInput& input, const KeptClosing* kept = nullptr) {
  SolidRun<Dev> run(input, true);
  return close_solid<Dev>(run.queue, columns(run.coords.view(), 0, 4), columns(run.features.view(), 0, input.channels),
                          input.resolution, input.block, kept);
}

template <class Dev>
SolidOutput run_solid(const SurfaceInput& input, const KeptClosing* kept = nullptr) {
  SolidRun<Dev> run(input, kept != nullptr);
  Queue<Dev>& queue = run.queue;
  SolidOutput out;
  out.promised = run.promised;
  std::optional<DeviceArray<Dev, float, 2>> vertices;
  std::optional<DeviceArray<Dev, float, 2>> attributes;
  std::optional<DeviceArray<Dev, std::int32_t, 2>> faces;
  const auto allocate = [&](std::int64_t v, std::int64_t f, bool colour) {
    vertices.emplace(Extents<2>{v, 3});
    faces.emplace(Extents<2>{f, 3});
    SurfaceMesh<Dev> mesh{vertices->view(), faces->view(), {}};
    if (colour) mesh.attributes = attributes.emplace(Extents<2>{v, 6}).view();
    return mesh;
  };
  const SurfaceMesh<Dev> mesh =
      extract_solid<Dev>(queue, columns(run.coords.view(), 0, 4), columns(run.features.view(), 0, input.channels),
                         input.resolution, allocate, input.block, &out.report, kept);
  out.peak = run.scratch.peak();
  out.mesh.vertices = to_host(queue, mesh.vertices);
  out.mesh.faces = to_host(queue, mesh.faces);
  if (run.with_colour) out.attributes = to_host(queue, mesh.attributes);
  return out;
}

}  // namespace espalier::test
