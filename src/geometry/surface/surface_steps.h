// The steps of surface extraction, each as a function object that is called once per item: on the CPU in a loop, on the
// GPU by a thread. Both devices run this same code, and floats round operation by operation, so the results agree to
// the last bit.
//
// Cubes, lattice vertices and surface cubes are kept as sorted keys, found through the first key of each column (fixed x
// and y). What the corners of a cube, the cubes around a vertex and the cubes around an edge have in common is that they
// lie in 2 x 2 columns at two neighbouring heights: ColumnWalk merges such columns, and one thread per column writes its
// results in order without any sorting.
#pragma once

#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>

#include "geometry/surface/surface_cases.h"
#include "parallel/device_code.h"

namespace espalier::surface {

inline constexpr int kMaxResolution = 1024;
inline constexpr std::uint8_t kCellInside = 1, kCellBand = 2;
inline constexpr int kHeightBits = 11;  // of z in a key: lattice vertices reach kMaxResolution inclusive

// --- Floats ---------------------------------------------------------------------------------------------------------

// A float whose operations round one at a time on every device; nvcc would fuse a product into the sum that takes it.
struct Rounded {
  float value = 0;
};
ESPALIER_DEVICE_CODE Rounded operator+(Rounded a, Rounded b) {
#ifdef __CUDA_ARCH__
  return {__fadd_rn(a.value, b.value)};
#else
  return {a.value + b.value};
#endif
}
ESPALIER_DEVICE_CODE Rounded operator-(Rounded a) { return {-a.value}; }
ESPALIER_DEVICE_CODE Rounded operator-(Rounded a, Rounded b) { return a + -b; }
ESPALIER_DEVICE_CODE Rounded operator*(Rounded a, Rounded b) {
#ifdef __CUDA_ARCH__
  return {__fmul_rn(a.value, b.value)};
#else
  return {a.value * b.value};
#endif
}
ESPALIER_DEVICE_CODE Rounded operator/(Rounded a, Rounded b) {
#ifdef __CUDA_ARCH__
  return {__fdiv_rn(a.value, b.value)};
#else
  return {a.value / b.value};
#endif
}

// e^x to about 1e-7 relative, for x clamped to where the result is a normal number. NaN stays NaN.
ESPALIER_DEVICE_CODE Rounded exponential(Rounded x) {
  if (x.value != x.value) return x;
  if (x.value < -87.0F) x.value = -87.0F;
  if (x.value > 88.0F) x.value = 88.0F;
  const Rounded k{rintf((x * Rounded{1.44269504F}).value)};
  // ln 2 in two parts, the first with so few digits that its product with k is exact.
  const Rounded r = x - k * Rounded{0.693359375F} - k * Rounded{-2.12194440e-4F};
  // Taylor polynomial of degree 7; |r| < 0.35 makes the next term less than 6e-9.
  const float coefficients[7] = {1.0F / 720, 1.0F / 120, 1.0F / 24, 1.0F / 6, 0.5F, 1.0F, 1.0F};
  Rounded sum{1.0F / 5040};
  for (const float c : coefficients) sum = sum * r + Rounded{c};
  const auto power = std::bit_cast<float>(static_cast<std::uint32_t>(static_cast<int>(k.value) + 127) << 23U);
  return sum * Rounded{power};
}
// To about 1e-7 absolute, which is what its uses (an offset added to a larger number) need.
ESPALIER_DEVICE_CODE Rounded hyperbolic_tangent(Rounded x) {
  return Rounded{1} - Rounded{2} / (exponential(x + x) + Rounded{1});
}
ESPALIER_DEVICE_CODE Rounded sigmoid(Rounded x) { return Rounded{1} / (Rounded{1} + exponential(-x)); }

// --- Keys and columns -----------------------------------------------------------------------------------------------

// Sorted like (x, y, z). Fits: (kMaxResolution + 1)^2 < 2^21.
ESPALIER_DEVICE_CODE std::uint32_t make_key(int column, int z) {
  return static_cast<std::uint32_t>(column) << kHeightBits | static_cast<std::uint32_t>(z);
}
ESPALIER_DEVICE_CODE int height_of(std::uint32_t key) { return static_cast<int>(key & ((1U << kHeightBits) - 1)); }
ESPALIER_DEVICE_CODE int column_of(std::uint32_t key) { return static_cast<int>(key >> kHeightBits); }

// A set of cells or vertices: begin[c] to begin[c + 1] are the keys of column c = x * width + y.
struct Columns {
  const std::int32_t* begin = nullptr;
  const std::uint32_t* keys = nullptr;
  int width = 0;
};

// Column (x, y), or -1 outside the grid.
ESPALIER_DEVICE_CODE int column_at(const Columns& set, int x, int y) {
  return x >= 0 && x < set.width && y >= 0 && y < set.width ? x * set.width + y : -1;
}

// First index in [low, high) whose key is not less than `key`, or high.
ESPALIER_DEVICE_CODE int lower_bound(const std::uint32_t* keys, int low, int high, std::uint32_t key) {
  while (low < high) {
    const int middle = low + (high - low) / 2;
    if (keys[middle] < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// Indices of the members at heights z - 1 and z >= 0 of a column, -1 where there is none (column may be -1).
struct Pair {
  int lower = -1;
  int upper = -1;
};
ESPALIER_DEVICE_CODE Pair find_pair(const Columns& set, int column, int z) {
  Pair found;
  if (column < 0) return found;
  const int begin = set.begin[column];
  const int end = set.begin[column + 1];
  const std::uint32_t key = make_key(column, z);
  const int at = lower_bound(set.keys, begin, end, key);
  if (at < end && set.keys[at] == key) found.upper = at;
  if (at > begin && set.keys[at - 1] + 1 == key) found.lower = at - 1;
  return found;
}

// Walks upwards through the columns (x, y), (x, y + 1), (x + 1, y), (x + 1, y + 1), numbered in this order, stopping at
// every height z where one of them has a member at z or at z - 1.
class ColumnWalk {
 public:
  ESPALIER_DEVICE_CODE ColumnWalk(const Columns& set, int x, int y) : keys_(set.keys) {
    for (int i = 0; i < 4; ++i) {
      const int column = column_at(set, x + i / 2, y + i % 2);
      next_[i] = column < 0 ? 0 : set.begin[column];
      end_[i] = column < 0 ? 0 : set.begin[column + 1];
      ahead_[i] = peek(i);
    }
  }
  // Goes to the next height; false at the end.
  ESPALIER_DEVICE_CODE bool advance() {
    int z = kNever;
    for (int i = 0; i < 4; ++i) {
      if (high[i] >= 0 && height + 1 < z) z = height + 1;
      if (ahead_[i] < z) z = ahead_[i];
    }
    if (z == kNever) return false;
    for (int i = 0; i < 4; ++i) {
      low[i] = z == height + 1 ? high[i] : -1;
      high[i] = -1;
      if (ahead_[i] == z) {
        high[i] = next_[i]++;
        ahead_[i] = peek(i);
      }
    }
    height = z;
    return true;
  }

  int height = -1;
  int low[4] = {-1, -1, -1, -1};   // index of each column's member at height - 1, or -1
  int high[4] = {-1, -1, -1, -1};  // at height

 private:
  static constexpr int kNever = 1 << 30;

  ESPALIER_DEVICE_CODE int peek(int i) const { return next_[i] < end_[i] ? height_of(keys_[next_[i]]) : kNever; }

  const std::uint32_t* keys_;
  int next_[4];
  int end_[4];
  int ahead_[4];
};

// --- Cubes ----------------------------------------------------------------------------------------------------------

ESPALIER_DEVICE_CODE void raise_flag(std::int32_t* flag) {
#ifdef __CUDA_ARCH__
  atomicExch(flag, 1);
#else
  std::atomic_ref<std::int32_t>(*flag).store(1, std::memory_order_relaxed);
#endif
}

// Per row of the input: its key. Raises the flag for a cube outside the grid and files it under key 0.
struct KeyCubes {
  const std::int32_t* cubes;
  std::int64_t stride;
  int resolution;
  std::uint32_t* keys;
  std::int32_t* rows;
  std::int32_t* flag;

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const {
    const std::int32_t* at = cubes + i * stride;
    bool inside = true;
    for (int axis = 1; axis <= 3; ++axis) inside = inside && at[axis] >= 0 && at[axis] < resolution;
    if (!inside) raise_flag(flag);
    keys[i] = inside ? make_key(at[1] * resolution + at[2], at[3]) : 0;
    rows[i] = static_cast<std::int32_t>(i);
  }
};

// Per column and one more: where it begins among sorted keys.
struct FindColumns {
  const std::uint32_t* keys;
  std::int32_t count;
  std::int32_t* begin;

  ESPALIER_DEVICE_CODE void operator()(std::int64_t column) const {
    begin[column] = lower_bound(keys, 0, count, make_key(static_cast<int>(column), 0));
  }
};

// Per cube: raises the flag if it is listed twice.
struct FindRepeats {
  const std::uint32_t* keys;
  std::int32_t* flag;

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const {
    if (i > 0 && keys[i] == keys[i - 1]) raise_flag(flag);
  }
};

// --- Lattice vertices -----------------------------------------------------------------------------------------------

// Per lattice column: counts its vertices, or with `keys` lists them from begin[column] on.
struct ListLattice {
  Columns cubes;
  std::int32_t* begin;
  std::uint32_t* keys;

  ESPALIER_DEVICE_CODE void operator()(std::int64_t column) const {
    const int width = cubes.width + 1;
    const int x = static_cast<int>(column) / width;
    const int y = static_cast<int>(column) % width;
    ColumnWalk walk(cubes, x - 1, y - 1);
    int n = 0;
    for (; walk.advance(); ++n) {
      if (keys != nullptr) keys[begin[column] + n] = make_key(static_cast<int>(column), walk.height);
    }
    if (keys == nullptr) begin[column] = n;
  }
};

// Feature channels: distance 8, deformation 8 x 3, weights 21 (beta 12, alpha 8, gamma 1), colour and normal 8 x 6.
inline constexpr int kDeformChannel = 8;
inline constexpr int kWeightChannel = 32;
inline constexpr int kColourChannel = 53;

struct Features {
  const float* data = nullptr;
  std::int64_t stride = 0;
  const std::int32_t* rows = nullptr;  // of each cube in key order
};

// What is known of the coarse cells (blocks^3 of cubes) that hold no cubes: solid_cells.h. Null in the reference's rule.
struct CellMap {
  const std::uint8_t* flags = nullptr;  // [side^3] of kCellInside and kCellBand
  int side = 0;
  int block = 1;

  [[nodiscard]] ESPALIER_DEVICE_CODE std::uint8_t at(int x, int y, int z) const {
    const int last = side - 1;
    const int cell[3] = {x / block < last ? x / block : last, y / block < last ? y / block : last,
                         z / block < last ? z / block : last};
    return flags[(cell[0] * side + cell[1]) * side + cell[2]];
  }
  // The distance of a lattice vertex that belongs to no cube.
  [[nodiscard]] ESPALIER_DEVICE_CODE float distance(int x, int y, int z) const {
    return flags != nullptr && (at(x, y, z) & kCellInside) != 0 ? -1.0F : 1.0F;
  }
};

// Per lattice vertex: the mean of what the corners that meet there say, added up in the order of the cubes' keys. The
// distance is biased by -1 / resolution; colour and normal become values in [0, 1].
//
// With a map of cells there are cubes without features (a row of -1), and vertices of such cubes alone get what the map says.
// The surface is closed then: distances that have no sign become positive, and so do those on the border of the grid.
struct AverageCorners {
  Columns cubes;
  Features features;
  CellMap cells;
  const std::uint32_t* keys;
  float* sdf_deform;  // [L, 4]
  float* colour;      // [L, 6] or null

  ESPALIER_DEVICE_CODE void operator()(std::int64_t vertex) const {
    const std::uint32_t key = keys[vertex];
    const int x = column_of(key) / (cubes.width + 1);
    const int y = column_of(key) % (cubes.width + 1);
    Rounded field[4];
    Rounded shade[6];
    int count = 0;
    for (int i = 0; i < 4; ++i) {
      const Pair pair = find_pair(cubes, column_at(cubes, x - 1 + i / 2, y - 1 + i % 2), height_of(key));
      // The vertex is a corner of the side towards it: with the larger x, y and z in the cube before it.
      const int corner = (1 - i / 2) | (1 - i % 2) << 1;
      if (holds(pair.lower)) add(pair.lower, corner | 4, field, shade);
      if (holds(pair.upper)) add(pair.upper, corner, field, shade);
      count += (holds(pair.lower) ? 1 : 0) + (holds(pair.upper) ? 1 : 0);
    }
    if (count == 0) {
      sdf_deform[4 * vertex] = cells.distance(x, y, height_of(key));
      for (int c = 1; c < 4; ++c) sdf_deform[4 * vertex + c] = 0;
      for (int c = 0; colour != nullptr && c < 6; ++c) colour[6 * vertex + c] = 0.5F;
      return;
    }
    const Rounded n{static_cast<float>(count)};
    for (int c = 0; c < 4; ++c) sdf_deform[4 * vertex + c] = (field[c] / n).value;
    for (int c = 0; colour != nullptr && c < 6; ++c) colour[6 * vertex + c] = sigmoid(shade[c] / n).value;
    if (cells.flags != nullptr) close(x, y, height_of(key), sdf_deform[4 * vertex]);
  }

 private:
  [[nodiscard]] ESPALIER_DEVICE_CODE bool holds(int cube) const { return cube >= 0 && features.rows[cube] >= 0; }
  ESPALIER_DEVICE_CODE void close(int x, int y, int z, float& distance) const {
    constexpr float kAlmostNothing = 1e-4F;
    const bool inner = x > 0 && y > 0 && z > 0 && x < cubes.width && y < cubes.width && z < cubes.width;
    if (!(distance > 0) && !(distance < 0 && inner)) distance = kAlmostNothing;
  }
  ESPALIER_DEVICE_CODE void add(int cube, int corner, Rounded (&field)[4], Rounded (&shade)[6]) const {
    const float* row = features.data + features.rows[cube] * features.stride;
    const Rounded bias = Rounded{-1.0F} / Rounded{static_cast<float>(cubes.width)};
    field[0] = field[0] + (Rounded{row[corner]} + bias);
    for (int c = 0; c < 3; ++c) field[1 + c] = field[1 + c] + Rounded{row[kDeformChannel + 3 * corner + c]};
    for (int c = 0; colour != nullptr && c < 6; ++c) shade[c] = shade[c] + Rounded{row[kColourChannel + 6 * corner + c]};
  }
};

// The lattice with its values. Vertices of no cube have the distance that the map of cells says (1, so outside, without a
// map) and no deformation.
struct Field {
  Columns lattice;
  const float* sdf_deform = nullptr;
  CellMap cells{};

  // Of the vertex at (x, y, z), whose index is `vertex` or -1.
  [[nodiscard]] ESPALIER_DEVICE_CODE float sdf(int vertex, int x, int y, int z) const {
    return vertex < 0 ? cells.distance(x, y, z) : sdf_deform[4 * std::int64_t{vertex}];
  }
  [[nodiscard]] ESPALIER_DEVICE_CODE int inside(int vertex, int x, int y, int z) const {
    return sdf(vertex, x, y, z) < 0 ? 1 : 0;
  }
};

// --- Cubes that hold surface ----------------------------------------------------------------------------------------

// Per cube column: counts the cubes whose corners differ in sign, whether they have features or not, or with `keys`
// lists them with their cases from begin[column] on.
struct ListSurface {
  Field field;
  int resolution;
  std::int32_t* begin;
  std::uint32_t* keys;
  std::uint8_t* cases;

  ESPALIER_DEVICE_CODE void operator()(std::int64_t column) const {
    const int x = static_cast<int>(column) / resolution;
    const int y = static_cast<int>(column) % resolution;
    int n = 0;
    int upper_before = 0;
    int height_before = -1;
    for (ColumnWalk walk(field.lattice, x, y); walk.advance();) {
      // Column i of the walk holds the corners at (i / 2, i % 2): numbers 0, 2, 1, 3 below and 4 more above.
      const int upper = signs(walk.high, x, y, walk.height);
      const int lower = walk.height == height_before + 1 ? upper_before : signs_below(x, y, walk.height - 1);
      upper_before = upper;
      height_before = walk.height;
      const int z = walk.height - 1;
      const int inside = lower | upper << 4;
      if (z < 0 || z >= resolution || inside == 0 || inside == 255) continue;
      if (keys != nullptr) {
        keys[begin[column] + n] = make_key(static_cast<int>(column), z);
        cases[begin[column] + n] = static_cast<std::uint8_t>(inside);
      }
      ++n;
    }
    if (keys == nullptr) begin[column] = n;
  }

 private:
  [[nodiscard]] ESPALIER_DEVICE_CODE int signs(const int (&vertices)[4], int x, int y, int z) const {
    return field.inside(vertices[0], x, y, z) | field.inside(vertices[1], x, y + 1, z) << 2 |
           field.inside(vertices[2], x + 1, y, z) << 1 | field.inside(vertices[3], x + 1, y + 1, z) << 3;
  }
  // At a height where none of the four vertices is listed.
  [[nodiscard]] ESPALIER_DEVICE_CODE int signs_below(int x, int y, int z) const {
    constexpr int kNone[4] = {-1, -1, -1, -1};
    return field.cells.flags == nullptr || z < 0 ? 0 : signs(kNone, x, y, z);
  }
};

// Per surface cube: its case, inverted where the cube and the one across its ambiguous face are both flagged.
struct ResolveCases {
  const SurfaceTable* table;
  Columns surface;
  const std::uint8_t* cases;
  std::uint8_t* resolved;

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const {
    const SurfaceCase& own = table->cases[cases[i]];
    resolved[i] = cases[i];
    if (own.flagged == 0) return;
    const std::uint32_t key = surface.keys[i];
    int at[3] = {column_of(key) / surface.width, column_of(key) % surface.width, height_of(key)};
    at[own.axis] += own.step;
    if (at[2] < 0) return;
    const int other = find_pair(surface, column_at(surface, at[0], at[1]), at[2]).upper;
    if (other >= 0 && table->cases[cases[other]].flagged != 0) resolved[i] = static_cast<std::uint8_t>(255 - cases[i]);
  }
};

// Per cube column: dual vertices of its cubes with one, two, three and four patches. counts is [4, columns]; summed up
// in this order it says where the dual vertices of each kind and column start.
struct CountVertices {
  const SurfaceTable* table;
  const std::int32_t* begin;
  const std::uint8_t* resolved;
  std::int64_t columns;
  std::int32_t* counts;

  ESPALIER_DEVICE_CODE void operator()(std::int64_t column) const {
    int cubes[4] = {0, 0, 0, 0};
    for (std::int32_t s = begin[column]; s < begin[column + 1]; ++s) {
      const int patches = table->cases[resolved[s]].patches;
      for (int kind = 0; kind < 4; ++kind) cubes[kind] += patches == kind + 1 ? 1 : 0;
    }
    for (int kind = 0; kind < 4; ++kind) counts[kind * columns + column] = (kind + 1) * cubes[kind];
  }
};

// Per cube column: the first dual vertex of each of its surface cubes.
struct NumberVertices {
  const SurfaceTable* table;
  const std::int32_t* begin;
  const std::uint8_t* resolved;
  std::int64_t columns;
  const std::int32_t* starts;  // the summed counts
  std::int32_t* first;

  ESPALIER_DEVICE_CODE void operator()(std::int64_t column) const {
    int next[4];
    for (int kind = 0; kind < 4; ++kind) next[kind] = starts[kind * columns + column];
    for (std::int32_t s = begin[column]; s < begin[column + 1]; ++s) {
      const int patches = table->cases[resolved[s]].patches;
      for (int kind = 0; kind < 4; ++kind) {
        if (patches != kind + 1) continue;
        first[s] = next[kind];
        next[kind] += patches;
      }
    }
  }
};

// --- Dual vertices --------------------------------------------------------------------------------------------------

// Per surface cube: its dual vertices, their attributes, and gamma of the cube.
struct PlaceVertices {
  const SurfaceTable* table;
  Columns cubes;
  Features features;
  Field field;
  float reach;          // of a deformation: almost half a cell
  const float* colour;  // [L, 6] or null
  const std::uint32_t* keys;
  const std::uint8_t* resolved;
  const std::int32_t* first;
  float* gamma;
  float* vertices;    // [V, 3]
  float* attributes;  // [V, 6], with colour

  ESPALIER_DEVICE_CODE void operator()(std::int64_t s) const {
    const std::uint32_t key = keys[s];
    const int column = column_of(key);
    const int at[3] = {column / cubes.width, column % cubes.width, height_of(key)};
    int corners[8];
    for (int i = 0; i < 4; ++i) {
      const int corner = i / 2 | (i % 2) << 1;
      const Pair pair = find_pair(field.lattice, column_at(field.lattice, at[0] + i / 2, at[1] + i % 2), at[2] + 1);
      corners[corner] = pair.lower;
      corners[corner + 4] = pair.upper;
    }
    // Null for a cube without features, where all weights are 0.
    const int cube = find_pair(cubes, column, at[2]).upper;
    const std::int64_t row = cube < 0 ? -1 : features.rows[cube];
    const float* weights = row < 0 ? nullptr : features.data + row * features.stride + kWeightChannel;
    gamma[s] = (sigmoid(weight(weights, 20)) * Rounded{0.99F} + Rounded{0.005F}).value;

    const SurfaceCase& patches = table->cases[resolved[s]];
    for (int p = 0; p < patches.patches; ++p) {
      const std::int64_t vertex = std::int64_t{first[s]} + p;
      Rounded position[3];
      Rounded shade[6];
      Rounded total;
      for (int e = patches.begin[p]; e < patches.begin[p + 1]; ++e) {
        add_crossing(at, corners, weights, patches.edges[e], position, shade, total);
      }
      for (int axis = 0; axis < 3; ++axis) vertices[3 * vertex + axis] = (position[axis] / total).value;
      for (int c = 0; colour != nullptr && c < 6; ++c) attributes[6 * vertex + c] = (shade[c] / total).value;
    }
  }

 private:
  ESPALIER_DEVICE_CODE static Rounded weight(const float* weights, int channel) {
    return Rounded{weights == nullptr ? 0.0F : weights[channel]};
  }
  // alpha and beta.
  ESPALIER_DEVICE_CODE static Rounded factor(const float* weights, int channel) {
    return hyperbolic_tangent(weight(weights, channel)) * Rounded{0.99F} + Rounded{1};
  }
  // Where a lattice vertex lies after its deformation.
  ESPALIER_DEVICE_CODE Rounded coordinate(int cell, int vertex, int axis) const {
    const Rounded deform{vertex < 0 ? 0.0F : field.sdf_deform[4 * std::int64_t{vertex} + 1 + axis]};
    return Rounded{static_cast<float>(cell)} / Rounded{static_cast<float>(cubes.width)} - Rounded{0.5F} +
           Rounded{reach} * hyperbolic_tangent(deform);
  }
  [[nodiscard]] ESPALIER_DEVICE_CODE Rounded distance(const int (&at)[3], const int (&corners)[8], int corner) const {
    return Rounded{field.sdf(corners[corner], at[0] + (corner & 1), at[1] + (corner >> 1 & 1), at[2] + (corner >> 2))};
  }
  [[nodiscard]] ESPALIER_DEVICE_CODE Rounded shade_of(int vertex, int channel) const {
    return Rounded{vertex < 0 ? 0.5F : colour[6 * std::int64_t{vertex} + channel]};
  }

  // Adds the crossing of an edge, weighted by the edge's beta. Each end counts with the distance of the other, scaled by
  // alpha.
  ESPALIER_DEVICE_CODE void add_crossing(const int (&at)[3], const int (&corners)[8], const float* weights, int edge,
                                         Rounded (&position)[3], Rounded (&shade)[6], Rounded& total) const {
    const int a = table->edge_corners[edge][0];
    const int b = table->edge_corners[edge][1];
    const Rounded weight_b = -(distance(at, corners, a) * factor(weights, 12 + a));
    const Rounded weight_a = distance(at, corners, b) * factor(weights, 12 + b);
    const Rounded sum = weight_a + weight_b;
    const Rounded beta = factor(weights, edge);
    for (int axis = 0; axis < 3; ++axis) {
      const Rounded x_a = coordinate(at[axis] + (a >> axis & 1), corners[a], axis);
      const Rounded x_b = coordinate(at[axis] + (b >> axis & 1), corners[b], axis);
      position[axis] = position[axis] + (x_a * weight_a + x_b * weight_b) / sum * beta;
    }
    for (int c = 0; colour != nullptr && c < 6; ++c) {
      shade[c] = shade[c] + (shade_of(corners[a], c) * weight_a + shade_of(corners[b], c) * weight_b) / sum * beta;
    }
    total = total + beta;
  }
};

// --- Faces ----------------------------------------------------------------------------------------------------------

// A lattice edge that the surface crosses inside the grid: the four surface cubes around it in key order, and its number
// in each.
struct CrossedEdge {
  bool from_outside;  // its first vertex has a positive distance
  int cubes[4];
  int edges[4];
};

// Calls visit(CrossedEdge) for the crossed edges whose first vertex lies in a lattice column, in the order of first and
// second vertex. Edges along y run downwards, the others upwards.
template <class Visit>
ESPALIER_DEVICE_CODE void visit_edges(const Field& field, const Columns& surface, const std::uint8_t* cases, int column,
                                      Visit&& visit) {
  const int x = column / field.lattice.width;
  const int y = column % field.lattice.width;
  ColumnWalk walk(surface, x - 1, y - 1);
  const auto consider = [&](int c0, int c1, int c2, int c3, int owner, int first, int second, int e0, int e1, int e2, int e3) {
    // Every cube around a crossed edge holds surface, so a missing one is outside the grid or the edge is not crossed.
    if (c0 < 0 || c1 < 0 || c2 < 0 || c3 < 0) return;
    const int first_inside = cases[owner] >> first & 1;
    if (first_inside == (cases[owner] >> second & 1)) return;
    const bool from_outside = first_inside == 0 && field.sdf(find_pair(field.lattice, column, walk.height).upper, x, y,
                                                             walk.height) > 0;  // false for zero and NaN
    visit(CrossedEdge{from_outside, {c0, c1, c2, c3}, {e0, e1, e2, e3}});
  };
  while (walk.advance()) {
    const auto& low = walk.low;
    const auto& high = walk.high;
    consider(low[0], high[0], low[2], high[2], high[2], 2, 0, 10, 9, 11, 8);  // to (x, y - 1, z)
    consider(high[0], high[1], high[2], high[3], high[3], 0, 4, 5, 1, 7, 3);  // to (x, y, z + 1)
    consider(low[2], high[2], low[3], high[3], high[3], 0, 1, 6, 4, 2, 0);    // to (x + 1, y, z)
  }
}

// Per lattice column: its quads from outside and the others. counts is [2, columns].
struct CountQuads {
  Field field;
  Columns surface;
  const std::uint8_t* cases;
  std::int64_t columns;
  std::int32_t* counts;

  ESPALIER_DEVICE_CODE void operator()(std::int64_t column) const {
    int outward = 0;
    int total = 0;
    visit_edges(field, surface, cases, static_cast<int>(column), [&](const CrossedEdge& edge) {
      outward += edge.from_outside ? 1 : 0;
      ++total;
    });
    counts[column] = outward;
    counts[columns + column] = total - outward;
  }
};

// Per lattice column: the two triangles of each quad, split where the gammas say.
struct EmitQuads {
  const SurfaceTable* table;
  Field field;
  Columns surface;
  const std::uint8_t* cases;
  const std::uint8_t* resolved;
  const std::int32_t* first;
  const float* gamma;
  std::int64_t columns;
  const std::int32_t* starts;  // the summed counts
  std::int32_t* faces;         // [2 * quads, 3]

  ESPALIER_DEVICE_CODE void operator()(std::int64_t column) const {
    int next_outward = starts[column];
    int next_other = starts[columns + column];
    visit_edges(field, surface, cases, static_cast<int>(column), [&](const CrossedEdge& edge) {
      int around[4];
      float g[4];
      for (int corner = 0; corner < 4; ++corner) {
        // Around the edge, seen from outside: 0 1 3 2 or 2 3 1 0 in key order.
        const int i = edge.from_outside ? corner ^ corner >> 1 : (corner ^ corner >> 1) ^ 2;
        const int cube = edge.cubes[i];
        around[corner] = first[cube] + table->cases[resolved[cube]].patch_of_edge[edge.edges[i]];
        g[corner] = gamma[cube];
      }
      const std::int64_t quad = edge.from_outside ? next_outward++ : next_other++;
      const bool diagonal_02 = (Rounded{g[0]} * Rounded{g[2]}).value > (Rounded{g[1]} * Rounded{g[3]}).value;
      std::int32_t* out = faces + 6 * quad;
      out[0] = around[0];
      out[1] = around[1];
      out[2] = diagonal_02 ? around[2] : around[3];
      out[3] = diagonal_02 ? around[0] : around[3];
      out[4] = diagonal_02 ? around[2] : around[1];
      out[5] = diagonal_02 ? around[3] : around[2];
    });
  }
};

// --- Trace ----------------------------------------------------------------------------------------------------------

struct TraceLattice {
  Columns lattice;
  std::int32_t* coords;  // [L, 3]

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const {
    const std::uint32_t key = lattice.keys[i];
    coords[3 * i] = column_of(key) / lattice.width;
    coords[3 * i + 1] = column_of(key) % lattice.width;
    coords[3 * i + 2] = height_of(key);
  }
};

struct TraceCases {
  const std::uint8_t* resolved;
  std::int32_t* cases;

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const { cases[i] = resolved[i]; }
};

}  // namespace espalier::surface
