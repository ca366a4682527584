// Redis, as much of it as a fleet needs: commands, scripts and one subscription. hiredis writes and reads the protocol; the
// connection is ours, because TLS and limits of time hold for every step of it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "fleet_address.h"
#include "fleet_error.h"

namespace espalier::server {

// Redis cannot be reached, or refuses what it is asked. what() is for whoever runs the server; it holds no password.
class RedisError : public FleetError {
 public:
  explicit RedisError(const std::string& message, const std::string& hint = "start it, or check --queue")
      : FleetError("the queue of jobs cannot be reached", message, hint) {}
};
// The answer is an error.
class RedisRefusal : public RedisError {
 public:
  using RedisError::RedisError;
};

struct RedisReply {
  enum class Kind { nothing, text, number, list };
  Kind kind = Kind::nothing;
  std::string text{};
  std::int64_t number = 0;
  std::vector<RedisReply> items{};

  // The text, or the number as one; empty for everything else.
  [[nodiscard]] std::string str() const;
  // The item; an empty reply where there is none.
  [[nodiscard]] const RedisReply& at(std::size_t index) const;
};

using RedisCommand = std::vector<std::string>;

// One connection; of one thread at a time.
class RedisConnection {
 public:
  // Connects, says who we are and chooses the database. Throws RedisError within `patience`.
  RedisConnection(const RedisAddress& address, std::chrono::milliseconds patience);
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;
  ~RedisConnection();

  // Throws RedisRefusal for an error, RedisError when the answer is not there within `patience`, after which the connection is
  // of no use.
  [[nodiscard]] RedisReply ask(const RedisCommand& command);
  // Sends without waiting; the answers come with receive().
  void send(const RedisCommand& command);
  // Nothing when none came in time.
  [[nodiscard]] std::optional<RedisReply> receive(std::chrono::milliseconds time);
  // Whether it can be used for the next command.
  [[nodiscard]] bool usable() const;

 private:
  class Wire;
  struct Reader;

  void introduce(const RedisAddress& address);
  [[nodiscard]] std::optional<RedisReply> parsed();

  std::string name_;
  std::chrono::milliseconds patience_;
  std::unique_ptr<Wire> wire_;
  std::unique_ptr<Reader> reader_;
  bool broken_ = false;
};

// A script of Lua, which Redis knows by its hash.
class RedisScript {
 public:
  explicit RedisScript(std::string text);
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] const std::string& hash() const { return hash_; }

 private:
  std::string text_, hash_;
};

// Connections that are opened when they are needed. All functions may be called from any thread.
class Redis {
 public:
  explicit Redis(RedisAddress address, std::chrono::milliseconds patience = std::chrono::seconds(5));

  [[nodiscard]] const RedisAddress& address() const { return address_; }
  RedisReply ask(const RedisCommand& command);
  // A command that waits itself, at most `longest`; nothing when `enough` says so before, which is asked ten times a second.
  std::optional<RedisReply> wait(const RedisCommand& command, std::chrono::milliseconds longest,
                                 const std::function<bool()>& enough);
  RedisReply run(const RedisScript& script, const std::vector<std::string>& arguments);
  // Hears what is said in a channel until `enough` says so, which is asked several times a second. Redis is asked now and then
  // whether it is there, since a connection may be lost without a word. Throws RedisError.
  void listen(const std::string& channel, const std::function<bool()>& enough,
              const std::function<void(const std::string&)>& hear) const;
  // A connection of the caller's own.
  [[nodiscard]] std::unique_ptr<RedisConnection> connect() const;

 private:
  [[nodiscard]] std::unique_ptr<RedisConnection> borrowed();
  void give_back(std::unique_ptr<RedisConnection> connection);
  template <class Work>
  auto with_connection(Work work);

  const RedisAddress address_;
  const std::chrono::milliseconds patience_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<RedisConnection>> idle_;
};

}  // namespace espalier::server
