#include "mcp_wire.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace espalier::cli {

LineReader::Got LineReader::taken(std::string& line, std::size_t bytes, std::size_t with_end) {
  const bool whole = !skipping_ && bytes <= most_;
  line.clear();
  if (whole) line.assign(buffer_, 0, bytes);
  if (line.ends_with('\r')) line.pop_back();
  buffer_.erase(0, with_end);
  searched_ = 0;
  skipping_ = false;
  return whole ? Got::line : Got::too_long;
}

void LineReader::read_more() {
  std::array<char, 65536> block{};
  const ssize_t n = ::read(fd_, block.data(), block.size());
  if (n > 0) {
    buffer_.append(block.data(), static_cast<std::size_t>(n));
  } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
    ended_ = true;
  }
}

LineReader::Got LineReader::next(std::string& line, const std::function<bool()>& stopped) {
  constexpr int kAskMilliseconds = 100;
  while (true) {
    if (const auto end = buffer_.find('\n', searched_); end != std::string::npos) return taken(line, end, end + 1);
    searched_ = buffer_.size();
    if (buffer_.size() > most_) {
      skipping_ = true;
      buffer_.clear();
      searched_ = 0;
    }
    if (ended_) return buffer_.empty() && !skipping_ ? Got::end : taken(line, buffer_.size(), buffer_.size());
    if (stopped()) return Got::stopped;
    pollfd source{fd_, POLLIN, 0};
    if (::poll(&source, 1, kAskMilliseconds) > 0) read_more();
  }
}

void MessageWriter::send(const Json& message) {
  const std::string line = message.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
  const std::scoped_lock lock(mutex_);
  for (std::size_t sent = 0; sent < line.size() && !broken_;) {
    const ssize_t n = ::write(fd_, line.data() + sent, line.size() - sent);
    if (n >= 0) {
      sent += static_cast<std::size_t>(n);
    } else if (errno != EINTR) {
      broken_ = true;
    }
  }
}

}  // namespace espalier::cli
