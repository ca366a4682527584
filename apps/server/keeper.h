// Who keeps a server's jobs and runs them: the server itself, or a fleet.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <string>

#include "event_hub.h"
#include "job_book.h"
#include "job_control.h"
#include "metrics.h"
#include "serve.h"

namespace espalier::server {

class Keeper {
 public:
  Keeper() = default;
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;
  virtual ~Keeper() = default;

  [[nodiscard]] virtual JobBook& book() = 0;
  [[nodiscard]] virtual JobControl& control() = 0;
  virtual void start() = 0;
  // No job begins here after this.
  virtual void interrupt() = 0;
  virtual void stop() = 0;
  // Why the server has to end; null while it need not.
  [[nodiscard]] virtual std::exception_ptr failure() const = 0;
};

using Warn = std::function<void(const std::string&)>;

// In the data folder, by workers of `options`; what runs in this process does as `own` says. Everything that is given outlives
// the keeper. Throws as serve() does.
[[nodiscard]] std::unique_ptr<Keeper> keep_here(const ServeOptions& options, const ServeOptions& own, EventHub& hub,
                                                Metrics& metrics, const Warn& warn);
[[nodiscard]] std::unique_ptr<Keeper> keep_in_fleet(const ServeOptions& options, EventHub& hub, Metrics& metrics,
                                                    const Warn& warn);

}  // namespace espalier::server
