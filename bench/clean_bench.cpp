// Times the clean-up of a double-walled tube: clean_bench [faces]
//
// The tube has an outer and an inner shell, joined by a window, 750k faces together (support/mesh_shapes.h). Counts of views
// are synthetic here, because rendering is timed elsewhere: the inner shell is seen by none but for a rim around the window.
#include <cmath>

#include "geometry/repair/clean.h"
#include "geometry/simplify/simplify.h"
#include "parallel/parallel_for.h"
#include "program.h"
#include "support/mesh_shapes.h"

namespace espalier {
namespace {

bench::Counters counters_of(const Mesh& mesh) {
  const MeshReport r = report_of(mesh);
  return {{"faces", static_cast<double>(r.faces)},
          {"pieces", static_cast<double>(r.components)},
          {"boundary_edges", static_cast<double>(r.boundary_edges)},
          {"non_manifold_edges", static_cast<double>(r.non_manifold_edges)},
          {"area", r.area},
          {"volume", r.volume}};
}

Visibility synthetic(const Mesh& mesh) {
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

// Every step, on what the ones before made of the tube.
class Steps {
 public:
  explicit Steps(std::int64_t target) : target_(target), tube_(test::tube_with_window(1880, 100, 40, 20)) {
    for (const float c : tube_.vertices) tube_.colours.push_back(0.5F + c);
  }

  void add_to(bench::Program& program) {
    program.add("report", {}, [this] { benchmark::DoNotOptimize(report_of(tube_)); });
    step(program, "weld", [](const Mesh& m) { return welded(m); });
    step(program, "duplicate faces", [](const Mesh& m) { return without_duplicate_faces(m); });
    step(program, "degenerate faces", [](const Mesh& m) { return without_degenerate_faces(m); });
    step(program, "simplify to working size",
         [this](const Mesh& m) { return roughly_simplified(m, kWorkingFactor * target_); });
    const Visibility visibility = synthetic(made_);
    HiddenFaceOptions hidden;
    hidden.views = visibility.views;
    step(program, "hidden faces", [=](const Mesh& m) { return without_hidden_faces(m, visibility.seen, hidden); });
    step(program, "holes", [](const Mesh& m) { return holes_filled(m, {}); });
    step(program, "small pieces", [](const Mesh& m) { return without_small_pieces(m, {}); });
    step(program, "simplify", [this](const Mesh& m) { return simplified(m, target_); });
    if (made_.face_count() != target_ && made_.face_count() != target_ - 1) {
      fail(ErrorCode::internal, made_.face_count(), " faces instead of ", target_);
    }
  }

 private:
  template <class Make>
  void step(bench::Program& program, const char* name, const Make& make) {
    const Mesh before = made_.faces.empty() ? tube_ : made_;
    made_ = make(before);
    const bench::Counters counters = counters_of(made_);
    program.add(
        name, {}, [=] { benchmark::DoNotOptimize(make(before)); }, [=] { return counters; });
  }

  std::int64_t target_;
  Mesh tube_, made_;
};

}  // namespace
}  // namespace espalier

int main(int argc, char** argv) {
  using namespace espalier;
  return bench::start(argc, argv, "clean_bench [faces]", [](bench::Program& program) {
    program.at_most(1);
    Steps steps(program.number(0, 37597, 1, 100000000));
    steps.add_to(program);
    bench::Program::run();
  });
}
