// Sparse linear equations for the two coordinates of every vertex of a chart. Internal to unwrapping.
#pragma once

#include <Eigen/Core>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "geometry/unwrap/chart_surface.h"

namespace espalier {

// A symmetric matrix of 2 x 2 blocks, one row of blocks per vertex, summed from 6 x 6 matrices of triangles. The pattern is
// analysed once: approximate minimum degree (Amestoy, Davis and Duff 1996) and the elimination tree. Solving factorises it to
// L D L^T, row by row along the tree (Liu 1986), in blocks: an index and a jump in memory serve sixteen operations.
class ChartEquations {
 public:
  using Element = Eigen::Matrix<double, 6, 6>;  // unknowns 2 k and 2 k + 1 are the coordinates of the triangle's vertex k

  ChartEquations(std::size_t vertices, const std::vector<Corners>& corners);

  void clear();
  // The element is symmetric; one half of it is read.
  void add(std::size_t face, const Element& element);
  // Unknowns 2 v and 2 v + 1 are the coordinates of vertex v.
  void add_diagonal(std::size_t unknown, double value);
  [[nodiscard]] double mean_diagonal() const;
  // False where the matrix is not positive definite.
  bool solve(const Eigen::VectorXd& right, Eigen::VectorXd& out);

 private:
  typedef double Block __attribute__((vector_size(32)));  // NOLINT(modernize-use-using): by rows; the attribute needs typedef
  struct Blocks {                                         // columns, each the rows above the diagonal
    std::vector<std::int32_t> first, row;
    std::vector<Block> value;
  };

  void order(std::size_t vertices, const std::vector<Corners>& corners);
  void find_pattern(const std::vector<Corners>& corners);
  void find_tree();
  bool factorise();
  [[nodiscard]] std::size_t size() const { return place_.size(); }

  std::vector<std::int32_t> place_;                 // of each vertex in the order of elimination
  Blocks matrix_;                                   // its upper half
  std::vector<Block> diagonal_;                     // and diagonal
  std::vector<std::array<std::int32_t, 3>> slots_;  // [f] entries of matrix_ for the vertices 01, 12 and 20
  std::vector<std::array<std::int32_t, 3>> faces_;  // [f] places
  std::vector<std::int32_t> parent_;                // elimination tree; -1 at roots
  // L by columns, as rows are found: column i has the rows row_[first_[i]] to row_[end_[i] - 1].
  std::vector<std::int32_t> first_, end_, row_;
  std::vector<Block> value_, pivot_, inverse_;
};

}  // namespace espalier
