// Surface extraction on the dense grid, in doubles and as plainly as its definition reads: what the sparse one is
// compared with.
#pragma once

#include <cmath>
#include <map>
#include <utility>

#include "geometry/surface/surface_cases.h"
#include "unit/geometry/surface_fixture.h"

namespace espalier::test {

class DenseSurface {
 public:
  explicit DenseSurface(const SurfaceInput& input) : input_(input), r_(input.resolution), lattice_(at(cube(r_ + 1))) {
    average();
    find_cases();
    for (int patches = 1; patches <= 4; ++patches) {
      for (std::int64_t c = 0; c < cube(r_); ++c) {
        if (holds_surface(c) && kTable.cases[resolved_[at(c)]].patches == patches) place(c);
      }
    }
    connect();
  }
  SurfaceOutput result;

 private:
  struct Vertex {
    int count = 0;
    double values[10] = {1};  // distance, deformation, colour and normal
  };

  static constexpr SurfaceTable kTable = make_surface_table();
  static std::int64_t cube(std::int64_t n) { return n * n * n; }
  static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
  [[nodiscard]] std::int64_t cell_index(const Cell& c) const { return (std::int64_t{c[0]} * r_ + c[1]) * r_ + c[2]; }
  [[nodiscard]] std::int64_t vertex_index(const Cell& c, int corner) const {
    return (std::int64_t{c[0] + (corner & 1)} * (r_ + 1) + c[1] + (corner >> 1 & 1)) * (r_ + 1) + c[2] + (corner >> 2);
  }
  [[nodiscard]] Cell cell_of(std::int64_t i) const {
    return {static_cast<std::int32_t>(i / r_ / r_), static_cast<std::int32_t>(i / r_ % r_), static_cast<std::int32_t>(i % r_)};
  }
  [[nodiscard]] bool holds_surface(std::int64_t c) const { return cases_[at(c)] != 0 && cases_[at(c)] != 255; }

  void average() {
    rows_.assign(at(cube(r_)), -1);
    for (std::int64_t i = 0; i < input_.count(); ++i) {
      rows_[at(cell_index(input_.cell(i)))] = i;
      const float* f = input_.features.data() + i * input_.channels;
      for (int corner = 0; corner < 8; ++corner) {
        Vertex& v = lattice_[at(vertex_index(input_.cell(i), corner))];
        if (v.count++ == 0) v.values[0] = 0;
        v.values[0] += f[corner] - 1.0F / static_cast<float>(r_);  // rounded, so that zeros are exact
        for (int c = 0; c < 3; ++c) v.values[1 + c] += f[8 + 3 * corner + c];
        for (int c = 0; c < 6 && input_.channels == 101; ++c) v.values[4 + c] += f[53 + 6 * corner + c];
      }
    }
    for (Vertex& v : lattice_) {
      for (double& value : v.values) value /= std::max(v.count, 1);
    }
  }

  void find_cases() {
    cases_.resize(at(cube(r_)));
    for (std::int64_t c = 0; c < cube(r_); ++c) {
      for (int corner = 0; corner < 8; ++corner) {
        if (lattice_[at(vertex_index(cell_of(c), corner))].values[0] < 0) cases_[at(c)] |= 1 << corner;
      }
    }
    resolved_ = cases_;
    for (std::int64_t c = 0; c < cube(r_); ++c) {
      const SurfaceCase& own = kTable.cases[cases_[at(c)]];
      if (own.flagged == 0) continue;
      Cell other = cell_of(c);
      std::int32_t& moved = other[own.axis];
      moved += own.step;
      if (moved < 0 || moved >= r_) continue;
      if (kTable.cases[cases_[at(cell_index(other))]].flagged != 0) resolved_[at(c)] = 255 - cases_[at(c)];
    }
    for (std::int64_t c = 0; c < cube(r_); ++c) {
      if (holds_surface(c)) result.case_ids.push_back(resolved_[at(c)]);
    }
  }

