// espalier batch: an asset of each item of a list, here or on a server. What the manifest says is done is not done again.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <deque>
#include <optional>
#include <thread>

#include "batch_list.h"
#include "batch_manifest.h"
#include "commands.h"
#include "generate.h"
#include "interrupt.h"
#include "outputs.h"
#include "places.h"
#include "progress.h"
#include "server/serve.h"
#include "server_client.h"
#include "text.h"

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kPoll = 300ms;
constexpr auto kPatience = 120s;  // with a server that cannot be reached

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Failed {
  std::string name, code, message, hint;
};

// One run of the command: what is to be done, and how it is going.
class Batch {
 public:
  explicit Batch(const Settings& settings)
      : settings_(settings),
        printer_(settings.quiet),
        items_(batch_items(settings.batch.list)),
        manifest_(settings.batch.out) {}

  int run() {
    const auto start = Clock::now();
    for (const BatchItem& item : items_) consider(item);
    if (!settings_.batch.server.empty()) {
      run_on_server();
    } else {
      run_here();
    }
    printer_.clear();
    report(seconds_since(start));
    return failed_.empty() ? 0 : 1;
  }

 private:
  struct Task {
    const BatchItem* item;
    Json inputs;          // path and sha256 of each image
    std::string options;  // JSON of a job
    std::string job{};    // that an earlier run has sent off
    std::string started{};
    Clock::time_point start{};
  };

  [[nodiscard]] Settings settings_of(const BatchItem& item) const {
    Settings one = settings_;
    one.images = item.images;
    one.name = item.name;
    if (item.seed) one.seed = *item.seed;
    one.outputs.clear();
    for (const std::string& format : settings_.formats) one.outputs.push_back(output(item, format));
    return one;
  }
  [[nodiscard]] fs::path output(const BatchItem& item, const std::string& format) const {
    return settings_.batch.out / (item.name + "." + format);
  }
  // Results are the same when this is, and the images are.
  [[nodiscard]] std::string settings_hash(const std::string& options) const {
    return sha256_of_text(options + "\n" + (settings_.batch.server.empty() ? settings_.model.string() : ""));
  }

  Json line(const Task& task, const char* state) const {
    return {{"name", task.item->name},
            {"state", state},
            {"inputs", task.inputs},
            {"settings", settings_hash(task.options)},
            {"options", Json::parse(task.options)}};
  }
  void record(const Json& entry) {
    const Interrupt::Critical critical(interrupt_);
    manifest_.append(entry);
  }
  void say(const Task& task, const std::string& what) {
    printer_.clear();
    if (!settings_.quiet)
      std::fprintf(stderr, "[%zu/%zu] %s: %s\n", ++ended_, items_.size(), task.item->name.c_str(), one_line(what).c_str());
  }

  void fail(const Task& task, const Failed& why) {
    Json entry = line(task, "failed");
    entry["error"] = {{"code", why.code}, {"message", why.message}, {"hint", why.hint}};
    entry["started"] = task.started;
    entry["finished"] = time_now();
    record(entry);
    failed_.push_back(why);
    say(task, "failed: " + why.message);
  }
  void finish(const Task& task, const std::string& where, const Json& more) {
    Json entry = line(task, "done");
    entry["files"] = Json::array();
    for (const std::string& format : settings_.formats) {
      const fs::path path = output(*task.item, format);
      entry["files"].push_back(
          {{"name", path.filename().string()}, {"bytes", size_of(path)}, {"sha256", sha256_of_file(path)}});
    }
    entry["where"] = where;
    entry["started"] = task.started;
    entry["finished"] = time_now();
    entry["seconds"] = std::round(seconds_since(task.start) * 1000.0) / 1000.0;
    entry.update(more);
    record(entry);
    ++done_;
    say(task, "done in " + duration(seconds_since(task.start)));
  }

  // Whether every file that the manifest names is there as it was written.
  [[nodiscard]] bool whole(const Json& entry) const {
    const Json files = entry.value("files", Json::array());
    return !files.empty() && std::all_of(files.begin(), files.end(), [&](const Json& file) {
      const fs::path path = settings_.batch.out / fs::path(file.value("name", std::string())).filename();
      std::error_code ignored;
      return fs::is_regular_file(path, ignored) && size_of(path) == file.value("bytes", std::uint64_t{0}) &&
             sha256_of_file(path) == file.value("sha256", std::string());
    });
  }

