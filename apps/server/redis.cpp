#include "redis.h"

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace espalier::server {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostReply = std::size_t{256} << 20U;
constexpr std::size_t kMostIdle = 16;

std::string lower_hex(const unsigned char* bytes, std::size_t count) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    text += kDigits[bytes[i] >> 4U];
    text += kDigits[bytes[i] & 15U];
  }
  return text;
}

RedisReply reply_of(const redisReply& raw) {
  RedisReply reply;
  switch (raw.type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      reply.kind = RedisReply::Kind::text;
      reply.text.assign(raw.str, static_cast<std::size_t>(raw.len));
      break;
    case REDIS_REPLY_INTEGER:
      reply.kind = RedisReply::Kind::number;
      reply.number = raw.integer;
      break;
    case REDIS_REPLY_ARRAY:
      reply.kind = RedisReply::Kind::list;
      for (std::size_t i = 0; i < raw.elements; ++i) reply.items.push_back(reply_of(*raw.element[i]));
      break;
    default: break;
  }
  return reply;
}

// As Redis begins its messages: "WRONGPASS ...".
RedisRefusal refusal_of(const std::string& name, const std::string& text) {
  if (text.starts_with("NOAUTH") || text.starts_with("WRONGPASS") || text.starts_with("ERR invalid password") ||
      text.starts_with("ERR Client sent AUTH")) {
    return RedisRefusal("Redis at " + name + " refuses the password", "check user and password of --queue");
  }
  if (text.starts_with("OOM"))
    return RedisRefusal("Redis at " + name + " has no memory left", "raise its maxmemory, or remove jobs");
  return RedisRefusal("Redis at " + name + " refuses a command: " + text.substr(0, 200), "look at its messages");
}

}  // namespace

std::string RedisReply::str() const { return kind == Kind::number ? std::to_string(number) : text; }

const RedisReply& RedisReply::at(std::size_t index) const {
  static const RedisReply nothing;
  return index < items.size() ? items[index] : nothing;
}

// A socket that never waits longer than it is told, with TLS or without.
class RedisConnection::Wire {
 public:
  Wire(const RedisAddress& address, Clock::time_point until) : name_(address.shown()) {
    connect(address, until);
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(socket_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (address.tls) begin_tls(address.host, until);
  }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  ~Wire() { close(); }

  void write(std::string_view bytes, Clock::time_point until) {
    while (!bytes.empty()) {
      const long n = tls_
                         ? ::SSL_write(tls_.get(), bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), 1 << 20)))
                         : ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(n));
      } else if (!wait_after(n, POLLOUT, until)) {
        fail("does not take what is sent");
      }
    }
  }
  // 0 when nothing came in time.
  std::size_t read(char* to, std::size_t most, Clock::time_point until) {
    while (true) {
      const long n = tls_ ? ::SSL_read(tls_.get(), to, static_cast<int>(most)) : ::recv(socket_, to, most, 0);
      if (n > 0) return static_cast<std::size_t>(n);
      if (n == 0) fail("has closed the connection");
      if (!wait_after(n, POLLIN, until)) return 0;
    }
  }
  // Nothing unasked for has come, and the other side is there.
  [[nodiscard]] bool quiet() const {
    pollfd source{socket_, POLLIN, 0};
    return ::poll(&source, 1, 0) == 0;
  }
  [[noreturn]] void fail(const std::string& what) const { throw RedisError("Redis at " + name_ + " " + what); }

 private:
  struct FreeTls {
    void operator()(SSL* tls) const { ::SSL_free(tls); }
    void operator()(SSL_CTX* context) const { ::SSL_CTX_free(context); }
  };

  void close() {
    tls_.reset();
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }

  void connect(const RedisAddress& address, Clock::time_point until) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    const int problem = ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
    if (problem != 0) fail(std::string("cannot be found: ") + ::gai_strerror(problem));
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, &::freeaddrinfo);
    int error = ECONNREFUSED;
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
      close();
      socket_ = ::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      if (socket_ < 0) continue;
      error = ::connect(socket_, at->ai_addr, at->ai_addrlen) == 0 ? 0 : errno;
      if (error == EINPROGRESS) {
        socklen_t size = sizeof error;
        if (!poll(POLLOUT, until)) {
          error = ETIMEDOUT;
        } else if (::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
          error = errno;
        }
      }
      if (error == 0) return;
    }
    fail(std::string("cannot be reached: ") + std::strerror(error));
  }

  void begin_tls(const std::string& host, Clock::time_point until) {
    context_.reset(::SSL_CTX_new(::TLS_client_method()));
    if (!context_ || ::SSL_CTX_set_default_verify_paths(context_.get()) != 1) fail("cannot be reached: TLS cannot be set up");
    ::SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    ::SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
    ::SSL_CTX_set_mode(context_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    tls_.reset(::SSL_new(context_.get()));
    if (!tls_ || ::SSL_set_fd(tls_.get(), socket_) != 1) fail("cannot be reached: TLS cannot be set up");
    if (X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(tls_.get()), host.c_str()) != 1) {  // else it is a name
      ::SSL_set_tlsext_host_name(tls_.get(), host.c_str());
      ::SSL_set1_host(tls_.get(), host.c_str());
    }
    while (true) {
      const int n = ::SSL_connect(tls_.get());
      if (n == 1) return;
      const int why = ::SSL_get_error(tls_.get(), n);
      if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
        const long verdict = ::SSL_get_verify_result(tls_.get());
        ::ERR_clear_error();
        fail(verdict != X509_V_OK
                 ? std::string("has a certificate that is not trusted: ") + ::X509_verify_cert_error_string(verdict)
                 : "does not speak TLS at this port");
      }
      if (!poll(why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, until)) fail("does not begin TLS at this port");
    }
  }

  [[nodiscard]] bool poll(short what, Clock::time_point until) const {
    while (true) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
      pollfd source{socket_, what, 0};
      const int ready = ::poll(&source, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
      if (ready > 0) return true;
      if (ready == 0 || errno != EINTR) return false;
    }
  }
  // After a call that did nothing: false when the time is over. Throws when the connection is gone.
  [[nodiscard]] bool wait_after(long result, short what, Clock::time_point until) {
    if (tls_) {
      const int why = ::SSL_get_error(tls_.get(), static_cast<int>(result));
      ::ERR_clear_error();
      if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) fail("has closed the connection");
      return poll(why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, until);
    }
    if (errno == EINTR) return true;
    if (errno != EAGAIN && errno != EWOULDBLOCK) fail(std::string("has left: ") + std::strerror(errno));
    return poll(what, until);
  }

  std::string name_;
  int socket_ = -1;
  std::unique_ptr<SSL_CTX, FreeTls> context_;
  std::unique_ptr<SSL, FreeTls> tls_;
};

