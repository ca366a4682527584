// Times the clean-up of a double-walled tube: clean_bench [faces] [repetitions]
//
// The tube has an outer and an inner wall, 752k faces together (support/mesh_shapes.h).
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "geometry/mesh_edit.h"
#include "geometry/mesh_report.h"
#include "geometry/simplify.h"
#include "parallel/parallel_for.h"
#include "support/mesh_shapes.h"

namespace espalier {
namespace {

void print(const char* name, const MeshReport& r) {
  std::printf(
      "%s: %lld faces, %lld vertices, %lld pieces, %lld boundary edges, %lld non-manifold edges, %s, area %.4f, volume %.5f\n",
      name, static_cast<long long>(r.faces), static_cast<long long>(r.vertices), static_cast<long long>(r.components),
      static_cast<long long>(r.boundary_edges), static_cast<long long>(r.non_manifold_edges),
      r.watertight ? "watertight" : "open", r.area, r.volume);
}

double seconds(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

int run(std::int64_t target, int repetitions) {
  Mesh tube = test::double_walled_tube(1880, 100);
  for (const float c : tube.vertices) tube.colours.push_back(0.5F + c);
  std::printf("%d cores\n", worker_count());
  for (int i = 0; i < repetitions; ++i) {
    MeshReport report;
    Mesh mesh;
    std::printf("report %.3f s\n", seconds([&] { report = report_of(tube); }));
    print("tube", report);
    std::printf("weld %.3f s\n", seconds([&] { mesh = welded(tube); }));
    std::printf("duplicate faces %.3f s\n", seconds([&] { mesh = without_duplicate_faces(mesh); }));
    std::printf("degenerate faces %.3f s\n", seconds([&] { mesh = without_degenerate_faces(mesh); }));
    std::printf("small pieces %.3f s\n", seconds([&] { mesh = without_small_pieces(mesh, {}); }));
    std::printf("simplify %.3f s\n", seconds([&] { mesh = simplified(mesh, target); }));
    print("simplified", report_of(mesh));
  }
  return 0;
}

}  // namespace
}  // namespace espalier

int main(int argc, char** argv) {
  const long long target = argc > 1 ? std::strtoll(argv[1], nullptr, 10) : 37597;
  const long repetitions = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 1;
  try {
    return espalier::run(target, static_cast<int>(repetitions));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "clean_bench: %s\n", error.what());
    return 1;
  }
}
