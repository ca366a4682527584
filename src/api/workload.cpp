#include "api/workload.h"

#include <array>
#include <cmath>
#include <numbers>

#include "parallel/parallel_for.h"

namespace espalier {
namespace {

using Point = std::array<double, 3>;

struct Tube {
  double rho = 0.0, t = 0.0;
  std::vector<Point> curve;
  [[nodiscard]] double distance(const Point& p) const {
    double best = 1e30;
    for (const Point& c : curve) {
      const double dx = p[0] - c[0];
      const double dy = p[1] - c[1];
      const double dz = p[2] - c[2];
      best = std::min(best, dx * dx + dy * dy + dz * dz);
    }
    return std::sqrt(best) - rho;
  }
};

Tube tube_of(const std::string& name) {
  constexpr int kSamples = 4096;
  double big = 0.0;
  double small = 0.0;
  Tube tube;
  if (name == "12k") {
    big = 0.28, small = 0.13, tube.rho = 0.07, tube.t = 0.766;
  } else if (name == "24k") {
    big = 0.27, small = 0.12, tube.rho = 0.10, tube.t = 1.128;
  } else {
    fail(ErrorCode::invalid_argument, "workload ", name, ": 12k and 24k are known");
  }
  for (int k = 0; k < kSamples; ++k) {
    const double p = 2.0 * std::numbers::pi * k / kSamples;
    const double ring = big + small * std::cos(3 * p);
    tube.curve.push_back({ring * std::cos(2 * p), ring * std::sin(2 * p), small * std::sin(3 * p)});
  }
  return tube;
}

}  // namespace

Voxels workload_voxels(const std::string& name) {
  constexpr int kSide = 64;
  const Tube tube = tube_of(name);
  std::vector<char> active(kSide * kSide * kSide);
  parallel_for(kSide * kSide * kSide, 1024, [&](std::int64_t i) {
    const auto at = [](std::int64_t c) { return (static_cast<double>(c) + 0.5) / kSide - 0.5; };
    active[static_cast<std::size_t>(i)] =
        std::abs(tube.distance({at(i / (kSide * kSide)), at(i / kSide % kSide), at(i % kSide)})) < tube.t / kSide ? 1 : 0;
  });
  std::vector<std::int32_t> coords;
  for (int i = 0; i < kSide * kSide * kSide; ++i) {
    if (active[static_cast<std::size_t>(i)] != 0)
      coords.insert(coords.end(), {0, i / (kSide * kSide), i / kSide % kSide, i % kSide});
  }
  return make_voxels(std::move(coords), 1, kSide);
}

std::vector<float> workload_distances(const std::string& name, const Voxels& voxels) {
  constexpr double kGrid = 256.0;
  const Tube tube = tube_of(name);
  std::vector<float> out(static_cast<std::size_t>(voxels.rows()) * 64 * 8);
  parallel_for(voxels.rows(), 8, [&](std::int64_t row) {
    // Neighbouring cubes share corners: the 5^3 lattice of a voxel is evaluated once.
    const std::int32_t* c = voxels.coords.data() + 4 * row;
    std::array<float, 125> lattice{};
    for (int i = 0; i < 125; ++i) {
      const auto at = [&](int axis, int step) { return (c[axis] * 4 + step) / kGrid - 0.5; };
      lattice[static_cast<std::size_t>(i)] =
          static_cast<float>(64.0 * std::abs(tube.distance({at(1, i / 25), at(2, i / 5 % 5), at(3, i % 5)})) - 0.4);
    }
    for (int cube = 0; cube < 64; ++cube) {
      const int outer = cube / 8;
      const int inner = cube % 8;
      const std::array<int, 3> base{outer / 4 * 2 + inner / 4, outer / 2 % 2 * 2 + inner / 2 % 2, outer % 2 * 2 + inner % 2};
      for (int corner = 0; corner < 8; ++corner) {
        const int x = base[0] + corner % 2;
        const int y = base[1] + corner / 2 % 2;
        const int z = base[2] + corner / 4;
        out[(static_cast<std::size_t>(row) * 64 + static_cast<std::size_t>(cube)) * 8 + static_cast<std::size_t>(corner)] =
            lattice[static_cast<std::size_t>((x * 5 + y) * 5 + z)];
      }
    }
  });
  return out;
}

}  // namespace espalier
