// One CPU forward of the sparse-structure flow of image-large in float32, with synthetic weights:
//   structure_flow_bench [--blocks N]                with Google Benchmark
//   structure_flow_bench --serve [--blocks N]        one run for every line on standard input; bench/structure_flow.py uses
//                                                    it to take turns with PyTorch on the same machine
// A run includes the keys and values of the condition, which a generation computes only once.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "models/trellis/sparse_structure_flow.h"
#include "parallel/parallel_for.h"
#include "program.h"
#include "weights/synthetic.h"

namespace espalier {
namespace {

using Flow = SparseStructureFlow<Cpu, float>;

SparseStructureFlowConfig image_large(std::int64_t blocks) {
  SparseStructureFlowConfig c;
  c.resolution = 16;
  c.patch_size = 1;
  c.in_channels = c.out_channels = 8;
  c.transformer.channels = c.transformer.condition_channels = 1024;
  c.transformer.heads = 16;
  c.transformer.hidden = 4096;
  c.transformer.blocks = blocks;
  c.transformer.qk_rms_norm = true;
  return c;
}

View<Cpu, float, 2> synthetic(Arena<Cpu>& arena, const std::string& name, const Extents<2>& extents) {
  const auto view = arena.take<float, 2>(extents);
  if (arena.metering()) return view;
  const auto values = hashed_values("bench", name, view.size(), 1.7, 0.0);
  std::copy(values.begin(), values.end(), view.data());
  return view;
}

// One forward in `arena`; the checksum keeps results comparable between versions.
double forward(const Flow& flow, Queue<Cpu>& queue, Arena<Cpu>& arena, double& checksum) {
  const Frame<Cpu> frame(arena);
  queue.use(&arena);
  const std::int64_t side = flow.config().resolution;
  const auto x = synthetic(arena, "x", {flow.config().in_channels, flow.config().tokens()})
                     .reshape<5>({1, flow.config().in_channels, side, side, side});
  const auto condition = synthetic(arena, "condition", {1374, flow.config().transformer.condition_channels});
  const auto t = arena.take<float, 1>({1});
  if (!arena.metering()) t(0) = 700.0F;
  const auto out = arena.take<float, 5>(x.extents());
  const auto start = std::chrono::steady_clock::now();
  const auto context = flow.transformer().condition(queue, arena, condition);
  const std::vector<const Context<Cpu, float>*> contexts{&context};
  flow.forward(queue, x, t, flow.layout(queue, arena, 1), contexts, out);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  checksum = 0.0;
  for (std::int64_t i = 0; i < out.size() && !arena.metering(); ++i) checksum += std::abs(out.data()[i]);
  return seconds;
}

void run(bench::Program& program) {
  bool serve = false;
  std::int64_t blocks = 24;
  for (std::size_t i = 0; i < program.arguments().size(); ++i) {
    const std::string& option = program.arguments()[i];
    if (option == "--serve") {
      serve = true;
    } else if (option == "--blocks" && i + 1 < program.arguments().size()) {
      blocks = program.number(++i, 24, 1, 1000);
    } else {
      program.refuse();
    }
  }
  Queue<Cpu> queue;
  const auto config = image_large(blocks);
  const auto loaded = load_model<Flow>(queue, *synthetic_for<Flow>(queue, "bench", config), config);
  double checksum = 0.0;
  Arena<Cpu> meter;
  forward(*loaded->model, queue, meter, checksum);
  Arena<Cpu> arena(meter.peak(), 0, "forward");
  if (!serve) {
    program.add(
        str("structure_flow/", blocks, " blocks"), {}, [&] { forward(*loaded->model, queue, arena, checksum); },
        [&] {
          return bench::Counters{{"checksum", checksum}, {"threads", worker_count()}};
        });
    bench::Program::run();
    return;
  }
  std::string line;
  while (std::getline(std::cin, line)) {
    const double seconds = forward(*loaded->model, queue, arena, checksum);
    std::printf("%.4f s, %d threads, checksum %.6g\n", seconds, worker_count(), checksum);
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace espalier

int main(int argc, char** argv) {
  using namespace espalier;
  return bench::start(argc, argv, "structure_flow_bench [--serve] [--blocks N]", run);
}
