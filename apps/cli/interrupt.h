// Ctrl-C (SIGINT), SIGTERM and SIGHUP (the terminal is closed) as a flag that work can poll. Construct it before any other
// thread is started: the signals are blocked in this thread and, by inheritance, in all later ones, and a thread of its own
// receives them.
//
// The work is given 0.7 seconds to stop by itself; after that, or at a second signal, the process ends at once with
// exit_interrupted. Only a Critical section is let finish, so that no temporary file stays behind.
#pragma once

#include <atomic>
#include <mutex>
#include <thread>

namespace espalier::cli {

inline constexpr int exit_interrupted = 130;  // what shells use for Ctrl-C: 128 + SIGINT

class Interrupt {
 public:
  Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  ~Interrupt();

  [[nodiscard]] bool requested() const { return requested_.load(); }

  // While it lives, only a second signal ends the process.
  class Critical {
   public:
    explicit Critical(Interrupt& interrupt) : lock_(interrupt.critical_) {}

   private:
    std::scoped_lock<std::mutex> lock_;
  };

 private:
  void watch();

  std::atomic<bool> requested_{false};
  std::mutex critical_;
  int signals_ = -1;  // a signalfd
  int stop_ = -1;     // an eventfd that ends the thread
  std::thread thread_;
};

}  // namespace espalier::cli
