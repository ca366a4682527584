// Cancellation, as the public interface asks for it.
#pragma once

#include <atomic>
#include <thread>

#include "base/monitor.h"
#include "espalier/espalier.h"

namespace espalier {

// The observer must outlive it. What is done of a stage is told elsewhere, by JobClock. Only the thread that made the monitor
// asks the observer, as the public interface promises; the threads that share its work see the answer.
class ObserverMonitor final : public Monitor {
 public:
  explicit ObserverMonitor(const Observer& observer) : observer_(observer) {}
  void progress(int /*done*/, int /*total*/) const override {}
  [[nodiscard]] bool cancelled() const override {
    if (!cancelled_ && observer_.cancelled && std::this_thread::get_id() == owner_) cancelled_ = observer_.cancelled();
    return cancelled_;
  }

 private:
  const Observer& observer_;
  const std::thread::id owner_ = std::this_thread::get_id();
  mutable std::atomic<bool> cancelled_{false};
};

}  // namespace espalier
