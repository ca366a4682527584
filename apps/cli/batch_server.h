// A batch whose work a server does.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <vector>

#include "batch_ledger.h"
#include "server_client.h"

namespace espalier::cli {

class ServerBatch {
 public:
  // All outlive it.
  ServerBatch(const Settings& settings, BatchLedger& ledger, Interrupt& interrupt, ProgressPrinter& printer);

  // Until all tasks have ended. Throws Error: cancelled when stopped, io when the server cannot be reached for long,
  // invalid_argument when it lets nobody in; jobs that were sent go on there and are collected by the next run.
  void run(const std::vector<BatchTask>& tasks);

 private:
  [[nodiscard]] bool launch(BatchTask& task);
  [[nodiscard]] bool landed(BatchTask& task);
  void fetch(const BatchTask& task, const Json& job);
  void be_patient(const ServerFailure& failure);
  void pause(std::chrono::milliseconds time) const;

  const Settings& settings_;
  BatchLedger& ledger_;
  Interrupt& interrupt_;
  ProgressPrinter& printer_;
  ServerClient client_;
  std::deque<BatchTask> waiting_;
  std::vector<BatchTask> flying_;
  std::optional<std::chrono::steady_clock::time_point> lost_;  // since when the server has not answered
};

}  // namespace espalier::cli
