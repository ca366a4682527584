// What is still to be told of jobs that have ended. A row is made with its job, so no sudden end lies between a job's end and
// its message.
#include "job_store.h"

namespace espalier::server {

void JobStore::expect_webhook(const Job& job) {
  const auto url = job.options.find("webhook");
  if (url == job.options.end() || !url->is_string() || url->get<std::string>().empty()) return;
  Statement(*database_, "INSERT OR IGNORE INTO webhooks (job, url) VALUES (?, ?)", job.id, url->get<std::string>()).run();
}

std::optional<WebhookDue> JobStore::next_webhook(const std::set<std::string>& taken, std::int64_t now, std::int64_t longest) {
  const std::scoped_lock lock(mutex_);
  // A time further away than any pause is of a clock that was wrong.
  Statement rows(*database_,
                 "SELECT job, url, tries, CASE WHEN due > ? THEN 0 ELSE due END AS at FROM webhooks JOIN jobs ON jobs.id = job "
                 "WHERE result = 'waiting' AND state IN ('done', 'failed', 'cancelled') ORDER BY at, sequence",
                 now + longest);
  while (rows.step()) {
    if (!taken.contains(rows.text(0)))
      return WebhookDue{rows.text(0), rows.text(1), static_cast<int>(rows.number(2)), rows.number(3)};
  }
  return std::nullopt;
}

void JobStore::note_webhook(const std::string& id, const JobWebhook& state) {
  const std::scoped_lock lock(mutex_);
  Statement(*database_, "UPDATE webhooks SET result = ?, tries = ?, due = ?, problem = ? WHERE job = ?", state.result,
            state.tries, state.due, state.problem, id)
      .run();
  untidy_ = true;
}

}  // namespace espalier::server
