#include "http_server.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <memory>
#include <system_error>

#include "database.h"
#include "fleet_error.h"

namespace espalier::server {
namespace {

// A socket that listens, or the reason why there is none.
int bound_socket(const addrinfo& address, std::string& reason) {
  const int socket = ::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket >= 0) {
    const int on = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(socket, address.ai_addr, address.ai_addrlen) == 0 && ::listen(socket, 128) == 0) return socket;
  }
  reason = std::strerror(errno);
  if (socket >= 0) ::close(socket);
  return -1;
}

int listen_at(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); error != 0) {
    throw Error(ErrorCode::invalid_argument,
                "--host " + host + " is not an address of this machine (" + ::gai_strerror(error) + ")", "try 127.0.0.1");
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  std::string reason;
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
    if (const int socket = bound_socket(*a, reason); socket >= 0) return socket;
  }
  throw Error(ErrorCode::io, "cannot listen at " + host + " port " + std::to_string(port) + ": " + reason,
              "choose another with --port");
}

int port_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

// A file that is open, and what of it is sent.
class OpenedFile {
 public:
  explicit OpenedFile(const std::filesystem::path& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) {
    struct stat status {};
    if (fd_ < 0 || ::fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) {
      if (fd_ >= 0) ::close(fd_);
      throw HttpError(404, "not_found", "the file is gone", "list the job's files again");
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
  }
  OpenedFile(const OpenedFile&) = delete;
  OpenedFile& operator=(const OpenedFile&) = delete;
  ~OpenedFile() { ::close(fd_); }
  [[nodiscard]] std::uint64_t size() const { return size_; }

  void send(Connection& connection, ByteRange range) const {
    std::string bytes(262144, '\0');
    std::uint64_t left = range.last - range.first + 1;
    for (std::uint64_t at = range.first; left > 0;) {
      const ssize_t n = ::pread(fd_, bytes.data(), std::min<std::uint64_t>(bytes.size(), left), static_cast<off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) throw Gone();  // the length is promised already, so the connection must break
      connection.write({bytes.data(), static_cast<std::size_t>(n)});
      at += static_cast<std::uint64_t>(n);
      left -= static_cast<std::uint64_t>(n);
    }
  }

 private:
  int fd_;
  std::uint64_t size_ = 0;
};

// Everything that decides what is sent.
struct Answer {
  const RequestHead& head;
  const Response& response;
  const OpenedFile* file;  // may be null
  const std::vector<std::pair<std::string, std::string>>& headers;
  bool keep_alive;
};

std::string head_of(const Answer& answer, std::uint64_t length) {
  const Response& response = answer.response;
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + " " + reason_phrase(response.status) + "\r\n";
  out += "Date: " + http_date(std::time(nullptr)) + "\r\n";
  for (const auto* list : {&answer.headers, &response.headers}) {
    for (const auto& [name, value] : *list) out.append(name).append(": ").append(value).append("\r\n");
  }
  const bool without_length = response.stream || response.status == 204 || response.status == 304;
  if (!without_length) out += "Content-Length: " + std::to_string(length) + "\r\n";
  return out + (answer.keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
}

void send(Connection& connection, const Answer& answer) {
  const Response& response = answer.response;
  const std::string_view body = response.constant.empty() ? std::string_view(response.body) : response.constant;
  const std::uint64_t whole = answer.file != nullptr ? answer.file->size() : body.size();
  const ByteRange range = response.range.value_or(ByteRange{0, whole - 1});
  const std::uint64_t length = answer.file != nullptr && whole > 0 ? range.last - range.first + 1 : whole;
  connection.begin_transfer();
  std::string out = head_of(answer, length);
  const bool bodiless = answer.head.method == "HEAD" || response.status == 204 || response.status == 304;
  const bool together = !bodiless && answer.file == nullptr && !response.stream && body.size() < 65536;  // one packet, often
  if (together) out += body;
  connection.write(out);
  if (bodiless || together) return;
  if (response.stream) {
    response.stream([&](std::string_view piece) {
      connection.begin_transfer();
      connection.write(piece);
      return true;
    });
  } else if (answer.file != nullptr) {
    if (length > 0) answer.file->send(connection, range);
  } else {
    connection.write(body);
  }
}

// Any failure of a handler as an answer.
Response answer_to(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const HttpError& error) {
    return error_response(error);
  } catch (const std::bad_alloc&) {
    return error_response(
        HttpError(503, "out_of_memory", "the server is out of memory", "try again later, or with a smaller file"));
  } catch (const std::system_error& error) {  // its words name folders of this machine; theirs are for no client
    return error_response(
        HttpError(507, "io", "the server cannot keep this: " + error.code().message(), hint_for_system(error.code().value())));
  } catch (const FleetError& error) {
    return error_response(HttpError(503, "unavailable", error.reason(), "try again soon; the server's messages say more")
                              .with("Retry-After", "2"));
  } catch (const StorageError& error) {
    return error_response(
        HttpError(507, "io", "the server cannot read or write its records: " + error.reason(), std::string(error.hint())));
  } catch (const Error& error) {
    if (error.code() == ErrorCode::io) {
      return error_response(
          HttpError(507, "io", "the server cannot read or write its files", "look at the disk of the server's data folder"));
    }
    return error_response(HttpError(500, "internal", std::string("unexpected failure: ") + error.what(), "please report it"));
  } catch (const std::exception& error) {
    return error_response(HttpError(500, "internal", std::string("unexpected failure: ") + error.what(), "please report it"));
  }
}

}  // namespace