  // Puts an item among the tasks, unless an earlier run has ended it.
  void consider(const BatchItem& item) {
    Task task{.item = &item, .inputs = Json::array(), .options = server::job_options_text(settings_of(item))};
    try {
      for (const fs::path& image : item.images) {
        check_readable(image, "image");
        task.inputs.push_back({{"path", image.string()}, {"sha256", sha256_of_file(image)}});
      }
    } catch (const Error& error) {
      task.started = time_now();
      return fail(task, {item.name, server::word_of(error.code()), std::string(error.message()), std::string(error.hint())});
    }
    const Json* const before = manifest_.last(item.name);
    const bool same = before != nullptr && before->value("settings", std::string()) == settings_hash(task.options) &&
                      hashes(before->value("inputs", Json::array())) == hashes(task.inputs);
    if (same) {
      const std::string state = (*before)["state"];
      if (state == "done" && whole(*before)) {
        ++skipped_;
        ++ended_;
        return;
      }
      if (state == "failed" && !settings_.batch.retry) {
        const Json error = before->value("error", Json::object());
        failed_.push_back({item.name, error.value("code", std::string()), error.value("message", std::string()),
                           "an earlier run; --retry does it again"});
        ++ended_;
        return;
      }
      if (state == "submitted" && before->value("server", std::string()) == settings_.batch.server) {
        task.job = before->value("job", std::string());
        task.started = before->value("started", std::string());
      }
    }
    tasks_.push_back(std::move(task));
  }
  static Json hashes(const Json& inputs) {
    Json list = Json::array();
    for (const Json& input : inputs) list.push_back(input.value("sha256", std::string()));
    return list;
  }

  // ---- Here

  void run_here() {
    std::optional<Pipeline> pipeline;
    for (Task& task : tasks_) {
      task.started = time_now();
      task.start = Clock::now();
      try {
        make(task, pipeline);
      } catch (const Error& error) {
        if (error.code() == ErrorCode::cancelled) throw;
        if (error.code() == ErrorCode::device) pipeline.reset();  // what a GPU did wrong may stay with the process' context
        fail(task, {task.item->name, server::word_of(error.code()), std::string(error.message()), std::string(error.hint())});
      }
    }
  }

  void make(const Task& task, std::optional<Pipeline>& pipeline) {
    const Settings one = settings_of(*task.item);
    for (const fs::path& image : one.images) Pipeline::check_picture(image);
    const Request request = request_of(one);
    if (!pipeline) pipeline.emplace(pipeline_options(settings_, find_checkpoint(settings_)));
    const Observer observer{.progress = [&](const Progress& progress) { printer_.show(progress); },
                            .cancelled = [&] { return interrupt_.requested(); }};
    const Asset asset = pipeline->generate(request, observer);
    (void)save_all(asset, one, interrupt_, observer);
    finish(task, pipeline->device(), {{"notices", asset.notices()}});
  }

  // ---- On a server

  void run_on_server() {
    ServerClient client(settings_.batch.server, settings_.batch.api_key, [&] { return interrupt_.requested(); });
    std::deque<Task> waiting(tasks_.begin(), tasks_.end());
    // What is on its way already first: it may have ended meanwhile.
    std::stable_partition(waiting.begin(), waiting.end(), [](const Task& task) { return !task.job.empty(); });
    std::vector<Task> flying;
    const auto most = static_cast<std::size_t>(settings_.batch.in_flight);
    while (!waiting.empty() || !flying.empty()) {
      bool sent = true;
      while (sent && flying.size() < most && !waiting.empty()) {
        sent = launch(client, waiting.front(), flying);
        if (sent) waiting.pop_front();
      }
      std::erase_if(flying, [&](Task& task) { return landed(client, task, waiting); });
      pause(sent ? kPoll : 4 * kPoll);
    }
  }

  void pause(std::chrono::milliseconds time) {
    for (const auto end = Clock::now() + time; Clock::now() < end; std::this_thread::sleep_for(20ms)) {
      if (interrupt_.requested()) throw Error(ErrorCode::cancelled, "stopped on request", "run the same command to go on");
    }
  }

  // A server that cannot be reached for long ends the batch, to be resumed.
  void be_patient(const ServerFailure& failure) {
    if (!lost_) lost_ = Clock::now();
    printer_.message(std::string(failure.what()) + "; trying again");
    if (Clock::now() - *lost_ < kPatience) return;
    throw Error(ErrorCode::io, failure.what(), "run the same command to go on when the server is there");
  }

