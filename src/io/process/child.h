// A program that runs beside us: fed through its standard input, writing into memory.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/monitor.h"

namespace espalier {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }
  [[nodiscard]] int get() const { return fd_; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void close();

 private:
  int fd_ = -1;
};

// The child has an output file on descriptor 3 (/proc/self/fd/3), which lives in memory and can be sought in, its standard
// output nowhere, and its messages here. It is in a process group of its own, so Ctrl-C in a terminal reaches it through us
// alone, and it is gone when this object is: killed, unless it has ended by itself.
class Child {
 public:
  static constexpr const char* kOutputPath = "/proc/self/fd/3";

  // Starts arguments[0], looked up in PATH. Throws unsupported when there is no such program, io when it cannot be started.
  explicit Child(const std::vector<std::string>& arguments);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  // Hands bytes to its standard input. Throws io when it has stopped reading (its messages in the text), or has taken
  // nothing for two minutes; cancelled within a tenth of a second.
  void write(std::span<const std::byte> bytes, const Monitor* monitor);
  // Ends its input, waits for it, and gives its output. Throws io when it failed or wrote more than `limit` bytes.
  [[nodiscard]] std::vector<std::byte> finish(std::uint64_t limit, const Monitor* monitor);

 private:
  // Waits at most a tenth of a second for room in the input (if `writing`) or for messages, which it takes in. True when
  // there is room.
  bool wait(bool writing, const Monitor* monitor);
  void take_messages();
  [[noreturn]] void fail_with_messages(const std::string& how);
  // Its exit status. In a hurry it has been killed, so it ends at once.
  int reap(const Monitor* monitor, bool hurry);

  std::string program_;
  pid_t pid_ = -1;
  Descriptor input_, messages_, output_;
  std::string text_;
  bool messages_ended_ = false;
};

}  // namespace espalier
