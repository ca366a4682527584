// Counters for Prometheus.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

namespace espalier::server {

struct Metrics {
  std::atomic<std::uint64_t> done{0}, failed{0}, cancelled{0};  // jobs since the start
  std::atomic<std::uint64_t> job_milliseconds{0};               // of jobs that ended by themselves
  std::atomic<std::uint64_t> loads{0};                          // of the checkpoint
  std::array<std::atomic<std::uint64_t>, 6> requests{};         // by the first digit of the status
};

// Resident memory of this process in bytes; 0 when the system does not tell.
[[nodiscard]] std::uint64_t resident_bytes();

// Lines of the text format of Prometheus (version 0.0.4).
class MetricsText {
 public:
  MetricsText& family(const char* name, const char* kind, const char* help);
  MetricsText& value(double value, const std::string& labels = {});
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_, name_;
};

}  // namespace espalier::server
