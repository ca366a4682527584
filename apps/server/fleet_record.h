// A job as a fleet has it in Redis. What is read there may have been written by anybody, or by another version.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "fleet_files.h"
#include "job.h"
#include "redis.h"

namespace espalier::server {

using Fields = std::map<std::string, std::string>;

// Of HGETALL; of what is no list of names and values, nothing.
[[nodiscard]] Fields fields_of(const RedisReply& reply);
// Nothing for a job that cannot be read. `ahead`: jobs before it, while it waits.
[[nodiscard]] std::optional<Job> job_of(const std::string& id, const Fields& fields, std::int64_t ahead = -1);

[[nodiscard]] std::string text_of(const std::vector<JobFile>& files);
// Without what is no file of a job.
[[nodiscard]] std::vector<JobFile> files_of(const std::string& text);
[[nodiscard]] std::string text_of(const JobEnd& end);

// What is said in a channel of the fleet.
struct FleetWord {
  std::string job, event, file;
};
// Nothing for what is of another version, or none of ours.
[[nodiscard]] std::optional<FleetWord> fleet_word_of(const std::string& message);

// Under which name the store of files has it.
[[nodiscard]] std::string stored_name(const std::string& id, const JobFile& file);
[[nodiscard]] std::string attempt_folder(const std::string& id, std::int64_t attempt);

// An answer that a script has given; nothing else is expected of it. Throws RedisError.
[[noreturn]] void fail_answer(const std::string& what);

}  // namespace espalier::server
