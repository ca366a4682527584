// What happens to jobs, for those who listen.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "http_message.h"

namespace espalier::server {

struct Event {
  std::string name;   // state, progress, file
  std::string data;   // JSON
  bool last = false;  // nothing follows
};

// All functions may be called from any thread.
class EventHub {
 public:
  // Hears of one job from its construction on.
  class Listener {
   public:
    Listener(EventHub& hub, std::string job);
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener();

    // The next event; nothing when none came in time, or when the hub is closed.
    [[nodiscard]] std::optional<Event> wait(std::chrono::milliseconds time);
    [[nodiscard]] bool closed() const;

   private:
    friend class EventHub;
    EventHub& hub_;
    std::string job_;
    std::deque<Event> events_;
  };

  // Calls `watcher` with every event from now on, before any listener gets it, one event after another. Once, before the first
  // event.
  void watch(std::function<void(const std::string& job, const Event& event)> watcher);
  // A listener that is behind keeps only the newest of the progress events that it has not taken.
  void publish(const std::string& job, const Event& event);
  // Wakes all listeners for good.
  void close();
  [[nodiscard]] std::size_t listeners() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<std::string, Listener*> listeners_;
  std::function<void(const std::string&, const Event&)> watcher_;
  bool closed_ = false;
};

}  // namespace espalier::server
