#include "geometry/repair/hole_outlines.h"

#include <algorithm>

namespace espalier {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

class Walker {
 public:
  Walker(const MeshEdges& edges, std::span<const std::int32_t> faces) : edges_(edges), faces_(faces), seen_(faces.size(), 0) {}

  [[nodiscard]] bool starts(std::int32_t corner) const {
    return seen_[at(corner)] == 0 && edges_.degree(edges_.of_face[at(corner)]) == 1;
  }

  // Follows the boundary from a corner until it comes back. Empty if it runs into an edge of more than two faces.
  Outline walk(std::int32_t start) {
    Outline outline;
    std::int64_t with_faces = 0;
    std::int32_t corner = start;
    std::int32_t from = faces_[at(start)];
    while (true) {
      seen_[at(corner)] = 1;
      const bool forward = faces_[at(corner)] == from;
      with_faces += forward ? 1 : -1;
      outline.vertices.push_back(from);
      outline.faces.push_back(corner / 3);
      from = forward ? faces_[at(next(corner))] : faces_[at(corner)];
      corner = turn(corner, from);
      if (corner == start) break;
      // Boundary corners follow each other in cycles, so anything else seen before was left by an edge of many faces.
      if (corner < 0 || seen_[at(corner)] != 0) return {};
    }
    if (with_faces < 0) {
      std::reverse(outline.vertices.begin(), outline.vertices.end());
      std::reverse(outline.faces.begin(), outline.faces.end());
      // Edge i now ends where it began: the face belongs to the edge before.
      std::rotate(outline.faces.begin(), outline.faces.begin() + 1, outline.faces.end());
    }
    return outline;
  }

 private:
  static std::int32_t next(std::int32_t corner) { return corner % 3 == 2 ? corner - 2 : corner + 1; }
  static std::int32_t previous(std::int32_t corner) { return corner % 3 == 0 ? corner + 2 : corner - 1; }

  // The other corner of a face whose edge touches the vertex.
  [[nodiscard]] std::int32_t other_edge(std::int32_t corner, std::int32_t vertex) const {
    return faces_[at(corner)] == vertex ? previous(corner) : next(corner);
  }

  // Around a vertex, through the fan of faces, to the next edge of one face; -1 at an edge of more than two.
  [[nodiscard]] std::int32_t turn(std::int32_t corner, std::int32_t vertex) const {
    while (true) {
      corner = other_edge(corner, vertex);
      const std::int32_t edge = edges_.of_face[at(corner)];
      const auto corners = edges_.corners_of(edge);
      if (corners.size() == 1) return corner;
      if (corners.size() > 2) return -1;
      corner = corners[0] == corner ? corners[1] : corners[0];
    }
  }

  const MeshEdges& edges_;
  std::span<const std::int32_t> faces_;
  std::vector<std::uint8_t> seen_;
};

// Takes an outline apart at vertices that it passes more than once. `place` is scratch of -1 for every vertex.
void add_simple(const Outline& outline, std::vector<std::int32_t>& place, std::vector<Outline>& result) {
  Outline open;
  for (std::size_t i = 0; i < outline.vertices.size(); ++i) {
    const std::int32_t v = outline.vertices[i];
    if (const std::int32_t first = place[at(v)]; first >= 0) {
      Outline cycle;
      cycle.vertices.assign(open.vertices.begin() + first, open.vertices.end());
      cycle.faces.assign(open.faces.begin() + first, open.faces.end());
      for (const std::int32_t w : cycle.vertices) place[at(w)] = -1;
      open.vertices.resize(at(first));
      open.faces.resize(at(first));
      result.push_back(std::move(cycle));
    }
    place[at(v)] = static_cast<std::int32_t>(open.vertices.size());
    open.vertices.push_back(v);
    open.faces.push_back(outline.faces[i]);
  }
  for (const std::int32_t v : open.vertices) place[at(v)] = -1;
  if (!open.vertices.empty()) result.push_back(std::move(open));
}

}  // namespace

std::vector<Outline> outlines_of(const MeshEdges& edges, std::span<const std::int32_t> faces, std::int64_t vertices) {
  std::vector<Outline> result;
  std::vector<std::int32_t> place(at(vertices), -1);
  Walker walker(edges, faces);
  for (std::int32_t c = 0; c < static_cast<std::int32_t>(faces.size()); ++c) {
    if (walker.starts(c)) add_simple(walker.walk(c), place, result);
  }
  std::erase_if(result, [](const Outline& outline) { return outline.vertices.size() < 3; });
  return result;
}

}  // namespace espalier
