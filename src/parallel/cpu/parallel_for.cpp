#include "parallel/parallel_for.h"

#include <mutex>
#include <vector>

#ifndef ESPALIER_STD_THREADS
#include <omp.h>
#endif

namespace espalier {

#ifdef ESPALIER_STD_THREADS
// ThreadSanitizer cannot see into libgomp, so its preset uses plain threads.
int worker_count() { return static_cast<int>(std::max(2U, std::thread::hardware_concurrency())); }
#else
int worker_count() { return omp_in_parallel() != 0 ? 1 : omp_get_max_threads(); }
#endif

namespace detail {

void run_ranges(std::int64_t n, std::int64_t grain, const std::function<void(std::int64_t, std::int64_t)>& body) {
  const std::int64_t workers = worker_count();
  if (workers <= 1) {
    body(0, n);
    return;
  }
  // A few ranges per worker even out unequal work.
  const std::int64_t step = std::max(grain, (n + workers * 4 - 1) / (workers * 4));
  const std::int64_t count = (n + step - 1) / step;
  std::exception_ptr first;
  std::mutex mutex;
  const auto guarded = [&](std::int64_t i) {
    try {
      body(i * step, std::min(n, (i + 1) * step));
    } catch (...) {
      const std::scoped_lock lock(mutex);
      if (!first) first = std::current_exception();
    }
  };
#ifdef ESPALIER_STD_THREADS
  std::vector<std::thread> team;
  for (std::int64_t w = 0; w < std::min(workers, count); ++w) {
    team.emplace_back([&, w] {
      for (std::int64_t i = w; i < count; i += workers) guarded(i);
    });
  }
  for (auto& t : team) t.join();
#else
#pragma omp parallel for schedule(dynamic, 1)
  for (std::int64_t i = 0; i < count; ++i) guarded(i);
#endif
  if (first) std::rethrow_exception(first);
}

}  // namespace detail
}  // namespace espalier
