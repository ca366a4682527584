// The steps that solid extraction adds to those of surface_steps.h: what the predicted signs say about coarse cells without
// cubes, the cubes of the band, and the smooth distances in it. Both devices give the same bits.
#pragma once

#include "geometry/surface/surface_steps.h"

namespace espalier::surface {

// What is summed up over the cubes of a coarse cell, in fields of kVoteBits bits: for the sides -x, +x, -y, +y, -z, +z of the
// cell how many corners of cubes on that side have a negative distance, and in the last field the number of cubes. Cells
// have at most 4^3 cubes, so that no field exceeds 64 where no cube is listed twice.
inline constexpr int kVoteBits = 9, kVoteFields = 7, kMostBlock = 4;

ESPALIER_DEVICE_CODE void add_votes(std::uint64_t* sum, std::uint64_t votes) {
#ifdef __CUDA_ARCH__
  atomicAdd(reinterpret_cast<unsigned long long*>(sum), votes);
#else
  std::atomic_ref<std::uint64_t>(*sum).fetch_add(votes, std::memory_order_relaxed);
#endif
}

// Per row of the input: its votes. Cubes outside the grid have none.
struct CountVotes {
  const std::int32_t* cubes;
  std::int64_t stride;
  const float* features;
  std::int64_t feature_stride;
  int resolution, block, side;
  std::uint64_t* votes;  // [side^3]

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const {
    const std::int32_t* at = cubes + i * stride + 1;
    for (int axis = 0; axis < 3; ++axis) {
      if (at[axis] < 0 || at[axis] >= resolution) return;
    }
    const float* row = features + i * feature_stride;
    const Rounded bias = Rounded{-1.0F} / Rounded{static_cast<float>(resolution)};
    std::uint64_t sum = std::uint64_t{1} << (6 * kVoteBits);
    for (int axis = 0; axis < 3; ++axis) {
      for (int upper = 0; upper < 2; ++upper) {
        if (at[axis] % block != (upper == 0 ? 0 : block - 1)) continue;
        std::uint64_t negative = 0;
        for (int corner = 0; corner < 8; ++corner) {
          if ((corner >> axis & 1) == upper && (Rounded{row[corner]} + bias).value < 0) ++negative;
        }
        sum += negative << ((2 * axis + upper) * kVoteBits);
      }
    }
    add_votes(votes + (std::int64_t{at[0] / block} * side + at[1] / block) * side + at[2] / block, sum);
  }
};

// The cubes of band cells, block^3 each.
struct BandCubes {
  const std::int32_t* cells = nullptr;  // indices of cells
  int side = 0;
  int block = 1;

  ESPALIER_DEVICE_CODE void at(std::int64_t i, int (&cube)[3]) const {
    const int size = block * block * block;
    const int within = static_cast<int>(i % size);
    const std::int32_t cell = cells[i / size];
    cube[0] = cell / (side * side) * block + within / (block * block);
    cube[1] = cell / side % side * block + within / block % block;
    cube[2] = cell % side * block + within % block;
  }
  // Item i of half as many: the cube of a pair above each other whose coordinates add up to the parity. Returns its number.
  ESPALIER_DEVICE_CODE std::int64_t of_parity(std::int64_t i, int parity) const {
    int cube[3];
    at(2 * i, cube);
    return 2 * i + ((cube[0] + cube[1] + cube[2] + parity) & 1);
  }
};

// Per cube of the band: its key, with a row of -1.
struct KeyBand {
  BandCubes band;
  int resolution;
  std::uint32_t* keys;
  std::int32_t* rows;

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const {
    int cube[3];
    band.at(i, cube);
    keys[i] = make_key(cube[0] * resolution + cube[1], cube[2]);
    rows[i] = -1;
  }
};

// Who owns a lattice vertex: a free one is relaxed by the cube of the band whose lowest corner it is. All others are fixed:
// those of cubes with features, and those that the map of cells decides.
//
// Per cube of the band: the lattice vertices that its free vertex depends on, itself first, then those before and behind it
// along x, y and z; -1 and -2 for neighbours that count as outside and as inside; itself -1 if it is not free.
struct LinkBand {
  BandCubes band;
  Columns cubes, lattice;
  const std::int32_t* rows;
  CellMap cells;
  std::int32_t* links;  // [band, kLinks]

  static constexpr int kLinks = 7;

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const {
    int at[3];
    band.at(i, at);
    std::int32_t* const out = links + kLinks * i;
    out[0] = is_border(at) || predicted(at) ? -1 : index(at);
    for (int n = 0; n < 6; ++n) {
      int next[3] = {at[0], at[1], at[2]};
      next[n / 2] += n % 2 == 0 ? -1 : 1;
      out[1 + n] = link(next);
    }
  }

