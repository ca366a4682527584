#include "geometry/mesh/mesh_edit.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "geometry/mesh/mesh_points.h"
#include "geometry/mesh/mesh_topology.h"
#include "parallel/parallel_for.h"

namespace espalier {
namespace {

constexpr std::int64_t kGrain = 16384;
constexpr float kLargest = 1e15F;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

void copy_rows(const std::vector<float>& from, std::int64_t width, std::span<const std::int32_t> rows, std::vector<float>& to) {
  if (from.empty()) return;
  to.reserve(rows.size() * at(width));
  for (const std::int32_t row : rows) to.insert(to.end(), from.begin() + row * width, from.begin() + (row + 1) * width);
}

// The vertices that these faces use, in their old order, and the faces renumbered.
Mesh with_face_list(const Mesh& mesh, std::vector<std::int32_t> faces) {
  std::vector<std::int32_t> renamed(at(mesh.vertex_count()), -1);
  parallel_for(static_cast<std::int64_t>(faces.size()), kGrain,
               [&](std::int64_t c) { std::atomic_ref(renamed[at(faces[at(c)])]).store(0, std::memory_order_relaxed); });
  std::vector<std::int32_t> kept;
  kept.reserve(renamed.size());
  for (std::int32_t v = 0; v < mesh.vertex_count(); ++v) {
    if (renamed[at(v)] < 0) continue;
    renamed[at(v)] = static_cast<std::int32_t>(kept.size());
    kept.push_back(v);
  }
  Mesh result;
  if (kept.size() == renamed.size()) {
    result.vertices = mesh.vertices;
    result.colours = mesh.colours;
    result.normals = mesh.normals;
    result.uvs = mesh.uvs;
  } else {
    parallel_for(static_cast<std::int64_t>(faces.size()), kGrain,
                 [&](std::int64_t c) { faces[at(c)] = renamed[at(faces[at(c)])]; });
    copy_rows(mesh.vertices, 3, kept, result.vertices);
    copy_rows(mesh.colours, 3, kept, result.colours);
    copy_rows(mesh.normals, 3, kept, result.normals);
    copy_rows(mesh.uvs, 2, kept, result.uvs);
  }
  result.faces = std::move(faces);
  return result;
}

bool names_twice(const std::int32_t* f) { return f[0] == f[1] || f[1] == f[2] || f[2] == f[0]; }

// The faces with every vertex replaced, less those that lost a corner.
std::vector<std::int32_t> replaced(const Mesh& mesh, std::span<const std::int32_t> by) {
  std::vector<std::int32_t> faces;
  faces.reserve(mesh.faces.size());
  for (std::int64_t f = 0; f < mesh.face_count(); ++f) {
    const std::int32_t* const old = face_of(mesh, f);
    const std::int32_t now[3] = {by[at(old[0])], by[at(old[1])], by[at(old[2])]};
    if (!names_twice(now)) faces.insert(faces.end(), now, now + 3);
  }
  return faces;
}

std::uint64_t mixed(std::uint64_t z) {
  z = (z ^ z >> 30U) * 0xBF58476D1CE4E5B9U;
  z = (z ^ z >> 27U) * 0x94D049BB133111EBU;
  return z ^ z >> 31U;
}

using Cell = std::array<std::int64_t, 3>;

// Cells of space to the vertices in them, most recent first; open addressing.
class CellTable {
 public:
  explicit CellTable(std::int64_t items) : next_(at(items), -1) {
    const std::size_t slots = std::bit_ceil(at(2 * items + 16));
    mask_ = slots - 1;
    heads_.assign(slots, -1);
    cells_.resize(slots);
  }
  [[nodiscard]] std::int32_t head(const Cell& cell) const { return heads_[slot(cell)]; }
  [[nodiscard]] std::int32_t next(std::int32_t item) const { return next_[at(item)]; }
  void add(const Cell& cell, std::int32_t item) {
    const std::size_t s = slot(cell);
    cells_[s] = cell;
    next_[at(item)] = heads_[s];
    heads_[s] = item;
  }

 private:
  [[nodiscard]] std::size_t slot(const Cell& cell) const {
    std::uint64_t h = 0x9E3779B97F4A7C15U;
    for (const std::int64_t c : cell) h = mixed(h + static_cast<std::uint64_t>(c) * 0x9E3779B97F4A7C15U);
    std::size_t s = h & mask_;
    while (heads_[s] >= 0 && cells_[s] != cell) s = (s + 1) & mask_;
    return s;
  }

