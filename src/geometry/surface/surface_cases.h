// Topology of dual marching cubes: which crossings of a cube's edges share a dual vertex, for each of the 256 sign
// patterns. Derived from rules when compiled, not stored.
//
// Numbering is the reference's: corner i lies at (i & 1, i >> 1 & 1, i >> 2), a case is the sum of 2^corner over the
// corners inside the surface, and edge e runs between the corners kCubeEdges[e] (Kaolin's FlexiCubes, Apache-2.0, and
// TRELLIS, MIT, use the same numbers; the 12 beta weights of a cube come in this order).
#pragma once

#include <cstdint>

namespace espalier {

inline constexpr std::uint8_t kCubeEdges[12][2] = {{0, 1}, {1, 5}, {4, 5}, {0, 4}, {2, 3}, {3, 7},
                                                   {6, 7}, {2, 6}, {2, 0}, {3, 1}, {7, 5}, {6, 4}};

// A patch is a closed loop of crossings around a piece of surface in the cube; each patch has one dual vertex.
struct SurfaceCase {
  std::uint8_t patches = 0;    // 0 for the cases 0 and 255, else 1 to 4
  std::uint8_t begin[5] = {};  // patch p has edges[begin[p]] to edges[begin[p + 1] - 1], ascending
  std::uint8_t edges[12] = {};
  std::uint8_t patch_of_edge[12] = {};  // of crossed edges
  // A flagged case has one ambiguous face (inside corners on one diagonal, outside corners on the other) whose four
  // crossings all belong to one patch. Two such cubes that share the face would make a non-manifold edge.
  std::uint8_t flagged = 0;
  std::uint8_t axis = 0;  // of the face's normal, where flagged
  std::int8_t step = 0;   // towards the cube across the face, -1 or 1; 0 where not flagged
};

// Everything that kernels look up, in one block that can be placed in device memory.
struct SurfaceTable {
  SurfaceCase cases[256];
  std::uint8_t edge_corners[12][2] = {};
};

namespace surface_cases {

constexpr int edge_between(int a, int b) {
  for (int e = 0; e < 12; ++e) {
    if ((kCubeEdges[e][0] == a && kCubeEdges[e][1] == b) || (kCubeEdges[e][0] == b && kCubeEdges[e][1] == a)) return e;
  }
  return -1;
}

// Sets of small integers that merge; the smallest member names its set.
struct Sets {
  int parent[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

  constexpr int find(int i) const {
    while (parent[i] != i) i = parent[i];
    return i;
  }
  constexpr void merge(int i, int j) {
    const int a = find(i);
    const int b = find(j);
    parent[a < b ? b : a] = a < b ? a : b;
  }
};

// A face of the cube: its corners in a cycle, and edge i between corners i and i + 1.
struct Face {
  int corners[4] = {};
  int edges[4] = {};
};

struct Faces {
  Face of[6] = {};  // 2 * axis + side
};

constexpr Face make_face(int axis, int side) {
  const int u = axis == 0 ? 1 : 0;
  const int v = axis == 2 ? 1 : 2;
  const int base = side << axis;
  Face face;
  const int cycle[4] = {base, base | 1 << u, base | 1 << u | 1 << v, base | 1 << v};
  for (int i = 0; i < 4; ++i) {
    face.corners[i] = cycle[i];
    face.edges[i] = edge_between(cycle[i], cycle[(i + 1) % 4]);
  }
  return face;
}

constexpr Faces make_faces() {
  Faces faces;
  for (int f = 0; f < 6; ++f) faces.of[f] = make_face(f / 2, f % 2);
  return faces;
}

// Lists the patches. Those around the same connected group of inside corners stay together, groups by their lowest
// corner; within a group the patch with the lowest outside corner comes first.
constexpr void list_patches(int inside, const bool (&crossed)[12], const Sets& loops, SurfaceCase& out) {
  Sets groups;
  for (const auto& edge : kCubeEdges) {
    if ((inside >> edge[0] & 1) != 0 && (inside >> edge[1] & 1) != 0) groups.merge(edge[0], edge[1]);
  }
  constexpr int kNone = 64;
  int rank[12] = {};  // of the loop that an edge names: 8 * group + lowest outside corner
  for (int& r : rank) r = kNone;
  for (int e = 0; e < 12; ++e) {
    if (!crossed[e]) continue;
    const bool first_inside = (inside >> kCubeEdges[e][0] & 1) != 0;
    const int in = kCubeEdges[e][first_inside ? 0 : 1];
    const int out_corner = kCubeEdges[e][first_inside ? 1 : 0];
    int& r = rank[loops.find(e)];
    const int candidate = 8 * groups.find(in) + out_corner;
    if (candidate < r) r = candidate;
  }
  for (int listed = 0;;) {
    int loop = 0;
    for (int e = 1; e < 12; ++e) loop = rank[e] < rank[loop] ? e : loop;
    if (rank[loop] == kNone) return;
    rank[loop] = kNone;
    for (int e = loop; e < 12; ++e) {
      if (!crossed[e] || loops.find(e) != loop) continue;
      out.edges[listed++] = static_cast<std::uint8_t>(e);
      out.patch_of_edge[e] = out.patches;
    }
    out.begin[++out.patches] = static_cast<std::uint8_t>(listed);
  }
}

// Crossings are joined across the faces of the cube. A face with four crossings is ambiguous: there, each inside corner
// is cut off on its own.
constexpr SurfaceCase make_case(int inside, const Faces& faces) {
  SurfaceCase out;
  bool crossed[12] = {};
  for (int e = 0; e < 12; ++e) crossed[e] = ((inside >> kCubeEdges[e][0] ^ inside >> kCubeEdges[e][1]) & 1) != 0;

  Sets loops;
  bool ambiguous[6] = {};
  for (int f = 0; f < 6; ++f) {
    const Face& face = faces.of[f];
    for (int i = 0; i < 4; ++i) {
      const int j = (i + 3) % 4;  // the other edge at corner i
      const bool both = crossed[face.edges[i]] && crossed[face.edges[j]];
      const bool is_inside = (inside >> face.corners[i] & 1) != 0;
      if (both && is_inside) loops.merge(face.edges[i], face.edges[j]);
    }
    int count = 0;
    int ends[4] = {};
    for (const int e : face.edges) {
      if (crossed[e]) ends[count++] = e;
    }
    if (count == 2) loops.merge(ends[0], ends[1]);
    ambiguous[f] = count == 4;
  }
  for (int f = 0; f < 6; ++f) {
    const Face& face = faces.of[f];
    const int loop = loops.find(face.edges[0]);
    bool one_loop = ambiguous[f];
    for (const int e : face.edges) one_loop = one_loop && loops.find(e) == loop;
    if (!one_loop) continue;
    out.flagged = 1;
    out.axis = static_cast<std::uint8_t>(f / 2);
    out.step = static_cast<std::int8_t>(f % 2 == 0 ? -1 : 1);
  }
  list_patches(inside, crossed, loops, out);
  return out;
}

}  // namespace surface_cases

constexpr SurfaceTable make_surface_table() {
  SurfaceTable table;
  const surface_cases::Faces faces = surface_cases::make_faces();
  for (int c = 0; c < 256; ++c) table.cases[c] = surface_cases::make_case(c, faces);
  for (int e = 0; e < 12; ++e) {
    for (int end = 0; end < 2; ++end) table.edge_corners[e][end] = kCubeEdges[e][end];
  }
  return table;
}

}  // namespace espalier
