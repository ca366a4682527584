#include "metrics.h"

#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace espalier::server {

std::uint64_t resident_bytes(int process) {
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  std::ifstream("/proc/" + (process == 0 ? std::string("self") : std::to_string(process)) + "/statm") >> all >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void keep_heaps_small() {
  constexpr int kMappedBytes = 4 << 20;  // blocks from this size on are mappings of their own, which return whole
  // Without this every thread's first allocation opens a heap of its own, which none of the others can use.
  ::mallopt(M_ARENA_MAX, 2);
  // Fixed: glibc would raise it to the largest block given back, and a job's big arrays would break the heaps into pieces.
  ::mallopt(M_MMAP_THRESHOLD, kMappedBytes);
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
