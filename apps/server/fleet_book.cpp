#include "fleet_book.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "fleet_scripts.h"
#include "job_record.h"

namespace espalier::server {

namespace fs = std::filesystem;

namespace {

using namespace std::chrono_literals;

std::string key(const std::string& name) { return kFleetPrefix + name; }

std::string now() { return timestamp(std::chrono::system_clock::now()); }

std::int64_t now_in_milliseconds() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string member(const Json& options, const char* name) {
  const auto found = options.find(name);
  return found != options.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// Who sends more than the fleet does has to wait; for how long is a guess from how many jobs run.
[[noreturn]] void full(int max_queue) {
  throw HttpError(503, "queue_full", "the queue of the fleet is full (--max-queue " + std::to_string(max_queue) + ")",
                  "try again later, or add workers")
      .with("Retry-After", "10");
}

[[noreturn]] void conflict(const std::string& what, const std::string& hint) { throw HttpError(409, "conflict", what, hint); }

RedisReply refuse_add(const std::string& word, const Job& job, int max_queue, const Allowance& allowance) {
  if (word == "full") full(max_queue);
  if (word == "parent") throw HttpError(404, "not_found", "job " + job.parent + " is gone", "list the jobs again");
  if (word == "conflict")
    conflict("another request with this Idempotency-Key said something else",
             "send a new key with every new request, and the same only when one is sent again");
  if (word == "share") {
    throw HttpError(429, "queue_full",
                    "the key " + job.owner + " has " + std::to_string(allowance.waiting) +
                        " jobs that wait, which is its share of the queue",
                    "try again when one of them has begun");
  }
  if (word == "quota") {
    const auto time = std::chrono::system_clock::now();
    const auto left = std::chrono::ceil<std::chrono::days>(time) - time;
    throw HttpError(429, "quota_exceeded",
                    "the key " + job.owner + " has sent its " + std::to_string(allowance.jobs_a_day) + " jobs of today (UTC)",
                    "try again tomorrow")
        .with("Retry-After", std::to_string(std::chrono::duration_cast<std::chrono::seconds>(left).count() + 1));
  }
  fail_answer("a new job");
}

}  // namespace

FleetBook::FleetBook(fs::path folder, Redis& redis, FleetFiles& files)
    : folder_(std::move(folder)), redis_(redis), files_(files) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (!error) lock_folder();
  // What was on its way when a server ended went nowhere.
  for (const fs::path& own : {folder_ / "new", incoming()}) {
    if (!error) fs::remove_all(own, error);
    if (!error) fs::create_directory(own, error);
    if (!error) fs::permissions(own, fs::perms::owner_all, error);
  }
  if (error)
    throw Error(ErrorCode::io, "cannot use " + folder_.string() + ": " + error.message(), "choose another folder with --data");
}

FleetBook::~FleetBook() {
  if (lock_ >= 0) ::close(lock_);
}

void FleetBook::lock_folder() {
  lock_ = ::open((folder_ / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0 || ::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    throw Error(ErrorCode::io, folder_.string() + " is in use by another server, or cannot be written",
                "choose another folder with --data");
  }
}

std::optional<StorageError> FleetBook::trouble() const {
  try {
    (void)redis_.ask({"PING"});
  } catch (const FleetError& error) {
    return StorageError("queue", error.reason(), "the server's messages say more", false);
  }
  return std::nullopt;
}

fs::path FleetBook::path_of(const std::string& id, const JobFile& file) {
  try {
    return files_.get(stored_name(id, file));
  } catch (const FileMissing&) {
    throw HttpError(404, "not_found", "the file is gone", "make it again");
  }
}

RedisReply FleetBook::record(const Job& job, int max_queue, const RequestKey& request, const Allowance& allowance) {
  const LaneKind lane = lane_of(job.kind);
  std::uint64_t bytes = 0;
  for (const JobFile& file : job.files) bytes += file.bytes;
  const std::string created = now(), priority = member(job.options, "priority");
  JobRecord record{job};
  record.job.created = created;
  const std::vector<std::string> arguments{job.id,
                                           lane == LaneKind::networks ? "networks" : "exports",
                                           priority == "high" ? "high" : "normal",
                                           lane == LaneKind::networks ? model_of(job) : "",
                                           job.owner,
                                           job.parent,
                                           created,
                                           text_of(to_json(record)),
                                           std::to_string(max_queue),
                                           request.name,
                                           std::to_string(request.content),
                                           std::to_string(allowance.waiting),
                                           std::to_string(allowance.jobs_a_day),
                                           created.substr(0, 10),
                                           lane == LaneKind::networks ? "1" : "0",
                                           std::to_string(bytes),
                                           member(job.options, "webhook"),
                                           std::to_string(kFleetVersion),
                                           job.name};
  // The same id again makes no second job.
  constexpr int kTries = 4;
  for (int i = 1;; ++i) {
    try {
      return redis_.run(fleet_scripts().add, arguments);
    } catch (const RedisRefusal&) {
      throw;
    } catch (const RedisError&) {
      if (i == kTries) throw;
    }
    std::this_thread::sleep_for(250ms * i);
  }
}

// Files first: a worker may take the job at once.
std::string FleetBook::add(const Job& job, int max_queue, const RequestKey& request, const Allowance& allowance) {
  for (const JobFile& file : job.files) files_.put(stored_name(job.id, file), folder_of(job.id) / file.name);
  const auto remove_files = [&] {
    if (!job.files.empty()) files_.remove_all(job.id);
  };
  const RedisReply reply = record(job, max_queue, request, allowance);
  const std::string word = reply.at(0).str();
  std::error_code ignored;
  fs::remove_all(folder_of(job.id), ignored);
  if (word == "added") return job.id;
  remove_files();
  if (word == "earlier") return reply.at(1).str();
  (void)refuse_add(word, job, max_queue, allowance);
  return {};
}

void FleetBook::refuse_when_full(int max_queue) {
  if (redis_.ask({"ZCARD", key("state:queued")}).number >= max_queue) full(max_queue);
}

std::optional<std::string> FleetBook::made_by(const RequestKey& request) {
  if (request.name.empty()) return std::nullopt;
  const std::string known = redis_.ask({"GET", key("request:" + request.name)}).str();
  if (known.size() < 26) return std::nullopt;
  if (known.substr(25) == std::to_string(request.content)) return known.substr(0, 24);
  (void)refuse_add("conflict", {}, 0, {});
  return std::nullopt;
}

std::vector<Job> FleetBook::read(const std::vector<std::string>& ids) {
  constexpr std::size_t kAtOnce = 100;
  std::vector<Job> jobs;
  for (std::size_t i = 0; i < ids.size(); i += kAtOnce) {
    const auto first = ids.begin() + static_cast<std::ptrdiff_t>(i);
    const auto last = ids.begin() + static_cast<std::ptrdiff_t>(std::min(ids.size(), i + kAtOnce));
    const RedisReply reply = redis_.run(fleet_scripts().read, {first, last});
    for (const RedisReply& one : reply.items) {
      if (auto job = job_of(one.at(0).str(), fields_of(one.at(2)), one.at(1).number)) jobs.push_back(*std::move(job));
    }
  }
  return jobs;
}

std::optional<Job> FleetBook::find(const std::string& id) {
  if (!JobStore::is_id(id)) return std::nullopt;
  std::vector<Job> jobs = read({id});
  return jobs.empty() ? std::nullopt : std::optional(std::move(jobs.front()));
}

std::string FleetBook::owner(const std::string& id) {
  return JobStore::is_id(id) ? redis_.ask({"HGET", key("job:" + id), "owner"}).str() : std::string();
}

// From the shortest index that has all that is asked for; the rest is looked at here.
std::vector<Job> FleetBook::list(const JobFilter& filter, int limit, std::int64_t below) {
  constexpr int kAtOnce = 100;
  const std::string index = !filter.parent.empty()  ? "children:" + filter.parent
                            : !filter.owner.empty() ? "owner:" + filter.owner
                            : filter.state          ? std::string("state:") + name_of(*filter.state)
                                                    : "jobs";
  std::vector<Job> found;
  for (std::int64_t end = below; std::ssize(found) < limit;) {
    std::string first = std::to_string(end);
    first.insert(first.begin(), '(');  // without it
    const RedisReply page =
        redis_.ask({"ZREVRANGEBYSCORE", key(index), first, "-inf", "WITHSCORES", "LIMIT", "0", std::to_string(kAtOnce)});
    std::vector<std::string> ids;
    for (std::size_t i = 0; i + 1 < page.items.size(); i += 2) {
      ids.push_back(page.items[i].str());
      end = std::atoll(page.items[i + 1].str().c_str());
    }
    for (Job& job : read(ids)) {
      const bool asset = job.kind != JobKind::exported || job.asset.value_or(true);
      const bool wanted = (!filter.state || job.state == *filter.state) && (!filter.asset || asset == *filter.asset) &&
                          (filter.owner.empty() || job.owner == filter.owner);
      if (wanted && std::ssize(found) < limit) found.push_back(std::move(job));
    }
    if (ids.size() < kAtOnce) break;
  }
  return found;
}

std::map<JobState, std::int64_t> FleetBook::counts() {
  std::map<JobState, std::int64_t> counts;
  for (const JobState state : {JobState::queued, JobState::running, JobState::done, JobState::failed, JobState::cancelled})
    counts[state] = redis_.ask({"ZCARD", key(std::string("state:") + name_of(state))}).number;
  return counts;
}

std::uint64_t FleetBook::bytes() {
  return static_cast<std::uint64_t>(std::max(0LL, std::atoll(redis_.ask({"GET", key("bytes")}).str().c_str())));
}

double FleetBook::oldest_wait() {
  const RedisReply first = redis_.ask({"ZRANGE", key("state:queued"), "0", "0"});
  if (first.items.empty()) return 0;
  const auto job = find(first.at(0).str());
  std::int64_t created = 0;
  if (job) created = milliseconds_of(job->created).value_or(0);
  return created > 0 ? static_cast<double>(std::max<std::int64_t>(now_in_milliseconds() - created, 0)) / 1000.0 : 0.0;
}

bool FleetBook::paused() { return redis_.ask({"EXISTS", key("paused")}).number != 0; }

void FleetBook::pause(bool paused) {
  if (paused) {
    (void)redis_.ask({"SET", key("paused"), "1"});
  } else {
    (void)redis_.ask({"DEL", key("paused")});
    for (const char* lane : {"wake:networks", "wake:exports"}) {  // for workers that wait
      RedisCommand words{"LPUSH", key(lane)};
      words.resize(words.size() + 100, "1");
      (void)redis_.ask(words);
    }
  }
}

std::vector<Job> FleetBook::queue(int limit, const std::string& owner) {
  constexpr int kAtOnce = 200;
  std::vector<Job> found;
  for (const char* index : {"state:running", "waiting:networks", "waiting:exports"}) {
    for (int first = 0; std::ssize(found) < limit; first += kAtOnce) {
      const RedisReply page = redis_.ask({"ZRANGE", key(index), std::to_string(first), std::to_string(first + kAtOnce - 1)});
      std::vector<std::string> ids;
      for (const RedisReply& id : page.items) ids.push_back(id.str());
      for (Job& job : read(ids)) {
        if ((owner.empty() || job.owner == owner) && std::ssize(found) < limit) found.push_back(std::move(job));
      }
      if (ids.size() < kAtOnce) break;
    }
  }
  return found;
}

bool FleetBook::change(const std::string& id, const JobChange& change) {
  std::vector<std::string> arguments{id, change.position ? std::to_string(*change.position) : "", change.before.value_or("")};
  if (change.name) arguments.insert(arguments.end(), {"name", *change.name});
  if (change.pinned) arguments.insert(arguments.end(), {"pinned", *change.pinned ? "1" : "0"});
  const std::string word = redis_.run(fleet_scripts().change, arguments).str();
  if (word == "before") conflict("job " + *change.before + " does not wait in the same lane", "list the queue again");
  if (word != "changed" && word != "none")
    conflict("job " + id + " does not wait (it is " + word + ")", "only jobs that wait can be moved");
  return word == "changed";
}

std::string FleetBook::remove_record(const std::string& id, bool unless_pinned) {
  std::string word = redis_.run(fleet_scripts().remove, {id, unless_pinned ? "1" : "0"}).str();
  if (word == "removed") {
    files_.remove_all(id);
    (void)redis_.ask({"SREM", key("trash"), id});
  }
  return word;
}

bool FleetBook::remove(const std::string& id) {
  if (!JobStore::is_id(id)) return false;
  const std::string word = remove_record(id, false);
  if (word == "runs") conflict("job " + id + " has not ended", "cancel it first");
  if (word == "needed") conflict("exports of job " + id + " have not ended", "wait for them, or cancel them");
  return word == "removed";
}

void FleetBook::empty_trash() {
  for (const RedisReply& id : redis_.ask({"SRANDMEMBER", key("trash"), "100"}).items) {
    if (!JobStore::is_id(id.str())) continue;
    files_.remove_all(id.str());
    (void)redis_.ask({"SREM", key("trash"), id.str()});
  }
}

void FleetBook::remove_unwanted(double days, std::uint64_t most) {
  if (redis_.ask({"SET", key("removal"), "1", "NX", "PX", "55000"}).kind == RedisReply::Kind::nothing) return;
  empty_trash();
  if (days > 0) {
    const auto until = now_in_milliseconds() - static_cast<std::int64_t>(days * 86'400'000.0);
    const RedisReply old = redis_.ask({"ZRANGEBYSCORE", key("ended"), "-inf", std::to_string(until), "LIMIT", "0", "1000"});
    for (const RedisReply& id : old.items) (void)remove_record(id.str(), true);
  }
  if (most == 0 || bytes() <= most) return;
  // The oldest first; what is pinned stays, and the last that ended.
  const RedisReply oldest = redis_.ask({"ZRANGE", key("ended"), "0", "1000"});
  for (std::size_t i = 0; i + 1 < oldest.items.size() && bytes() > most; ++i) (void)remove_record(oldest.items[i].str(), true);
}

std::optional<WebhookDue> FleetBook::next_webhook(const std::set<std::string>& taken, std::int64_t now,
                                                  std::int64_t /*longest*/) {
  constexpr int kAlone = 120'000;  // milliseconds in which no other server sends the same message
  std::vector<std::string> arguments{std::to_string(now), std::to_string(kAlone)};
  arguments.insert(arguments.end(), taken.begin(), taken.end());
  const RedisReply reply = redis_.run(fleet_scripts().next_webhook, arguments);
  if (reply.items.size() != 4) return std::nullopt;
  return WebhookDue{reply.at(0).str(), reply.at(1).str(), std::atoi(reply.at(2).str().c_str()),
                    std::atoll(reply.at(3).str().c_str())};
}

void FleetBook::note_webhook(const std::string& id, const JobWebhook& state) {
  (void)redis_.run(fleet_scripts().note_webhook,
                   {id, state.result, std::to_string(state.tries), std::to_string(state.due), state.problem});
}

}  // namespace espalier::server
