#include "geometry/simplify/simplify.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "geometry/mesh/mesh_edit.h"
#include "geometry/mesh/mesh_topology.h"
#include "geometry/simplify/collapse.h"
#include "parallel/parallel_for.h"

namespace espalier {
namespace {

constexpr std::int64_t kGrain = 8192;
constexpr std::int64_t kBlockFaces = 8192;  // many more blocks than cores, and each stays in a core's cache
constexpr double kNoLimit = std::numeric_limits<double>::infinity();
// Weight of an opening's outline against the surface, per squared length of an edge.
constexpr double kOutlineWeight = 10.0;
// Blocks stop at this many times the faces asked for, but for rough results.
constexpr double kBlocksStopAt = 1.4;
// What is rough has at most this many times the faces asked for.
constexpr double kRough = 1.1;
// Share of the free vertices that a round takes at most. Vertices where blocks meet wait for the next round; what lies between
// must not pay for them.
constexpr double kRoundShare = 0.75;
// Vertices that are no single fan stay in place. Where more than this share is, and so many, they would starve the rest of the
// budget, so they are split first.
constexpr double kManyComplex = 0.01;
constexpr std::int64_t kLeastComplex = 256;
// Faces above the target, in shares of it and in faces, for which faces may be turned over at last. More than that is what
// the topology needs.
constexpr double kTurnedShare = 0.1;
constexpr std::int64_t kTurnedFaces = 64;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// How far the work has come.
struct Course {
  const Monitor* monitor;
  std::int64_t from, to;  // faces
  void at(std::int64_t faces) const {
    if (monitor == nullptr) return;
    monitor->check();
    const auto share = static_cast<double>(from - faces) / static_cast<double>(std::max<std::int64_t>(from - to, 1));
    monitor->progress(static_cast<int>(1000 * std::clamp(share, 0.0, 1.0)), 1000);
  }
};

// The whole mesh while it is worked on: positions in units of its box's diagonal around the centre.
struct Work {
  CollapseMesh mesh;
  std::vector<float> colours, normals;
  Point centre = Point::Zero();
  double unit = 1;
};

// Distance quadrics of the faces around each vertex, and of planes upright on the openings' edges.
void add_quadrics(Work& work, const MeshEdges& edges, const VertexCorners& around, std::span<const std::int32_t> faces) {
  auto& points = work.mesh.points;
  auto& quadrics = work.mesh.quadrics;
  quadrics.assign(points.size(), Quadric{});
  const auto normal_of = [&](std::int64_t f) -> Point {
    const Point& a = points[at(faces[at(3 * f)])];
    return (points[at(faces[at(3 * f + 1)])] - a).cross(points[at(faces[at(3 * f + 2)])] - a);
  };
  std::vector<Quadric> of_face(faces.size() / 3);
  parallel_for(static_cast<std::int64_t>(of_face.size()), kGrain, [&](std::int64_t f) {
    const Point cross = normal_of(f);
    const double twice_area = cross.norm();
    if (!(twice_area > 0)) return;
    of_face[at(f)] = Quadric::plane(cross / twice_area, points[at(faces[at(3 * f)])], 0.5 * twice_area);
  });
  parallel_for(static_cast<std::int64_t>(points.size()), kGrain, [&](std::int64_t v) {
    for (const std::int32_t c : around.of(static_cast<std::int32_t>(v))) quadrics[at(v)] += of_face[at(c / 3)];
  });
  for (std::int32_t e = 0; e < edges.count(); ++e) {
    if (edges.degree(e) != 1) continue;
    const std::int32_t a = edges.ends[at(2 * std::int64_t{e})];
    const std::int32_t b = edges.ends[at(2 * std::int64_t{e} + 1)];
    const Point along = points[at(b)] - points[at(a)];
    const Point upright = along.cross(normal_of(edges.corners_of(e)[0] / 3));
    const double length = upright.norm();
    if (!(length > 0)) continue;
    const Quadric outline = Quadric::plane(upright / length, points[at(a)], kOutlineWeight * along.squaredNorm());
    quadrics[at(a)] += outline;
    quadrics[at(b)] += outline;
  }
}

void mark_kinds(Work& work, const MeshEdges& edges, const VertexCorners& around, std::span<const std::int32_t> faces) {
  const std::vector<std::uint8_t> complex = non_manifold_vertices(edges, faces, around);
  work.mesh.kinds.assign(complex.size(), kFree);
  for (std::size_t v = 0; v < complex.size(); ++v) {
    if (complex[v] != 0) work.mesh.kinds[v] = kComplex;
  }
  for (std::int32_t e = 0; e < edges.count(); ++e) {
    if (edges.degree(e) != 1) continue;
    for (std::int64_t side = 0; side < 2; ++side) work.mesh.kinds[at(edges.ends[at(2 * std::int64_t{e} + side)])] |= kBoundary;
  }
}

Work start_work(const Mesh& mesh) {
  Work work;
  const Bounds box = box_of(mesh);
  for (int k = 0; k < 3; ++k) work.centre[k] = 0.5 * (box.low[at(k)] + box.high[at(k)]);
  if (const double diagonal = box.diagonal(); diagonal > 0) work.unit = diagonal;
  work.mesh.points.resize(at(mesh.vertex_count()));
  parallel_for(mesh.vertex_count(), kGrain, [&](std::int64_t v) {
    work.mesh.points[at(v)] = (point_of(mesh, static_cast<std::int32_t>(v)) - work.centre) / work.unit;
  });
  // A face that names a vertex twice has no part in the surface.
  std::vector<std::int32_t> faces;
  faces.reserve(mesh.faces.size());
  work.mesh.faces.reserve(at(mesh.face_count()));
  for (std::int64_t f = 0; f < mesh.face_count(); ++f) {
    const std::int32_t* const face = face_of(mesh, f);
    if (face[0] == face[1] || face[1] == face[2] || face[2] == face[0]) continue;
    faces.insert(faces.end(), face, face + 3);
    work.mesh.faces.push_back({face[0], face[1], face[2]});
  }
  work.colours = mesh.colours;
  work.normals = mesh.normals;
  const MeshEdges edges = edges_of(faces, mesh.vertex_count());
  const VertexCorners around = corners_around(faces, mesh.vertex_count());
  mark_kinds(work, edges, around, faces);
  add_quadrics(work, edges, around, faces);
  return work;
}

// Interpolates what vertices carry.
Collapser::Merged carry(Work& work, const std::vector<std::int32_t>* ids) {
  return [&work, ids](std::int32_t gone, std::int32_t kept, double t) {
    const std::int64_t from = 3 * std::int64_t{ids != nullptr ? (*ids)[at(gone)] : gone};
    const std::int64_t to = 3 * std::int64_t{ids != nullptr ? (*ids)[at(kept)] : kept};
    for (std::vector<float>* values : {&work.colours, &work.normals}) {
      if (values->empty()) continue;
      for (std::int64_t k = 0; k < 3; ++k) {
        float& value = (*values)[at(to + k)];
        const float other = (*values)[at(from + k)];
        value = other + static_cast<float>(t) * (value - other);
      }
    }
  };
}

// ---- blocks -------------------------------------------------------------------------------------------------------------

std::uint64_t spread(std::uint64_t x) {
  x = (x | x << 16U) & 0x030000FFU;
  x = (x | x << 8U) & 0x0300F00FU;
  x = (x | x << 4U) & 0x030C30C3U;
  return (x | x << 2U) & 0x09249249U;
}

// Radix sort by the 30 bits from bit 32 up; it is stable, so equal ones stay in order.
void sort_by_place(std::vector<std::uint64_t>& keys) {
  constexpr std::int64_t kChunk = 65536;
  constexpr std::size_t kDigits = 1024;
  const auto count = static_cast<std::int64_t>(keys.size());
  const std::int64_t chunks = (count + kChunk - 1) / kChunk;
  std::vector<std::array<std::int64_t, kDigits>> starts(at(chunks));
  std::vector<std::uint64_t> other(keys.size());
  for (unsigned bit = 32; bit < 62; bit += 10) {
    const auto digit = [bit](std::uint64_t key) { return key >> bit & (kDigits - 1); };
    parallel_for(chunks, 1, [&](std::int64_t c) {
      starts[at(c)].fill(0);
      for (std::int64_t i = c * kChunk; i < std::min(count, (c + 1) * kChunk); ++i) ++starts[at(c)][digit(keys[at(i)])];
    });
    std::int64_t sum = 0;
    for (std::size_t d = 0; d < kDigits; ++d) {
      for (auto& start : starts) sum += std::exchange(start[d], sum);
    }
    parallel_for(chunks, 1, [&](std::int64_t c) {
      for (std::int64_t i = c * kChunk; i < std::min(count, (c + 1) * kChunk); ++i) {
        other[at(starts[at(c)][digit(keys[at(i)])]++)] = keys[at(i)];
      }
    });
    keys.swap(other);
  }
}

// Faces in the order of a space-filling curve through their centres; the curve starts elsewhere in every round, so that
// blocks do not meet at the same places twice.
std::vector<std::int32_t> along_curve(const CollapseMesh& mesh, int round) {
  const auto faces = static_cast<std::int64_t>(mesh.faces.size());
  const double shift = 0.5 * std::fmod(0.754877666 * round, 1.0);
  std::vector<std::uint64_t> keys(at(faces));
  parallel_for(faces, kGrain, [&](std::int64_t f) {
    std::uint64_t key = 0;
    for (int k = 0; k < 3; ++k) {
      double sum = 0;
      for (const std::int32_t v : mesh.faces[at(f)]) sum += mesh.points[at(v)][k];
      const double cell = std::clamp((sum / 3 + 0.5 + shift) * (1024.0 / 1.5), 0.0, 1023.0);
      key |= spread(static_cast<std::uint64_t>(cell)) << static_cast<unsigned>(k);
    }
    keys[at(f)] = key << 32U | static_cast<std::uint64_t>(f);
  });
  sort_by_place(keys);
  std::vector<std::int32_t> order(keys.size());
  parallel_for(faces, kGrain, [&](std::int64_t i) { order[at(i)] = static_cast<std::int32_t>(keys[at(i)] & 0xFFFFFFFFU); });
  return order;
}

struct Block {
  std::vector<std::int32_t> vertices;  // numbers in the whole mesh
  std::unique_ptr<Collapser> collapser;
};

class BlockRound {
 public:
  BlockRound(Work& work, int round, const Course& course) : work_(work), course_(course) {
    const std::vector<std::int32_t> order = along_curve(work.mesh, round);
    const auto faces = static_cast<std::int64_t>(order.size());
    const std::int64_t count = (faces + kBlockFaces - 1) / kBlockFaces;
    blocks_.resize(at(count));
    const auto begin_of = [&](std::int64_t b) { return faces * b / count; };
    // The block that owns each vertex, or -2 for one that several use.
    std::vector<std::int32_t> owner(work.mesh.points.size(), -1);
    parallel_for(count, 1, [&](std::int64_t b) {
      for (std::int64_t i = begin_of(b); i < begin_of(b + 1); ++i) {
        for (const std::int32_t v : work.mesh.faces[at(order[at(i)])]) claim(owner[at(v)], static_cast<std::int32_t>(b));
      }
    });
    std::vector<std::int32_t> local(work.mesh.points.size(), -1);  // only a vertex's owner reads and writes it
    parallel_for(count, 1, [&](std::int64_t b) {
      if (course_.monitor != nullptr) course_.monitor->check();
      build(blocks_[at(b)], {order.data() + begin_of(b), at(begin_of(b + 1) - begin_of(b))}, owner, local);
    });
  }

