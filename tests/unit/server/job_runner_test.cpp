// Jobs and lanes, with workers that compute nothing.
#include "job_runner.h"

#include <gtest/gtest.h>

#include <barrier>
#include <filesystem>

#include "job_store.h"

namespace espalier::server {
namespace {

using Work = std::function<JobEnd(const Job& job)>;

// Is lost when its work throws WorkerLost, and starts again.
class StubWorker : public JobWorker {
 public:
  StubWorker(Work work, WorkerListener& listener) : work_(std::move(work)), listener_(listener) {}

  void start(const std::function<bool()>& /*leaving*/) override {
    alive_ = true;
    ModelFacts facts;
    facts.name = "stub";
    listener_.on_models({facts});
    listener_.on_loaded(facts);
    listener_.on_gpu_memory({5, 7});
  }
  void run(std::span<const JobTask> tasks, const TaskEnded& ended) override {
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      try {
        ended(i, work_(tasks[i].assignment.job));
      } catch (const WorkerLost&) {
        alive_ = false;
        throw;
      }
    }
  }
  void unload() override { listener_.on_loaded({}); }
  [[nodiscard]] bool alive() override { return alive_; }
  [[nodiscard]] int process() const override { return 0; }

 private:
  Work work_;
  WorkerListener& listener_;
  bool alive_ = false;
};

class Lanes : public ::testing::Test {
 protected:
  ~Lanes() override { std::filesystem::remove_all(folder_); }

  std::string add() {
    Job job;
    job.id = JobStore::new_id();
    job.options = Json::object();
    std::filesystem::create_directory(store_.folder_of(job.id));
    return store_.add(job, 1000);
  }
  // All jobs, to their ends.
  void run(std::size_t workers, int jobs, const Work& work) {
    std::atomic<int> ended{0};
    hub_.watch([&](const std::string&, const Event& event) {
      if (event.last && ++ended == jobs) ended.notify_all();
    });
    ServeOptions options;
    options.data = folder_;
    options.pipeline.checkpoint = folder_ / "none";
    JobRunner runner(
        options, std::vector<std::string>(workers, "cpu"), store_, hub_, metrics_, [](const std::string&) {},
        [&work](const WorkerOptions&, WorkerListener& listener) { return std::make_unique<StubWorker>(work, listener); });
    runner.start();
    for (int seen = ended; seen < jobs; seen = ended) ended.wait(seen);
    for (const WorkerState& lane : runner.lanes()) {
      EXPECT_EQ(lane.gpu.total, 7U) << lane.name;
    }
  }

  const std::filesystem::path folder_ = std::filesystem::path(::testing::TempDir()) / ("lanes-" + JobStore::new_id());
  JobStore store_{folder_};
  EventHub hub_;
  Metrics metrics_;
};

TEST_F(Lanes, EveryWorkerHasAJobAtTheSameTime) {
  constexpr int kWorkers = 4, kJobs = 12;
  for (int i = 0; i < kJobs; ++i) add();
  std::barrier all(kWorkers);  // nobody passes it alone
  run(kWorkers, kJobs, [&](const Job&) {
    all.arrive_and_wait();
    return JobEnd{};
  });
  EXPECT_EQ(store_.counts().at(JobState::done), kJobs);
}

TEST_F(Lanes, AJobThatLosesItsWorkerIsTriedOnceMore) {
  const std::string unlucky = add(), fatal = add(), harmless = add();
  std::mutex mutex;
  std::map<std::string, int> begun;
  run(1, 3, [&](const Job& job) {
    const std::scoped_lock lock(mutex);
    const int times = ++begun[job.id];
    if (job.id == fatal || (job.id == unlucky && times == 1)) throw WorkerLost("it fell over");
    return JobEnd{};
  });
  EXPECT_EQ(begun, (std::map<std::string, int>{{unlucky, 2}, {fatal, 2}, {harmless, 1}}));
  EXPECT_EQ(store_.find(unlucky)->state, JobState::done);
  EXPECT_EQ(store_.find(harmless)->state, JobState::done);
  const auto lost = store_.find(fatal);
  EXPECT_EQ(lost->state, JobState::failed);
  EXPECT_EQ(lost->error.at("code"), "interrupted");
  EXPECT_NE(lost->error.at("message").get<std::string>().find("it fell over"), std::string::npos);
}

}  // namespace
}  // namespace espalier::server
