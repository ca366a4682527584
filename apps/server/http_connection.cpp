#include "http_connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

namespace espalier::server {
namespace {

using Seconds = std::chrono::duration<double>;

Connection::Clock::duration in_clock(double seconds) {
  return std::chrono::duration_cast<Connection::Clock::duration>(Seconds(seconds));
}

// Programs differ in whether LF alone ends a line, so that one may see two requests where another sees one.
void refuse_lone_line_feeds(std::string_view head, std::size_t from) {
  for (auto at = head.find('\n', from); at != std::string_view::npos; at = head.find('\n', at + 1)) {
    if (at > 0 && head[at - 1] == '\r') continue;
    throw HttpError(400, "invalid_argument", "a line of the request's head ends in LF alone", "end lines with CR LF");
  }
}

}  // namespace

Connection::Connection(int socket, const ConnectionLimits& limits) : socket_(socket), limits_(limits), start_(Clock::now()) {}

bool Connection::wait(short events, Clock::time_point until) const {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0) return false;
    pollfd source{socket_, events, 0};
    const int ready = ::poll(&source, 1, static_cast<int>(std::min<long long>(left, 60'000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) throw Gone();
  }
}

std::optional<std::size_t> Connection::receive(std::span<char> bytes, Clock::time_point until) const {
  while (true) {
    const ssize_t n = ::recv(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) throw Gone();
    if (!wait(POLLIN, until)) return std::nullopt;
  }
}

std::optional<std::string> Connection::read_head() {
  auto until = Clock::now() + in_clock(pending_.empty() ? limits_.idle_seconds : limits_.client_seconds);
  bool silent = pending_.empty();
  std::size_t searched = 0;
  while (true) {
    // Old clients send a line break behind a body (RFC 9112, 2.2).
    while (searched == 0 && pending_.starts_with("\r\n")) pending_.erase(0, 2);
    const auto end = pending_.find("\r\n\r\n", searched);
    refuse_lone_line_feeds(std::string_view(pending_).substr(0, end), searched);
    if (end != std::string::npos && end + 4 <= limits_.head.bytes) {
      std::string head = pending_.substr(0, end + 4);
      pending_.erase(0, end + 4);
      return head;
    }
    if (pending_.size() > limits_.head.bytes) {
      throw HttpError(431, "invalid_argument", "the headers have more than " + std::to_string(limits_.head.bytes) + " bytes",
                      "send fewer or shorter headers");
    }
    searched = pending_.size() < 3 ? 0 : pending_.size() - 3;
    std::array<char, 4096> bytes{};
    const auto n = receive(bytes, until);
    if (!n && silent) return std::nullopt;
    if (!n) throw HttpError(408, "invalid_argument", "the headers did not come in time", "send the request faster");
    if (*n == 0) return std::nullopt;
    if (silent) until = Clock::now() + in_clock(limits_.client_seconds);
    silent = false;
    pending_.append(bytes.data(), *n);
  }
}

void Connection::begin_transfer() {
  start_ = Clock::now();
  moved_ = 0;
}

Connection::Clock::time_point Connection::deadline() const {
  const double allowed = limits_.client_seconds + static_cast<double>(moved_) / static_cast<double>(limits_.slowest_rate);
  return std::min(start_ + in_clock(allowed), Clock::now() + in_clock(limits_.client_seconds));
}

std::size_t Connection::read(std::span<char> bytes) {
  std::size_t n = 0;
  if (!pending_.empty()) {
    n = std::min(bytes.size(), pending_.size());
    std::copy_n(pending_.data(), n, bytes.data());
    pending_.erase(0, n);
  } else {
    const auto received = receive(bytes, deadline());
    if (!received) throw HttpError(408, "invalid_argument", "the body of the request comes too slowly", "send it faster");
    if (*received == 0) throw Gone();
    n = *received;
  }
  moved_ += n;
  return n;
}

void Connection::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
      moved_ += static_cast<std::uint64_t>(n);
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) throw Gone();
    if (!wait(POLLOUT, deadline())) throw Gone();
  }
}

bool Connection::client_left() const {
  pollfd source{socket_, POLLRDHUP, 0};
  return ::poll(&source, 1, 0) > 0 && (source.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void Connection::close_gently() {
  // Closing with unread bytes would reset the connection, and the client would lose the answer with it.
  ::shutdown(socket_, SHUT_WR);
  const auto until = Clock::now() + in_clock(std::min(2.0, limits_.client_seconds));
  std::array<char, 16384> bytes{};
  try {
    for (std::uint64_t seen = 0; seen < limits_.drained;) {
      const auto n = receive(bytes, until);
      if (!n || *n == 0) return;
      seen += *n;
    }
  } catch (const Gone&) {
    return;
  }
}

Body::Body(Connection& connection, const RequestHead& head, std::uint64_t limit)
    : connection_(connection),
      limit_(limit),
      left_(head.content_length.value_or(0)),
      chunked_(head.chunked),
      expects_continue_(lower_case(head.header("expect")) == "100-continue"),
      finished_(!head.has_body()) {
  if (left_ > limit_) too_large();
}

void Body::too_large() const {
  throw HttpError(413, "too_large",
                  "the request has more than " + std::to_string(limit_) + " bytes, which is the most that is taken here",
                  "send smaller files, or start the server with a larger --max-upload");
}

void Body::begin() {
  begun_ = true;
  connection_.begin_transfer();
  if (expects_continue_) connection_.write("HTTP/1.1 100 Continue\r\n\r\n");
}

std::string Body::line(std::size_t limit) {
  std::string text;
  char c = 0;
  while (text.size() < limit + 2) {
    if (connection_.read({&c, 1}) == 0) break;
    text += c;
    if (!text.ends_with("\r\n")) continue;
    text.resize(text.size() - 2);
    return text;
  }
  throw HttpError(400, "invalid_argument", "the body's chunks are damaged", "send it with Content-Length");
}

void Body::begin_chunk() {
  constexpr std::size_t kLongest = 256, kMostFields = 32, kLongestField = 4096, kDigits = 16;
  if (!first_ && !line(0).empty()) throw HttpError(400, "invalid_argument", "a chunk of the body is longer than it says", "");
  first_ = false;
  const std::string head = line(kLongest);
  const std::string size = head.substr(0, head.find(';'));  // extensions, which nobody uses
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), value, 16);
  if (size.empty() || size.size() > kDigits || error != std::errc() || end != size.data() + size.size())
    throw HttpError(400, "invalid_argument", "a chunk of the body does not say how long it is", "send it with Content-Length");
  if (value > limit_ - all_) too_large();
  all_ += value;
  left_ = value;
  if (value > 0) return;
  for (std::size_t fields = 0; !line(kLongestField).empty();) {
    if (++fields > kMostFields) throw HttpError(400, "invalid_argument", "the body ends with too many fields", "send fewer");
  }
  finished_ = true;
}

std::size_t Body::read(std::span<char> bytes) {
  if (finished_) return 0;
  if (!begun_) begin();
  if (chunked_ && left_ == 0) {
    begin_chunk();
    if (finished_) return 0;
  }
  const std::size_t n = connection_.read(bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()))));
  left_ -= n;
  if (left_ == 0 && !chunked_) finished_ = true;
  return n;
}

std::string Body::text() {
  std::string all;
  std::array<char, 16384> bytes{};
  while (const std::size_t n = read(bytes)) all.append(bytes.data(), n);
  return all;
}

}  // namespace espalier::server
