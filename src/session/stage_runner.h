// Runs stages on one device: meters the memory that a stage takes, gives it exactly that, runs it, and notes what it cost.
// The one place of the session with clocks.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/monitor.h"
#include "espalier/stages.h"
#include "parallel/parallel_for.h"
#include "runtime/host_memory.h"
#include "runtime/queue.h"
#include "runtime/stopwatch.h"

namespace espalier {

// What one stage cost.
struct StageCost {
  Stage stage = Stage::encode_image;
  double seconds = 0.0;       // wall, of the measured run without the loading of weights
  double device_ms = 0.0;     // between events on the queue; 0 on the CPU
  double load_seconds = 0.0;  // of weights that were not on the device yet
  std::size_t weight_bytes = 0, planned_bytes = 0, peak_bytes = 0;
  std::size_t process_bytes = 0;  // resident host memory of the process at the peak; 0 when unknown or not asked for
  int assets = 1;                 // that share it
};

// How a job watches its stages. Not owned; empty by default.
struct StageHooks {
  std::function<void(Stage stage, int step, int steps)> progress;
  const Monitor* monitor = nullptr;
  bool measure_memory = false;  // of the process: Observer::measure_memory
};

// A device view and where its values belong on the host.
template <class V, class T>
struct Fetch {
  V view;
  std::vector<T>& into;
};
// Compilers before the deduction for aggregates (P1816), such as Clang 16, need to be told.
template <class V, class T>
Fetch(V, std::vector<T>&) -> Fetch<V, T>;

template <class Dev>
class StageRunner {
 public:
  StageRunner(int ordinal, MathMode math) : queue_(ordinal, math) {}

  [[nodiscard]] Queue<Dev>& queue() { return queue_; }
  [[nodiscard]] const Queue<Dev>& queue() const { return queue_; }
  [[nodiscard]] Arena<Dev>& scratch() { return queue_.scratch(); }

  void set_hooks(StageHooks hooks) {
    hooks_ = std::move(hooks);
    queue_.watch(hooks_.monitor);
  }
  void report(Stage stage, int step, int steps) const {
    if (hooks_.progress && (!whole_ || *whole_ == stage)) hooks_.progress(stage, step, steps);
  }
  // Until it is taken back, what runs is part of one stage: others report no progress, and all costs are one.
  void part_of(std::optional<Stage> whole) { whole_ = whole; }
  // After work of the queue has ended, so that what is reported is done.
  void report_done(Stage stage, int step, int steps) {
    queue_.synchronize();
    report(stage, step, steps);
  }
  [[nodiscard]] std::vector<StageCost> take_costs() { return std::exchange(costs_, {}); }

  // Networks that keep memory small where they can: smaller tiles instead of faster ones.
  void save_memory(bool save) { save_memory_ = save; }
  [[nodiscard]] bool saves_memory() const { return save_memory_; }

  // Bytes of the device that weights and a stage's work may take together; 0: what there is. Stages that need more are refused
  // with out_of_memory, before any memory is taken.
  void limit_memory(std::size_t bytes) { limit_ = bytes; }
  // Stages only measure what they would take: their costs have planned bytes and nothing else, their results are empty.
  void only_measure(bool only) { only_measure_ = only; }

  // Weights were loaded for the next stage, and `resident` bytes of all networks are on the device, `own` of them of the one
  // that runs, `coming` of those that are still on their way.
  void loaded(double seconds, std::size_t resident, std::size_t own, std::size_t coming) {
    load_seconds_ += seconds;
    resident_ = resident;
    own_ = own;
    coming_ = coming;
  }
  // Work on the host that belongs to the next stage, such as building its tables.
  template <class Work>
  [[nodiscard]] auto prepare(Work work) {
    const auto start = Clock::now();
    auto result = work();
    host_seconds_ += seconds_since(start);
    return result;
  }

