// A job: what it is, what a client may ask of it, and how it ends. The values that records, queues and workers exchange.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "http_message.h"

namespace espalier::server {

enum class JobState { queued, running, done, failed, cancelled };
[[nodiscard]] const char* name_of(JobState state);
[[nodiscard]] std::optional<JobState> state_named(const std::string& name);
[[nodiscard]] inline bool has_ended(JobState state) { return state != JobState::queued && state != JobState::running; }

// What a job does: an asset of images, of a latent or of a prompt; an export of one; other details for a mesh; a part of an
// asset made anew.
enum class JobKind { image, latent, exported, text, variant, edit };
[[nodiscard]] const char* name_of(JobKind kind);
[[nodiscard]] std::optional<JobKind> kind_named(const std::string& name);

struct JobFile {
  std::string name, role, format, media_type;
  std::uint64_t bytes = 0;
  std::int64_t attempt = 0;  // of a fleet: the attempt at the job that made it; 0: it was sent with the job
};

// A message to somebody that a job has ended.
struct JobWebhook {
  std::string url, result;  // waiting (for the job's end or the next try), delivered, failed
  int tries = 0;
  std::int64_t due = 0;  // of the next try, in milliseconds since 1970; 0: as soon as the job has ended
  std::string problem;   // of the last try; may be empty
};
struct WebhookDue {
  std::string job, url;
  int tries = 0;
  std::int64_t due = 0;
};

struct Job {
  std::int64_t sequence = 0;  // rises with every job
  std::string id;
  JobKind kind = JobKind::image;
  std::string parent;  // id; may be empty
  std::string name;
  JobState state = JobState::queued;
  std::string created, started, finished;  // ISO 8601 UTC; empty: not yet
  Json options;
  Json error;                            // the inside of the error object, or null
  Json report;                           // or null
  Json notices = Json::array();          // texts
  std::vector<JobFile> files;            // in the order in which they came
  std::optional<std::int64_t> position;  // jobs ahead, while queued
  std::int64_t place = 0;                // orders those that wait; rises as sequence does until somebody moves a job
  // An asset of its own; else files of the parent's asset in other formats, or a video of it. Unknown of exports of versions
  // that did not say.
  std::optional<bool> asset;
  bool pinned = false;  // stays, however old it is and whatever space it takes
  std::string owner;    // name of the key that sent it; empty: none of a person
  std::optional<JobWebhook> webhook{};
  Json progress;  // of a job that runs somewhere else in a fleet, as far as is known; else null

  [[nodiscard]] const JobFile* file(const std::string& file_name) const;
};

// Jobs that share one thread: those that need networks, and those that do not.
enum class LaneKind { networks, exports };
[[nodiscard]] inline LaneKind lane_of(JobKind kind) {
  return kind == JobKind::exported ? LaneKind::exports : LaneKind::networks;
}

// The model that it asks for; empty: none by name.
[[nodiscard]] std::string model_of(const Job& job);

// Which jobs a list has.
struct JobFilter {
  std::optional<JobState> state{};
  std::optional<bool> asset{};  // assets alone, or exports of assets alone
  std::string parent{};         // jobs that were made from this one; empty: all
  std::string owner{};          // jobs of this key; empty: all
};

// What a client may change of a job.
struct JobChange {
  std::optional<std::string> name{};
  std::optional<bool> pinned{};
  // Of a job that waits, at most one of these: how many jobs of its lane shall be ahead of it, those that run included (as many
  // as there are, at most; of a fleet those that wait alone), or the waiting job of its lane that it shall be before.
  std::optional<std::int64_t> position{};
  std::optional<std::string> before{};
  [[nodiscard]] bool moves() const { return position || before; }
};

// A request that may be sent twice and shall make one job: the client's name for it, and a number made from all that it says.
struct RequestKey {
  std::string name;  // empty: the client gave none
  std::uint64_t content = 0;
};

// How much the owner of a new job may send. 0: any number.
struct Allowance {
  std::int64_t jobs_a_day = 0;
  std::int64_t waiting = 0;
};

// What a job ended with.
struct JobEnd {
  JobState state = JobState::done;
  Json error;
  Json report;
  Json notices = Json::array();
};

// ISO 8601 UTC with milliseconds; later times are later texts.
[[nodiscard]] std::string timestamp(std::chrono::system_clock::time_point time);
// Milliseconds since 1970 of such a text; nothing for another one.
[[nodiscard]] std::optional<std::int64_t> milliseconds_of(const std::string& timestamp);

}  // namespace espalier::server
