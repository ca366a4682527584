#include "metrics.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <thread>

namespace espalier::server {

std::uint64_t resident_bytes(int process) {
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  std::ifstream("/proc/" + (process == 0 ? std::string("self") : std::to_string(process)) + "/statm") >> all >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void keep_heaps_small() {
  constexpr int kMappedBytes = 4 << 20;  // blocks from this size on are mappings of their own, which return whole
  // Without this every thread's first allocation opens a heap of its own, which none of the others can use. With fewer heaps
  // than cores the teams of a job wait for each other: unwrapping took twice as long on 16 cores with 2.
  constexpr unsigned kFewest = 2;
  constexpr unsigned kMost = 16;
  ::mallopt(M_ARENA_MAX, static_cast<int>(std::clamp(std::thread::hardware_concurrency(), kFewest, kMost)));
  // Fixed: glibc would raise it to the largest block given back, and a job's big arrays would break the heaps into pieces.
  ::mallopt(M_MMAP_THRESHOLD, kMappedBytes);
  // Fixed, too, by the line above, at 128 KiB: blocks that are freed and made again all the time would go to the system and
  // come back as pages of zeros. After each job malloc_trim gives back all.
  constexpr int kKeptBytes = 64 << 20;
  ::mallopt(M_TRIM_THRESHOLD, kKeptBytes);
}

MetricsText& MetricsText::family(const char* name, const char* kind, const char* help) {
  name_ = name;
  text_ += "# HELP " + name_ + " " + help + "\n# TYPE " + name_ + " " + kind + "\n";
  return *this;
}

MetricsText& MetricsText::value(double value, const std::string& labels) {
  line(name_, value, labels);
  return *this;
}

void MetricsText::bucket(double bound, std::uint64_t within, const std::string& labels) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g", bound);
  line(name_ + "_bucket", static_cast<double>(within), labels + "le=\"" + text.data() + '"');
}

void MetricsText::line(const std::string& name, double value, const std::string& labels) {
  std::array<char, 64> number{};
  std::snprintf(number.data(), number.size(), "%.15g", value);
  text_ += name + (labels.empty() ? "" : "{" + labels + "}") + " " + number.data() + "\n";
}

}  // namespace espalier::server