  // Collapses in all blocks under a common limit on the error, which is raised until `stop` faces are left or the round's
  // share is done. No block goes far below its own share, however flat it is.
  void run(std::int64_t stop) {
    std::int64_t free = 0;
    for (const Block& block : blocks_) {
      const auto& kinds = block.collapser->mesh().kinds;
      free += std::count_if(kinds.begin(), kinds.end(), [](std::uint8_t kind) { return (kind & (kLocked | kComplex)) == 0; });
    }
    const std::int64_t target =
        std::max(stop, face_count() - static_cast<std::int64_t>(2 * kRoundShare * static_cast<double>(free)));
    const auto total = static_cast<double>(face_count());
    std::vector<std::int64_t> least(blocks_.size());
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      const auto faces = static_cast<double>(blocks_[b].collapser->face_count());
      least[b] = static_cast<std::int64_t>(0.4 * faces * static_cast<double>(target) / total);
    }
    constexpr double kStep = 2;
    constexpr double kLast = 1;
    double limit = 0;
    while (face_count() > target + target / 200) {
      course_.at(face_count());
      // Blocks that have something to do under the limit share what is to go by their sizes, so that it is never too much.
      double lowest = kNoLimit;
      std::int64_t busy = 0;
      std::vector<std::int64_t> until = least;
      for (std::size_t b = 0; b < blocks_.size(); ++b) {
        const Collapser& collapser = *blocks_[b].collapser;
        const bool open = collapser.face_count() > least[b];
        if (open) lowest = std::min(lowest, collapser.next_cost());
        if (open && collapser.next_cost() <= limit) busy += collapser.face_count();
      }
      if (lowest >= kLast) break;
      if (busy == 0) {
        limit = kStep * std::max(limit, lowest);
        continue;
      }
      const double share = static_cast<double>(face_count() - target) / static_cast<double>(busy);
      for (std::size_t b = 0; b < blocks_.size(); ++b) {
        const auto faces = blocks_[b].collapser->face_count();
        until[b] = std::max(least[b], faces - 1 - static_cast<std::int64_t>(share * static_cast<double>(faces)));
      }
      parallel_for(static_cast<std::int64_t>(blocks_.size()), 1,
                   [&](std::int64_t b) { blocks_[at(b)].collapser->run(limit, until[at(b)], course_.monitor); });
    }
    write_back();
  }

