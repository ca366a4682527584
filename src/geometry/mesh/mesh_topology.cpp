#include "geometry/mesh/mesh_topology.h"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "parallel/parallel_for.h"

namespace espalier {
namespace {

constexpr std::int64_t kGrain = 8192;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

std::int32_t next_corner(std::int32_t corner) { return corner % 3 == 2 ? corner - 2 : corner + 1; }

// Items 0 to count - 1 by group: T(value) of each, sorted within its group.
template <class T>
struct Grouped {
  std::vector<std::int32_t> first;  // [groups + 1]
  std::vector<T> values;
};

template <class T, class GroupOf, class ValueOf>
Grouped<T> grouped(std::int32_t count, std::int64_t groups, const GroupOf& group_of, const ValueOf& value_of) {
  Grouped<T> result;
  result.first.assign(at(groups) + 1, 0);
  parallel_for(count, kGrain, [&](std::int64_t i) {
    std::atomic_ref(result.first[at(group_of(static_cast<std::int32_t>(i))) + 1]).fetch_add(1, std::memory_order_relaxed);
  });
  std::partial_sum(result.first.begin(), result.first.end(), result.first.begin());
  result.values.resize(at(count));
  std::vector<std::int32_t> cursor(result.first.begin(), result.first.end() - 1);
  parallel_for(count, kGrain, [&](std::int64_t i) {
    const auto item = static_cast<std::int32_t>(i);
    const auto place = std::atomic_ref(cursor[at(group_of(item))]).fetch_add(1, std::memory_order_relaxed);
    result.values[at(place)] = value_of(item);
  });
  // Which item took which place depends on the threads; the order of values does not.
  parallel_for(groups, kGrain, [&](std::int64_t g) {
    std::sort(result.values.begin() + result.first[at(g)], result.values.begin() + result.first[at(g) + 1]);
  });
  return result;
}

}  // namespace

MeshEdges edges_of(std::span<const std::int32_t> faces, std::int64_t vertices) {
  require(faces.size() % 3 == 0 && faces.size() / 3 <= at(kMaxFaces), "edges_of", faces.size(), " indices are too many");
  const auto low = [&](std::int32_t c) { return std::min(faces[at(c)], faces[at(next_corner(c))]); };
  const auto high = [&](std::int32_t c) -> std::int64_t { return std::max(faces[at(c)], faces[at(next_corner(c))]); };
  // Larger end and corner in one number, by the smaller end.
  const Grouped<std::int64_t> ends = grouped<std::int64_t>(static_cast<std::int32_t>(faces.size()), vertices, low,
                                                           [&](std::int32_t c) { return high(c) << 32 | c; });
  const auto starts_edge = [&](std::int64_t v, std::int32_t i) {
    return i == ends.first[at(v)] || ends.values[at(i)] >> 32 != ends.values[at(i) - 1] >> 32;
  };
  std::vector<std::int32_t> first_edge(at(vertices) + 1, 0);
  parallel_for(vertices, kGrain, [&](std::int64_t v) {
    for (std::int32_t i = ends.first[at(v)]; i < ends.first[at(v) + 1]; ++i) first_edge[at(v) + 1] += starts_edge(v, i) ? 1 : 0;
  });
  std::partial_sum(first_edge.begin(), first_edge.end(), first_edge.begin());
  MeshEdges edges;
  edges.of_face.resize(faces.size());
  edges.corners.resize(faces.size());
  edges.ends.resize(2 * at(first_edge.back()));
  edges.first.resize(at(first_edge.back()) + 1);
  parallel_for(vertices, kGrain, [&](std::int64_t v) {
    std::int32_t edge = first_edge[at(v)] - 1;
    for (std::int32_t i = ends.first[at(v)]; i < ends.first[at(v) + 1]; ++i) {
      if (starts_edge(v, i)) {
        ++edge;
        edges.ends[2 * at(edge)] = static_cast<std::int32_t>(v);
        edges.ends[2 * at(edge) + 1] = static_cast<std::int32_t>(ends.values[at(i)] >> 32);
        edges.first[at(edge)] = i;
      }
      const auto corner = static_cast<std::int32_t>(ends.values[at(i)] & 0xFFFFFFFF);
      edges.of_face[at(corner)] = edge;
      edges.corners[at(i)] = corner;
    }
  });
  edges.first.back() = static_cast<std::int32_t>(faces.size());
  return edges;
}

VertexCorners corners_around(std::span<const std::int32_t> faces, std::int64_t vertices) {
  require(faces.size() / 3 <= at(kMaxFaces), "corners_around", faces.size(), " indices are too many");
  auto corners = grouped<std::int32_t>(
      static_cast<std::int32_t>(faces.size()), vertices, [&](std::int32_t c) { return faces[at(c)]; },
      [](std::int32_t c) { return c; });
  return {std::move(corners.first), std::move(corners.values)};
}

std::int32_t MeshEdges::find(std::int32_t a, std::int32_t b) const {
  if (a > b) std::swap(a, b);
  std::int32_t low = 0;
  std::int32_t high = count();
  while (low < high) {
    const std::int32_t middle = low + (high - low) / 2;
    const std::int32_t* const row = ends.data() + 2 * std::int64_t{middle};
    if (row[0] < a || (row[0] == a && row[1] < b)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  const bool found = low < count() && ends[at(2 * std::int64_t{low})] == a && ends[at(2 * std::int64_t{low} + 1)] == b;
  return found ? low : -1;
}

UnionFind::UnionFind(std::int64_t items) : parent_(at(items)) { std::iota(parent_.begin(), parent_.end(), 0); }

std::int32_t UnionFind::find(std::int32_t item) {
  const auto parent = [&](std::int32_t i) { return std::atomic_ref(parent_[at(i)]); };
  while (true) {
    std::int32_t up = parent(item).load(std::memory_order_relaxed);
    if (up == item) return item;
    const std::int32_t higher = parent(up).load(std::memory_order_relaxed);
    if (higher != up) parent(item).compare_exchange_weak(up, higher, std::memory_order_relaxed);
    item = higher;
  }
}

void UnionFind::join(std::int32_t a, std::int32_t b) {
  while (true) {
    a = find(a);
    b = find(b);
    if (a == b) return;
    // Parents have smaller numbers than children, so that threads cannot build a ring.
    if (a < b) std::swap(a, b);
    std::int32_t root = a;
    if (std::atomic_ref(parent_[at(a)]).compare_exchange_strong(root, b, std::memory_order_relaxed)) return;
  }
}

std::vector<std::int32_t> UnionFind::labels(std::int32_t& count) {
  std::vector<std::int32_t> of_root(parent_.size(), -1);
  std::vector<std::int32_t> labels(parent_.size());
  count = 0;
  for (std::size_t i = 0; i < parent_.size(); ++i) {
    std::int32_t& label = of_root[at(find(static_cast<std::int32_t>(i)))];
    if (label < 0) label = count++;
    labels[i] = label;
  }
  return labels;
}

Components edge_components(const MeshEdges& edges, std::int64_t faces) {
  UnionFind sets(faces);
  parallel_for(edges.count(), kGrain, [&](std::int64_t e) {
    const auto corners = edges.corners_of(static_cast<std::int32_t>(e));
    for (std::size_t i = 1; i < corners.size(); ++i) sets.join(corners[0] / 3, corners[i] / 3);
  });
  Components result;
  result.of_face = sets.labels(result.count);
  return result;
}

Components vertex_components(std::span<const std::int32_t> faces, std::int64_t vertices) {
  UnionFind sets(vertices);
  parallel_for(static_cast<std::int64_t>(faces.size() / 3), kGrain, [&](std::int64_t f) {
    const std::int32_t* const face = faces.data() + 3 * f;
    sets.join(face[0], face[1]);
    sets.join(face[0], face[2]);
  });
  Components result;
  result.of_face.reserve(faces.size() / 3);
  std::vector<std::int32_t> of_root(at(vertices), -1);
  for (std::size_t f = 0; f < faces.size(); f += 3) {
    std::int32_t& label = of_root[at(sets.find(faces[f]))];
    if (label < 0) label = result.count++;
    result.of_face.push_back(label);
  }
  return result;
}

namespace {

// Walks around a vertex from one of its corners over edges of two faces, both ways: how many corners are met, itself included.
std::int32_t fan_size(const MeshEdges& edges, std::span<const std::int32_t> faces, std::int32_t vertex, std::int32_t start) {
  const auto before = [](std::int32_t corner) { return corner % 3 == 0 ? corner + 2 : corner - 1; };
  std::int32_t met = 1;
  for (std::int32_t edge : {edges.of_face[at(start)], edges.of_face[at(before(start))]}) {
    std::int32_t corner = start;
    while (edges.degree(edge) == 2) {
      const auto sides = edges.corners_of(edge);
      corner = sides[0] / 3 == corner / 3 ? sides[1] : sides[0];
      if (faces[at(corner)] != vertex) corner = next_corner(corner);
      if (corner == start) return met;
      ++met;
      edge = edges.of_face[at(corner)] == edge ? edges.of_face[at(before(corner))] : edges.of_face[at(corner)];
    }
  }
  return met;
}

}  // namespace

std::vector<std::uint8_t> non_manifold_vertices(const MeshEdges& edges, std::span<const std::int32_t> faces,
                                                const VertexCorners& around) {
  std::vector<std::uint8_t> marked(around.first.size() - 1, 0);
  parallel_for(edges.count(), kGrain, [&](std::int64_t e) {
    if (edges.degree(static_cast<std::int32_t>(e)) <= 2) return;
    for (int side = 0; side < 2; ++side) {
      std::atomic_ref(marked[at(edges.ends[at(2 * e + side)])]).store(1, std::memory_order_relaxed);
    }
  });
  parallel_for(static_cast<std::int64_t>(marked.size()), kGrain, [&](std::int64_t v) {
    const auto corners = around.of(static_cast<std::int32_t>(v));
    if (corners.empty() || marked[at(v)] != 0) return;
    const auto met = fan_size(edges, faces, static_cast<std::int32_t>(v), corners.front());
    marked[at(v)] = at(met) == corners.size() ? 0 : 1;
  });
  return marked;
}

}  // namespace espalier
