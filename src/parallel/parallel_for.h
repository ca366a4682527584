// Work sharing on the CPU.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>

namespace espalier {

namespace detail {
// Calls body(begin, end) for disjoint ranges that cover [0, n), on the team of all cores. An exception of a range is
// rethrown on the caller.
void run_ranges(std::int64_t n, std::int64_t grain, const std::function<void(std::int64_t, std::int64_t)>& body);
}  // namespace detail

// Calls body(begin, end) for disjoint ranges of at least `grain` items (but for the last one) that cover [0, n). The
// split depends on the number of cores, so a body must not let results depend on it.
template <class Body>
void parallel_ranges(std::int64_t n, std::int64_t grain, Body&& body) {
  if (n <= 0) return;
  if (n <= grain) {
    body(std::int64_t{0}, n);
    return;
  }
  detail::run_ranges(n, std::max<std::int64_t>(grain, 1), std::forward<Body>(body));
}

// Calls body(i) for i in [0, n).
template <class Body>
void parallel_for(std::int64_t n, std::int64_t grain, Body&& body) {
  parallel_ranges(n, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) body(i);
  });
}

// The grain for items of `work` elements each, so that a range is worth waking a core for.
constexpr std::int64_t grain_for(std::int64_t work) { return 16384 / std::max<std::int64_t>(work, 1) + 1; }

// Cores that parallel_ranges uses.
[[nodiscard]] int worker_count();

}  // namespace espalier
