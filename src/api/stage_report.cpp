#include <chrono>

#include "espalier/espalier.h"
#include "runtime/host_memory.h"

namespace espalier {

StageReport measured(Stage stage, const std::function<void()>& work) {
  const HostMemoryWatch memory(true);
  const auto start = std::chrono::steady_clock::now();
  work();
  StageReport report;
  report.stage = stage;
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  report.process_bytes = memory.peak();
  report.peak_bytes = report.process_bytes > memory.start() ? report.process_bytes - memory.start() : 0;
  return report;
}

}  // namespace espalier