 private:
  // Whichever block comes first, the outcome is the same.
  static void claim(std::int32_t& owner, std::int32_t block) {
    const std::atomic_ref shared(owner);
    std::int32_t known = -1;
    if (shared.load(std::memory_order_relaxed) == block) return;
    if (shared.compare_exchange_strong(known, block, std::memory_order_relaxed)) return;
    if (known != block) shared.store(-2, std::memory_order_relaxed);
  }

  [[nodiscard]] std::int64_t face_count() const {
    std::int64_t sum = 0;
    for (const Block& block : blocks_) sum += block.collapser->face_count();
    return sum;
  }

  void build(Block& block, std::span<const std::int32_t> faces, const std::vector<std::int32_t>& owner,
             std::vector<std::int32_t>& local) const {
    std::vector<std::int32_t> shared;
    for (const std::int32_t f : faces) {
      for (const std::int32_t v : work_.mesh.faces[at(f)]) {
        if (owner[at(v)] == -2) shared.push_back(v);
      }
    }
    std::sort(shared.begin(), shared.end());
    shared.erase(std::unique(shared.begin(), shared.end()), shared.end());
    block.vertices = shared;
    CollapseMesh mesh;
    mesh.faces.reserve(faces.size());
    for (const std::int32_t f : faces) {
      auto face = work_.mesh.faces[at(f)];
      for (std::int32_t& v : face) {
        if (owner[at(v)] == -2) {
          v = static_cast<std::int32_t>(std::lower_bound(shared.begin(), shared.end(), v) - shared.begin());
          continue;
        }
        std::int32_t& number = local[at(v)];
        if (number < 0) {
          number = static_cast<std::int32_t>(block.vertices.size());
          block.vertices.push_back(v);
        }
        v = number;
      }
      mesh.faces.push_back(face);
    }
    mesh.points.reserve(block.vertices.size());
    mesh.quadrics.reserve(block.vertices.size());
    mesh.kinds.reserve(block.vertices.size());
    for (std::size_t i = 0; i < block.vertices.size(); ++i) {
      const std::size_t v = at(block.vertices[i]);
      mesh.points.push_back(work_.mesh.points[v]);
      mesh.quadrics.push_back(work_.mesh.quadrics[v]);
      mesh.kinds.push_back(i < shared.size() ? std::uint8_t{kLocked} : work_.mesh.kinds[v]);
    }
    block.collapser = std::make_unique<Collapser>(std::move(mesh), carry(work_, &block.vertices));
    block.collapser->fill_queue(Strictness::shape);
  }

