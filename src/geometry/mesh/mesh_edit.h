// Small corrections of triangle meshes. Results keep the order of vertices and faces that remain, and depend on nothing but
// the input.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "assets/mesh.h"
#include "geometry/mesh/mesh_topology.h"

namespace espalier {

// What every function here and the rest of clean-up may assume. Throws invalid_argument that names `what` and the first
// offending entry: sizes that are no multiple of three, attributes of another length than the vertices, indices out of
// range, coordinates that are not finite or beyond 1e15, more than kMaxFaces faces.
void check_mesh(const Mesh& mesh, const char* what);

// The number of each vertex among the distinct positions, in order of first appearance (0 and -0 are the same): [V].
[[nodiscard]] std::vector<std::int32_t> distinct_positions(const Mesh& mesh, std::int32_t& count);

// Vertices at most `tolerance` apart (0: exactly equal) become the first of them, with its attributes; faces that lose a
// corner by that go. Chains are not followed: every vertex is compared with those already kept. Unreferenced vertices go.
[[nodiscard]] Mesh welded(const Mesh& mesh, float tolerance = 0.0F);

// Only the faces with keep[f] != 0, and the vertices they use.
[[nodiscard]] Mesh with_faces(const Mesh& mesh, std::span<const std::uint8_t> keep);

[[nodiscard]] Mesh without_unreferenced_vertices(const Mesh& mesh);

// A face that names a vertex twice, or whose height over its longest edge is below kDegenerate of that edge.
[[nodiscard]] bool is_degenerate(const Mesh& mesh, std::int64_t face);
inline constexpr double kDegenerate = 1e-6;

// Faces of no area go without opening a crack: a needle's short edge is closed, a cap's long edge is turned to the other
// side, and where the mesh forbids that (an edge of more than two faces, a fold) the face stays.
[[nodiscard]] Mesh without_degenerate_faces(const Mesh& mesh);

// Of faces with the same three vertices, in whatever order, the first: [F] 1 or 0.
[[nodiscard]] std::vector<std::uint8_t> first_of_duplicates(const Mesh& mesh, const VertexCorners& around);
// Of faces with the same three vertices, in whatever order, the first stays.
[[nodiscard]] Mesh without_duplicate_faces(const Mesh& mesh);

struct SmallPieces {
  float area = 1e-3F;      // a piece goes if its area is below this share of the whole mesh's area ...
  float diagonal = 0.05F;  // ... and the diagonal of its box below this share of the whole mesh's diagonal
};

// Without floating pieces (faces that hang together through vertices) that are small in both ways. The piece of the largest
// area always stays.
[[nodiscard]] Mesh without_small_pieces(const Mesh& mesh, const SmallPieces& limits);

// Area of a face and the box around all referenced vertices, in the mesh's units.
[[nodiscard]] double face_area(const Mesh& mesh, std::int64_t face);

struct Bounds {
  std::array<double, 3> low{}, high{};
  [[nodiscard]] double diagonal() const;
};
[[nodiscard]] Bounds box_of(const Mesh& mesh);

}  // namespace espalier
