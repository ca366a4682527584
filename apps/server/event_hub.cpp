#include "event_hub.h"

#include <algorithm>
#include <utility>

namespace espalier::server {

namespace {

constexpr std::size_t kLongestHistory = 64;  // events
constexpr std::size_t kMostEnded = 64;       // jobs that have ended and whose events are still known

}  // namespace

EventHub::Listener::Listener(EventHub& hub, std::string job, std::optional<std::uint64_t> after)
    : hub_(hub), job_(std::move(job)) {
  const std::scoped_lock lock(hub_.mutex_);
  hub_.listeners_.emplace(job_, this);
  begin_ = hub_.newest_;
  const auto history = hub_.histories_.find(job_);
  if (!after || history == hub_.histories_.end() || *after < history->second.missing || *after > hub_.newest_) return;
  resumed_ = true;
  for (const Event& event : history->second.events) {
    if (event.id > *after) events_.push_back(event);
  }
  ended_ = history->second.ended;
}

EventHub::Listener::~Listener() {
  const std::scoped_lock lock(hub_.mutex_);
  const auto [first, last] = hub_.listeners_.equal_range(job_);
  hub_.listeners_.erase(std::find_if(first, last, [&](const auto& entry) { return entry.second == this; }));
}

std::optional<Event> EventHub::Listener::wait(std::chrono::milliseconds time) {
  std::unique_lock lock(hub_.mutex_);
  hub_.changed_.wait_for(lock, time, [&] { return !events_.empty() || hub_.closed_; });
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

bool EventHub::Listener::closed() const {
  const std::scoped_lock lock(hub_.mutex_);
  return hub_.closed_;
}

void EventHub::watch(std::function<void(const std::string& job, const Event& event)> watcher) {
  const std::scoped_lock lock(mutex_);
  watcher_ = std::move(watcher);
}

void EventHub::remember(const std::string& job, const Event& event) {
  auto& [events, missing, ended] = histories_[job];
  if (event.name == "progress") std::erase_if(events, [](const Event& e) { return e.name == "progress"; });
  events.push_back(event);
  if (events.size() > kLongestHistory) {
    missing = events.front().id;
    events.pop_front();
  }
  if (!event.last || std::exchange(ended, true)) return;
  ended_.push_back(job);
  if (ended_.size() <= kMostEnded) return;
  histories_.erase(ended_.front());
  ended_.pop_front();
}

void EventHub::publish(const std::string& job, Event event) {
  const std::scoped_lock lock(mutex_);
  event.id = ++newest_;
  remember(job, event);
  if (watcher_) watcher_(job, event);
  const auto [first, last] = listeners_.equal_range(job);
  for (auto entry = first; entry != last; ++entry) {
    std::deque<Event>& events = entry->second->events_;
    if (event.name == "progress" && !events.empty() && events.back().name == "progress") events.pop_back();
    events.push_back(event);
  }
  if (first != last) changed_.notify_all();
}

void EventHub::close() {
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

std::size_t EventHub::listeners() const {
  const std::scoped_lock lock(mutex_);
  return listeners_.size();
}

std::vector<std::string> EventHub::listened() const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> jobs;
  for (auto at = listeners_.begin(); at != listeners_.end(); at = listeners_.upper_bound(at->first)) jobs.push_back(at->first);
  return jobs;
}

}  // namespace espalier::server
