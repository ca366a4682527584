#include "webhooks.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "job_json.h"

namespace espalier::server {

namespace {

constexpr int kThreads = 4;
constexpr int kMostTries = 16;
constexpr std::int64_t kLongestPause = 3'600'000;  // milliseconds

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

Webhooks::Webhooks(WebhookRules rules, JobBook& store, std::function<void(const std::string&)> report)
    : rules_(std::move(rules)), store_(store), report_(std::move(report)) {}

Webhooks::~Webhooks() { stop(); }

void Webhooks::start() {
  if (rules_.hosts.empty()) return;
  for (int i = 0; i < kThreads; ++i) threads_.emplace_back([this] { loop(); });
}

void Webhooks::wake() {
  { const std::scoped_lock lock(mutex_); }
  changed_.notify_all();
}

void Webhooks::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

std::optional<WebhookDue> Webhooks::next() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto due = store_.next_webhook(taken_, now(), kLongestPause);
    const std::int64_t pause = due ? std::min(due->due - now(), kLongestPause) : kLongestPause;
    if (due && pause <= 0) {
      taken_.insert(due->job);
      return due;
    }
    changed_.wait_for(lock, std::chrono::milliseconds(pause));
  }
  return std::nullopt;
}

void Webhooks::loop() {
  constexpr auto kTrouble = std::chrono::seconds(1);
  while (!stopping_) {
    std::optional<WebhookDue> due;
    try {
      due = next();
      if (due) deliver(*due);
    } catch (const std::exception&) {  // the records cannot be read or written now; the runner says so
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, kTrouble, [&] { return stopping_.load(); });
    }
    if (!due) continue;
    const std::scoped_lock lock(mutex_);
    taken_.erase(due->job);
    changed_.notify_all();
  }
}

std::int64_t Webhooks::pause_after(int tries) const {
  const double pause = 1000.0 * rules_.retry_seconds * std::ldexp(1.0, tries - 1);
  return static_cast<std::int64_t>(std::min(pause, static_cast<double>(kLongestPause)));
}

void Webhooks::deliver(const WebhookDue& due) {
  const auto job = store_.find(due.job);
  if (!job) return;
  const std::string event = std::string("job.") + name_of(job->state);
  const Json body{{"event", event},
                  {"delivery", due.job},
                  {"time", timestamp(std::chrono::system_clock::now())},
                  {"job", json_of(*job, nullptr)}};
  const WebhookOutcome outcome =
      send_webhook({due.url, event, due.job, text_of(body)}, rules_, [this] { return stopping_.load(); });
  if (stopping_ && !outcome.delivered) return;  // as if it had not been tried
  JobWebhook state{due.url, "waiting", due.tries + 1, 0, outcome.problem};
  if (outcome.delivered) {
    state.result = "delivered";
  } else if (outcome.refused || state.tries >= kMostTries) {
    state.result = "failed";
  } else {
    state.due = now() + pause_after(state.tries);
  }
  store_.note_webhook(due.job, state);
  if (state.result == "failed") report_("the webhook of job " + due.job + " is given up: " + outcome.problem);
}

}  // namespace espalier::server