  void write_back() {
    std::vector<std::int64_t> first(blocks_.size() + 1, 0);
    for (std::size_t b = 0; b < blocks_.size(); ++b) first[b + 1] = first[b] + blocks_[b].collapser->face_count();
    work_.mesh.faces.resize(at(first.back()));
    parallel_for(static_cast<std::int64_t>(blocks_.size()), 1, [&](std::int64_t b) {
      Block& block = blocks_[at(b)];
      const CollapseMesh& mesh = block.collapser->mesh();
      for (std::size_t i = 0; i < block.vertices.size(); ++i) {
        if ((mesh.kinds[i] & kLocked) != 0) continue;
        const std::size_t v = at(block.vertices[i]);
        work_.mesh.points[v] = mesh.points[i];
        work_.mesh.quadrics[v] = mesh.quadrics[i];
        work_.mesh.kinds[v] = mesh.kinds[i];
      }
      auto place = work_.mesh.faces.begin() + first[at(b)];
      for (auto face : mesh.faces) {
        if (face[0] < 0) continue;
        for (std::int32_t& v : face) v = block.vertices[at(v)];
        *place++ = face;
      }
      block.collapser.reset();
    });
  }

  Work& work_;
  const Course& course_;
  std::vector<Block> blocks_;
};

// ---- the rest -----------------------------------------------------------------------------------------------------------

std::vector<std::int32_t> flat_faces(const CollapseMesh& mesh) {
  std::vector<std::int32_t> faces;
  faces.reserve(mesh.faces.size() * 3);
  for (const auto& face : mesh.faces) {
    if (face[0] >= 0) faces.insert(faces.end(), face.begin(), face.end());
  }
  return faces;
}

void collapse_whole(Work& work, std::int64_t target, const Course& course) {
  Collapser collapser(std::move(work.mesh), carry(work, nullptr));
  constexpr std::int64_t kSlice = 16384;  // faces between two reports
  for (const Strictness strictness : {Strictness::shape, Strictness::winding, Strictness::area, Strictness::none}) {
    const auto few = std::max(kTurnedFaces, static_cast<std::int64_t>(kTurnedShare * static_cast<double>(target)));
    const bool turns = strictness == Strictness::area || strictness == Strictness::none;
    if (turns && collapser.face_count() > target + few) break;
    while (collapser.face_count() > target) {
      collapser.fill_queue(strictness);
      std::int64_t collapses = 0;
      while (collapser.face_count() > target) {
        course.at(collapser.face_count());
        const std::int64_t done = collapser.run(kNoLimit, std::max(target, collapser.face_count() - kSlice), course.monitor);
        if (done == 0) break;
        collapses += done;
      }
      if (collapses == 0) break;
    }
  }
  work.mesh = collapser.mesh();
  std::erase_if(work.mesh.faces, [](const auto& face) { return face[0] < 0; });
}

// Gives every fan of faces around a vertex, and every face at an edge of more than two, a vertex of its own at the same place.
// Returns whether there was anything to split.
bool split_fans(Work& work) {
  std::vector<std::int32_t> faces = flat_faces(work.mesh);
  const auto vertices = static_cast<std::int64_t>(work.mesh.points.size());
  const MeshEdges edges = edges_of(faces, vertices);
  UnionFind fans(static_cast<std::int64_t>(faces.size()));
  for (std::int32_t e = 0; e < edges.count(); ++e) {
    const auto corners = edges.corners_of(e);
    if (corners.size() != 2) continue;
    for (const std::int32_t v : {edges.ends[at(2 * std::int64_t{e})], edges.ends[at(2 * std::int64_t{e} + 1)]}) {
      const auto corner_at = [&](std::int32_t c) { return faces[at(c)] == v ? c : c % 3 == 2 ? c - 2 : c + 1; };
      fans.join(corner_at(corners[0]), corner_at(corners[1]));
    }
  }
  std::vector<std::int32_t> fan_vertex(faces.size(), -1);
  std::vector<std::uint8_t> taken(at(vertices), 0);
  bool split = false;
  for (std::size_t c = 0; c < faces.size(); ++c) {
    std::int32_t& vertex = fan_vertex[at(fans.find(static_cast<std::int32_t>(c)))];
    if (vertex < 0) {
      const std::size_t old = at(faces[c]);
      vertex = faces[c];
      if (taken[old] != 0) {
        split = true;
        vertex = static_cast<std::int32_t>(work.mesh.points.size());
        work.mesh.points.push_back(Point(work.mesh.points[old]));
        work.mesh.quadrics.push_back(Quadric(work.mesh.quadrics[old]));
        for (std::vector<float>* values : {&work.colours, &work.normals}) {
          for (std::size_t k = 0; k < 3 && !values->empty(); ++k) values->push_back(float{(*values)[3 * old + k]});
        }
      }
      taken[old] = 1;
    }
    work.mesh.faces[c / 3][c % 3] = vertex;
  }
  faces = flat_faces(work.mesh);
  const auto now = static_cast<std::int64_t>(work.mesh.points.size());
  mark_kinds(work, edges_of(faces, now), corners_around(faces, now), faces);
  return split;
}

// What the whole surface is worked on with. Surfaces with many complex vertices are split there before anything is collapsed.
Work prepared(const Mesh& mesh) {
  Work work = start_work(mesh);
  const auto complex =
      std::count_if(work.mesh.kinds.begin(), work.mesh.kinds.end(), [](auto k) { return (k & kComplex) != 0; });
  if (complex < kLeastComplex || static_cast<double>(complex) <= kManyComplex * static_cast<double>(work.mesh.kinds.size()))
    return work;
  if (split_fans(work)) {
    const std::vector<std::int32_t> faces = flat_faces(work.mesh);
    const auto vertices = static_cast<std::int64_t>(work.mesh.points.size());
    add_quadrics(work, edges_of(faces, vertices), corners_around(faces, vertices), faces);
  }
  return work;
}

// Pieces from the smallest area up, until the target is met; the largest stays.
void drop_pieces(Work& work, std::int64_t target) {
  const std::vector<std::int32_t> faces = flat_faces(work.mesh);
  const Components pieces = vertex_components(faces, static_cast<std::int64_t>(work.mesh.points.size()));
  std::vector<double> areas(at(pieces.count), 0.0);
  std::vector<std::int64_t> counts(at(pieces.count), 0);
  for (std::size_t f = 0; f < work.mesh.faces.size(); ++f) {
    const auto& face = work.mesh.faces[f];
    const Point& a = work.mesh.points[at(face[0])];
    areas[at(pieces.of_face[f])] += (work.mesh.points[at(face[1])] - a).cross(work.mesh.points[at(face[2])] - a).norm();
    ++counts[at(pieces.of_face[f])];
  }
  std::vector<std::int32_t> order(at(pieces.count));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) { return areas[at(a)] < areas[at(b)]; });
  auto left = static_cast<std::int64_t>(work.mesh.faces.size());
  std::vector<std::uint8_t> drop(order.size(), 0);
  for (std::size_t i = 0; i + 1 < order.size() && left > target; ++i) {
    drop[at(order[i])] = 1;
    left -= counts[at(order[i])];
  }
  std::size_t f = 0;
  std::erase_if(work.mesh.faces, [&](const auto&) { return drop[at(pieces.of_face[f++])] != 0; });
}

