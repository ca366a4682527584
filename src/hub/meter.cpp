#include "hub/meter.h"

#include <algorithm>

#include "base/error.h"

namespace espalier::hub {

using namespace std::chrono_literals;

namespace {

constexpr auto kInterval = 100ms;
constexpr auto kWindow = 8s;  // over which the rate is a mean

}  // namespace

void check_cancelled(const PullObserver& observer) {
  if (observer.cancelled && observer.cancelled())
    fail(ErrorCode::cancelled, "stopped on request", hint("what has come is kept, the same command goes on from there"));
}

void Meter::begin(const std::string& activity, const std::vector<std::uint64_t>& sizes) {
  activity_ = activity;
  waiting_.clear();
  file_.clear();
  files_.assign(sizes.size(), {});
  for (std::size_t i = 0; i < sizes.size(); ++i) files_[i].size = sizes[i];
  moved_ = 0;
  samples_.clear();
}

void Meter::at(std::size_t file, std::uint64_t bytes, const std::string& name) {
  File& f = files_.at(file);
  if (f.seen && bytes > f.done) moved_ += bytes - f.done;
  f.seen = true;
  f.done = bytes;
  f.size = std::max(f.size, bytes);
  file_ = name;
}

void Meter::finished(std::size_t file) {
  File& f = files_.at(file);
  f.finished = true;
  f.done = f.size;
}

void Meter::waiting(const std::string& why) { waiting_ = why; }

double Meter::rate() const {
  if (samples_.size() < 2) return 0.0;
  const double seconds = std::chrono::duration<double>(samples_.back().time - samples_.front().time).count();
  return seconds > 0.2 ? static_cast<double>(samples_.back().moved - samples_.front().moved) / seconds : 0.0;
}

void Meter::tick() {
  check_cancelled(observer_);
  const auto now = Clock::now();
  if (now - last_ < kInterval) return;
  last_ = now;
  samples_.push_back({now, moved_});
  while (samples_.size() > 2 && now - samples_.front().time > kWindow) samples_.pop_front();
  report();
}

void Meter::report() {
  if (!observer_.progress) return;
  PullProgress p;
  p.activity = waiting_.empty() ? activity_ : waiting_;
  p.file = file_;
  p.files = static_cast<int>(files_.size());
  for (const File& f : files_) {
    p.done += f.done;
    p.total += f.size;
    p.files_done += f.finished ? 1 : 0;
  }
  p.bytes_per_second = rate();
  if (p.bytes_per_second > 0.0) p.seconds_left = static_cast<double>(p.total - p.done) / p.bytes_per_second;
  observer_.progress(p);
}

}  // namespace espalier::hub
