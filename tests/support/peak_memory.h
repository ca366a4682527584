// What a call makes the memory of a process grow by at most.
#pragma once

#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <string>

namespace espalier::test {

// KiB by which the resident memory of a process grows while it runs `call`, at its peak, mapped files included; -1 when the
// call returns false, throws or crashes. Linux only: the kernel is asked to forget the peak from before.
inline std::int64_t peak_growth(const std::function<bool()>& call) {
  int ends[2];
  if (::pipe(ends) != 0) return -1;
  const pid_t child = ::fork();
  if (child == 0) {
    const auto resident = [](const std::string& what) {
      std::ifstream status("/proc/self/status");
      for (std::string word; status >> word;) {
        std::int64_t kib = 0;
        if (word == what && status >> kib) return kib;
      }
      return std::int64_t{-1};
    };
    ::malloc_trim(0);
    std::ofstream("/proc/self/clear_refs") << 5 << std::flush;
    const std::int64_t before = resident("VmRSS:");
    bool good = false;
    try {
      good = call();
    } catch (...) {
    }
    const std::int64_t grown = good ? resident("VmHWM:") - before : -1;
    ::_exit(::write(ends[1], &grown, sizeof grown) == sizeof grown ? 0 : 1);
  }
  ::close(ends[1]);
  std::int64_t grown = -1;
  if (::read(ends[0], &grown, sizeof grown) != sizeof grown) grown = -1;
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return grown;
}

}  // namespace espalier::test
