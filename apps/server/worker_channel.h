// What passes between a server and the processes that work for it: one JSON object a line over a socket, both ways.
//
// Version 2. From the server: start, which is the first message (protocol, version of the program, process of the server, lane,
// models, background_network); jobs, one or several that run together (record as job_record.h has it, folder, parent,
// parent_folder, pace); cancel (task); unload. From the worker: models, loaded, warning; ready or failed (an error) after
// start; of each job progress, file, dropped, stages and, last, end, with `task`, its place in the message jobs. A worker of
// another version refuses to start. Either side takes the end of the socket as the end of the other.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "job_worker.h"

namespace espalier::server {

inline constexpr int kWorkerProtocol = 2;
inline constexpr int kWorkerSocket = 3;  // the worker's descriptor

// One end. send() and receive() may be called from a thread each.
class WorkerChannel {
 public:
  explicit WorkerChannel(int socket) : socket_(socket) {}
  WorkerChannel(const WorkerChannel&) = delete;
  WorkerChannel& operator=(const WorkerChannel&) = delete;
  ~WorkerChannel();

  // False when the other side is gone.
  bool send(const Json& message);
  // The next message; nothing when none came in time, or when there will be none: then ended() is true. A line that is no such
  // message ends the channel.
  [[nodiscard]] std::optional<Json> receive(std::chrono::milliseconds time);
  [[nodiscard]] bool ended() const { return ended_; }

 private:
  [[nodiscard]] std::optional<Json> taken(std::size_t bytes);

  int socket_;
  std::string buffer_;
  std::size_t searched_ = 0;  // bytes of the buffer that hold no end of a line
  bool ended_ = false;
};

// "job" of {"type": "job", ...}; empty for none.
[[nodiscard]] std::string type_of(const Json& message);

// The values of messages. Those that read throw Error format for what is none.
[[nodiscard]] Json to_json(const WorkerOptions& options);
[[nodiscard]] WorkerOptions worker_options_of(const Json& json);
[[nodiscard]] Json to_json(const Assignment& assignment);
[[nodiscard]] Assignment assignment_of(const Json& json);
[[nodiscard]] Json to_json(const ModelFacts& facts);
[[nodiscard]] ModelFacts facts_of(const Json& json);
[[nodiscard]] Json to_json(const JobEnd& end);
[[nodiscard]] JobEnd end_of(const Json& json);
[[nodiscard]] Json to_json(const std::vector<StageReport>& stages);  // what Paces learns from
[[nodiscard]] std::vector<StageReport> stages_of(const Json& json);
[[nodiscard]] Json to_json(const Error& error);
[[nodiscard]] Error error_of(const Json& json);

}  // namespace espalier::server
