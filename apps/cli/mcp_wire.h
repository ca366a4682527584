// Messages of JSON-RPC 2.0, one a line, as the Model Context Protocol has them over standard input and output.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

namespace espalier::cli {

using Json = nlohmann::ordered_json;

// Of one thread.
class LineReader {
 public:
  enum class Got { line, too_long, end, stopped };

  // For lines of at most `most` bytes. The descriptor stays the caller's.
  LineReader(int fd, std::size_t most) : fd_(fd), most_(most) {}

  // The next line without its end, into `line`. Waits for it, and asks `stopped` a few times a second. A line beyond the limit
  // is reported once it has ended, and nothing of it is kept.
  [[nodiscard]] Got next(std::string& line, const std::function<bool()>& stopped);

 private:
  [[nodiscard]] Got taken(std::string& line, std::size_t bytes, std::size_t with_end);
  void read_more();

  int fd_;
  std::size_t most_;
  std::string buffer_;
  std::size_t searched_ = 0;  // bytes of the buffer that hold no end of a line
  bool skipping_ = false, ended_ = false;
};

// Functions may be called from any thread.
class MessageWriter {
 public:
  explicit MessageWriter(int fd) : fd_(fd) {}

  // Writes a line. Nothing is written any more once nobody reads.
  void send(const Json& message);
  [[nodiscard]] bool broken() const { return broken_; }

 private:
  int fd_;
  std::mutex mutex_;
  std::atomic<bool> broken_{false};
};

}  // namespace espalier::cli