Mesh finished(const Work& work) {
  Mesh mesh;
  mesh.faces = flat_faces(work.mesh);
  mesh.vertices.resize(work.mesh.points.size() * 3);
  for (std::size_t v = 0; v < work.mesh.points.size(); ++v) {
    const Point p = work.mesh.points[v] * work.unit + work.centre;
    for (int k = 0; k < 3; ++k) mesh.vertices[3 * v + at(k)] = static_cast<float>(p[k]);
  }
  mesh.colours = work.colours;
  mesh.normals = work.normals;
  for (std::size_t i = 0; i < mesh.normals.size(); i += 3) {
    Eigen::Map<Eigen::Vector3f> normal(mesh.normals.data() + i);
    if (const float length = normal.norm(); length > 0) normal /= length;
  }
  return without_unreferenced_vertices(mesh);
}

}  // namespace

std::int64_t faces_after(std::int64_t faces, double ratio) {
  if (!(ratio >= 0 && ratio < 1)) {
    fail(ErrorCode::invalid_argument, "simplify: a share of ", ratio, hint("it must be at least 0 and below 1"));
  }
  return std::max<std::int64_t>(1, std::llround((1 - ratio) * static_cast<double>(faces)));
}

namespace {

void check_request(const Mesh& mesh, std::int64_t target_faces) {
  check_mesh(mesh, "simplify");
  if (mesh.faces.empty()) fail(ErrorCode::invalid_argument, "simplify: the mesh has no faces");
  if (target_faces < 1)
    fail(ErrorCode::invalid_argument, "simplify: ", target_faces, " faces asked for", hint("at least 1 is needed"));
  if (!mesh.uvs.empty()) {
    fail(ErrorCode::unsupported, "simplify: the mesh has texture coordinates, which do not survive",
         hint("simplify before unwrapping"));
  }
}

// Works in blocks until `stop` faces are left, or more when too much is locked. A round is not worth its while below `least`
// times as many.
void collapse_in_blocks(Work& work, std::int64_t stop, double least, const Course& course) {
  for (int round = 0; round < 8; ++round) {
    const auto faces = static_cast<std::int64_t>(work.mesh.faces.size());
    if (faces < 4 * kBlockFaces || static_cast<double>(faces) < least * static_cast<double>(stop)) break;
    BlockRound(work, round, course).run(stop);
    if (static_cast<std::int64_t>(work.mesh.faces.size()) > faces - faces / 20) break;
  }
}

}  // namespace

