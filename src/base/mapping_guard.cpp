#include "base/mapping_guard.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <utility>

#include "base/error.h"

namespace espalier {
namespace {

struct Slot {
  std::atomic<bool> taken{false};
  std::atomic<std::uintptr_t> begin{0}, end{0};  // whole pages; equal: none
  std::atomic<bool> lost{false};
};

// Everything here is read by the signal handler, which may use neither locks nor memory of its own.
struct Table {
  std::array<Slot, 1024> slots;
  std::uintptr_t page = 4096;
  struct sigaction before {};
};

Table& table() {
  static Table the_table;
  return the_table;
}

void pass_on(int signal, siginfo_t* info, void* context) {
  const struct sigaction& before = table().before;
  if ((before.sa_flags & SA_SIGINFO) != 0 && before.sa_sigaction != nullptr) {
    before.sa_sigaction(signal, info, context);
  } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN && before.sa_handler != nullptr) {
    before.sa_handler(signal);
  } else {
    // Returning to the instruction raises the signal again, now with its usual end; what kill() sent is sent again.
    struct sigaction usual {};
    usual.sa_handler = SIG_DFL;
    ::sigaction(SIGBUS, &usual, nullptr);
    if (info->si_code <= 0) ::raise(signal);
  }
}

void on_bus_error(int signal, siginfo_t* info, void* context) {
  Table& t = table();
  const auto at = reinterpret_cast<std::uintptr_t>(info->si_addr);
  for (Slot& slot : t.slots) {
    const std::uintptr_t begin = slot.begin.load(), end = slot.end.load();
    if (at < begin || at >= end) continue;
    slot.lost.store(true);
    const std::uintptr_t first = at / t.page * t.page;
    void* const place = reinterpret_cast<void*>(first);
    if (::mmap(place, end - first, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED)
      return;
    break;
  }
  pass_on(signal, info, context);
}

// Once for the process.
bool install() {
  table().page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigemptyset(&action.sa_mask);
  return ::sigaction(SIGBUS, &action, &table().before) == 0;
}

}  // namespace

MappingGuard::MappingGuard(const void* begin, std::size_t size) {
  static const bool installed = install();
  Table& t = table();
  for (std::size_t i = 0; installed && i < t.slots.size(); ++i) {
    Slot& slot = t.slots[i];
    if (slot.taken.exchange(true)) continue;
    const auto first = reinterpret_cast<std::uintptr_t>(begin);
    slot.lost.store(false);
    slot.end.store((first + size + t.page - 1) / t.page * t.page);
    slot.begin.store(first);
    slot_ = static_cast<int>(i);
    return;
  }
  fail(ErrorCode::io, "too many files are mapped at a time (", t.slots.size(), ")", hint("close some"));
}

MappingGuard& MappingGuard::operator=(MappingGuard&& other) noexcept {
  std::swap(slot_, other.slot_);
  return *this;
}

MappingGuard::~MappingGuard() {
  if (slot_ < 0) return;
  Slot& slot = table().slots[static_cast<std::size_t>(slot_)];
  slot.begin.store(0);
  slot.end.store(0);
  slot.taken.store(false);
}

bool MappingGuard::has_lost() const { return slot_ >= 0 && table().slots[static_cast<std::size_t>(slot_)].lost.load(); }

}  // namespace espalier
