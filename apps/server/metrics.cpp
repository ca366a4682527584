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

void Histogram::add(double seconds) {
  for (std::size_t i = 0; i < kBounds.size(); ++i) {
    if (seconds <= kBounds.at(i)) ++within.at(i);
  }
  ++count;
  sum += seconds;
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

MetricsText& MetricsText::values(const Histogram& histogram, const std::string& labels) {
  const std::string before = labels.empty() ? "" : labels + ",";
  for (std::size_t i = 0; i < Histogram::kBounds.size(); ++i) {
    std::array<char, 32> bound{};
    std::snprintf(bound.data(), bound.size(), "%g", Histogram::kBounds.at(i));
    line(name_ + "_bucket", static_cast<double>(histogram.within.at(i)), before + "le=\"" + bound.data() + '"');
  }
  line(name_ + "_bucket", static_cast<double>(histogram.count), before + "le=\"+Inf\"");
  line(name_ + "_sum", histogram.sum, labels);
  line(name_ + "_count", static_cast<double>(histogram.count), labels);
  return *this;
}

void MetricsText::line(const std::string& name, double value, const std::string& labels) {
  std::array<char, 64> number{};
  std::snprintf(number.data(), number.size(), "%.15g", value);
  text_ += name + (labels.empty() ? "" : "{" + labels + "}") + " " + number.data() + "\n";
}

}  // namespace espalier::server