  std::size_t mask_ = 0;
  std::vector<std::int32_t> heads_, next_;
  std::vector<Cell> cells_;
};

std::array<std::uint32_t, 3> bits_of(const Mesh& mesh, std::int64_t v) {
  std::array<std::uint32_t, 3> bits;
  for (std::int64_t k = 0; k < 3; ++k) {
    const float value = mesh.vertices[at(3 * v + k)];
    bits[at(k)] = std::bit_cast<std::uint32_t>(value == 0.0F ? 0.0F : value);
  }
  return bits;
}

// Of each vertex the first one at the same position. All threads fill one table by open addressing: the vertices of a position
// end up in one slot, whatever their order, and the smallest stays there.
std::vector<std::int32_t> first_at_position(const Mesh& mesh) {
  const std::size_t slots = std::bit_ceil(at(2 * mesh.vertex_count() + 16));
  std::vector<std::int32_t> table(slots, -1);
  std::vector<std::uint32_t> slot_of(at(mesh.vertex_count()));
  parallel_for(mesh.vertex_count(), kGrain, [&](std::int64_t v) {
    const auto bits = bits_of(mesh, v);
    std::uint64_t h = mixed(bits[0] | std::uint64_t{bits[1]} << 32U);
    std::size_t s = mixed(h + bits[2]) & (slots - 1);
    for (auto vertex = static_cast<std::int32_t>(v);; s = (s + 1) & (slots - 1)) {
      const std::atomic_ref slot(table[s]);
      std::int32_t known = slot.load(std::memory_order_relaxed);
      if (known < 0 && slot.compare_exchange_strong(known, vertex, std::memory_order_relaxed)) known = vertex;
      if (bits_of(mesh, known) != bits) continue;
      while (vertex < known && !slot.compare_exchange_weak(known, vertex, std::memory_order_relaxed)) {
      }
      slot_of[at(v)] = static_cast<std::uint32_t>(s);
      return;
    }
  });
  std::vector<std::int32_t> first(at(mesh.vertex_count()));
  parallel_for(mesh.vertex_count(), kGrain, [&](std::int64_t v) { first[at(v)] = table[slot_of[at(v)]]; });
  return first;
}

// Of each vertex the closest one kept so far within the tolerance, or itself, which is then kept.
std::vector<std::int32_t> first_within(const Mesh& mesh, double tolerance) {
  CellTable table(mesh.vertex_count());
  std::vector<std::int32_t> first(at(mesh.vertex_count()));
  for (std::int32_t v = 0; v < mesh.vertex_count(); ++v) {
    const Point p = point_of(mesh, v);
    const Point scaled = p / tolerance;
    const Cell home{static_cast<std::int64_t>(std::floor(scaled[0])), static_cast<std::int64_t>(std::floor(scaled[1])),
                    static_cast<std::int64_t>(std::floor(scaled[2]))};
    std::int32_t best = v;
    double closest = tolerance * tolerance;
    for (int n = 0; n < 27; ++n) {
      const Cell cell{home[0] + n / 9 - 1, home[1] + n / 3 % 3 - 1, home[2] + n % 3 - 1};
      for (std::int32_t other = table.head(cell); other >= 0; other = table.next(other)) {
        const double distance = (point_of(mesh, other) - p).squaredNorm();
        if (distance < closest || (distance == closest && other < best)) {
          best = other;
          closest = distance;
        }
      }
    }
    first[at(v)] = best;
    if (best == v) table.add(home, v);
  }
  return first;
}

std::array<std::int32_t, 3> sorted_face(const std::int32_t* f) {
  std::array<std::int32_t, 3> key{f[0], f[1], f[2]};
  std::sort(key.begin(), key.end());
  return key;
}

// The index of the first value that `is_bad`, or their number.
template <class T, class IsBad>
std::size_t first_where(const std::vector<T>& values, const IsBad& is_bad) {
  std::atomic<std::size_t> first = values.size();
  parallel_ranges(static_cast<std::int64_t>(values.size()), kGrain, [&](std::int64_t begin, std::int64_t end) {
    const auto found = std::find_if(values.begin() + begin, values.begin() + end, is_bad);
    if (found == values.begin() + end) return;
    const auto index = static_cast<std::size_t>(found - values.begin());
    std::size_t known = first;
    while (index < known && !first.compare_exchange_weak(known, index)) {
    }
  });
  return first;
}

}  // namespace

void check_mesh(const Mesh& mesh, const char* what) {
  const auto refuse = [&](const auto&... parts) { fail(ErrorCode::invalid_argument, what, ": ", parts...); };
  if (mesh.vertices.size() % 3 != 0 || mesh.faces.size() % 3 != 0) {
    refuse("the mesh has ", mesh.vertices.size(), " coordinates and ", mesh.faces.size(), " indices",
           hint("both must come in threes"));
  }
  if (mesh.face_count() > kMaxFaces || mesh.vertex_count() > 3 * kMaxFaces) {
    refuse("the mesh has ", mesh.face_count(), " faces and ", mesh.vertex_count(), " vertices",
           hint("at most ", kMaxFaces, " faces can be taken"));
  }
  const auto attribute = [&](const std::vector<float>& values, std::int64_t width, const char* name) {
    if (values.empty() || values.size() == at(mesh.vertex_count() * width)) return;
    refuse("the mesh has ", values.size(), " ", name, " for ", mesh.vertex_count(), " vertices",
           hint(width, " each are needed"));
  };
  attribute(mesh.colours, 3, "colour values");
  attribute(mesh.normals, 3, "normal coordinates");
  attribute(mesh.uvs, 2, "texture coordinates");
  const auto bad_value = [](float value) { return !(std::abs(value) <= kLargest); };
  const auto bad_index = [count = mesh.vertex_count()](std::int32_t v) { return v < 0 || v >= count; };
  if (const std::size_t i = first_where(mesh.vertices, bad_value); i < mesh.vertices.size()) {
    const float value = mesh.vertices[i];
    refuse("vertex ", i / 3, " has the ", "xyz"[i % 3], " coordinate ", value,
           hint("coordinates must be finite and at most ", kLargest));
  }
  if (const std::size_t i = first_where(mesh.faces, bad_index); i < mesh.faces.size()) {
    refuse("face ", i / 3, " names vertex ", mesh.faces[i], ", and there are ", mesh.vertex_count());
  }
}

std::vector<std::int32_t> distinct_positions(const Mesh& mesh, std::int32_t& count) {
  std::vector<std::int32_t> number = first_at_position(mesh);
  count = 0;
  for (std::size_t v = 0; v < number.size(); ++v) {
    number[v] = number[v] == static_cast<std::int32_t>(v) ? count++ : number[at(number[v])];
  }
  return number;
}

Mesh welded(const Mesh& mesh, float tolerance) {
  check_mesh(mesh, "welded");
  if (!(tolerance >= 0.0F) || !std::isfinite(tolerance)) {
    fail(ErrorCode::invalid_argument, "welded: a tolerance of ", tolerance, hint("it must be 0 or a distance"));
  }
  // Below what the coordinates resolve, equal is all there is; it also bounds the numbers of cells.
  float largest = 0.0F;
  for (const float value : mesh.vertices) largest = std::max(largest, std::abs(value));
  const bool exact = tolerance <= 1e-9F * largest;
  return with_face_list(mesh, replaced(mesh, exact ? first_at_position(mesh) : first_within(mesh, tolerance)));
}

Mesh with_faces(const Mesh& mesh, std::span<const std::uint8_t> keep) {
  require(keep.size() == at(mesh.face_count()), "with_faces", keep.size(), " marks for ", mesh.face_count(), " faces");
  if (std::find(keep.begin(), keep.end(), 0) == keep.end()) return with_face_list(mesh, mesh.faces);
  std::vector<std::int32_t> faces;
  for (std::int64_t f = 0; f < mesh.face_count(); ++f) {
    if (keep[at(f)] != 0) faces.insert(faces.end(), face_of(mesh, f), face_of(mesh, f) + 3);
  }
  return with_face_list(mesh, std::move(faces));
}

Mesh without_unreferenced_vertices(const Mesh& mesh) { return with_face_list(mesh, mesh.faces); }

double face_area(const Mesh& mesh, std::int64_t face) { return 0.5 * face_cross(mesh, face).norm(); }

bool is_degenerate(const Mesh& mesh, std::int64_t face) {
  const std::int32_t* const f = face_of(mesh, face);
  if (names_twice(f)) return true;
  const Point a = point_of(mesh, f[0]);
  const Point b = point_of(mesh, f[1]);
  const Point c = point_of(mesh, f[2]);
  const double longest = std::max({(b - a).squaredNorm(), (c - b).squaredNorm(), (a - c).squaredNorm()});
  return (b - a).cross(c - a).norm() <= kDegenerate * longest;
}

std::vector<std::uint8_t> first_of_duplicates(const Mesh& mesh, const VertexCorners& around) {
  std::vector<std::uint8_t> first(at(mesh.face_count()), 1);
  // Each vertex looks at the faces of which it is the smallest, so that only short lists are sorted.
  parallel_ranges(mesh.vertex_count(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::pair<std::array<std::int32_t, 3>, std::int32_t>> faces;
    for (std::int64_t v = begin; v < end; ++v) {
      faces.clear();
      for (const std::int32_t c : around.of(static_cast<std::int32_t>(v))) {
        const auto key = sorted_face(face_of(mesh, c / 3));
        if (key[0] == v) faces.emplace_back(key, c / 3);  // a face that names it twice is here twice
      }
      std::sort(faces.begin(), faces.end());
      for (std::size_t i = 0; i + 1 < faces.size(); ++i) {
        if (faces[i].first == faces[i + 1].first && faces[i].second != faces[i + 1].second) first[at(faces[i + 1].second)] = 0;
      }
    }
  });
  return first;
}

Mesh without_duplicate_faces(const Mesh& mesh) {
  return with_faces(mesh, first_of_duplicates(mesh, corners_around(mesh.faces, mesh.vertex_count())));
}

Mesh without_small_pieces(const Mesh& mesh, const SmallPieces& limits) {
  if (!(limits.area >= 0.0F) || !(limits.diagonal >= 0.0F)) {
    fail(ErrorCode::invalid_argument, "without_small_pieces: limits ", limits.area, " and ", limits.diagonal,
         hint("both are shares of the whole, at least 0"));
  }
  const Components pieces = vertex_components(mesh.faces, mesh.vertex_count());
  if (pieces.count <= 1) return mesh;
  std::vector<double> areas(at(pieces.count), 0.0);
  std::vector<Eigen::AlignedBox3d> boxes(at(pieces.count));
  for (std::int64_t f = 0; f < mesh.face_count(); ++f) {
    const std::size_t piece = at(pieces.of_face[at(f)]);
    areas[piece] += face_area(mesh, f);
    for (int k = 0; k < 3; ++k) boxes[piece].extend(point_of(mesh, face_of(mesh, f)[k]));
  }
  const double area = std::accumulate(areas.begin(), areas.end(), 0.0);
  const double diagonal = box_of(mesh).diagonal();
  const auto largest = std::max_element(areas.begin(), areas.end()) - areas.begin();
  std::vector<std::uint8_t> keep(at(mesh.face_count()));
  for (std::size_t f = 0; f < keep.size(); ++f) {
    const std::size_t piece = at(pieces.of_face[f]);
    const bool small = areas[piece] < limits.area * area && boxes[piece].diagonal().norm() < limits.diagonal * diagonal;
    keep[f] = piece == at(largest) || !small ? 1 : 0;
  }
  return with_faces(mesh, keep);
}

double Bounds::diagonal() const { return std::hypot(high[0] - low[0], high[1] - low[1], high[2] - low[2]); }

Bounds box_of(const Mesh& mesh) {
  Eigen::AlignedBox3d box;
  for (const std::int32_t v : mesh.faces) box.extend(point_of(mesh, v));
  if (box.isEmpty()) return {};
  return {{box.min()[0], box.min()[1], box.min()[2]}, {box.max()[0], box.max()[1], box.max()[2]}};
}

namespace {

// One pass over the faces without area. Every operation marks the vertices it used, so that none works on faces that
// another has changed.
class DegenerateFaces {
 public:
  explicit DegenerateFaces(Mesh& mesh)
      : mesh_(mesh),
        edges_(edges_of(mesh.faces, mesh.vertex_count())),
        used_(at(mesh.vertex_count()), 0),
        merged_(at(mesh.vertex_count())),
        drop_(at(mesh.face_count()), 0) {
    std::iota(merged_.begin(), merged_.end(), 0);
  }

