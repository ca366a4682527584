// Progress and cancellation, handed down through the queue; nobody keeps a global.
#pragma once

#include "base/error.h"

namespace espalier {

class Monitor {
 public:
  Monitor() = default;
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;
  virtual ~Monitor() = default;

  // `done` of `total` units of the current stage are finished (a unit is a sampling step or a block of work). Called from
  // the thread that called the stage; constant, because work holds monitors by pointers to const.
  virtual void progress(int done, int total) const = 0;
  // True once the caller wants the work to stop. Called often; must be cheap and thread safe.
  [[nodiscard]] virtual bool cancelled() const = 0;

  void check() const {
    if (cancelled()) fail(ErrorCode::cancelled, "cancelled on request");
  }
};

}  // namespace espalier
