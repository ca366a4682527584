// Progress on standard error: a bar that redraws itself on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "espalier/espalier.h"
#include "espalier/options.h"

namespace espalier::cli {

// The observer, whose progress is that of one asset of several: it is shown while `shown` says so.
[[nodiscard]] Observer shown_while(const Observer& observer, std::function<bool()> shown);

class ProgressPrinter {
 public:
  explicit ProgressPrinter(bool quiet, ProgressStyle style = ProgressStyle::automatic);
  ProgressPrinter(const ProgressPrinter&) = delete;
  ProgressPrinter& operator=(const ProgressPrinter&) = delete;
  ~ProgressPrinter() { clear(); }

  void show(const Progress& progress);
  // Another piece of work under the same printer, whose messages count anew.
  void begin(const std::string& title);
  // A notice or warning; printed even when quiet, each text once.
  void message(const std::string& text);
  // Takes the bar away.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  void draw_bar(const Progress& progress);
  void print_line(const Progress& progress);
  static void print_json(const Progress& progress);

  bool quiet_;
  ProgressStyle style_;
  bool terminal_;
  bool drawn_ = false;
  std::optional<Stage> stage_;
  Clock::time_point last_{};
  std::set<std::string> said_;
};

}  // namespace espalier::cli
