#include "metrics.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace espalier::server {

std::uint64_t resident_bytes() {
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

MetricsText& MetricsText::family(const char* name, const char* kind, const char* help) {
  name_ = name;
  text_ += "# HELP " + name_ + " " + help + "\n# TYPE " + name_ + " " + kind + "\n";
  return *this;
}

MetricsText& MetricsText::value(double value, const std::string& labels) {
  std::array<char, 64> number{};
  std::snprintf(number.data(), number.size(), "%.15g", value);
  text_ += name_ + (labels.empty() ? "" : "{" + labels + "}") + " " + number.data() + "\n";
  return *this;
}

}  // namespace espalier::server
