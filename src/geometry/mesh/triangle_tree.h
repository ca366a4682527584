// A tree of boxes over the faces of a mesh, for rays, closest points and pairs of faces.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "geometry/mesh/mesh_points.h"

namespace espalier {

// Built once, then read by any number of threads. The mesh must outlive it.
class TriangleTree {
 public:
  // mesh as check_mesh takes it. The same mesh gives the same tree.
  explicit TriangleTree(const Mesh& mesh);

  struct Hit {
    std::int32_t face = -1;  // -1: none
    double distance = 0;     // in lengths of the direction
  };
  // The nearest face that a ray hits beyond `least` (in lengths of the direction), other than `except`.
  [[nodiscard]] Hit first_hit(const Point& origin, const Point& direction, double least, std::int32_t except = -1) const;
  // Whether it hits any.
  [[nodiscard]] bool is_hit(const Point& origin, const Point& direction, double least, std::int32_t except = -1) const;

  struct Near {
    std::int32_t face = -1;           // -1: none
    double distance = 0;              // to the closest point
    std::array<double, 3> weights{};  // of the face's corners there
  };
  // What faces look like that count: the cosine between their normal and `normal`, of length 1, is at least `cosine`.
  struct Facing {
    Point normal;
    double cosine;
  };
  // The point of the surface that is closest to `p`, if it is at most `most` away; of faces that look as `facing` wants it,
  // where it is not null.
  [[nodiscard]] Near closest(const Point& p, double most, const Facing* facing = nullptr) const;

  // Calls visit(face) for every face whose box touches that of face `f`, in no promised order but always the same.
  template <class Visit>
  void for_neighbours(std::int32_t f, Visit&& visit) const;

 private:
  struct Box {
    std::array<float, 3> low, high;
    void add(const Box& other);
    [[nodiscard]] bool touches(const Box& other) const {
      return low[0] <= other.high[0] && other.low[0] <= high[0] && low[1] <= other.high[1] && other.low[1] <= high[1] &&
             low[2] <= other.high[2] && other.low[2] <= high[2];
    }
  };
  struct Node {
    Box box;
    std::int32_t first = 0;  // of a leaf: where its faces start in order_; else the second child (the first follows)
    std::int32_t count = 0;  // faces of a leaf; 0: two children
  };
  // A ray as the tree walks along it.
  struct Ray {
    Point origin, direction;
    std::array<double, 3> inverse;
    double least;
    std::int32_t except;
  };

  [[nodiscard]] Box box_of_face(std::int32_t f) const;
  void build(std::int32_t begin, std::int32_t end, const std::vector<Box>& boxes);
  [[nodiscard]] static bool enters(const Box& box, const Ray& ray, double most);
  // The distance at which the ray meets the face, or a negative number.
  [[nodiscard]] double meets(std::int32_t f, const Ray& ray) const;
  template <bool any>
  [[nodiscard]] Hit walk(const Ray& ray) const;

  const Mesh& mesh_;
  std::vector<std::int32_t> order_;
  std::vector<Node> nodes_;
};

template <class Visit>
void TriangleTree::for_neighbours(std::int32_t f, Visit&& visit) const {
  if (nodes_.empty()) return;
  const Box own = box_of_face(f);
  std::array<std::int32_t, 64> stack{};
  std::size_t depth = 0;
  stack[depth++] = 0;
  while (depth > 0) {
    const std::int32_t at = stack[--depth];
    const Node& node = nodes_[static_cast<std::size_t>(at)];
    if (!node.box.touches(own)) continue;
    if (node.count == 0) {
      stack[depth++] = node.first;
      stack[depth++] = at + 1;
      continue;
    }
    for (std::int32_t i = node.first; i < node.first + node.count; ++i) visit(order_[static_cast<std::size_t>(i)]);
  }
}

}  // namespace espalier
