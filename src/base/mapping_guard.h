// Keeps a mapped file that another program shortens, or a disk that fails, from ending the process.
#pragma once

#include <cstddef>

namespace espalier {

// Watches over one mapping while it lives. Touching a page that the file no longer has raises SIGBUS; a handler puts pages of
// zeros in place of all that follows and remembers it. The kernel passes such a fault to the process as a whole, so the handler
// and its table are the process's: installed with the first mapping, and what is no fault of a watched mapping goes to
// whatever handler was there before.
class MappingGuard {
 public:
  MappingGuard() = default;
  MappingGuard(const void* begin, std::size_t size);
  MappingGuard(MappingGuard&& other) noexcept : slot_(other.slot_) { other.slot_ = -1; }
  MappingGuard& operator=(MappingGuard&& other) noexcept;
  MappingGuard(const MappingGuard&) = delete;
  MappingGuard& operator=(const MappingGuard&) = delete;
  ~MappingGuard();

  // Whether bytes that were read since are not those of the file.
  [[nodiscard]] bool has_lost() const;

 private:
  int slot_ = -1;  // -1: watches nothing
};

}  // namespace espalier
