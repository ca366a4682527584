// Listens, and serves every connection on a thread of its own, up to a number of them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "api_keys.h"
#include "http_connection.h"

namespace espalier::server {

struct HttpRequest {
  const RequestHead& head;
  Connection& connection;
  std::optional<Body> body{};
  Caller caller{};  // for whoever answers to note

  // The body, of at most `limit` bytes; once per request.
  Body& open_body(std::uint64_t limit) { return body.emplace(connection, head, limit); }
};

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  int port = 0;  // 0: one that is free
  int connections = 384;
  ConnectionLimits limits{};
  std::vector<std::pair<std::string, std::string>> headers;  // of every response
};

class HttpServer {
 public:
  // Answers a request; may throw HttpError. Runs on many threads at once.
  using Handler = std::function<Response(HttpRequest&)>;
  // Is told of every answer.
  using Log = std::function<void(const RequestHead&, int status)>;

  // Binds; throws Error (invalid_argument, io) when that fails.
  HttpServer(HttpServerOptions options, Handler handler, Log log);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer();

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] int connections() const;
  void start();
  // Takes no more connections, ends those that are open, waits for their threads.
  void stop();

 private:
  using Clock = Connection::Clock;

  void listen();
  bool make_room(std::unique_lock<std::mutex>& lock);
  void refuse(int socket) const;
  void note_waiting(int socket, bool waiting);
  void serve(int socket);
  void serve_requests(Connection& connection);
  // One request; false when the connection ends with it.
  bool serve_one(Connection& connection);

  HttpServerOptions options_;
  Handler handler_;
  Log log_;
  int listener_ = -1, wake_ = -1, port_ = 0;
  std::thread thread_;
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  // Sockets that have a thread, and since when they wait for a request.
  std::map<int, std::optional<Clock::time_point>> open_;
  bool stopping_ = false;
};

}  // namespace espalier::server
