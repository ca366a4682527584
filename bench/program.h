// Programs on Google Benchmark. Its options are understood by all of them: --benchmark_filter=REGEX, --benchmark_repetitions=N,
// --benchmark_format=json, --benchmark_out=FILE (scripts/bench-compare A.json B.json compares two), --benchmark_list_tests.
// What is left of the command line are the program's own arguments.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/with_cuda.h"
#include "runtime/queue.h"
#include "runtime/stopwatch.h"

namespace espalier::bench {

// Arguments that a program does not take. Its message is the usage.
class BadArguments : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Figures beside the time, by name.
using Counters = std::map<std::string, double>;

class Program {
 public:
  Program(std::vector<std::string> arguments, std::string usage) : arguments_(std::move(arguments)), usage_(std::move(usage)) {}

  [[nodiscard]] const std::vector<std::string>& arguments() const { return arguments_; }
  [[nodiscard]] std::string text(std::size_t at, const std::string& otherwise) const {
    return at < arguments_.size() ? arguments_[at] : otherwise;
  }
  // A whole number in [low, high].
  [[nodiscard]] int number(std::size_t at, int otherwise, int low, int high) const {
    if (at >= arguments_.size()) return otherwise;
    char* end = nullptr;
    const long value = std::strtol(arguments_[at].c_str(), &end, 10);
    if (end == arguments_[at].c_str() || *end != '\0' || value < low || value > high) refuse();
    return static_cast<int>(value);
  }
  void at_most(std::size_t count) const {
    if (arguments_.size() > count) refuse();
  }
  [[noreturn]] void refuse() const { throw BadArguments("usage: " + usage_); }

  // Calls body(std::type_identity<Dev>{}) for "cpu" or "cuda".
  template <class Body>
  void on(const std::string& device, const Body& body) const {
#if ESPALIER_WITH_CUDA
    if (device == "cuda") return body(std::type_identity<Cuda>{});
#endif
    if (device != "cpu") refuse();
    body(std::type_identity<Cpu>{});
  }

  // Work that is timed on a device: by events of the queue on a GPU, waits of the host within the work included, and by the
  // clock on the CPU. It runs once before. `counters` are asked for at the end.
  template <class Dev>
  void add(const std::string& name, Queue<Dev>& queue, std::function<void()> work, std::function<Counters()> counters = {}) {
    benchmark::RegisterBenchmark(name.c_str(),
                                 [&queue, work = std::move(work), counters = std::move(counters)](benchmark::State& state) {
                                   Stopwatch<Dev> watch(queue);
                                   work();
                                   queue.synchronize();
                                   for ([[maybe_unused]] auto _ : state) {
                                     const auto begin = std::chrono::steady_clock::now();
                                     watch.start();
                                     work();
                                     const double device_ms = watch.stop();
                                     queue.synchronize();
                                     const double wall =
                                         std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
                                     state.SetIterationTime(device_ms > 0 ? device_ms / 1000 : wall);
                                   }
                                   if (counters) {
                                     for (const auto& [key, value] : counters()) state.counters[key] = value;
                                   }
                                 })
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
  }
  // Work on the host. prepare() is not timed and runs before every call.
  void add(const std::string& name, std::function<void()> prepare, std::function<void()> work,
           std::function<Counters()> counters = {}) {
    benchmark::RegisterBenchmark(
        name.c_str(),
        [prepare = std::move(prepare), work = std::move(work), counters = std::move(counters)](benchmark::State& state) {
          for ([[maybe_unused]] auto _ : state) {
            if (prepare) prepare();
            const auto begin = std::chrono::steady_clock::now();
            work();
            state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
          }
          if (counters) {
            for (const auto& [key, value] : counters()) state.counters[key] = value;
          }
        })
        ->UseManualTime()
        ->MeasureProcessCPUTime()
        ->Unit(benchmark::kMillisecond);
  }
  // Runs what was added, so what it refers to has to be there still.
  static void run() { benchmark::RunSpecifiedBenchmarks(); }

 private:
  std::vector<std::string> arguments_;
  std::string usage_;
};

// main() of a program: `body` adds to the program and runs it. `usage` without the options of Google Benchmark.
inline int start(int argc, char** argv, const std::string& usage, const std::function<void(Program&)>& body) {
  benchmark::Initialize(&argc, argv);
  try {
    Program program({argv + 1, argv + argc}, usage);
    body(program);
    benchmark::Shutdown();
    return 0;
  } catch (const BadArguments& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}

}  // namespace espalier::bench