  [[nodiscard]] double weight(std::int64_t c, int channel) const {
    return rows_[at(c)] < 0 ? 0.0 : input_.features[at(rows_[at(c)] * input_.channels + 32 + channel)];
  }

  void place(std::int64_t c) {
    const Cell cell = cell_of(c);
    const SurfaceCase& patches = kTable.cases[resolved_[at(c)]];
    for (int p = 0; p < patches.patches; ++p) {
      double sums[9] = {};
      double total = 0;
      for (int i = patches.begin[p]; i < patches.begin[p + 1]; ++i) {
        const int e = patches.edges[i];
        const double beta = std::tanh(weight(c, e)) * 0.99 + 1;
        double ends[2][9];
        double s[2];
        for (int end = 0; end < 2; ++end) {
          const int corner = kCubeEdges[e][end];
          const Vertex& v = lattice_[at(vertex_index(cell, corner))];
          s[end] = v.values[0] * (std::tanh(weight(c, 12 + corner)) * 0.99 + 1);
          for (int axis = 0; axis < 3; ++axis) {
            const int coordinate = cell[static_cast<std::size_t>(axis)] + (corner >> axis & 1);
            ends[end][axis] =
                static_cast<double>(coordinate) / r_ - 0.5 + (1 - 1e-8) / (2 * r_) * std::tanh(v.values[1 + axis]);
          }
          for (int k = 0; k < 6; ++k) ends[end][3 + k] = 1 / (1 + std::exp(-v.values[4 + k]));
        }
        for (int k = 0; k < 9; ++k) sums[k] += beta * (ends[0][k] * s[1] - ends[1][k] * s[0]) / (s[1] - s[0]);
        total += beta;
        duals_[{c, e}] = static_cast<std::int32_t>(result.vertices.size() / 3);
      }
      for (int k = 0; k < 3; ++k) result.vertices.push_back(static_cast<float>(sums[k] / total));
      for (int k = 3; k < 9 && input_.channels == 101; ++k) result.attributes.push_back(static_cast<float>(sums[k] / total));
    }
  }

  void connect() {
    struct Around {
      std::int64_t cube;
      int edge;
    };
    std::map<std::pair<std::int64_t, std::int64_t>, std::vector<Around>> edges;
    for (std::int64_t c = 0; c < cube(r_); ++c) {
      for (int e = 0; e < 12 && holds_surface(c); ++e) {
        const std::int64_t a = vertex_index(cell_of(c), kCubeEdges[e][0]);
        const std::int64_t b = vertex_index(cell_of(c), kCubeEdges[e][1]);
        if ((lattice_[at(a)].values[0] < 0) != (lattice_[at(b)].values[0] < 0)) edges[{a, b}].push_back({c, e});
      }
    }
    for (const bool positive : {true, false}) {
      for (const auto& [ends, around] : edges) {
        if (around.size() != 4 || (lattice_[at(ends.first)].values[0] > 0) != positive) continue;
        const int order[2][4] = {{2, 3, 1, 0}, {0, 1, 3, 2}};
        std::int32_t v[4];
        double g[4];
        for (int i = 0; i < 4; ++i) {
          const Around& corner = around[static_cast<std::size_t>(order[positive ? 1 : 0][i])];
          v[i] = duals_.at({corner.cube, corner.edge});
          g[i] = 0.99 / (1 + std::exp(-weight(corner.cube, 20))) + 0.005;
        }
        const bool first = g[0] * g[2] > g[1] * g[3];
        for (const int i : first ? std::array{0, 1, 2, 0, 2, 3} : std::array{0, 1, 3, 3, 1, 2}) result.faces.push_back(v[i]);
      }
    }
  }

  const SurfaceInput& input_;
  int r_;
  std::vector<Vertex> lattice_;
  std::vector<std::int64_t> rows_;  // of the cube in each cell, or -1
  std::vector<int> cases_;
  std::vector<int> resolved_;
  std::map<std::pair<std::int64_t, int>, std::int32_t> duals_;  // of (cube, edge)
};

}  // namespace espalier::test
