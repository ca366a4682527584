// Cancellation, as the public interface asks for it.
#pragma once

#include "base/monitor.h"
#include "espalier/espalier.h"

namespace espalier {

// The observer must outlive it. What is done of a stage is told elsewhere, by JobClock.
class ObserverMonitor final : public Monitor {
 public:
  explicit ObserverMonitor(const Observer& observer) : observer_(observer) {}
  void progress(int /*done*/, int /*total*/) const override {}
  [[nodiscard]] bool cancelled() const override { return observer_.cancelled && observer_.cancelled(); }

 private:
  const Observer& observer_;
};

}  // namespace espalier
