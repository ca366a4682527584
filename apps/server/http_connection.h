// One client's TCP connection with deadlines, so that a client that sends or reads drop by drop holds nothing for long.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "http_message.h"

namespace espalier::server {

// The client is gone: nobody is left to answer.
class Gone : public std::exception {
 public:
  [[nodiscard]] const char* what() const noexcept override { return "the client is gone"; }
};

struct ConnectionLimits {
  double client_seconds = 20.0;         // for a head; for a body or a response beyond what slowest_rate allows
  double idle_seconds = 15.0;           // between two requests
  std::uint64_t slowest_rate = 8192;    // bytes per second of bodies and responses
  std::uint64_t drained = 1024 * 1024;  // bytes that a refused client may still send while it reads the answer
  HeadLimits head{};
};

class Connection {
 public:
  using Clock = std::chrono::steady_clock;

  // The socket stays the caller's to close.
  Connection(int socket, const ConnectionLimits& limits);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The next request's head with its empty line, without empty lines before it; nothing when the client closes or stays silent
  // before a first byte. Throws HttpError when it is too long or too slow, or has a line that ends without CR.
  [[nodiscard]] std::optional<std::string> read_head();

  // A transfer begins: what follows may take client_seconds more than slowest_rate takes, and stand still no longer than that.
  void begin_transfer();
  // Between 1 and bytes.size() bytes. Throws Gone at the end of the stream, HttpError 408 when the client is too slow.
  [[nodiscard]] std::size_t read(std::span<char> bytes);
  // All of it. Throws Gone.
  void write(std::string_view bytes);
  // Whether the client has closed its side, as far as can be seen without reading.
  [[nodiscard]] bool client_left() const;
  // Ends the connection so that the client can still read what was written: half-closes, and lets what it still sends go by.
  void close_gently();

  [[nodiscard]] int socket() const { return socket_; }
  [[nodiscard]] const ConnectionLimits& limits() const { return limits_; }

 private:
  [[nodiscard]] Clock::time_point deadline() const;
  // False when the deadline comes first.
  [[nodiscard]] bool wait(short events, Clock::time_point until) const;
  // Bytes that came, 0 at the end of the stream, nothing at the deadline.
  [[nodiscard]] std::optional<std::size_t> receive(std::span<char> bytes, Clock::time_point until) const;

  int socket_;
  ConnectionLimits limits_;
  std::string pending_;  // read, not yet asked for
  Clock::time_point start_;
  std::uint64_t moved_ = 0;  // bytes of the transfer
};

// The body of one request.
class Body {
 public:
  // Throws HttpError 413 when the head already says that the body is larger than `limit`.
  Body(Connection& connection, const RequestHead& head, std::uint64_t limit);

  // 0 at the end. Throws HttpError 408, 413, and 400 for chunks that are none; Gone.
  [[nodiscard]] std::size_t read(std::span<char> bytes);
  // All of it as text.
  [[nodiscard]] std::string text();
  [[nodiscard]] bool finished() const { return finished_; }

 private:
  void begin();
  // A line without its end, of at most `limit` bytes.
  [[nodiscard]] std::string line(std::size_t limit);
  // Reads what stands before a chunk; behind the last one, the fields that nobody asked for.
  void begin_chunk();
  [[noreturn]] void too_large() const;

  Connection& connection_;
  std::uint64_t limit_;
  std::uint64_t left_ = 0, all_ = 0;  // of the body or of a chunk; of all chunks so far
  bool chunked_;
  bool first_ = true;  // no chunk has begun
  bool expects_continue_;
  bool begun_ = false, finished_ = false;
};

}  // namespace espalier::server