 private:
  [[nodiscard]] ESPALIER_DEVICE_CODE std::int32_t link(const int (&v)[3]) const {
    for (const int x : v) {
      if (x < 0 || x > cubes.width) return -1;
    }
    const std::uint8_t flags = cells.at(v[0], v[1], v[2]);
    if (predicted(v) || ((flags & kCellBand) != 0 && !is_border(v))) return index(v);
    return cells.distance(v[0], v[1], v[2]) < 0 ? -2 : -1;
  }
  [[nodiscard]] ESPALIER_DEVICE_CODE bool is_border(const int (&v)[3]) const {
    for (const int x : v) {
      if (x == 0 || x == cubes.width) return true;
    }
    return false;
  }
  [[nodiscard]] ESPALIER_DEVICE_CODE std::int32_t index(const int (&v)[3]) const {
    return find_pair(lattice, column_at(lattice, v[0], v[1]), v[2]).upper;
  }
  // A cube with features has this corner.
  [[nodiscard]] ESPALIER_DEVICE_CODE bool predicted(const int (&v)[3]) const {
    for (int i = 0; i < 4; ++i) {
      const Pair pair = find_pair(cubes, column_at(cubes, v[0] - 1 + i / 2, v[1] - 1 + i % 2), v[2]);
      if ((pair.lower >= 0 && rows[pair.lower] >= 0) || (pair.upper >= 0 && rows[pair.upper] >= 0)) return true;
    }
    return false;
  }
};

// Per pair of cubes of the band, for the one whose free vertex has the given parity: one step of successive over-relaxation of
// the distance towards the mean of its six neighbours, so that the distances become harmonic.
struct RelaxDistance {
  BandCubes band;
  const std::int32_t* links;
  int parity;
  float factor;  // 1 to 2
  float* sdf_deform;

  ESPALIER_DEVICE_CODE void operator()(std::int64_t pair) const {
    const std::int32_t* const link = links + LinkBand::kLinks * band.of_parity(pair, parity);
    if (link[0] < 0) return;
    Rounded sum;
    Rounded total;
    for (int n = 1; n < LinkBand::kLinks; ++n) {
      const bool listed = link[n] >= 0;
      const Rounded weight{listed ? 1.0F : kPull};
      sum = sum + weight * Rounded{listed ? sdf_deform[4 * std::int64_t{link[n]}] : link[n] == -1 ? 1.0F : -1.0F};
      total = total + weight;
    }
    float& distance = sdf_deform[4 * std::int64_t{link[0]}];
    const Rounded before{distance};
    distance = (before + Rounded{factor} * (sum / total - before)).value;
  }

 private:
  // Of cells beyond the band, against what was predicted around a gap: enough to keep the sign where that is far.
  static constexpr float kPull = 0.05F;
};

// The same for colour and normal, whose neighbours without features do not count.
struct RelaxColour {
  BandCubes band;
  const std::int32_t* links;
  int parity;
  float factor;
  float* colour;  // [L, 6]

  ESPALIER_DEVICE_CODE void operator()(std::int64_t pair) const {
    const std::int32_t* const link = links + LinkBand::kLinks * band.of_parity(pair, parity);
    if (link[0] < 0) return;
    for (int c = 0; c < 6; ++c) {
      Rounded sum;
      int count = 0;
      for (int n = 1; n < LinkBand::kLinks; ++n) {
        if (link[n] < 0) continue;
        sum = sum + Rounded{colour[6 * std::int64_t{link[n]} + c]};
        ++count;
      }
      if (count == 0) return;
      float& value = colour[6 * std::int64_t{link[0]} + c];
      const Rounded before{value};
      value = (before + Rounded{factor} * (sum / Rounded{static_cast<float>(count)} - before)).value;
    }
  }
};

inline constexpr int kHeldValues = 7;  // of a lattice vertex: distance, colour and normal

// Per cube of the band: what its lowest corner has.
struct ReadBand {
  BandCubes band;
  Columns lattice;
  const float* sdf_deform;
  const float* colour;  // or null
  float* values;        // [band, kHeldValues]

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const {
    int at[3];
    band.at(i, at);
    const std::int64_t vertex = find_pair(lattice, column_at(lattice, at[0], at[1]), at[2]).upper;
    values[kHeldValues * i] = sdf_deform[4 * vertex];
    for (int c = 0; c < 6; ++c) values[kHeldValues * i + 1 + c] = colour != nullptr ? colour[6 * vertex + c] : 0;
  }
};

// Per cube of the band: a free vertex with kept cells alone around it gets what it had, and is free no longer. One that was in
// no band had what the map of cells says.
struct HoldBand {
  BandCubes band;
  const std::uint8_t* kept;  // [side^3]
  const std::int32_t* from;  // of each cell of the band: its number in the other one, or -1
  const float* values;       // of that
  std::int32_t* links;
  float* sdf_deform;
  float* colour;  // or null

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const {
    std::int32_t& link = links[LinkBand::kLinks * i];
    if (link < 0) return;
    int at[3];
    band.at(i, at);
    for (int n = 0; n < 8; ++n) {
      int cell[3];
      for (int axis = 0; axis < 3; ++axis) cell[axis] = (at[axis] - (n >> axis & 1)) / band.block;  // no free one at a border
      if (kept[(cell[0] * band.side + cell[1]) * band.side + cell[2]] == 0) return;
    }
    const std::int64_t vertex = link;
    link = -1;
    const int size = band.block * band.block * band.block;
    const std::int64_t before = from[i / size];
    if (before < 0) return;
    const float* const row = values + kHeldValues * (before * size + i % size);
    sdf_deform[4 * vertex] = row[0];
    for (int c = 0; colour != nullptr && c < 6; ++c) colour[6 * vertex + c] = row[1 + c];
  }
};

// Per cube of the band: gives a free vertex whose distance has no sign a positive one, so that the surface stays closed.
struct SignBand {
  const std::int32_t* links;
  float* sdf_deform;

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const {
    const std::int32_t vertex = links[LinkBand::kLinks * i];
    if (vertex < 0) return;
    float& distance = sdf_deform[4 * std::int64_t{vertex}];
    if (!(distance > 0) && !(distance < 0)) distance = 1e-4F;
  }
};

}  // namespace espalier::surface
