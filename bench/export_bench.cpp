// Times the steps of `espalier export` on a saved asset: export_bench ASSET [cpu|cuda] [views]
//
// The processor time of all threads beside the wall's shows how well a step is shared. `views` is how many baking uses (100).
// The asset of docs/performance.md comes from bench/workload_asset.py.
#include <memory>
#include <string>
#include <vector>

#include "api/asset.h"
#include "finishing/finisher.h"
#include "image/codec.h"
#include "io/formats/mesh_files.h"
#include "parallel/parallel_for.h"
#include "program.h"

namespace espalier {
namespace {

constexpr int kViews = 1000, kViewSize = 512;  // to look for hidden faces

// Every step, on what the ones before made of the asset, with the settings of FinishRequest{}.
template <class Dev>
class Steps {
 public:
  Steps(const std::string& path, int views) : path_(path), views_(views), asset_(load_asset(path)) {
    for (const OrbitCamera& orbit : sphere_cameras(kViews, 2.0F, 40.0F)) cameras_.push_back(camera_of(orbit));
  }

  void add_to(bench::Program& program) {
    program.add("read the asset", {}, [this] { benchmark::DoNotOptimize(load_asset(path_)); });
    program.add("list the GPUs", {}, [] { benchmark::DoNotOptimize(list_gpus()); });
    program.add("open a queue", {}, [] { const Queue<Dev> queue; });
    const Mesh clean = add_cleaning(program);
    program.add("unwrap", {}, [clean] { benchmark::DoNotOptimize(unwrap(clean, {}, nullptr)); });
    const auto flat = std::make_shared<const Mesh>(unwrap(clean, {}, nullptr).mesh);
    program.add("bake", {}, [this, flat] { benchmark::DoNotOptimize(baked(*flat)); });
    const Image texture = baked(*flat);
    program.add("PNG", {}, [texture] { benchmark::DoNotOptimize(encode_png(texture)); });
    const std::vector<std::byte> png = encode_png(texture);
    program.add("GLB", {}, [flat, png] {
      GlbOptions options;
      options.texture = png;
      benchmark::DoNotOptimize(encode_glb(*flat, options));
    });
  }

 private:
  template <class Make>
  Mesh step(bench::Program& program, const char* name, const Mesh& before, const Make& make) {
    program.add(name, {}, [before, make] { benchmark::DoNotOptimize(make(before)); });
    return make(before);
  }
  Mesh add_cleaning(bench::Program& program) {
    const Mesh& given = asset_.data().mesh.value();
    const std::int64_t target = faces_after(given.face_count(), 0.95);
    program.add("report of what is given", {}, [&given] { benchmark::DoNotOptimize(report_of(given)); });
    Mesh mesh = step(program, "weld", given, [](const Mesh& m) { return welded(m); });
    mesh = step(program, "duplicate faces", mesh, [](const Mesh& m) { return without_duplicate_faces(m); });
    mesh = step(program, "degenerate faces", mesh, [](const Mesh& m) { return without_degenerate_faces(m); });
    const std::int64_t working = std::max(kWorkingLeast, target * kWorkingFactor);
    mesh = step(program, "simplify to working size", mesh, [=](const Mesh& m) { return roughly_simplified(m, working); });
    const std::vector<std::int32_t> seen = visible(mesh);
    program.add("visibility", {}, [this, mesh] { benchmark::DoNotOptimize(visible(mesh)); });
    HiddenFaceOptions hidden;
    hidden.views = kViews;
    mesh = step(program, "hidden faces", mesh, [=](const Mesh& m) { return without_hidden_faces(m, seen, hidden); });
    mesh = step(program, "holes", mesh, [](const Mesh& m) { return holes_filled(m, {}); });
    mesh = step(program, "small pieces", mesh, [](const Mesh& m) { return without_small_pieces(m, {}); });
    mesh = step(program, "simplify", mesh, [=](const Mesh& m) { return simplified(m, target); });
    program.add("report of the result", {}, [mesh] { benchmark::DoNotOptimize(report_of(mesh)); });
    return mesh;
  }
  std::vector<std::int32_t> visible(const Mesh& mesh) {
    return face_visibility<Dev>(queue_, mesh, cameras_, kViewSize, nullptr);
  }
  Image baked(const Mesh& mesh) {
    SplatSource<Dev> source(queue_, asset_.data().gaussians.value());
    BakeOptions options;
    options.views = views_;
    return bake_texture(queue_, mesh, source, options, nullptr).image;
  }

  std::string path_;
  int views_;
  Asset asset_;
  Queue<Dev> queue_;
  std::vector<Camera> cameras_;
};

}  // namespace
}  // namespace espalier

int main(int argc, char** argv) {
  using namespace espalier;
  return bench::start(argc, argv, "export_bench ASSET [cpu|cuda] [views]", [](bench::Program& program) {
    program.at_most(3);
    if (program.arguments().empty()) program.refuse();
    program.on(program.text(1, "cpu"), [&]<class Dev>(std::type_identity<Dev>) {
      Steps<Dev> steps(program.text(0, ""), program.number(2, 100, 1, 100000));
      steps.add_to(program);
      bench::Program::run();
    });
  });
}
