#include "geometry/unwrap/chart_equations.h"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <random>

namespace espalier {
namespace {

// Triangles of a 9 x 7 grid of vertices, in no particular order of corners.
std::vector<Corners> grid_triangles() {
  std::vector<Corners> corners;
  for (std::int32_t y = 0; y < 6; ++y) {
    for (std::int32_t x = 0; x < 8; ++x) {
      const std::int32_t v = 9 * y + x;
      corners.push_back({v, v + 1, v + 10});
      corners.push_back({v + 9, v, v + 10});
    }
  }
  return corners;
}

TEST(ChartEquations, SolvesWhatADenseSolverSolves) {
  const std::vector<Corners> corners = grid_triangles();
  constexpr Eigen::Index kUnknowns = 126;
  ChartEquations equations(kUnknowns / 2, corners);
  std::mt19937 random(5);
  const auto number = [&] { return static_cast<double>(random() % 2001) / 1000 - 1; };
  for (int round = 0; round < 2; ++round) {  // the second time with the pattern of the first
    Eigen::MatrixXd dense = Eigen::MatrixXd::Zero(kUnknowns, kUnknowns);
    equations.clear();
    for (std::size_t f = 0; f < corners.size(); ++f) {
      ChartEquations::Element factor;
      for (Eigen::Index i = 0; i < 36; ++i) factor(i / 6, i % 6) = number();
      const ChartEquations::Element element = factor * factor.transpose();
      equations.add(f, element);
      for (std::size_t i = 0; i < 6; ++i) {
        for (std::size_t j = 0; j < 6; ++j) {
          dense(2 * corners[f][i / 2] + static_cast<int>(i % 2), 2 * corners[f][j / 2] + static_cast<int>(j % 2)) +=
              element(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j));
        }
      }
    }
    equations.add_diagonal(7, 2.5);
    dense(7, 7) += 2.5;
    EXPECT_NEAR(equations.mean_diagonal(), dense.diagonal().mean(), 1e-12);
    Eigen::VectorXd right(kUnknowns);
    for (Eigen::Index i = 0; i < kUnknowns; ++i) right[i] = number();
    Eigen::VectorXd found;
    ASSERT_TRUE(equations.solve(right, found));
    EXPECT_LT((dense * found - right).norm(), 1e-9 * right.norm());
  }
}

TEST(ChartEquations, RefusesWhatIsNotPositiveDefinite) {
  ChartEquations equations(3, {{0, 1, 2}});
  Eigen::VectorXd found;
  EXPECT_FALSE(equations.solve(Eigen::VectorXd::Ones(6), found)) << "all zeros";
  equations.add(0, -ChartEquations::Element::Identity());
  EXPECT_FALSE(equations.solve(Eigen::VectorXd::Ones(6), found));
}

}  // namespace
}  // namespace espalier
