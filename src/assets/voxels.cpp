#include "assets/voxels.h"

#include <algorithm>

#include "base/error.h"

namespace espalier {
namespace {

void check_coordinates(const std::vector<std::int32_t>& coords, std::int64_t batch, int resolution) {
  for (std::size_t r = 0; r < coords.size() / 4; ++r) {
    const std::int32_t* c = &coords[4 * r];
    const auto place = [&] { return str("row ", r, " (batch ", c[0], ", x ", c[1], ", y ", c[2], ", z ", c[3], ")"); };
    if (c[0] < 0 || c[0] >= batch) fail(ErrorCode::invalid_argument, "voxels: ", place(), " is not in a batch of ", batch);
    if (r > 0 && c[0] < c[-4]) {
      fail(ErrorCode::invalid_argument, "voxels: ", place(), " follows a row of batch element ", c[-4],
           ": rows must be grouped by element");
    }
    for (int axis = 1; axis <= 3; ++axis) {
      if (c[axis] < 0 || c[axis] >= resolution) {
        fail(ErrorCode::invalid_argument, "voxels: ", place(), " lies outside a grid of resolution ", resolution);
      }
    }
  }
}

// A row under the number of its cell, lexicographic in (batch, x, y, z); sorting brings the rows of a cell together.
void refuse_repeated(const std::vector<std::int32_t>& coords, std::int64_t side) {
  struct Entry {
    std::int64_t cell;
    std::size_t row;
  };
  std::vector<Entry> entries(coords.size() / 4);
  for (std::size_t r = 0; r < entries.size(); ++r) {
    const std::int32_t* c = &coords[4 * r];
    entries[r] = {((c[0] * side + c[1]) * side + c[2]) * side + c[3], r};
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.cell != b.cell ? a.cell < b.cell : a.row < b.row; });
  const Entry* repeated = nullptr;
  for (std::size_t i = 1; i < entries.size(); ++i) {
    if (entries[i].cell == entries[i - 1].cell && (repeated == nullptr || entries[i].row < repeated->row))
      repeated = &entries[i];
  }
  if (repeated != nullptr) {
    fail(ErrorCode::invalid_argument, "voxels: row ", repeated->row, " repeats row ", repeated[-1].row,
         ": every voxel may occur once");
  }
}

}  // namespace

std::vector<std::int64_t> batch_begins(const std::vector<std::int32_t>& coords, std::int64_t batch) {
  std::vector<std::int64_t> begin(static_cast<std::size_t>(batch) + 1, 0);
  for (std::size_t i = 0; i < coords.size(); i += 4) ++begin[static_cast<std::size_t>(coords[i]) + 1];
  for (std::size_t b = 1; b < begin.size(); ++b) begin[b] += begin[b - 1];
  return begin;
}

Voxels make_voxels(std::vector<std::int32_t> coords, std::int64_t batch, int resolution) {
  constexpr std::size_t kMaxRows = std::size_t{1} << 28;  // 27 neighbours of 8 children each still have a 64-bit size to spare
  if (resolution < 1 || resolution > 1024) {
    fail(ErrorCode::invalid_argument, "voxels: resolution ", resolution, " is not in [1, 1024]");
  }
  if (batch < 1 || batch > 64) fail(ErrorCode::invalid_argument, "voxels: a batch of ", batch, " is not in [1, 64]");
  if (coords.size() % 4 != 0) {
    fail(ErrorCode::invalid_argument, "voxels: ", coords.size(), " numbers are not rows of batch, x, y, z");
  }
  if (coords.size() / 4 > kMaxRows) {
    fail(ErrorCode::invalid_argument, "voxels: ", coords.size() / 4, " rows are more than ", kMaxRows);
  }
  check_coordinates(coords, batch, resolution);
  refuse_repeated(coords, resolution);
  Voxels voxels;
  voxels.resolution = resolution;
  voxels.begin = batch_begins(coords, batch);
  voxels.coords = std::move(coords);
  return voxels;
}

}  // namespace espalier
