#include "geometry/mesh_topology.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "parallel/parallel_for.h"

namespace espalier {
namespace {

constexpr std::int64_t kGrain = 8192;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

std::int32_t next_corner(std::int32_t corner) { return corner % 3 == 2 ? corner - 2 : corner + 1; }

// Corners grouped by the smaller end of their edges, and sorted by the larger end within.
struct Grouped {
  std::vector<std::int32_t> first;    // [V + 1]
  std::vector<std::int64_t> entries;  // larger end << 32 | corner
};

Grouped group_corners(std::span<const std::int32_t> faces, std::int64_t vertices) {
  const auto corners = static_cast<std::int32_t>(faces.size());
  const auto low = [&](std::int32_t c) { return std::min(faces[at(c)], faces[at(next_corner(c))]); };
  Grouped grouped;
  grouped.first.assign(at(vertices) + 1, 0);
  for (std::int32_t c = 0; c < corners; ++c) ++grouped.first[at(low(c)) + 1];
  std::partial_sum(grouped.first.begin(), grouped.first.end(), grouped.first.begin());
  grouped.entries.resize(faces.size());
  std::vector<std::int32_t> cursor(grouped.first.begin(), grouped.first.end() - 1);
  for (std::int32_t c = 0; c < corners; ++c) {
    const std::int64_t high = std::max(faces[at(c)], faces[at(next_corner(c))]);
    grouped.entries[at(cursor[at(low(c))]++)] = high << 32 | c;
  }
  parallel_for(vertices, kGrain, [&](std::int64_t v) {
    std::sort(grouped.entries.begin() + grouped.first[at(v)], grouped.entries.begin() + grouped.first[at(v) + 1]);
  });
  return grouped;
}

}  // namespace

MeshEdges edges_of(std::span<const std::int32_t> faces, std::int64_t vertices) {
  require(faces.size() % 3 == 0 && faces.size() / 3 <= at(kMaxFaces), "edges_of", faces.size(), " indices are too many");
  const Grouped grouped = group_corners(faces, vertices);
  MeshEdges edges;
  edges.of_face.resize(faces.size());
  edges.corners.resize(faces.size());
  edges.ends.reserve(faces.size() + 2);
  edges.first.reserve(faces.size() / 2 + 2);
  for (std::int64_t v = 0; v < vertices; ++v) {
    std::int64_t last = -1;
    for (std::int32_t i = grouped.first[at(v)]; i < grouped.first[at(v) + 1]; ++i) {
      const std::int64_t high = grouped.entries[at(i)] >> 32;
      const auto corner = static_cast<std::int32_t>(grouped.entries[at(i)] & 0xFFFFFFFF);
      if (high != last) {
        edges.ends.push_back(static_cast<std::int32_t>(v));
        edges.ends.push_back(static_cast<std::int32_t>(high));
        edges.first.push_back(i);
        last = high;
      }
      edges.of_face[at(corner)] = edges.count() - 1;
      edges.corners[at(i)] = corner;
    }
  }
  edges.first.push_back(static_cast<std::int32_t>(faces.size()));
  return edges;
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

UnionFind::UnionFind(std::int64_t items) : parent_(at(items)), size_(at(items), 1) {
  std::iota(parent_.begin(), parent_.end(), 0);
}

std::int32_t UnionFind::find(std::int32_t item) {
  while (parent_[at(item)] != item) {
    parent_[at(item)] = parent_[at(parent_[at(item)])];
    item = parent_[at(item)];
  }
  return item;
}

void UnionFind::join(std::int32_t a, std::int32_t b) {
  a = find(a);
  b = find(b);
  if (a == b) return;
  if (size_[at(a)] < size_[at(b)]) std::swap(a, b);
  parent_[at(b)] = a;
  size_[at(a)] += size_[at(b)];
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
  for (std::int32_t e = 0; e < edges.count(); ++e) {
    const auto corners = edges.corners_of(e);
    for (std::size_t i = 1; i < corners.size(); ++i) sets.join(corners[0] / 3, corners[i] / 3);
  }
  Components result;
  result.of_face = sets.labels(result.count);
  return result;
}

Components vertex_components(std::span<const std::int32_t> faces, std::int64_t vertices) {
  UnionFind sets(vertices);
  for (std::size_t f = 0; f < faces.size(); f += 3) {
    sets.join(faces[f], faces[f + 1]);
    sets.join(faces[f], faces[f + 2]);
  }
  Components result;
  std::vector<std::int32_t> of_root(at(vertices), -1);
  for (std::size_t f = 0; f < faces.size(); f += 3) {
    std::int32_t& label = of_root[at(sets.find(faces[f]))];
    if (label < 0) label = result.count++;
    result.of_face.push_back(label);
  }
  return result;
}

std::vector<std::uint8_t> non_manifold_vertices(const MeshEdges& edges, std::span<const std::int32_t> faces,
                                                std::int64_t vertices) {
  std::vector<std::uint8_t> marked(at(vertices), 0);
  // The corners of a vertex form one fan if joining them across edges of two faces leaves one set.
  UnionFind fans(static_cast<std::int64_t>(faces.size()));
  const auto corner_at = [&](std::int32_t corner, std::int32_t vertex) {
    return faces[at(corner)] == vertex ? corner : next_corner(corner);
  };
  for (std::int32_t e = 0; e < edges.count(); ++e) {
    const auto corners = edges.corners_of(e);
    for (int side = 0; side < 2; ++side) {
      const std::int32_t vertex = edges.ends[at(2 * std::int64_t{e} + side)];
      if (corners.size() > 2) marked[at(vertex)] = 1;
      if (corners.size() == 2) fans.join(corner_at(corners[0], vertex), corner_at(corners[1], vertex));
    }
  }
  std::vector<std::int32_t> fan_of(at(vertices), -1);
  for (std::size_t c = 0; c < faces.size(); ++c) {
    const std::int32_t fan = fans.find(static_cast<std::int32_t>(c));
    std::int32_t& known = fan_of[at(faces[c])];
    if (known < 0) known = fan;
    if (known != fan) marked[at(faces[c])] = 1;
  }
  return marked;
}

}  // namespace espalier
