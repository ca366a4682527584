// Active voxels of a cubic grid on the host.
#pragma once

#include <cstdint>
#include <vector>

namespace espalier {

// Voxels of one resolution, on the host.
struct Voxels {
  int resolution = 0;                // cells per axis
  std::vector<std::int32_t> coords;  // [rows * 4]: batch, x, y, z
  std::vector<std::int64_t> begin;   // [batch + 1]: rows of each batch element
  [[nodiscard]] std::int64_t rows() const { return static_cast<std::int64_t>(coords.size() / 4); }
  [[nodiscard]] std::int64_t batch() const { return static_cast<std::int64_t>(begin.size()) - 1; }
};

// Checks and wraps coordinates [rows * 4]: rows grouped by batch element in ascending order (any order inside), every
// coordinate in [0, resolution), no voxel twice, resolution in [1, 1024], batch in [1, 64], an element may be empty.
// Throws invalid_argument naming the first offending row.
[[nodiscard]] Voxels make_voxels(std::vector<std::int32_t> coords, std::int64_t batch, int resolution);

// [batch + 1]: where the rows of each batch element begin, for rows grouped by element.
[[nodiscard]] std::vector<std::int64_t> batch_begins(const std::vector<std::int32_t>& coords, std::int64_t batch);

}  // namespace espalier