HttpServer::HttpServer(HttpServerOptions options, Handler handler, Log log)
    : options_(std::move(options)), handler_(std::move(handler)), log_(std::move(log)) {
  listener_ = listen_at(options_.host, options_.port);
  wake_ = ::eventfd(0, EFD_CLOEXEC);
  port_ = port_of(listener_);
}

HttpServer::~HttpServer() {
  stop();
  ::close(listener_);
  ::close(wake_);
}

int HttpServer::connections() const {
  const std::scoped_lock lock(mutex_);
  return static_cast<int>(open_.size());
}

void HttpServer::start() {
  thread_ = std::thread([this] { listen(); });
}

void HttpServer::stop() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);
  thread_.join();
  std::unique_lock lock(mutex_);
  stopping_ = true;
  for (const auto& [socket, waiting] : open_) ::shutdown(socket, SHUT_RDWR);
  ended_.wait(lock, [&] { return open_.empty(); });
}

void HttpServer::listen() {
  std::array<pollfd, 2> sources{pollfd{wake_, POLLIN, 0}, pollfd{listener_, POLLIN, 0}};
  while (true) {
    if (::poll(sources.data(), sources.size(), -1) < 0 && errno != EINTR) return;
    if ((sources[0].revents & POLLIN) != 0) return;
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) {
      const int error = errno;
      if (error == EAGAIN || error == EINTR || error == ECONNABORTED) continue;
      std::unique_lock lock(mutex_);
      // Without descriptors the listener stays readable: wait instead of turning in a circle.
      if ((error != EMFILE && error != ENFILE) || !make_room(lock)) {
        lock.unlock();
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
      continue;
    }
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::unique_lock lock(mutex_);
    if (open_.size() >= static_cast<std::size_t>(options_.connections) && !make_room(lock)) {
      lock.unlock();
      refuse(socket);
      continue;
    }
    try {
      open_.emplace(socket, Clock::now());
      std::thread([this, socket] { serve(socket); }).detach();
    } catch (const std::system_error&) {  // no more threads
      open_.erase(socket);
      ::close(socket);
    }
  }
}

// Ends the connection that has waited longest for its client to ask for something, so that clients who hold connections
// without use keep nobody out. False when all of them are in use.
bool HttpServer::make_room(std::unique_lock<std::mutex>& lock) {
  auto longest = open_.end();
  for (auto one = open_.begin(); one != open_.end(); ++one) {
    if (one->second && (longest == open_.end() || *one->second < *longest->second)) longest = one;
  }
  if (longest == open_.end()) return false;
  ::shutdown(longest->first, SHUT_RDWR);
  longest->second.reset();
  const std::size_t full = open_.size();
  return ended_.wait_for(lock, std::chrono::seconds(1), [&] { return open_.size() < full; });
}

void HttpServer::refuse(int socket) const {
  const Response response =
      error_response(HttpError(503, "unavailable", "all of the server's connections are in use", "try again later"));
  const RequestHead head;
  const std::string text = head_of({head, response, nullptr, options_.headers, false}, response.body.size()) + response.body;
  [[maybe_unused]] const ssize_t sent = ::send(socket, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  ::shutdown(socket, SHUT_WR);
  // Closing with unread bytes would reset the connection, and the client would lose the answer with it.
  std::array<char, 4096> unread{};
  [[maybe_unused]] const ssize_t received = ::recv(socket, unread.data(), unread.size(), MSG_DONTWAIT);
  ::close(socket);
}

void HttpServer::note_waiting(int socket, bool waiting) {
  const std::scoped_lock lock(mutex_);
  open_[socket] = waiting ? std::optional(Clock::now()) : std::nullopt;
}

void HttpServer::serve(int socket) {
  {
    Connection connection(socket, options_.limits);
    serve_requests(connection);
  }
  // Under the lock, so that stop() never meets a number that already means another file.
  const std::scoped_lock lock(mutex_);
  open_.erase(socket);
  ::close(socket);
  ended_.notify_all();
}

void HttpServer::serve_requests(Connection& connection) {
  try {
    while (serve_one(connection)) {
      const std::scoped_lock lock(mutex_);
      if (stopping_) return;
    }
    connection.close_gently();
  } catch (const std::exception&) {  // the client is gone
    return;
  }
}

bool HttpServer::serve_one(Connection& connection) {
  RequestHead head;
  try {
    note_waiting(connection.socket(), true);
    const auto text = connection.read_head();
    note_waiting(connection.socket(), false);
    if (!text) return false;
    head = parse_head(*text, options_.limits.head);
  } catch (const HttpError&) {
    const Response response = answer_to(std::current_exception());
    log_(head, response.status);
    send(connection, {head, response, nullptr, options_.headers, false});
    return false;
  }
  HttpRequest request{head, connection};
  Response response;
  std::optional<OpenedFile> file;
  try {
    response = handler_(request);
    if (!response.file.empty()) file.emplace(response.file);
  } catch (const Gone&) {
    throw;
  } catch (...) {
    response = answer_to(std::current_exception());
  }
  const bool read_all = request.body ? request.body->finished() : !head.has_body();
  const bool keep_alive = head.keep_alive && read_all && !response.close && !response.stream;
  log_(head, response.status);
  send(connection, {head, response, file ? &*file : nullptr, options_.headers, keep_alive});
  return keep_alive;
}

}  // namespace espalier::server