  // Runs body(false) against a metering arena, then body(true) with an arena of the metered size. `divisible`: who asks has
  // smaller work instead, so more than what is free is refused as more than a limit is.
  template <class Body>
  void run(Stage stage, Body body, bool divisible = false);
  // Inside body(true): what follows is counted as this stage, a further one or one that has begun already.
  void count_as(Stage stage);
  // `bytes` were allocated beside the arena for the stage that is counted now.
  void add_peak(std::size_t bytes) { segments_[current_].peak_bytes += bytes; }

  // A host copy of a device view; empty while metering.
  template <class V>
  [[nodiscard]] std::vector<float> fetch(V view) {
    std::vector<float> host;
    if (queue_.metering()) return host;
    fetch_all(Fetch{view, host});
    return host;
  }
  // Host copies of several device views. Their memory is made while the device still works.
  template <class... V, class... T>
  void fetch_all(const Fetch<V, T>&... fetches) {
    constexpr std::size_t kPiece = std::size_t{1} << 20U;  // bytes
    std::vector<std::span<std::byte>> pieces;
    const auto make_room = [&]<class Values>(Values& into, std::size_t count) {
      into.reserve(count);
      auto* const data = reinterpret_cast<std::byte*>(into.data());
      const std::size_t bytes = count * sizeof(into[0]);
      if (bytes < 4 * kPiece) return;
      ask_for_large_pages(data, bytes);
      for (std::size_t at = 0; at < bytes; at += kPiece) pieces.emplace_back(data + at, std::min(kPiece, bytes - at));
    };
    (make_room(fetches.into, static_cast<std::size_t>(fetches.view.size())), ...);
    parallel_for(static_cast<std::int64_t>(pieces.size()), 1, [&](std::int64_t i) {
      const auto piece = pieces[static_cast<std::size_t>(i)];
      make_pages(piece.data(), piece.size());
    });
    const std::array<std::function<void()>, sizeof...(fetches)> fill{
        [&fetches] { fetches.into.resize(static_cast<std::size_t>(fetches.view.size())); }...};
    parallel_for(static_cast<std::int64_t>(fill.size()), 1, [&](std::int64_t i) { fill[static_cast<std::size_t>(i)](); });
    const std::array<Download, sizeof...(fetches)> all{
        Download{fetches.view.data(), fetches.into.data(), fetches.into.size() * sizeof(T)}...};
    download_all(queue_, std::span<const Download>(all));
  }
  // Host values in the scratch arena.
  template <int Rank>
  [[nodiscard]] View<Dev, float, Rank> place_values(std::span<const float> values, const Extents<Rank>& extents) {
    auto view = scratch().template take<float, Rank>(extents);
    require(view.size() == static_cast<std::int64_t>(values.size()), "StageRunner::place_values", values.size(), " values for ",
            view.size(), " elements");
    upload_bytes(queue_, values.data(), view.data(), values.size() * sizeof(float));
    return view;
  }

 private:
  using Clock = std::chrono::steady_clock;
  [[nodiscard]] static double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }
  [[nodiscard]] static std::size_t mib_of(std::size_t bytes) {
    constexpr std::size_t kMiB = std::size_t{1} << 20U;
    return (bytes + kMiB - 1) / kMiB;
  }
  [[nodiscard]] static std::string mib(std::size_t bytes) { return str(mib_of(bytes), " MiB"); }
  void end_segment();
  void add_cost(StageCost cost);
  void check_limit(Stage stage, std::size_t work) const;
  void check_free(Stage stage, std::size_t work) const;

  Queue<Dev> queue_;
  StageHooks hooks_;
  std::vector<StageCost> costs_;
  std::optional<Stage> whole_;
  bool save_memory_ = false, only_measure_ = false;
  std::size_t limit_ = 0;
  double load_seconds_ = 0.0, host_seconds_ = 0.0;
  std::size_t resident_ = 0, own_ = 0, coming_ = 0;

  // Of the stage that runs, and those it is counted as.
  std::vector<StageCost> segments_;
  std::size_t current_ = 0;
  std::optional<Stopwatch<Dev>> watch_;
  Clock::time_point segment_start_{};
};

