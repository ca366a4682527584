// The process that runs jobs for a server: espalier worker.
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <deque>
#include <fstream>
#include <mutex>
#include <set>
#include <thread>

#include "espalier/diagnostics.h"
#include "job_record.h"
#include "job_work.h"
#include "metrics.h"
#include "worker_channel.h"

namespace espalier::server {

namespace {

using namespace std::chrono_literals;

constexpr int kExitFault = 3, kExitUsage = 2;
constexpr int kMostGpus = 64;

// Sends what is heard of the worker. Of the working thread.
class Reporter : public WorkerListener {
 public:
  explicit Reporter(WorkerChannel& channel) : channel_(channel) {}

  void on_models(const std::vector<ModelFacts>& models) override {
    Json list = Json::array();
    for (const ModelFacts& model : models) list.push_back(to_json(model));
    send({{"type", "models"}, {"models", list}});
  }
  void on_loaded(const ModelFacts& model) override { send({{"type", "loaded"}, {"model", to_json(model)}}); }
  void on_gpu_memory(const GpuMemory& memory) override {
    send({{"type", "gpu"}, {"free", memory.free}, {"total", memory.total}});
  }
  void on_warning(const std::string& text) override { send({{"type", "warning"}, {"text", text}}); }
  void send(const Json& message) { (void)channel_.send(message); }  // who is gone is noticed by the reading thread

 private:
  WorkerChannel& channel_;
};

// Which of the jobs that run shall end soon. Of any thread.
class Cancelled {
 public:
  void add(std::size_t task) {
    const std::scoped_lock lock(mutex_);
    tasks_.insert(task);
  }
  void clear() {
    const std::scoped_lock lock(mutex_);
    tasks_.clear();
  }
  [[nodiscard]] bool has(std::size_t task) const {
    const std::scoped_lock lock(mutex_);
    return tasks_.contains(task);
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::size_t> tasks_;
};

// Sends what is heard of a job that runs. Of the working thread.
class TaskReporter : public JobListener {
 public:
  TaskReporter(std::size_t task, Reporter& reporter, const Cancelled& cancelled)
      : task_(task), reporter_(reporter), cancelled_(cancelled) {}

  [[nodiscard]] bool cancelled() const override { return cancelled_.has(task_); }
  void on_progress(const Json& progress) override { send({{"type", "progress"}, {"progress", progress}}); }
  void on_file(const JobFile& file) override { send({{"type", "file"}, {"file", to_json(file)}}); }
  void on_dropped(const std::string& name) override { send({{"type", "dropped"}, {"name", name}}); }
  void on_stages(const std::vector<StageReport>& stages) override { send({{"type", "stages"}, {"stages", to_json(stages)}}); }
  void send(Json message) {
    message["task"] = task_;
    reporter_.send(message);
  }

 private:
  std::size_t task_;
  Reporter& reporter_;
  const Cancelled& cancelled_;
};

// The messages that wait for the working thread.
class Mailbox {
 public:
  void put(Json message) {
    {
      const std::scoped_lock lock(mutex_);
      messages_.push_back(std::move(message));
    }
    changed_.notify_one();
  }
  [[nodiscard]] Json next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !messages_.empty(); });
    Json message = std::move(messages_.front());
    messages_.pop_front();
    return message;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Json> messages_;
};

// Ends with the server: at once, since nobody will look at what would be made. Its folder is put right at the next start.
void read_messages(WorkerChannel& channel, Cancelled& cancelled, Mailbox& mailbox) {
  while (true) {
    auto message = channel.receive(60s);
    if (channel.ended()) ::_exit(0);
    if (!message) continue;
    const std::string type = type_of(*message);
    if (type == "cancel") {
      cancelled.add(message->value("task", std::size_t{0}));
    } else {
      if (type == "jobs") cancelled.clear();
      mailbox.put(*std::move(message));
    }
  }
}

// Whoever started this may have ended before it said to be told of that.
void end_with(int server) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != server) ::_exit(0);
}

// Asked to end is the server, which then ends this; a terminal or a service manager asks all at once. When memory runs out,
// jobs go before the server does.
void prepare_process() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_IGN);
  std::ofstream("/proc/self/oom_score_adj") << 500;
  keep_heaps_small();
}

int count_gpus() {
  int count = 0;
  try {
    while (count < kMostGpus && !device_in_words("cuda:" + std::to_string(count)).empty()) ++count;
  } catch (const Error&) {
    return count;  // there is no such GPU
  }
  return count;
}

// Whether the device has failed, after which nothing in its process works.
bool is_fault(const JobEnd& end) {
  return end.state == JobState::failed && end.error.is_object() && end.error.at("code") == word_of(ErrorCode::device);
}

void run_tasks(const Json& message, JobWork& work, Reporter& reporter, const Cancelled& cancelled) {
  std::vector<Assignment> assignments;
  for (const Json& job : message.at("jobs")) assignments.push_back(assignment_of(job));
  std::deque<TaskReporter> reporters;
  std::vector<JobTask> tasks;
  for (std::size_t i = 0; i < assignments.size(); ++i) {
    reporters.emplace_back(i, reporter, cancelled);
    tasks.push_back({assignments[i], reporters[i]});
  }
  work.run(tasks, [&](std::size_t i, const JobEnd& end) {
    Json sent = to_json(end);
    sent["type"] = "end";
    if (is_fault(end)) sent["fault"] = end.error.at("message");
    reporters[i].send(std::move(sent));
    if (is_fault(end)) ::_exit(kExitFault);
  });
}

int run_jobs(const WorkerOptions& options, WorkerChannel& channel) {
  Reporter reporter(channel);
  Cancelled cancelled;
  Mailbox mailbox;
  std::thread([&] { read_messages(channel, cancelled, mailbox); }).detach();  // until the process ends
  JobWork work(options, reporter);
  try {
    work.start([] { return false; });
  } catch (const Error& error) {
    reporter.send({{"type", "failed"}, {"error", to_json(error)}});
    ::_exit(1);
  }
  reporter.send({{"type", "ready"}});
  while (true) {
    const Json message = mailbox.next();
    if (type_of(message) == "unload") work.unload();
    if (type_of(message) == "jobs") run_tasks(message, work, reporter, cancelled);
  }
}

}  // namespace

bool is_worker_of_server() {
  struct stat status {};
  return ::fstat(kWorkerSocket, &status) == 0 && S_ISSOCK(status.st_mode);
}

int run_worker() {
  prepare_process();
  WorkerChannel channel(kWorkerSocket);
  const auto message = channel.receive(60s);
  if (!message) return kExitUsage;
  try {
    end_with(message->at("server").get<int>());
    if (message->at("protocol") != kWorkerProtocol || message->at("version") != version()) {
      throw Error(ErrorCode::unsupported, "the worker has the version " + version() + ", and the server another one",
                  "start the server anew");
    }
    if (type_of(*message) == "count") {
      (void)channel.send({{"type", "gpus"}, {"count", count_gpus()}});
      return 0;
    }
    return run_jobs(worker_options_of(message->at("options")), channel);
  } catch (const Error& error) {
    (void)channel.send({{"type", "failed"}, {"error", to_json(error)}});
  } catch (const Json::exception&) {
    return kExitUsage;
  }
  return 1;
}

}  // namespace espalier::server
