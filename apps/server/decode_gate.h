// Lets uploads be decoded side by side as long as their memory fits, and keeps those waiting few and short.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>

namespace espalier::server {

struct GateLimits {
  std::uint64_t bytes = std::uint64_t{512} << 20U;          // of all that is decoded at a time; one alone may take more
  std::uint64_t preview_bytes = std::uint64_t{384} << 20U;  // that previews fill; jobs find the rest free
  std::size_t previews = 12;                                // that wait
  std::size_t jobs = 64;                                    // that wait
  std::chrono::milliseconds preview_patience{4000};
  std::chrono::milliseconds job_patience{20000};
};

class DecodeGate {
 public:
  enum class Kind { job, preview };

  // The right to decode, until it goes out of scope.
  class Pass {
   public:
    Pass(DecodeGate& gate, std::uint64_t bytes) : gate_(gate), bytes_(bytes) {}
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    ~Pass() { gate_.leave(bytes_); }

   private:
    DecodeGate& gate_;
    std::uint64_t bytes_;
  };

  explicit DecodeGate(const GateLimits& limits = {}) : limits_(limits) {}
  DecodeGate(const DecodeGate&) = delete;
  DecodeGate& operator=(const DecodeGate&) = delete;

  // Waits for memory: first come, first served, but jobs before previews. Throws HttpError 503 when too many wait already or
  // the wait takes too long, Gone when `client_left` says so, which is asked while waiting.
  [[nodiscard]] Pass enter(Kind kind, std::uint64_t bytes, const std::function<bool()>& client_left);

 private:
  using Clock = std::chrono::steady_clock;
  struct Ticket {
    Kind kind;
  };

  [[nodiscard]] std::uint64_t room_of(Kind kind) const;
  [[nodiscard]] bool may_pass(std::list<Ticket>::const_iterator mine, std::uint64_t bytes) const;
  void leave(std::uint64_t bytes);

  const GateLimits limits_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Ticket> waiting_;  // jobs first
  std::uint64_t used_ = 0;
};

}  // namespace espalier::server
