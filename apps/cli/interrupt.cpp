#include "interrupt.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>
#include <system_error>

namespace espalier::cli {
namespace {

constexpr int grace_milliseconds = 700;

// The signals to take over: not those that the caller made this process ignore, as nohup and shells do.
sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action {};
    if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler != SIG_IGN) sigaddset(&set, signal);
  }
  return set;
}

// For the watching thread, while other threads may hold any lock: only calls that a signal handler could make, too.
[[noreturn]] void leave() {
  constexpr std::string_view text = "\nespalier: stopped on request\n";  // the line break ends a progress bar
  const std::string_view shown = ::isatty(STDERR_FILENO) == 1 ? text : text.substr(1);
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, shown.data(), shown.size());
  ::_exit(exit_interrupted);
}

int checked(int result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

}  // namespace

Interrupt::Interrupt() {
  const sigset_t set = watched_signals();
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    throw std::system_error(error, std::generic_category(), "cannot block signals");
  }
  signals_ = checked(::signalfd(-1, &set, SFD_CLOEXEC), "cannot watch for signals");
  stop_ = checked(::eventfd(0, EFD_CLOEXEC), "cannot make an event");
  thread_ = std::thread([this] { watch(); });
}

Interrupt::~Interrupt() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(stop_, &one, sizeof one);
  thread_.join();
  ::close(signals_);
  ::close(stop_);
}

void Interrupt::watch() {
  std::array<pollfd, 2> sources{pollfd{stop_, POLLIN, 0}, pollfd{signals_, POLLIN, 0}};
  bool impatient = false;  // the grace is over, but a critical section was running
  while (true) {
    const int timeout = !requested() ? -1 : impatient ? 20 : grace_milliseconds;
    const int ready = ::poll(sources.data(), sources.size(), timeout);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0 || (sources[0].revents & POLLIN) != 0) return;
    if ((sources[1].revents & POLLIN) != 0) {
      signalfd_siginfo info{};
      if (::read(signals_, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) continue;
      if (requested_.exchange(true)) leave();
      continue;
    }
    // Holding the lock while exiting keeps a critical section from starting in between.
    const std::unique_lock<std::mutex> idle(critical_, std::try_to_lock);
    if (idle.owns_lock()) leave();
    impatient = true;
  }
}

}  // namespace espalier::cli
