// Progress on standard error: a bar that redraws itself on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <optional>
#include <set>
#include <string>

#include "espalier/espalier.h"

namespace espalier::cli {

class ProgressPrinter {
 public:
  explicit ProgressPrinter(bool quiet);
  ProgressPrinter(const ProgressPrinter&) = delete;
  ProgressPrinter& operator=(const ProgressPrinter&) = delete;
  ~ProgressPrinter() { clear(); }

  void show(const Progress& progress);
  // A notice or warning; printed even when quiet, each text once.
  void message(const std::string& text);
  // Takes the bar away.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  void draw_bar(const Progress& progress);
  void print_line(const Progress& progress);

  bool quiet_;
  bool terminal_;
  bool drawn_ = false;
  std::optional<Stage> stage_;
  Clock::time_point last_{};
  std::set<std::string> said_;
};

}  // namespace espalier::cli
