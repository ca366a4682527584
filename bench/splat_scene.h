// The Gaussians of docs/performance.md: 32 in each voxel within 0.766 / 64 of the wall of a tube of radius 0.07 around the
// curve
// ((R + r cos 3p) cos 2p, (R + r cos 3p) sin 2p, r sin 3p), R = 0.28, r = 0.13; all values drawn from one generator.
#pragma once

#include <array>
#include <cmath>
#include <numbers>
#include <random>
#include <vector>

#include "assets/gaussians.h"

namespace espalier {

// Cells of the 64^3 grid, z fastest.
inline std::vector<std::array<int, 3>> tube_cells() {
  std::vector<std::array<double, 3>> curve;
  for (int k = 0; k < 4096; ++k) {
    const double p = 2.0 * std::numbers::pi * k / 4096.0, across = 0.28 + 0.13 * std::cos(3 * p);
    curve.push_back({across * std::cos(2 * p), across * std::sin(2 * p), 0.13 * std::sin(3 * p)});
  }
  std::vector<std::array<int, 3>> cells;
  for (int i = 0; i < 64 * 64 * 64; ++i) {
    const std::array<int, 3> cell{i / 4096, i / 64 % 64, i % 64};
    double closest = 1e9;
    for (const auto& c : curve) {
      double squares = 0.0;
      for (std::size_t k = 0; k < 3; ++k) squares += std::pow((cell[k] + 0.5) / 64.0 - 0.5 - c[k], 2);
      closest = std::min(closest, squares);
    }
    if (std::abs(std::sqrt(closest) - 0.07) < 0.766 / 64.0) cells.push_back(cell);
  }
  return cells;
}

inline Gaussians tube_gaussians() {
  Gaussians g;
  std::mt19937_64 generator(0);
  std::uniform_real_distribution<double> spread(-0.75, 0.75);
  std::normal_distribution<double> normal;
  const auto push = [](std::vector<float>& to, double value) { to.push_back(static_cast<float>(value)); };
  for (const auto& cell : tube_cells()) {
    for (int i = 0; i < 32; ++i) {
      for (const int c : cell) push(g.xyz, (c + 0.5 + spread(generator)) / 64.0 - 0.5);
      for (int k = 0; k < 3; ++k) {
        const double inverse = std::log(std::expm1(0.004)), scale = std::log1p(std::exp(0.3 * normal(generator) + inverse));
        push(g.scale, std::hypot(scale, 9e-4));
      }
      std::array<double, 4> q{};
      double length = 0.0;
      for (std::size_t k = 0; k < 4; ++k) {
        q[k] = (k == 0 ? 1.0 : 0.0) + 0.1 * normal(generator);
        length = std::hypot(length, q[k]);
      }
      for (const double v : q) push(g.rotation, v / length);
      push(g.opacity, 1.0 / (1.0 + std::exp(-(3.0 + 2.0 * normal(generator) + std::log(0.1 / 0.9)))));
      for (int k = 0; k < 3; ++k) push(g.dc, 0.5 * normal(generator));
    }
  }
  return g;
}

}  // namespace espalier
