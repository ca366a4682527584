// Whose jobs they are, and how many a key has sent today.
#include <chrono>

#include "job_store.h"

namespace espalier::server {

// Beside the numbered versions of the tables, which know nothing of it.
void JobStore::create_owners() {
  database_->run(
      "CREATE TABLE IF NOT EXISTS owners (job TEXT PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE, name TEXT NOT NULL);"
      "CREATE INDEX IF NOT EXISTS owners_by_name ON owners (name);"
      "CREATE TABLE IF NOT EXISTS sent (name TEXT NOT NULL, day TEXT NOT NULL, jobs INTEGER NOT NULL, PRIMARY KEY (name, "
      "day))");
}

std::string JobStore::owner_now(const std::string& id) {
  Statement row(*database_, "SELECT name FROM owners WHERE job = ?", id);
  return row.step() ? row.text(0) : std::string();
}

std::string JobStore::owner(const std::string& id) {
  const std::scoped_lock lock(mutex_);
  return owner_now(id);
}

void JobStore::set_owner(const Job& job) {
  if (!job.owner.empty()) Statement(*database_, "INSERT INTO owners (job, name) VALUES (?, ?)", job.id, job.owner).run();
}

void JobStore::count_in(const Job& job, const Allowance& allowance) {
  if (job.owner.empty()) return;
  if (allowance.waiting > 0) {
    Statement waiting(
        *database_, "SELECT count(*) FROM jobs JOIN owners ON owners.job = jobs.id WHERE state = 'queued' AND owners.name = ?",
        job.owner);
    if (waiting.step() && waiting.number(0) >= allowance.waiting) {
      throw HttpError(429, "queue_full",
                      "the key " + job.owner + " has " + std::to_string(allowance.waiting) +
                          " jobs that wait, which is its share of the queue",
                      "try again when one of them has begun");
    }
  }
  if (lane_of(job.kind) == LaneKind::exports) return;
  const auto now = std::chrono::system_clock::now();
  const std::string day = timestamp(now).substr(0, 10);
  Statement sent(*database_, "SELECT jobs FROM sent WHERE name = ? AND day = ?", job.owner, day);
  const std::int64_t jobs = sent.step() ? sent.number(0) : 0;
  if (allowance.jobs_a_day > 0 && jobs >= allowance.jobs_a_day) {
    const auto left = std::chrono::ceil<std::chrono::days>(now) - now;
    throw HttpError(429, "quota_exceeded",
                    "the key " + job.owner + " has sent its " + std::to_string(allowance.jobs_a_day) + " jobs of today (UTC)",
                    "try again tomorrow")
        .with("Retry-After", std::to_string(std::chrono::duration_cast<std::chrono::seconds>(left).count() + 1));
  }
  Statement(*database_, "INSERT OR REPLACE INTO sent (name, day, jobs) VALUES (?, ?, ?)", job.owner, day, jobs + 1).run();
  Statement(*database_, "DELETE FROM sent WHERE day < ?", day).run();
}

}  // namespace espalier::server