struct RedisConnection::Reader {
  struct Free {
    void operator()(redisReader* reader) const { ::redisReaderFree(reader); }
  };
  std::unique_ptr<redisReader, Free> reader{::redisReaderCreate()};
};

RedisConnection::RedisConnection(const RedisAddress& address, std::chrono::milliseconds patience)
    : name_(address.shown()),
      patience_(patience),
      wire_(std::make_unique<Wire>(address, Clock::now() + patience)),
      reader_(std::make_unique<Reader>()) {
  introduce(address);
}

RedisConnection::~RedisConnection() = default;

void RedisConnection::introduce(const RedisAddress& address) {
  if (!address.password.empty()) {
    (void)ask(address.user.empty() ? RedisCommand{"AUTH", address.password}
                                   : RedisCommand{"AUTH", address.user, address.password});
  }
  if (address.database != 0) (void)ask({"SELECT", std::to_string(address.database)});
}

bool RedisConnection::usable() const { return !broken_ && wire_->quiet(); }

void RedisConnection::send(const RedisCommand& command) {
  std::vector<const char*> words;
  std::vector<std::size_t> lengths;
  for (const std::string& word : command) {
    words.push_back(word.data());
    lengths.push_back(word.size());
  }
  char* text = nullptr;
  const int size = ::redisFormatCommandArgv(&text, static_cast<int>(words.size()), words.data(), lengths.data());
  if (size < 0 || text == nullptr) throw std::bad_alloc();
  const std::unique_ptr<char, decltype(&std::free)> kept(text, &std::free);
  broken_ = true;  // until all of it is sent
  wire_->write({text, static_cast<std::size_t>(size)}, Clock::now() + patience_);
  broken_ = false;
}

std::optional<RedisReply> RedisConnection::parsed() {
  void* raw = nullptr;
  if (::redisReaderGetReply(reader_->reader.get(), &raw) != REDIS_OK) wire_->fail("speaks another protocol");
  if (raw == nullptr) return std::nullopt;
  const std::unique_ptr<void, decltype(&::freeReplyObject)> kept(raw, &::freeReplyObject);
  const auto& reply = *static_cast<const redisReply*>(raw);
  if (reply.type == REDIS_REPLY_ERROR) throw refusal_of(name_, {reply.str, static_cast<std::size_t>(reply.len)});
  return reply_of(reply);
}

