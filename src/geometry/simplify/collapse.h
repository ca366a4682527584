// Greedy edge collapse on one piece of a mesh: the working part of simplify.h, for code inside geometry.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "base/monitor.h"
#include "geometry/simplify/quadric.h"

namespace espalier {

// What may happen to a vertex.
enum VertexKind : std::uint8_t {
  kFree = 0,
  kBoundary = 1,  // on an edge of one face: moves along the boundary only
  kComplex = 2,   // not a single fan of faces: stays where it is, free vertices may collapse into it
  kLocked = 4,    // shared with another piece: no edge at it collapses
};

// How picky a collapse is. Each step allows what the one before refused.
enum class Strictness { shape, winding, area, none };

// Vertices and faces of the piece, in their own numbering.
struct CollapseMesh {
  std::vector<Point> points;
  std::vector<Quadric> quadrics;
  std::vector<std::uint8_t> kinds;                 // VertexKind, combined
  std::vector<std::array<std::int32_t, 3>> faces;  // a removed face has -1 for its first vertex
};

class Collapser {
 public:
  // Called for every collapse of an edge: vertex `gone` merges into `kept`, which takes the value at t between the two (0:
  // gone, 1: kept).
  using Merged = std::function<void(std::int32_t gone, std::int32_t kept, double t)>;

  Collapser(CollapseMesh mesh, Merged merged);

  [[nodiscard]] std::int64_t face_count() const { return alive_; }
  [[nodiscard]] const CollapseMesh& mesh() const { return mesh_; }
  [[nodiscard]] bool vertex_alive(std::int32_t v) const { return !lists_[static_cast<std::size_t>(v)].empty_or_dead(); }

  // Of the next edge in the queue; infinite when there is none.
  [[nodiscard]] double next_cost() const {
    return heap_.empty() ? std::numeric_limits<double>::infinity() : static_cast<double>(heap_.front().cost);
  }

  // Queues all edges that may collapse, with what they cost.
  void fill_queue(Strictness strictness);
  // Collapses in order of cost while it is at most `limit` and more than `target` faces are left. Returns the number of
  // collapses. The surface stays a manifold where it was one (link condition).
  std::int64_t run(double limit, std::int64_t target, const Monitor* monitor);

 private:
  struct Entry {
    float cost;
    std::uint32_t version;  // sum of the two vertices' versions; a smaller one than now is stale
    std::int32_t u, v;
    [[nodiscard]] bool before(const Entry& o) const {
      if (cost != o.cost) return cost < o.cost;
      return u != o.u ? u < o.u : v < o.v;
    }
  };
  struct FaceList {
    std::int64_t begin = 0;
    std::int32_t count = 0, capacity = 0;
    std::int32_t alive = 0;  // of the listed faces, those that are left
    [[nodiscard]] bool empty_or_dead() const { return count == 0; }
  };
  struct Placement {
    Point at;
    double cost;
  };

  struct Tilted {
    bool at_u;
    Point before, after;  // area vectors of a face
  };

  void push(const Entry& entry);
  Entry pop();
  void queue_edge(std::int32_t a, std::int32_t b);
  void queue_ring(std::int32_t v);
  [[nodiscard]] bool may_collapse(std::int32_t u, std::int32_t v) const;
  [[nodiscard]] Placement place(std::int32_t u, std::int32_t v) const;
  void gather(std::int32_t v, std::vector<std::int32_t>& faces);
  [[nodiscard]] bool link_holds(std::int32_t u, std::int32_t v);
  [[nodiscard]] bool shape_holds(const std::vector<std::int32_t>& faces, std::int32_t moved, std::int32_t other,
                                 const Point& to) const;
  // Whether the two ends may meet at `to` without folding the surface by more than 90 degrees where it is not folded now.
  // Expects the faces around both ends to be gathered.
  [[nodiscard]] bool stays_unfolded(std::int32_t u, std::int32_t v, const Point& to);
  // The same of a face's edge (b, c), which stays where it is.
  [[nodiscard]] bool folds_outwards(std::int32_t f, std::int32_t b, std::int32_t c, const Tilted& now) const;
  bool collapse(const Entry& entry);
  void merge(std::int32_t gone, std::int32_t kept, const Point& to);

  CollapseMesh mesh_;
  Merged merged_;
  Strictness strictness_ = Strictness::shape;
  std::int64_t alive_ = 0;
  std::vector<FaceList> lists_;  // faces of each vertex, as ranges of pool_
  std::vector<std::int32_t> pool_;
  std::vector<std::uint32_t> versions_;
  std::vector<Entry> heap_;
  std::vector<std::uint32_t> marks_;
  std::uint32_t mark_ = 0;
  std::vector<std::int32_t> around_u_, around_v_;  // faces
  std::vector<Tilted> tilted_;
};

}  // namespace espalier
