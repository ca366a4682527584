// espalier worker --queue: a process that runs jobs of a fleet, by the same runner that a single server has.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <thread>

#include "fleet.h"
#include "fleet_control.h"
#include "fleet_queue.h"
#include "fleet_scripts.h"
#include "job_runner.h"
#include "job_watch.h"
#include "worker_channel.h"
#include "worker_process.h"

namespace espalier::server {

namespace fs = std::filesystem;

namespace {

using namespace std::chrono_literals;
using Reporter = std::function<void(const std::string&)>;

// A folder of this process below the data folder: several workers of one machine may be given the same. A number that is free
// again is taken again, with what was learned there of how long stages take.
class WorkerFolder {
 public:
  explicit WorkerFolder(const fs::path& data) {
    std::error_code error;
    fs::create_directories(data, error);
    for (int i = 0; !error && i < 1000; ++i) {
      path_ = data / ("worker-" + std::to_string(i));
      fs::create_directory(path_, error);
      if (!error) fs::permissions(path_, fs::perms::owner_all, error);
      lock_ = ::open((path_ / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      if (lock_ < 0) break;
      if (::flock(lock_, LOCK_EX | LOCK_NB) == 0) return;
      ::close(std::exchange(lock_, -1));
    }
    throw Error(ErrorCode::io, "cannot use " + data.string() + (error ? ": " + error.message() : std::string()),
                "choose another folder with --data");
  }
  WorkerFolder(const WorkerFolder&) = delete;
  WorkerFolder& operator=(const WorkerFolder&) = delete;
  ~WorkerFolder() { ::close(lock_); }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  int lock_ = -1;
};

// Machine and process, and something that tells it from an earlier process of the same number.
std::string new_name() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  std::string name;
  for (const char c : std::string(host.data()).substr(0, 60)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    name += plain ? c : '-';
  }
  return (name.empty() ? "worker" : name) + "-" + std::to_string(::getpid()) + "-" + JobStore::new_id().substr(0, 4);
}

// Says every few seconds that this worker is there, and what it can do.
class Announcer {
 public:
  Announcer(std::string name, Redis& redis, const JobRunner& runner) : name_(std::move(name)), redis_(redis), runner_(runner) {}

  void announce() {
    WorkerReport report{runner_.lanes(), {}, runner_.loaded()};
    std::vector<std::string> arguments{name_, "", std::to_string(kWorkerSilence)};
    for (const ModelFacts& model : runner_.models()) {
      report.models.push_back(model.name);
      arguments.push_back(model.name);
      arguments.push_back(text_of(to_json(model)));
    }
    arguments[1] = text_of(report);
    try {
      (void)redis_.run(fleet_scripts().announce, arguments);
    } catch (const FleetError&) {
      return;  // the queue says so
    }
  }
  void leave() {
    try {
      (void)redis_.run(fleet_scripts().announce, {name_, "", "1"});
    } catch (const FleetError&) {
      return;  // it is missed soon
    }
  }

 private:
  const std::string name_;
  Redis& redis_;
  const JobRunner& runner_;
};

void write_log(const std::string& line) {
  const std::string whole = line + "\n";
  std::fwrite(whole.data(), 1, whole.size(), stderr);
}

}  // namespace

void work_for_fleet(const ServeOptions& options, const std::function<bool()>& stopped, const Reporter& report,
                    const Reporter& warn_people) {
  const bool as_json = options.log == LogFormat::json;
  const auto warn = [&](const std::string& text) { as_json ? write_log(log_line("warning", text)) : warn_people(text); };
  keep_heaps_small();
  const WorkerFolder folder(options.data);
  Fleet fleet(options, folder.path() / "fetched", warn);
  const std::string name = new_name();
  FleetQueue queue({name, folder.path() / "scratch", options.lease_seconds}, fleet.redis(), fleet.files(), warn);
  EventHub hub;
  Metrics metrics;
  JobWatch watch(metrics, as_json ? write_log : Reporter());
  hub.watch([&](const std::string& job, const Event& event) {
    watch.see(job, event);
    if (event.name == "progress") queue.note_progress(job, event.data);
  });
  ServeOptions own = options;
  own.data = folder.path();
  std::vector<std::string> devices;
  if (!options.workers.empty()) devices = devices_of_workers(options.workers, options.pipeline.device);
  JobRunner runner(own, devices, queue, hub, metrics, warn);
  queue.begin(
      [&] {
        std::vector<std::string> names;
        for (const ModelFacts& model : runner.known_models()) names.push_back(model.name);
        return names;
      },
      [&](const std::string& id) { return runner.cancel(id); });
  Announcer announcer(name, fleet.redis(), runner);
  runner.start();
  bool said = false;
  auto next = std::chrono::steady_clock::now();
  while (!stopped() && !runner.failure()) {
    if (runner.ready() && !said) {
      announcer.announce();
      report(name);
      if (as_json) write_log(log_line("working", name));
      said = true;
    }
    if (said && std::chrono::steady_clock::now() >= next) {
      announcer.announce();
      next = std::chrono::steady_clock::now() + 2s;
    }
    std::this_thread::sleep_for(50ms);
  }
  runner.interrupt();
  runner.stop();
  queue.stop();
  if (said) announcer.leave();
  if (as_json) write_log(log_line("stopped", "a job that ran waits for another worker"));
  if (runner.failure()) std::rethrow_exception(runner.failure());
}

}  // namespace espalier::server
