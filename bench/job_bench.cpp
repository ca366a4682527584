// How honest progress is, and how soon a job can be stopped: job_bench DEVICE FILE... finishes each file of --save-asset, or
// generates from each .png with models/sprout, and prints the remaining time that was announced at a quarter, half and three
// quarters of the job against the time that it took from there, the worst ratio from a quarter on, and for each stage the
// longest time between two looks at the request to stop (wall, and processor time of all threads).
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <exception>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "espalier/espalier.h"

namespace {

using namespace espalier;
using Clock = std::chrono::steady_clock;

struct Announced {
  double elapsed, left;
};
struct Gap {
  double wall = 0.0, processor = 0.0;
};

class Watch {
 public:
  Observer observer() {
    return {.progress =
                [this](const Progress& p) {
                  stage_ = p.stage;
                  announced_.push_back({elapsed(), p.seconds_left});
                },
            .cancelled =
                [this] {
                  const std::lock_guard lock(mutex_);
                  const double wall = elapsed(), processor = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
                  Gap& gap = gaps_[stage_];
                  if (wall - wall_ > gap.wall) gap = {wall - wall_, processor - processor_};
                  wall_ = wall;
                  processor_ = processor;
                  ++looks_;
                  return false;
                }};
  }
  void restart() {
    start_ = Clock::now();
    processor_ = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  }
  void print(const std::string& name) const {
    const double total = elapsed();
    std::printf("%s: %.1f s, %lld looks\n  left at 1/4, 1/2, 3/4:", name.c_str(), total, static_cast<long long>(looks_));
    for (const double share : {0.25, 0.5, 0.75}) {
      const auto at =
          std::find_if(announced_.begin(), announced_.end(), [&](const Announced& a) { return a.elapsed >= share * total; });
      if (at != announced_.end()) std::printf("  %.1f (true %.1f)", at->left, total - at->elapsed);
    }
    // In the last moments any ratio is large and means nothing.
    double worst = 1.0;
    for (const Announced& a : announced_) {
      if (a.elapsed < 0.25 * total || a.elapsed > 0.95 * total) continue;
      const double ratio = std::max(a.left, 1e-3) / (total - a.elapsed);
      if (std::abs(std::log(ratio)) > std::abs(std::log(worst))) worst = ratio;
    }
    std::printf("  worst ratio %.2f\n", worst);
    for (const auto& [stage, gap] : gaps_)
      std::printf("  %-24s longest gap %.3f s (%.3f s of processor)\n", std::string(stage_title(stage)).c_str(), gap.wall,
                  gap.processor);
    std::fflush(stdout);
  }

 private:
  [[nodiscard]] double elapsed() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  Clock::time_point start_ = Clock::now();
  std::mutex mutex_;
  Stage stage_ = Stage::encode_image;
  std::vector<Announced> announced_;
  std::map<Stage, Gap> gaps_;
  double wall_ = 0.0, processor_ = 0.0;
  std::int64_t looks_ = 0;
};

void run(const std::string& device, const std::string& file) {
  FinishRequest finishing;
  Watch watch;
  if (file.ends_with(".png")) {
    Pipeline pipeline({.checkpoint = "models/sprout", .device = device});
    watch.restart();
    (void)pipeline.generate({.images = {file}, .finish = finishing}, watch.observer());
  } else {
    const Asset asset = load_asset(file);
    watch.restart();
    (void)finish(asset, finishing, device, watch.observer());
  }
  watch.print(file);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    for (int i = 2; i < argc; ++i) run(argv[1], argv[i]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "job_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
