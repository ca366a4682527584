// What the queue costs, and how throughput grows with workers: queue_bench [JOBS] [MILLISECONDS]. Each job is recorded, taken,
// run by a worker that sleeps so long instead of computing and leaves a file of a byte, and its end recorded; the store is the
// one of `espalier serve`, in the folder for temporary files. Figures: jobs a second, the milliseconds of a worker that a job
// takes beside its sleep, and with several workers the throughput against one.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "job_runner.h"
#include "job_store.h"
#include "program.h"

namespace {

using namespace espalier::server;
using Milliseconds = std::chrono::milliseconds;
namespace fs = std::filesystem;

class Sleeper : public JobWorker {
 public:
  Sleeper(Milliseconds time, WorkerListener& listener) : time_(time), listener_(listener) {}

  void start(const std::function<bool()>& /*leaving*/) override {
    ModelFacts facts;
    facts.name = "sleep";
    listener_.on_models({facts});
    listener_.on_loaded(facts);
  }
  void run(std::span<const JobTask> tasks, const TaskEnded& ended) override {
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      std::this_thread::sleep_for(time_);
      std::ofstream(tasks[i].assignment.folder / "asset.glb") << 'x';
      tasks[i].listener.on_file({"asset.glb", "result", "glb", "model/gltf-binary", 1});
      ended(i, {});
    }
  }
  void unload() override { listener_.on_loaded({}); }
  [[nodiscard]] bool alive() override { return true; }
  [[nodiscard]] int process() const override { return 0; }

 private:
  Milliseconds time_;
  WorkerListener& listener_;
};

// A store of its own with jobs that wait.
class Load {
 public:
  Load(std::size_t workers, int jobs, Milliseconds time)
      : folder_(fs::temp_directory_path() / ("espalier-queue-" + JobStore::new_id())),
        store_(std::in_place, folder_),
        jobs_(jobs) {
    for (int i = 0; i < jobs; ++i) {
      Job job;
      job.id = JobStore::new_id();
      job.options = Json::object();
      fs::create_directory(store_->folder_of(job.id));
      store_->add(job, jobs);
    }
    hub_.watch([this](const std::string&, const Event& event) {
      if (event.last && ++ended_ == jobs_) ended_.notify_all();
    });
    options_.data = folder_;
    options_.pipeline.checkpoint = folder_ / "none";  // a name that nobody opens
    runner_.emplace(
        options_, std::vector<std::string>(workers, "cpu"), *store_, hub_, metrics_,
        [](const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); },
        [time](const WorkerOptions&, WorkerListener& listener) { return std::make_unique<Sleeper>(time, listener); });
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load() {
    runner_.reset();
    store_.reset();
    fs::remove_all(folder_);
  }

  void run() {
    runner_->start();
    for (int ended = ended_; ended < jobs_; ended = ended_) ended_.wait(ended);
    const auto counts = store_->counts();
    if (const auto done = counts.find(JobState::done); done == counts.end() || done->second != jobs_)
      throw std::runtime_error("not every job is done");
  }

 private:
  fs::path folder_;
  std::optional<JobStore> store_;
  const int jobs_;
  std::atomic<int> ended_{0};
  ServeOptions options_;
  EventHub hub_;
  Metrics metrics_;
  std::optional<JobRunner> runner_;
};

}  // namespace

int main(int argc, char** argv) {
  return espalier::bench::start(argc, argv, "queue_bench [JOBS] [MILLISECONDS]", [](espalier::bench::Program& program) {
    program.at_most(2);
    const int jobs = program.number(0, 200, 1, 100'000), time = program.number(1, 50, 0, 60'000);
    double of_one = 0.0;  // jobs a second
    for (const int workers : {1, 2, 4}) {
      benchmark::RegisterBenchmark(("queue/" + std::to_string(workers)).c_str(),
                                   [=, &of_one](benchmark::State& state) {
                                     double seconds = 0.0;
                                     for ([[maybe_unused]] auto _ : state) {
                                       Load load(static_cast<std::size_t>(workers), jobs, Milliseconds(time));
                                       const auto begin = std::chrono::steady_clock::now();
                                       load.run();
                                       seconds =
                                           std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
                                       state.SetIterationTime(seconds);
                                     }
                                     const double rate = jobs / seconds;
                                     if (workers == 1) of_one = rate;
                                     state.counters["jobs_per_s"] = rate;
                                     state.counters["overhead_ms"] = 1000.0 * seconds * workers / jobs - time;
                                     if (of_one > 0.0) state.counters["against_one"] = rate / of_one;
                                   })
          ->UseManualTime()
          ->Unit(benchmark::kMillisecond);
    }
    espalier::bench::Program::run();
  });
}