template <class Dev>
void StageRunner<Dev>::check_limit(Stage stage, std::size_t work) const {
  if (limit_ == 0 || resident_ + work <= limit_) return;
  const bool low_helps = !save_memory_ && own_ + work <= limit_;
  const std::string raise = str("raise --vram-limit to ", mib_of(own_ + work), "m");
  fail(ErrorCode::out_of_memory, stage_title(stage), " takes ", mib(work), " beside ", mib(resident_),
       " of weights, more than the limit of ", mib(limit_),
       hint(low_helps ? "run with --vram-tier low" : raise + ", or run with --device cpu"));
}

template <class Dev>
void StageRunner<Dev>::check_free(Stage stage, std::size_t work) const {
  const std::size_t free = free_memory<Dev>(queue_.ordinal());
  const std::size_t left = free - std::min(free, coming_);  // weights on their way need their place, too
  if (work <= left / 10 * 9) return;
  fail(ErrorCode::out_of_memory, stage_title(stage), " takes ", mib(work), ", and ", mib(left), " are free",
       hint("sample fewer assets at once"));
}

template <class Dev>
void StageRunner<Dev>::end_segment() {
  StageCost& cost = segments_[current_];
  cost.device_ms += watch_->stop();
  cost.seconds += seconds_since(segment_start_);
}

template <class Dev>
void StageRunner<Dev>::add_cost(StageCost cost) {
  if (whole_) {
    cost.stage = *whole_;
    const auto whole = std::find_if(costs_.begin(), costs_.end(), [&](const StageCost& c) { return c.stage == cost.stage; });
    if (whole != costs_.end()) {
      whole->seconds += cost.seconds;
      whole->device_ms += cost.device_ms;
      whole->load_seconds += cost.load_seconds;
      whole->weight_bytes = std::max(whole->weight_bytes, cost.weight_bytes);
      whole->planned_bytes = std::max(whole->planned_bytes, cost.planned_bytes);
      whole->peak_bytes = std::max(whole->peak_bytes, cost.peak_bytes);
      whole->process_bytes = std::max(whole->process_bytes, cost.process_bytes);
      return;
    }
  }
  costs_.push_back(cost);
}

template <class Dev>
void StageRunner<Dev>::count_as(Stage stage) {
  end_segment();
  const auto found = std::find_if(segments_.begin(), segments_.end(), [&](const StageCost& c) { return c.stage == stage; });
  current_ = static_cast<std::size_t>(found - segments_.begin());
  if (found == segments_.end()) segments_.push_back({.stage = stage});
  segment_start_ = Clock::now();
  watch_->start();
}

template <class Dev>
template <class Body>
void StageRunner<Dev>::run(Stage stage, Body body, bool divisible) {
  queue_.check();
  // The queue must not keep an arena of a stage that failed.
  struct Release {
    StageRunner& runner;
    ~Release() {
      runner.queue_.use(nullptr);
      runner.segments_.clear();
      runner.watch_.reset();
      runner.load_seconds_ = runner.host_seconds_ = 0.0;
    }
  } const release{*this};
  Arena<Dev> meter;
  queue_.use(&meter);
  body(false);
  if (only_measure_) {
    add_cost({.stage = stage, .planned_bytes = meter.peak()});
    return;
  }
  check_limit(stage, meter.peak());
  if (divisible) check_free(stage, meter.peak());
  const HostMemoryWatch memory(hooks_.measure_memory);
  segment_start_ = Clock::now();
  Arena<Dev> arena(std::max<std::size_t>(meter.peak(), 1), queue_.ordinal(), std::string(stage_title(stage)));
  queue_.use(&arena);
  segments_.push_back({.stage = stage, .seconds = host_seconds_, .load_seconds = load_seconds_});
  current_ = 0;
  watch_.emplace(queue_);
  watch_->start();
  body(true);
  end_segment();
  for (StageCost& cost : segments_) {
    cost.planned_bytes = meter.peak();
    cost.weight_bytes = resident_;
    cost.peak_bytes += arena.peak();
    cost.process_bytes = memory.peak();
    add_cost(cost);
  }
}

}  // namespace espalier