  // Whether the task has left the queue: it flies, or has failed.
  bool launch(ServerClient& client, Task& task, std::vector<Task>& flying) {
    task.start = Clock::now();
    if (task.job.empty()) {
      task.started = time_now();
      try {
        const Json job = client.submit(task.item->images, task.options);
        task.job = job.contains("id") && job["id"].is_string() ? job["id"].get<std::string>() : "";
        lost_.reset();
      } catch (const ServerFailure& failure) {
        if (failure.kind() == ServerFailure::Kind::busy) return false;
        if (failure.kind() == ServerFailure::Kind::unreachable) {
          be_patient(failure);
          return false;
        }
        if (failure.status() == 401 || failure.status() == 403) {
          throw Error(ErrorCode::invalid_argument, failure.what(), failure.hint());
        }
        fail(task, {task.item->name, failure.code(), failure.what(), failure.hint()});
        return true;
      }
      Json entry = line(task, "submitted");
      entry["server"] = settings_.batch.server;
      entry["job"] = task.job;
      entry["started"] = task.started;
      record(entry);
    }
    flying.push_back(task);
    return true;
  }

  // Whether the task has ended. One whose job is gone from the server waits once more.
  bool landed(ServerClient& client, Task& task, std::deque<Task>& waiting) {
    try {
      const Json job = client.job(task.job);
      lost_.reset();
      const std::string state = job.value("state", std::string());
      if (state == "queued" || state == "running") return false;
      if (state != "done") {
        const Json error = job.contains("error") && job["error"].is_object() ? job["error"] : Json::object();
        fail(task, {task.item->name, error.value("code", state), error.value("message", "the job was cancelled on the server"),
                    error.value("hint", std::string())});
        return true;
      }
      fetch(client, task, job);
      return true;
    } catch (const Json::exception&) {
      fail(task, {task.item->name, "protocol", "the job of the server is not one that this program understands",
                  "check the address, and that both programs have the same version"});
      return true;
    } catch (const ServerFailure& failure) {
      if (failure.status() == 404) {
        task.job.clear();
        waiting.push_back(task);
        return true;
      }
      if (failure.kind() == ServerFailure::Kind::refused) {
        fail(task, {task.item->name, failure.code(), failure.what(), failure.hint()});
        return true;
      }
      be_patient(failure);
      return false;
    }
  }

  void fetch(ServerClient& client, const Task& task, const Json& job) {
    for (const std::string& format : settings_.formats) {
      const Json files = job.value("files", Json::array());
      const auto file = std::find_if(files.begin(), files.end(), [&](const Json& f) {
        return f.value("role", std::string()) == "result" && f.value("format", std::string()) == format;
      });
      if (file == files.end()) {
        throw ServerFailure(ServerFailure::Kind::refused, 0, "protocol",
                            "job " + task.job + " has no file of the format " + format, "check the server's version");
      }
      client.download(task.job, file->value("name", std::string()), output(*task.item, format),
                      file->value("bytes", std::uint64_t{0}));
    }
    finish(task, settings_.batch.server, {{"job", task.job}, {"notices", job.value("notices", Json::array())}});
  }

  // ---- The end

  void report(double seconds) const {
    if (settings_.json) {
      Json failed = Json::array();
      for (const Failed& f : failed_)
        failed.push_back({{"name", f.name}, {"code", f.code}, {"message", f.message}, {"hint", f.hint}});
      const Json report{{"items", items_.size()}, {"done", done_},      {"skipped", skipped_},
                        {"failed", failed},       {"seconds", seconds}, {"manifest", manifest_.path().string()}};
      std::printf("%s\n", report.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
      return;
    }
    if (!settings_.quiet) {
      std::printf("%zu of %zu made in %s, %zu were there already, %zu failed; %s\n", done_, items_.size(),
                  duration(seconds).c_str(), skipped_, failed_.size(), manifest_.path().c_str());
    }
    for (const Failed& f : failed_) {
      std::fprintf(stderr, "espalier: %s: %s%s%s\n", f.name.c_str(), one_line(f.message).c_str(), f.hint.empty() ? "" : "; ",
                   one_line(f.hint).c_str());
    }
  }

  const Settings& settings_;
  Interrupt interrupt_;
  ProgressPrinter printer_;
  std::vector<BatchItem> items_;
  Manifest manifest_;
  std::vector<Task> tasks_;
  std::vector<Failed> failed_;
  std::size_t done_ = 0, skipped_ = 0, ended_ = 0;
  std::optional<Clock::time_point> lost_;  // since when the server has not answered
};

}  // namespace

int batch(const Settings& settings) {
  if (settings.batch.list.empty()) throw UsageError("no list is given; name a folder of images or a .csv file");
  if (settings.batch.out.empty()) throw UsageError("no folder for the results is given; name one with --out");
  if (settings.background.size() > 1) throw UsageError("--background takes one value for all images of a batch");
  Batch run(settings);
  return run.run();
}

}  // namespace espalier::cli
