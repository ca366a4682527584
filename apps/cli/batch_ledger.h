// What a batch has to do, what became of it, and what is said of that.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "batch_list.h"
#include "batch_manifest.h"
#include "interrupt.h"
#include "progress.h"
#include "settings.h"

namespace espalier::cli {

struct BatchTask {
  const BatchItem* item;
  Json inputs;          // path and sha256 of each image
  std::string options;  // JSON of a job
  std::string job{};    // that an earlier run has sent off
  std::string started{};
  std::chrono::steady_clock::time_point start{};
  std::string request{};    // Idempotency-Key, under which the server makes one job however often it is sent
  bool sent_again = false;  // after a connection that ended without an answer
};

struct BatchFailure {
  std::string code, message, hint;
};

class BatchLedger {
 public:
  // `settings`, `interrupt` and `printer` outlive it. Throws what batch_items and Manifest throw.
  BatchLedger(const Settings& settings, Interrupt& interrupt, ProgressPrinter& printer);

  // What is to be done: the items that no earlier run has ended.
  [[nodiscard]] std::vector<BatchTask> tasks();
  // The settings of one item, with its images and the files to write.
  [[nodiscard]] Settings settings_of(const BatchItem& item) const;
  [[nodiscard]] std::filesystem::path output(const BatchItem& item, const std::string& format) const;

  // Each is in the manifest when the function returns.
  void submitted(const BatchTask& task);
  void failed(const BatchTask& task, const BatchFailure& why);
  // All outputs of the task lie in the folder. `where`: device or server; `more`: further members of the line.
  void done(const BatchTask& task, const std::string& where, const Json& more);

  // Prints it; returns the exit code.
  [[nodiscard]] int report(double seconds) const;

 private:
  struct Failed {
    std::string name;
    BatchFailure why;
  };

  [[nodiscard]] std::string settings_hash(const std::string& options) const;
  [[nodiscard]] Json line(const BatchTask& task, const char* state) const;
  [[nodiscard]] bool whole(const Json& entry) const;
  // Whether an earlier run has ended the task; takes over what it has begun.
  [[nodiscard]] bool ended_before(BatchTask& task);
  void record(const Json& entry);
  void print_line(const BatchTask& task, const std::string& what);

  const Settings& settings_;
  Interrupt& interrupt_;
  ProgressPrinter& printer_;
  std::vector<BatchItem> items_;
  Manifest manifest_;
  std::vector<Failed> failed_;
  std::size_t done_ = 0, skipped_ = 0, ended_ = 0;
};

}  // namespace espalier::cli
