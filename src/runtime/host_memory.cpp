#include "runtime/host_memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace espalier {

namespace {

// A line of /proc/self/status such as "VmHWM:     1234 kB" in bytes; 0 where there is none.
std::size_t status_value(const char* key) {
  std::ifstream in("/proc/self/status");
  const std::string wanted = std::string(key) + ":";
  std::string word;
  std::size_t kib = 0;
  while (in >> word) {
    if (word == wanted) return in >> kib ? kib * 1024 : 0;
    in.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return 0;
}

bool put_mark_back() {
  std::ofstream out("/proc/self/clear_refs");
  out << "5\n" << std::flush;  // proc(5): resets the peak resident set size
  return out.good();
}

}  // namespace

std::size_t resident_memory() { return status_value("VmRSS"); }

HostMemoryWatch::HostMemoryWatch(bool asked) : asked_(asked) {
  if (!asked_) return;
  start_ = resident_memory();
  mark_ = status_value("VmHWM");
  fresh_ = put_mark_back();
}

std::size_t HostMemoryWatch::peak() const {
  if (!asked_) return 0;
  const std::size_t mark = status_value("VmHWM");
  if (!fresh_ && mark <= mark_) return 0;
  return std::max(mark, start_);
}

}  // namespace espalier