  // Whether anything was done.
  bool run() {
    bool changed = false;
    for (std::int64_t f = 0; f < mesh_.face_count(); ++f) changed = (is_degenerate(mesh_, f) && treat(f)) || changed;
    if (!changed) return false;
    std::vector<std::int32_t> faces;
    for (std::int64_t f = 0; f < mesh_.face_count(); ++f) {
      std::int32_t* const face = mesh_.faces.data() + 3 * f;
      for (int k = 0; k < 3; ++k) face[k] = merged_[at(face[k])];
      if (drop_[at(f)] == 0 && !names_twice(face)) faces.insert(faces.end(), face, face + 3);
    }
    mesh_.faces = std::move(faces);
    return true;
  }

 private:
  bool take(std::initializer_list<std::int32_t> vertices) {
    for (const std::int32_t v : vertices) {
      if (used_[at(v)] != 0) return false;
    }
    for (const std::int32_t v : vertices) used_[at(v)] = 1;
    return true;
  }

  bool treat(std::int64_t f) {
    const std::int32_t* const face = face_of(mesh_, f);
    if (names_twice(face)) {
      drop_[at(f)] = 1;
      return true;
    }
    double lengths[3];
    for (int k = 0; k < 3; ++k) lengths[k] = (point_of(mesh_, face[(k + 1) % 3]) - point_of(mesh_, face[k])).norm();
    const auto longest = std::max_element(lengths, lengths + 3) - lengths;
    const auto shortest = std::min_element(lengths, lengths + 3) - lengths;
    if (lengths[shortest] <= 2 * kDegenerate * lengths[longest]) {
      const std::int32_t a = std::min(face[shortest], face[(shortest + 1) % 3]);
      const std::int32_t b = std::max(face[shortest], face[(shortest + 1) % 3]);
      if (!take({a, b, face[(shortest + 2) % 3]})) return false;
      merged_[at(b)] = a;
      return true;
    }
    return turn(f, static_cast<int>(longest));
  }