Mesh simplified(const Mesh& mesh, std::int64_t target_faces, const Monitor* monitor) {
  check_request(mesh, target_faces);
  if (mesh.face_count() <= target_faces) return mesh;
  const Course course{monitor, mesh.face_count(), target_faces};
  course.at(mesh.face_count());
  Work work = prepared(mesh);
  collapse_in_blocks(work, static_cast<std::int64_t>(kBlocksStopAt * static_cast<double>(target_faces)), 1.5, course);
  collapse_whole(work, target_faces, course);
  const auto left = [&] { return static_cast<std::int64_t>(work.mesh.faces.size()); };
  if (left() > target_faces && split_fans(work)) collapse_whole(work, target_faces, course);
  if (left() > target_faces) drop_pieces(work, target_faces);
  return finished(work);
}

Mesh roughly_simplified(const Mesh& mesh, std::int64_t target_faces, const Monitor* monitor) {
  check_request(mesh, target_faces);
  if (mesh.face_count() <= target_faces) return mesh;
  const Course course{monitor, mesh.face_count(), target_faces};
  course.at(mesh.face_count());
  Work work = prepared(mesh);
  collapse_in_blocks(work, target_faces, kRough, course);
  if (static_cast<double>(work.mesh.faces.size()) > kRough * static_cast<double>(target_faces))
    return simplified(finished(work), target_faces, monitor);
  return finished(work);
}

}  // namespace espalier
