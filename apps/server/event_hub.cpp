#include "event_hub.h"

#include <algorithm>

namespace espalier::server {

EventHub::Listener::Listener(EventHub& hub, std::string job) : hub_(hub), job_(std::move(job)) {
  const std::scoped_lock lock(hub_.mutex_);
  hub_.listeners_.emplace(job_, this);
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

void EventHub::publish(const std::string& job, const Event& event) {
  const std::scoped_lock lock(mutex_);
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

}  // namespace espalier::server
