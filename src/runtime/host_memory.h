// What memory the process itself takes, as the operating system sees it.
#pragma once

#include <cstddef>

namespace espalier {

// Hints for memory that nobody has touched yet, whose first touch is most of what it costs in a virtual machine. It may come in
// large pages; and its pages are made now, which several threads may do for parts of it. Nothing happens where the system
// cannot.
void ask_for_large_pages(void* data, std::size_t bytes);
void make_pages(void* data, std::size_t bytes);

// Bytes of resident memory of this process now; 0 where the system does not tell.
[[nodiscard]] std::size_t resident_memory();

// Watches the resident memory from its construction on. Linux keeps a mark of the highest value (VmHWM); the watch puts it
// back to the present one, so watches cannot overlap: one ends the one before. All threads of the process count. The mark
// belongs to the whole program, so a library touches it only where its user asked for that.
class HostMemoryWatch {
 public:
  // Unless `asked`, nothing is looked at and all figures are 0.
  explicit HostMemoryWatch(bool asked);
  // Resident memory at the start; 0 when unknown.
  [[nodiscard]] std::size_t start() const { return start_; }
  // The most since the start; 0 when unknown. Where the mark cannot be put back (/proc mounted read-only), it is known only if
  // it has risen.
  [[nodiscard]] std::size_t peak() const;

 private:
  std::size_t start_ = 0, mark_ = 0;
  bool asked_ = false, fresh_ = false;  // fresh: the mark was put back
};

}  // namespace espalier