std::optional<RedisReply> RedisConnection::receive(std::chrono::milliseconds time) {
  const auto until = Clock::now() + time;
  std::array<char, 65536> block{};
  for (std::size_t total = 0;;) {
    if (auto reply = parsed()) return reply;
    broken_ = true;
    const std::size_t n = wire_->read(block.data(), block.size(), until);
    broken_ = false;
    if (n == 0) return std::nullopt;
    total += n;
    if (total > kMostReply) wire_->fail("sends more than was asked for");
    if (::redisReaderFeed(reader_->reader.get(), block.data(), n) != REDIS_OK) throw std::bad_alloc();
  }
}

RedisReply RedisConnection::ask(const RedisCommand& command) {
  send(command);
  auto reply = receive(patience_);
  if (reply) return *std::move(reply);
  broken_ = true;
  wire_->fail("does not answer");
}

RedisScript::RedisScript(std::string text) : text_(std::move(text)) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (::EVP_Digest(text_.data(), text_.size(), digest.data(), &size, ::EVP_sha1(), nullptr) != 1)
    throw Error(ErrorCode::internal, "SHA-1 is not available");
  hash_ = lower_hex(digest.data(), size);
}

Redis::Redis(RedisAddress address, std::chrono::milliseconds patience) : address_(std::move(address)), patience_(patience) {}

std::unique_ptr<RedisConnection> Redis::connect() const { return std::make_unique<RedisConnection>(address_, patience_); }

std::unique_ptr<RedisConnection> Redis::borrowed() {
  {
    const std::scoped_lock lock(mutex_);
    while (!idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      if (connection->usable()) return connection;
    }
  }
  return connect();
}

void Redis::give_back(std::unique_ptr<RedisConnection> connection) {
  const std::scoped_lock lock(mutex_);
  if (idle_.size() < kMostIdle) idle_.push_back(std::move(connection));
}

// A connection that has failed is not kept; one that was refused something is as good as before.
template <class Work>
auto Redis::with_connection(Work work) {
  auto connection = borrowed();
  try {
    auto reply = work(*connection);
    give_back(std::move(connection));
    return reply;
  } catch (const RedisRefusal&) {
    give_back(std::move(connection));
    throw;
  }
}

RedisReply Redis::ask(const RedisCommand& command) {
  return with_connection([&](RedisConnection& connection) { return connection.ask(command); });
}

std::optional<RedisReply> Redis::wait(const RedisCommand& command, std::chrono::milliseconds longest,
                                      const std::function<bool()>& enough) {
  auto connection = borrowed();
  connection->send(command);
  const auto until = Clock::now() + longest + patience_;
  while (!enough()) {
    auto reply = connection->receive(100ms);
    if (reply) give_back(std::move(connection));
    if (reply) return reply;
    if (Clock::now() >= until) throw RedisError("Redis at " + address_.shown() + " does not answer");
  }
  return std::nullopt;  // and the connection, which still waits, is closed
}

void Redis::listen(const std::string& channel, const std::function<bool()>& enough,
                   const std::function<void(const std::string&)>& hear) const {
  constexpr auto kQuiet = 5s;  // then it is asked
  const auto connection = connect();
  connection->send({"SUBSCRIBE", channel});
  auto heard = Clock::now(), asked = heard;
  while (!enough()) {
    const auto reply = connection->receive(200ms);
    const auto now = Clock::now();
    if (reply) {
      heard = now;
      if (reply->at(0).str() == "message") hear(reply->at(2).str());
    } else if (now - heard >= kQuiet + patience_) {
      throw RedisError("Redis at " + address_.shown() + " does not answer");
    } else if (now - std::max(heard, asked) >= kQuiet) {
      connection->send({"PING"});
      asked = now;
    }
  }
}

RedisReply Redis::run(const RedisScript& script, const std::vector<std::string>& arguments) {
  RedisCommand command{"EVALSHA", script.hash(), "0"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return with_connection([&](RedisConnection& connection) {
    try {
      return connection.ask(command);
    } catch (const RedisRefusal& refusal) {
      if (std::string(refusal.message()).find("NOSCRIPT") == std::string::npos) throw;
    }
    command[0] = "EVAL";
    command[1] = script.text();
    return connection.ask(command);
  });
}

}  // namespace espalier::server
