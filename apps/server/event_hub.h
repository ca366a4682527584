// What happens to jobs, for those who listen.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "http_message.h"

namespace espalier::server {

struct Event {
  std::string name;      // state, progress, file
  std::string data;      // JSON
  bool last = false;     // nothing follows
  std::uint64_t id = 0;  // given by the hub; rises with every event of any job
};

// All functions may be called from any thread.
class EventHub {
 public:
  // Hears of one job from its construction on; or, where the hub still has them, from the event behind `after` on, of progress
  // only the newest.
  class Listener {
   public:
    Listener(EventHub& hub, std::string job, std::optional<std::uint64_t> after = std::nullopt);
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener();

    // The next event; nothing when none came in time, or when the hub is closed.
    [[nodiscard]] std::optional<Event> wait(std::chrono::milliseconds time);
    [[nodiscard]] bool closed() const;
    // Whether nothing of what followed `after` is missing.
    [[nodiscard]] bool resumed() const { return resumed_; }
    // Whether the job's last event has been: nothing follows what this has to hear already.
    [[nodiscard]] bool ended() const { return ended_; }
    // The newest event of any job when this was made.
    [[nodiscard]] std::uint64_t begin() const { return begin_; }

   private:
    friend class EventHub;
    EventHub& hub_;
    std::string job_;
    std::deque<Event> events_;
    std::uint64_t begin_ = 0;
    bool resumed_ = false, ended_ = false;
  };

  // Calls `watcher` with every event from now on, before any listener gets it, one event after another. Once, before the first
  // event.
  void watch(std::function<void(const std::string& job, const Event& event)> watcher);
  // A listener that is behind keeps only the newest of the progress events that it has not taken.
  void publish(const std::string& job, Event event);
  // Wakes all listeners for good.
  void close();
  [[nodiscard]] std::size_t listeners() const;
  // The jobs that somebody listens to.
  [[nodiscard]] std::vector<std::string> listened() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<std::string, Listener*> listeners_;
  struct History {
    std::deque<Event> events;   // the newest ones; of progress only the newest
    std::uint64_t missing = 0;  // events up to this one may be gone
    bool ended = false;
  };

  void remember(const std::string& job, const Event& event);

  std::function<void(const std::string&, const Event&)> watcher_;
  std::map<std::string, History> histories_;
  std::deque<std::string> ended_;  // jobs with a history, those that ended first in front
  std::uint64_t newest_ = 0;
  bool closed_ = false;
};

}  // namespace espalier::server
