// Edges and connectivity of triangle lists, shared by clean-up, hole filling and reports.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace espalier {

// Every edge of a triangle list once, with the corners it leaves from. Corner 3 f + k is corner k of face f, and its edge is
// the one to the face's next corner. Edges are sorted by (smaller vertex, larger vertex), corners of an edge ascend.
struct MeshEdges {
  std::vector<std::int32_t> ends;     // [E * 2] the smaller vertex first
  std::vector<std::int32_t> of_face;  // [F * 3] edge of each corner
  std::vector<std::int32_t> first;    // [E + 1] where an edge's corners start in `corners`
  std::vector<std::int32_t> corners;  // [F * 3]

  [[nodiscard]] std::int32_t count() const { return static_cast<std::int32_t>(ends.size() / 2); }
  [[nodiscard]] std::span<const std::int32_t> corners_of(std::int32_t edge) const {
    const auto at = static_cast<std::size_t>(edge);
    return {corners.data() + first[at], static_cast<std::size_t>(first[at + 1] - first[at])};
  }
  // The edge between two vertices, or -1. Binary search.
  [[nodiscard]] std::int32_t find(std::int32_t a, std::int32_t b) const;
  // Number of faces at an edge.
  [[nodiscard]] int degree(std::int32_t edge) const {
    return first[static_cast<std::size_t>(edge) + 1] - first[static_cast<std::size_t>(edge)];
  }
};

// faces [F * 3] with indices in [0, vertices); F at most kMaxFaces. A face that names a vertex twice has an edge from that
// vertex to itself.
[[nodiscard]] MeshEdges edges_of(std::span<const std::int32_t> faces, std::int64_t vertices);

// Corner indices stay within 31 bits.
inline constexpr std::int64_t kMaxFaces = 700'000'000;

// The corners at each vertex, ascending.
struct VertexCorners {
  std::vector<std::int32_t> first;    // [V + 1] where a vertex's corners start in `corners`
  std::vector<std::int32_t> corners;  // [F * 3]

  [[nodiscard]] std::span<const std::int32_t> of(std::int32_t vertex) const {
    const auto at = static_cast<std::size_t>(vertex);
    return {corners.data() + first[at], static_cast<std::size_t>(first[at + 1] - first[at])};
  }
};

// faces as for edges_of.
[[nodiscard]] VertexCorners corners_around(std::span<const std::int32_t> faces, std::int64_t vertices);

// Disjoint sets. Threads may call `find` and `join` at the same time; the sets do not depend on the order of the calls. The
// root of a set is its first item (links by number, path halving).
class UnionFind {
 public:
  explicit UnionFind(std::int64_t items);
  [[nodiscard]] std::int32_t find(std::int32_t item);
  void join(std::int32_t a, std::int32_t b);
  // The sets numbered 0, 1, ... in order of their first items: the number of each item, and how many there are.
  [[nodiscard]] std::vector<std::int32_t> labels(std::int32_t& count);

 private:
  std::vector<std::int32_t> parent_;
};

struct Components {
  std::vector<std::int32_t> of_face;  // [F] numbered in order of first faces
  std::int32_t count = 0;
};

// Pieces whose faces hang together through shared edges, of any degree.
[[nodiscard]] Components edge_components(const MeshEdges& edges, std::int64_t faces);
// Pieces whose faces hang together through shared vertices.
[[nodiscard]] Components vertex_components(std::span<const std::int32_t> faces, std::int64_t vertices);

// Vertices around which the faces are no single fan (an edge of more than two faces, or several fans that touch in a
// point): [V] 1 or 0. No face may name a vertex twice.
[[nodiscard]] std::vector<std::uint8_t> non_manifold_vertices(const MeshEdges& edges, std::span<const std::int32_t> faces,
                                                              const VertexCorners& around);

}  // namespace espalier
