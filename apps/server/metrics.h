// Counters for Prometheus.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace espalier::server {

// How many values lie within which bounds.
template <std::size_t N>
struct HistogramOf {
  std::array<double, N> bounds;
  std::array<std::uint64_t, N> within{};  // each bound; larger values are in `count` alone
  std::uint64_t count = 0;
  double sum = 0.0;

  void add(double value) {
    for (std::size_t i = 0; i < N; ++i) {
      if (value <= bounds.at(i)) ++within.at(i);
    }
    ++count;
    sum += value;
  }
};
// How many times took how long, in seconds.
struct Histogram : HistogramOf<13> {
  Histogram() : HistogramOf<13>{{0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0}} {}
};
// How many batches were how large.
struct BatchSizes : HistogramOf<6> {
  BatchSizes() : HistogramOf<6>{{1, 2, 4, 8, 16, 32}} {}
};

struct Metrics {
  std::atomic<std::uint64_t> done{0}, failed{0}, cancelled{0};  // jobs since the start
  std::atomic<std::uint64_t> job_milliseconds{0};               // of jobs that ended by themselves
  std::atomic<std::uint64_t> loads{0};                          // of the checkpoint
  std::atomic<std::uint64_t> retried{0};                        // jobs that were begun again because a worker was lost
  std::array<std::atomic<std::uint64_t>, 6> requests{};         // by the first digit of the status

  std::mutex mutex;                           // of what follows
  std::map<std::string, Histogram> stages{};  // seconds, by the stage's id
  Histogram waits{}, runs{};                  // seconds of jobs in the queue, and from the start to the end
  BatchSizes batches{};                       // jobs of networks that were taken together
};

// Resident memory of a process in bytes, of this one for 0; 0 when the system does not tell.
[[nodiscard]] std::uint64_t resident_bytes(int process = 0);

// Settings of malloc for a process with many threads and a few large arrays. Once, before them.
void keep_heaps_small();

// Lines of the text format of Prometheus (version 0.0.4).
class MetricsText {
 public:
  MetricsText& family(const char* name, const char* kind, const char* help);
  MetricsText& value(double value, const std::string& labels = {});
  // Of a family of the kind histogram.
  template <std::size_t N>
  MetricsText& values(const HistogramOf<N>& histogram, const std::string& labels = {}) {
    const std::string before = labels.empty() ? "" : labels + ",";
    for (std::size_t i = 0; i < N; ++i) bucket(histogram.bounds.at(i), histogram.within.at(i), before);
    line(name_ + "_bucket", static_cast<double>(histogram.count), before + "le=\"+Inf\"");
    line(name_ + "_sum", histogram.sum, labels);
    line(name_ + "_count", static_cast<double>(histogram.count), labels);
    return *this;
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  void bucket(double bound, std::uint64_t within, const std::string& labels);
  void line(const std::string& name, double value, const std::string& labels);

  std::string text_, name_;
};

}  // namespace espalier::server
