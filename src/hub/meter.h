// Progress over many files: bytes, rate, remaining time.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "espalier/models.h"

namespace espalier::hub {

class Meter {
 public:
  explicit Meter(const PullObserver& observer) : observer_(observer) {}

  // Starts anew with files of these sizes (0: not known yet).
  void begin(const std::string& activity, const std::vector<std::uint64_t>& sizes);
  // `bytes` of a file are here. The first call for a file does not count as speed: those bytes were here before.
  void at(std::size_t file, std::uint64_t bytes, const std::string& name);
  void finished(std::size_t file);
  // Something is waited for; empty: no longer.
  void waiting(const std::string& why);
  // Reports at most ten times a second; throws cancelled when the observer asks for that.
  void tick();

 private:
  using Clock = std::chrono::steady_clock;
  struct Sample {
    Clock::time_point time;
    std::uint64_t moved;
  };
  struct File {
    std::uint64_t size = 0, done = 0;
    bool seen = false, finished = false;
  };

  [[nodiscard]] double rate() const;
  void report();

  const PullObserver& observer_;
  std::string activity_, waiting_, file_;
  std::vector<File> files_;
  std::uint64_t moved_ = 0;  // bytes that came since begin()
  std::deque<Sample> samples_;
  Clock::time_point last_{};
};

// Throws cancelled, saying that nothing is lost, when the observer asks to stop.
void check_cancelled(const PullObserver& observer);

}  // namespace espalier::hub
