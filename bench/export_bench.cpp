// Times the steps of `espalier export` on a saved asset: export_bench ASSET [cpu|cuda] [repetitions] [views]
//
// Prints medians: seconds on the wall, and seconds of processor time of all threads beside it, which tell how well a step is
// shared. `views` is how many baking looks at (100). The asset of docs/performance.md comes from bench/workload_asset.py.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/asset.h"
#include "finishing/finish_impl.h"
#include "image/codec.h"
#include "io/formats/mesh_files.h"
#include "parallel/parallel_for.h"

namespace espalier {
namespace {

class Table {
 public:
  void time(const std::string& name, const std::function<void()>& work) {
    const std::clock_t processor = std::clock();
    const auto begin = std::chrono::steady_clock::now();
    work();
    add(name, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(),
        static_cast<double>(std::clock() - processor) / CLOCKS_PER_SEC);
  }
  void add(const std::string& name, double wall, double processor) {
    const auto known = std::find_if(rows_.begin(), rows_.end(), [&](const Row& row) { return row.name == name; });
    Row& row = known != rows_.end() ? *known : rows_.emplace_back(Row{name, {}, {}});
    row.wall.push_back(wall);
    row.processor.push_back(processor);
  }
  void print() {
    double wall = 0, processor = 0;
    std::printf("%-34s %8s %10s\n", "step", "wall s", "processor s");
    for (Row& row : rows_) {
      std::printf("%-34s %8.3f %10.3f\n", row.name.c_str(), median(row.wall), median(row.processor));
      wall += median(row.wall);
      processor += median(row.processor);
    }
    std::printf("%-34s %8.3f %10.3f\n", "all of it", wall, processor);
  }

 private:
  struct Row {
    std::string name;
    std::vector<double> wall, processor;
  };
  static double median(std::vector<double>& values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  }
  std::vector<Row> rows_;
};

// Tells the parts of unwrapping apart by the percentages that it reports.
class UnwrapParts final : public Monitor {
 public:
  explicit UnwrapParts(Table& table) : table_(table) {}
  void progress(int done, int /*total*/) const override {
    const auto now = std::chrono::steady_clock::now();
    const std::clock_t processor = std::clock();
    if (done > 0) {
      table_.add("unwrap: up to " + std::to_string(done) + " %", std::chrono::duration<double>(now - last_).count(),
                 static_cast<double>(processor - last_processor_) / CLOCKS_PER_SEC);
    }
    last_ = now;
    last_processor_ = processor;
  }
  [[nodiscard]] bool cancelled() const override { return false; }

 private:
  Table& table_;
  mutable std::chrono::steady_clock::time_point last_;
  mutable std::clock_t last_processor_ = 0;
};

struct Seen {
  std::vector<std::int32_t> counts;
  static constexpr int kViews = 1000, kSize = 512;
};

// The steps of cleaned(), with the settings of FinishRequest{}.
Mesh clean_steps(const Mesh& given, const std::function<Seen(const Mesh&)>& look, Table& table) {
  const std::int64_t target = faces_after(given.face_count(), 0.95);
  Mesh mesh;
  table.time("report of what is given", [&] { (void)report_of(given); });
  table.time("weld", [&] { mesh = welded(given); });
  table.time("duplicate faces", [&] { mesh = without_duplicate_faces(mesh); });
  table.time("degenerate faces", [&] { mesh = without_degenerate_faces(mesh); });
  const std::int64_t working = std::max(kWorkingLeast, target * kWorkingFactor);
  table.time("simplify to working size", [&] { mesh = roughly_simplified(mesh, working); });
  Seen seen;
  table.time("look from all around", [&] { seen = look(mesh); });
  HiddenFaceOptions hidden;
  hidden.views = Seen::kViews;
  table.time("hidden faces", [&] { mesh = without_hidden_faces(mesh, seen.counts, hidden); });
  table.time("holes", [&] { mesh = holes_filled(mesh, {}); });
  table.time("small pieces", [&] { mesh = without_small_pieces(mesh, {}); });
  table.time("simplify", [&] { mesh = simplified(mesh, target); });
  table.time("report of the result", [&] { (void)report_of(mesh); });
  return mesh;
}

template <class Dev>
void run(const char* path, int views, Table& table) {
  Asset asset;
  table.time("read the asset", [&] { asset = load_asset(path); });
  const Asset::Data& data = asset.data();
  table.time("look at the cards", [] { (void)list_cards(); });
  std::unique_ptr<Queue<Dev>> made;
  table.time("open a queue", [&] { made = std::make_unique<Queue<Dev>>(); });
  Queue<Dev>& queue = *made;
  std::vector<Camera> cameras;
  for (const OrbitCamera& orbit : sphere_cameras(Seen::kViews, 2.0F, 40.0F)) cameras.push_back(camera_of(orbit));
  const Mesh clean = clean_steps(
      data.mesh.value(),
      [&](const Mesh& mesh) { return Seen{face_visibility<Dev>(queue, mesh, cameras, Seen::kSize, nullptr)}; }, table);
  const UnwrapParts parts(table);
  const Unwrapped flat = unwrap(clean, {}, &parts);
  BakedTexture baked;
  table.time("bake", [&] {
    SplatSource<Dev> source(queue, data.gaussians.value());
    BakeOptions options;
    options.views = views;
    baked = bake_texture(queue, flat.mesh, source, options, nullptr);
  });
  std::vector<std::byte> png;
  table.time("PNG", [&] { png = encode_png(baked.picture); });
  table.time("GLB", [&] {
    GlbOptions options;
    options.texture = png;
    (void)encode_glb(flat.mesh, options);
  });
}

}  // namespace
}  // namespace espalier

int main(int argc, char** argv) {
  using namespace espalier;
  const std::string device = argc > 2 ? argv[2] : "cpu";
  const auto number = [&](int at, int otherwise) { return argc > at ? std::max(1, std::stoi(argv[at])) : otherwise; };
  if (argc < 2 || (device != "cpu" && (device != "cuda" || !built_with_cuda()))) {
    std::fprintf(stderr, "usage: export_bench ASSET [cpu|cuda] [repetitions] [views]; cuda needs a build with CUDA\n");
    return 2;
  }
  try {
    Table table;
    for (int i = 0; i < number(3, 1); ++i) {
#ifdef ESPALIER_WITH_CUDA
      if (device == "cuda") run<Cuda>(argv[1], number(4, 100), table);
#endif
      if (device == "cpu") run<Cpu>(argv[1], number(4, 100), table);
    }
    std::printf("%s, %d cores\n", device.c_str(), worker_count());
    table.print();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "export_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
