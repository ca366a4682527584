// Times the clean-up of a double-walled tube: clean_bench [faces] [repetitions]
//
// The tube has an outer and an inner wall, joined by a window, 750k faces together (support/mesh_shapes.h). Counts of views
// are made up here, because rendering is timed elsewhere: the inner wall is seen by none but for a rim around the window.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "geometry/repair/clean.h"
#include "geometry/simplify/simplify.h"
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

void time_step(const char* name, const std::function<void()>& work) { std::printf("%-24s %7.3f s\n", name, seconds(work)); }

Visibility made_up(const Mesh& mesh, const Monitor* /*monitor*/) {
  constexpr int kViews = 1000;
  std::vector<test::P3> curve;
  constexpr int kPoints = 1024;
  curve.reserve(kPoints);
  for (int i = 0; i < kPoints; ++i) curve.push_back(test::knot_curve(test::kTurn * i / kPoints));
  const test::P3 window = curve[10];
  const auto squared = [](const test::P3& a, const test::P3& b) {
    return (a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) + (a[2] - b[2]) * (a[2] - b[2]);
  };
  Visibility visibility{std::vector<std::int32_t>(static_cast<std::size_t>(mesh.face_count())), kViews};
  parallel_for(mesh.face_count(), 1024, [&](std::int64_t f) {
    const test::P3 centre = test::centre_of_face(mesh, f);
    double best = 1e9;
    for (const test::P3& p : curve) best = std::min(best, squared(p, centre));
    const bool outer = best > 0.07 * 0.07;
    const int near = static_cast<int>(200 - 1000 * std::sqrt(squared(window, centre)));
    visibility.seen[static_cast<std::size_t>(f)] = outer ? 300 + static_cast<int>(f * 7919 % 200) : std::max(0, near);
  });
  return visibility;
}

int run(std::int64_t target, int repetitions) {
  Mesh tube = test::tube_with_window(1880, 100, 40, 20);
  for (const float c : tube.vertices) tube.colours.push_back(0.5F + c);
  std::printf("%d cores\n", worker_count());
  for (int i = 0; i < repetitions; ++i) {
    MeshReport report;
    Mesh mesh;
    Visibility visibility;
    time_step("report", [&] { report = report_of(tube); });
    print("tube", report);
    time_step("weld", [&] { mesh = welded(tube); });
    time_step("duplicate faces", [&] { mesh = without_duplicate_faces(mesh); });
    time_step("degenerate faces", [&] { mesh = without_degenerate_faces(mesh); });
    time_step("simplify to working size", [&] { mesh = roughly_simplified(mesh, kWorkingFactor * target); });
    visibility = made_up(mesh, nullptr);
    HiddenFaceOptions hidden;
    hidden.views = visibility.views;
    time_step("hidden faces", [&] { mesh = without_hidden_faces(mesh, visibility.seen, hidden); });
    print("seen from outside", report_of(mesh));
    time_step("holes", [&] { mesh = holes_filled(mesh, {}); });
    time_step("small pieces", [&] { mesh = without_small_pieces(mesh, {}); });
    time_step("simplify", [&] { mesh = simplified(mesh, target); });
    print("result", report_of(mesh));
    CleanOptions options;
    options.faces = target;
    double looking = 0;
    const CountViews count = [&](const Mesh& m, const Monitor* monitor) {
      Visibility v;
      looking = seconds([&] { v = made_up(m, monitor); });
      return v;
    };
    const double all = seconds([&] { mesh = cleaned(tube, count, options); });
    std::printf("%-24s %7.3f s without counting views\n", "all of it", all - looking);
    if (mesh.face_count() != target && mesh.face_count() != target - 1) fail(ErrorCode::internal, mesh.face_count(), " faces");
  }
  return 0;
}

}  // namespace
}  // namespace espalier

int main(int argc, char** argv) {
  const long long target = argc > 1 ? std::strtoll(argv[1], nullptr, 10) : 37597;
  const long repetitions = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 1;
  if (target < 1 || repetitions < 1 || repetitions > 1000) {
    std::fprintf(stderr, "usage: clean_bench [faces] [repetitions]\n");
    return 2;
  }
  try {
    return espalier::run(target, static_cast<int>(repetitions));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "clean_bench: %s\n", error.what());
    return 1;
  }
}
