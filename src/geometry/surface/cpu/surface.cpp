#include "geometry/surface/surface.h"

#include <array>
#include <utility>

#include "geometry/surface/surface_extractor.h"
#include "parallel/parallel_for.h"

namespace espalier {
namespace {

constexpr SurfaceTable kTable = make_surface_table();

struct OnCpu {
  using Device = Cpu;

  static const SurfaceTable* table(Queue<Cpu>& /*queue*/) { return &kTable; }

  template <class Step>
  static void each(Queue<Cpu>& /*queue*/, std::int64_t n, const Step& step) {
    parallel_for(n, 256, step);
  }

  static std::size_t sort_bytes(std::int64_t /*n*/, int /*bits*/) { return 0; }

  // By digits from the lowest to the highest. An odd number of passes ends in `to`.
  static void sort_pairs(Queue<Cpu>& /*queue*/, surface::Pairs from, surface::Pairs to, std::int64_t n, int bits,
                         View<Cpu, std::byte, 1> /*workspace*/) {
    constexpr int kDigitBits = 11;
    constexpr int kPasses = 3;
    static_assert(kDigitBits * kPasses >= 32);
    require(bits <= 32, "sort_pairs", bits, " bits");
    for (int pass = 0; pass < kPasses; ++pass) {
      const auto digit = [&](std::uint32_t key) { return key >> (pass * kDigitBits) & ((1U << kDigitBits) - 1); };
      std::array<std::int64_t, (1U << kDigitBits) + 1> start{};
      for (std::int64_t i = 0; i < n; ++i) ++start[digit(from.keys[i]) + 1];
      for (std::size_t d = 1; d < start.size(); ++d) start[d] += start[d - 1];
      for (std::int64_t i = 0; i < n; ++i) {
        const std::int64_t at = start[digit(from.keys[i])]++;
        to.keys[at] = from.keys[i];
        to.rows[at] = from.rows[i];
      }
      std::swap(from, to);
    }
  }

  static std::size_t sum_bytes(std::int64_t /*n*/) { return 0; }

  static void sum_up(Queue<Cpu>& /*queue*/, View<Cpu, std::int32_t, 1> values, View<Cpu, std::byte, 1> /*workspace*/) {
    std::int32_t sum = 0;
    for (std::int64_t i = 0; i < values.extent(0); ++i) sum += std::exchange(values(i), sum);
  }
};

}  // namespace

template <>
SurfaceMesh<Cpu> extract_surface(Queue<Cpu>& queue, View<Cpu, const std::int32_t, 2> cubes, View<Cpu, const float, 2> features,
                                 int resolution,
                                 const std::function<SurfaceMesh<Cpu>(std::int64_t, std::int64_t, bool)>& allocate,
                                 SurfaceTrace<Cpu>* trace, int block) {
  return surface::extract<OnCpu>(queue, cubes, features, resolution, allocate, trace, block);
}

template <>
std::size_t surface_scratch_bytes<Cpu>(std::int64_t cubes, int resolution, bool colour, int block) {
  return surface::scratch_bytes<OnCpu>(cubes, resolution, colour, block);
}

template <>
SurfaceMesh<Cpu> extract_solid(Queue<Cpu>& queue, View<Cpu, const std::int32_t, 2> cubes, View<Cpu, const float, 2> features,
                               int resolution,
                               const std::function<SurfaceMesh<Cpu>(std::int64_t, std::int64_t, bool)>& allocate, int block,
                               SolidReport* report) {
  return surface::extract_closed<OnCpu>(queue, cubes, features, resolution, allocate, block, report);
}

template <>
std::size_t solid_scratch_bytes<Cpu>(std::int64_t cubes, int resolution, bool colour, int block) {
  return surface::solid_bytes<OnCpu>(cubes, resolution, colour, block);
}

}  // namespace espalier
