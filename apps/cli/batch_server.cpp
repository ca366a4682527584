#include "batch_server.h"

#include <algorithm>
#include <iomanip>
#include <random>
#include <sstream>
#include <thread>

namespace espalier::cli {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Kind = ServerFailure::Kind;

constexpr auto kPoll = 300ms;
constexpr auto kPatience = 120s;  // with a server that cannot be reached

BatchFailure failure_of(const ServerFailure& failure) { return {failure.code(), failure.what(), failure.hint()}; }

}  // namespace

ServerBatch::ServerBatch(const Settings& settings, BatchLedger& ledger, Interrupt& interrupt, ProgressPrinter& printer)
    : settings_(settings),
      ledger_(ledger),
      interrupt_(interrupt),
      printer_(printer),
      client_(settings.batch.server, settings.batch.api_key, [&] { return interrupt.requested(); }) {}

void ServerBatch::run(const std::vector<BatchTask>& tasks) {
  waiting_.assign(tasks.begin(), tasks.end());
  // What is on its way already first: it may have ended meanwhile.
  std::stable_partition(waiting_.begin(), waiting_.end(), [](const BatchTask& task) { return !task.job.empty(); });
  const auto most = static_cast<std::size_t>(settings_.batch.in_flight);
  while (!waiting_.empty() || !flying_.empty()) {
    bool taken = true;
    while (taken && flying_.size() < most && !waiting_.empty()) {
      taken = launch(waiting_.front());
      if (taken) waiting_.pop_front();
    }
    std::erase_if(flying_, [&](BatchTask& task) { return landed(task); });
    if (!waiting_.empty() || !flying_.empty()) pause(taken ? kPoll : 4 * kPoll);
  }
}

void ServerBatch::pause(std::chrono::milliseconds time) const {
  for (const auto end = Clock::now() + time; Clock::now() < end; std::this_thread::sleep_for(20ms)) {
    if (interrupt_.requested()) throw Error(ErrorCode::cancelled, "stopped on request", "run the same command to go on");
  }
}

void ServerBatch::be_patient(const ServerFailure& failure) {
  if (!lost_) lost_ = Clock::now();
  printer_.message(std::string(failure.what()) + "; trying again");
  if (Clock::now() - *lost_ < kPatience) return;
  throw Error(ErrorCode::io, failure.what(), "run the same command to go on when the server is there");
}

namespace {

std::string random_name() {
  std::random_device source;
  std::ostringstream name;
  for (int i = 0; i < 4; ++i) name << std::hex << std::setw(8) << std::setfill('0') << source();
  return name.str();
}

}  // namespace

// Whether the task has left the queue: it flies, or has failed.
bool ServerBatch::launch(BatchTask& task) {
  task.start = Clock::now();
  if (task.job.empty()) {
    task.started = time_now();
    if (task.request.empty()) task.request = random_name();
    try {
      task.job = client_.submit(task.item->images, task.options, task.request).at("id").get<std::string>();
      lost_.reset();
    } catch (const Json::exception&) {
      ledger_.failed(task, {"protocol", "the server's answer names no job", "check the address"});
      return true;
    } catch (const ServerFailure& failure) {
      if (failure.kind() == Kind::busy) return false;
      // A server that went while it was sent a job may have taken it, and then knows the request again.
      if (failure.kind() == Kind::unreachable || (failure.kind() == Kind::broken && !task.sent_again)) {
        task.sent_again = task.sent_again || failure.kind() == Kind::broken;
        be_patient(failure);
        return false;
      }
      if (failure.status() == 401 || failure.status() == 403)
        throw Error(ErrorCode::invalid_argument, failure.what(), failure.hint());
      ledger_.failed(task, failure_of(failure));
      return true;
    }
    ledger_.submitted(task);
  }
  flying_.push_back(task);
  return true;
}

// Whether the task flies no more. One whose job is gone from the server waits again.
bool ServerBatch::landed(BatchTask& task) {
  try {
    const Json job = client_.job(task.job);
    lost_.reset();
    const std::string state = job.at("state");
    if (state == "queued" || state == "running") return false;
    if (state == "done") {
      fetch(task, job);
    } else if (job.at("error").is_object()) {
      const Json& error = job["error"];
      ledger_.failed(task, {error.at("code"), error.at("message"), error.at("hint")});
    } else {
      ledger_.failed(task, {state, "the job was " + state + " on the server", "--retry sends it again"});
    }
    return true;
  } catch (const Json::exception&) {
    ledger_.failed(task, {"protocol", "the server's job is not one that this program understands",
                          "check the address, and that both programs have the same version"});
    return true;
  } catch (const ServerFailure& failure) {
    if (failure.status() == 404) {
      task.job.clear();
      waiting_.push_back(task);
      return true;
    }
    if (failure.kind() == Kind::refused) {
      ledger_.failed(task, failure_of(failure));
      return true;
    }
    be_patient(failure);
    return false;
  }
}

void ServerBatch::fetch(const BatchTask& task, const Json& job) {
  const Json& files = job.at("files");
  for (const std::string& format : settings_.formats) {
    const auto file = std::find_if(files.begin(), files.end(),
                                   [&](const Json& f) { return f.at("role") == "result" && f.at("format") == format; });
    if (file == files.end()) {
      throw ServerFailure(Kind::refused, 0, "protocol", "job " + task.job + " has no file of the format " + format,
                          "check the server's version");
    }
    client_.download(task.job, file->at("name"), ledger_.output(*task.item, format), file->at("bytes"));
  }
  ledger_.done(task, settings_.batch.server, {{"job", task.job}, {"notices", job.at("notices")}});
}

}  // namespace espalier::cli
