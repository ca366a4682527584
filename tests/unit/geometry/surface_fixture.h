// Inputs and outputs of surface extraction on the host, and how to run it on a device.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "geometry/surface/surface.h"
#include "support/data.h"
#include "support/golden_file.h"

namespace espalier::test {

using Cell = std::array<std::int32_t, 3>;

struct SurfaceInput {
  int resolution = 0;
  int channels = 101;
  int block = 1;
  int padding = 0;                   // columns between rows on the device, of coords and features alike
  std::vector<std::int32_t> coords;  // [n * 4]
  std::vector<float> features;       // [n * channels]
  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(coords.size() / 4); }
  [[nodiscard]] Cell cell(std::int64_t i) const {
    const auto* at = coords.data() + 4 * i;
    return {at[1], at[2], at[3]};
  }
};

struct SurfaceOutput {
  std::vector<float> vertices;      // [V * 3]
  std::vector<std::int32_t> faces;  // [F * 3]
  std::vector<float> attributes;    // [V * 6] or empty
  std::vector<std::int32_t> lattice_coords;
  std::vector<float> lattice_sdf_deform;
  std::vector<std::int32_t> case_ids;
  std::size_t peak = 0;  // of the scratch arena, without the trace
};

// Memory of a device for one view.
template <class Dev, class T, int Rank>
class DeviceArray {
 public:
  explicit DeviceArray(const Extents<Rank>& extents) {
    std::int64_t n = 1;
    for (const std::int64_t e : extents) n *= e;
    buffer_ = Buffer<Dev>(static_cast<std::size_t>(n) * sizeof(T), 0, "a test array");
    view_ = View<Dev, T, Rank>(reinterpret_cast<T*>(buffer_.data()), extents);
  }
  [[nodiscard]] View<Dev, T, Rank> view() const { return view_; }

 private:
  Buffer<Dev> buffer_;
  View<Dev, T, Rank> view_;
};

template <class T, class Dev, int Rank>
std::vector<T> to_host(Queue<Dev>& queue, View<Dev, T, Rank> view) {
  std::vector<T> values(static_cast<std::size_t>(view.size()));
  download_bytes(queue, view.data(), values.data(), values.size() * sizeof(T));
  return values;
}

// Rows of values with `padding` further columns, which are filled with -1.
template <class Dev, class T>
void upload_rows(Queue<Dev>& queue, const std::vector<T>& values, int padding, View<Dev, T, 2> device) {
  const auto rows = static_cast<std::size_t>(device.extent(0));
  const auto stride = static_cast<std::size_t>(device.extent(1));
  const std::size_t width = stride - static_cast<std::size_t>(padding);
  std::vector<T> padded(rows * stride, T(-1));
  for (std::size_t i = 0; i < rows; ++i) std::copy_n(values.data() + i * width, width, padded.data() + i * stride);
  upload_bytes(queue, padded.data(), device.data(), padded.size() * sizeof(T));
}

// Runs the extraction twice: in exactly the promised scratch, then again with a trace.
template <class Dev>
SurfaceOutput run_surface(const SurfaceInput& input) {
  Queue<Dev> queue(0);
  const std::int64_t n = input.count();
  const DeviceArray<Dev, std::int32_t, 2> coords({n, 4 + input.padding});
  const DeviceArray<Dev, float, 2> features({n, input.channels + input.padding});
  upload_rows(queue, input.coords, input.padding, coords.view());
  upload_rows(queue, input.features, input.padding, features.view());

  SurfaceOutput out;
  const bool with_colour = input.channels == cube_channels(true);
  const std::size_t bound = surface_scratch_bytes<Dev>(n, input.resolution, with_colour, input.block);
  for (const bool traced : {false, true}) {
    Arena<Dev> scratch(std::max<std::size_t>(bound, 1) + (traced ? static_cast<std::size_t>(n) * 256 + 4096 : 0), 0,
                       "test scratch");
    queue.use(&scratch);
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
    SurfaceTrace<Dev> trace;
    const SurfaceMesh<Dev> mesh =
        extract_surface<Dev>(queue, columns(coords.view(), 0, 4), columns(features.view(), 0, input.channels), input.resolution,
                             allocate, traced ? &trace : nullptr, input.block);
    if (!traced) {
      out.peak = scratch.peak();
      continue;
    }
    out.vertices = to_host(queue, mesh.vertices);
    out.faces = to_host(queue, mesh.faces);
    if (with_colour) out.attributes = to_host(queue, mesh.attributes);
    out.lattice_coords = to_host(queue, trace.lattice_coords);
    out.lattice_sdf_deform = to_host(queue, trace.lattice_sdf_deform);
    out.case_ids = to_host(queue, trace.case_ids);
  }
  return out;
}

// Uniform in [low, high); the same on every platform.
class Noise {
 public:
  explicit Noise(std::uint32_t seed) : engine_(seed) {}
  float operator()(float low, float high) { return low + (high - low) * static_cast<float>(engine_() >> 8U) / 16777216.0F; }
  std::int32_t below(std::int32_t n) { return static_cast<std::int32_t>(engine_() % static_cast<std::uint32_t>(n)); }

 private:
  std::mt19937 engine_;
};

// A case of tests/data/flexi.
inline SurfaceInput golden_input(const GoldenFile& golden) {
  SurfaceInput input;
  input.resolution = golden.read<std::int32_t>("resolution")[0];
  input.coords = golden.read<std::int32_t>("coords");
  input.features = golden.read<float>("feats");
  input.channels = static_cast<int>(input.features.size() / static_cast<std::size_t>(input.count()));
  return input;
}
inline GoldenFile open_golden(const std::string& name) {
  return GoldenFile(data_path("flexi/" + name + ".safetensors").string());
}
inline constexpr const char* kGoldenSurfaces[] = {"flexi_torus", "flexi_ambiguous"};

// The distance of a corner, given its place and a random number in [-2, 2).
using Distance = std::function<float(const Cell& corner, float random)>;

// Cubes in random order with random features but for the distances.
inline SurfaceInput make_input(const std::set<Cell>& cells, int resolution, bool colour, std::uint32_t seed,
                               const Distance& distance) {
  Noise noise(seed);
  SurfaceInput input;
  input.resolution = resolution;
  input.channels = cube_channels(colour);
  std::vector<Cell> order(cells.begin(), cells.end());
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[static_cast<std::size_t>(noise.below(static_cast<std::int32_t>(i)))]);
  for (const Cell& cell : order) {
    input.coords.insert(input.coords.end(), {0, cell[0], cell[1], cell[2]});
    for (int c = 0; c < input.channels; ++c) {
      const float random = noise(-2, 2);
      const Cell corner{cell[0] + (c & 1), cell[1] + (c >> 1 & 1), cell[2] + (c >> 2)};
      input.features.push_back(c < 8 ? distance(corner, random) : random);
    }
  }
  return input;
}

// Cubes drawn with the given probability; distances are noise.
inline SurfaceInput random_input(int resolution, float density, bool colour, std::uint32_t seed) {
  Noise noise(seed + 1000);
  std::set<Cell> cells;
  for (std::int32_t x = 0; x < resolution; ++x) {
    for (std::int32_t y = 0; y < resolution; ++y) {
      for (std::int32_t z = 0; z < resolution; ++z) {
        if (noise(0, 1) < density) cells.insert({x, y, z});
      }
    }
  }
  return make_input(cells, resolution, colour, seed, [](const Cell& /*corner*/, float random) { return random; });
}

}  // namespace espalier::test