  // Face f = (a, b, c) has c on its edge ab. Without a neighbour there it goes; with one, (b, a, d), the two become (a, d, c)
  // and (d, b, c).
  bool turn(std::int64_t f, int k) {
    const std::int32_t* const face = face_of(mesh_, f);
    const std::int32_t a = face[k];
    const std::int32_t b = face[(k + 1) % 3];
    const std::int32_t c = face[(k + 2) % 3];
    const auto corners = edges_.corners_of(edges_.of_face[at(3 * f + k)]);
    if (corners.size() == 1) {
      drop_[at(f)] = take({a, b, c}) ? 1 : 0;
      return drop_[at(f)] != 0;
    }
    if (corners.size() > 2) return false;
    const std::int32_t other = corners[0] / 3 == f ? corners[1] : corners[0];
    const std::int64_t g = other / 3;
    const std::int32_t* const neighbour = face_of(mesh_, g);
    const std::int32_t d = neighbour[(other % 3 + 2) % 3];
    const bool opposite = neighbour[other % 3] == b;
    if (g == f || c == d || !opposite || is_degenerate(mesh_, g) || edges_.find(c, d) >= 0) return false;
    const Point up = face_cross(mesh_, g);
    const auto leans = [&](std::int32_t p, std::int32_t q, std::int32_t r) {
      const Point o = point_of(mesh_, p);
      return (point_of(mesh_, q) - o).cross(point_of(mesh_, r) - o).dot(up) > 0;
    };
    if (!leans(a, d, c) || !leans(d, b, c) || !take({a, b, c, d})) return false;
    std::copy_n(std::array{a, d, c}.data(), 3, mesh_.faces.data() + 3 * f);
    std::copy_n(std::array{d, b, c}.data(), 3, mesh_.faces.data() + 3 * g);
    return true;
  }

  Mesh& mesh_;
  MeshEdges edges_;
  std::vector<std::uint8_t> used_;
  std::vector<std::int32_t> merged_;
  std::vector<std::uint8_t> drop_;
};

}  // namespace

Mesh without_degenerate_faces(const Mesh& mesh) {
  // Turned edges can uncover the next degenerate face of a row of them, so passes go on until nothing changes; a mesh that
  // needs more than these keeps the rest.
  constexpr int kPasses = 32;
  const auto any = [](const Mesh& m) {
    std::atomic<bool> found = false;
    parallel_ranges(m.face_count(), kGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t f = begin; f < end && !found; ++f) {
        if (is_degenerate(m, f)) found = true;
      }
    });
    return found.load();
  };
  Mesh result = mesh;
  for (int pass = 0; pass < kPasses && any(result); ++pass) {
    if (!DegenerateFaces(result).run()) break;
  }
  return without_unreferenced_vertices(result);
}

}  // namespace espalier
