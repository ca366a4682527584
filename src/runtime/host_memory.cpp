#include "runtime/host_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
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

void ask_for_large_pages(void* data, std::size_t bytes) {
#ifdef MADV_HUGEPAGE
  constexpr std::uintptr_t kPage = std::uintptr_t{2} << 20U;
  const auto begin = (reinterpret_cast<std::uintptr_t>(data) + kPage - 1) / kPage * kPage;
  const auto end = (reinterpret_cast<std::uintptr_t>(data) + bytes) / kPage * kPage;
  if (bytes < 2 * kPage || end <= begin) return;
  static_cast<void>(
      ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE));  // NOLINT(performance-no-int-to-ptr)
#else
  static_cast<void>(data);
  static_cast<void>(bytes);
#endif
}

void make_pages(void* data, std::size_t bytes) {
#ifdef MADV_POPULATE_WRITE
  constexpr std::uintptr_t kPage = 4096;
  const auto begin = (reinterpret_cast<std::uintptr_t>(data) + kPage - 1) / kPage * kPage;
  const auto end = (reinterpret_cast<std::uintptr_t>(data) + bytes) / kPage * kPage;
  if (end <= begin) return;
  static_cast<void>(
      ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_WRITE));  // NOLINT(performance-no-int-to-ptr)
#else
  static_cast<void>(data);
  static_cast<void>(bytes);
#endif
}

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
