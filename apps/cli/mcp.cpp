// espalier mcp: a server of the Model Context Protocol (2025-06-18 and 2024-11-05) on standard input and output.
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <optional>
#include <thread>

#include "base/json.h"
#include "commands.h"
#include "mcp_tools.h"
#include "server/serve.h"
#include "server_client.h"

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostLine = std::size_t{1} << 20U;  // bytes of a message
constexpr std::size_t kMostCalls = 16;                    // that wait or run
constexpr std::size_t kLongestId = 200;
constexpr std::array kVersions{"2025-06-18", "2024-11-05"};  // the newest first

enum RpcCode : int {
  parse_error = -32700,
  invalid_request = -32600,
  method_not_found = -32601,
  invalid_params = -32602,
  too_busy = -32000,
};
// What a request is answered with that is not one.
struct RpcError {
  RpcCode code;
  std::string message;
};

// One call of a tool, from its request to its answer.
struct ToolCall {
  Json id, token;  // of the request, and of its progress or null
  std::string tool;
  Json arguments;
  std::atomic<bool> cancelled{false};
};

// Threads that work through calls in their order.
class ToolThreads {
 public:
  using Work = std::function<void(ToolCall&)>;

  ToolThreads(int threads, Work work, std::function<void()> idle) : work_(std::move(work)), idle_(std::move(idle)) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
  }
  ToolThreads(const ToolThreads&) = delete;
  ToolThreads& operator=(const ToolThreads&) = delete;
  // Calls that wait are dropped; those that run have to be cancelled by whoever made them.
  ~ToolThreads() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void add(std::shared_ptr<ToolCall> call) {
    {
      const std::scoped_lock lock(mutex_);
      waiting_.push_back(std::move(call));
    }
    changed_.notify_one();
  }

 private:
  void run() {
    constexpr auto kIdle = std::chrono::seconds(2);
    while (true) {
      std::shared_ptr<ToolCall> call;
      {
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, kIdle, [&] { return stopping_ || !waiting_.empty(); });
        if (stopping_) return;
        if (!waiting_.empty()) {
          call = std::move(waiting_.front());
          waiting_.pop_front();
        }
      }
      call ? work_(*call) : idle_();
    }
  }

  Work work_;
  std::function<void()> idle_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<ToolCall>> waiting_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

std::string base64(const std::string& bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');  // libcrypto ends it with a zero
  const int length = ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                       reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

bool is_id(const Json& id) {
  return id.is_number_integer() || (id.is_string() && id.get_ref<const std::string&>().size() <= kLongestId);
}

Json failure_json(const std::string& code, const std::string& message, const std::string& hint) {
  return {{"error", {{"code", code}, {"message", message}, {"hint", hint}}}};
}

class McpServer {
 public:
  McpServer(fs::path folder, ToolBackend& backend, Interrupt& interrupt)
      : folder_(std::move(folder)),
        backend_(backend),
        interrupt_(interrupt),
        makers_(
            backend.parallel(), [this](ToolCall& call) { work(call); }, [this] { backend_.idle(); }),
        reporters_(
            1, [this](ToolCall& call) { work(call); }, [] {}) {}
  McpServer(const McpServer&) = delete;
  McpServer& operator=(const McpServer&) = delete;
  ~McpServer() {
    leaving_ = true;  // what runs stops soon
  }

  // Until the client goes away, or somebody stops the process.
  void run() {
    LineReader reader(STDIN_FILENO, kMostLine);
    std::string line;
    while (true) {
      switch (reader.next(line, [&] { return interrupt_.requested() || writer_.broken(); })) {
        case LineReader::Got::line: take(line); break;
        case LineReader::Got::too_long:
          refuse(nullptr, {invalid_request, "the message has more than " + std::to_string(kMostLine) + " bytes"});
          break;
        case LineReader::Got::end: return;
        case LineReader::Got::stopped: return;
      }
    }
  }

 private:
  void refuse(const Json& id, const RpcError& error) {
    writer_.send({{"jsonrpc", "2.0"}, {"id", id}, {"error", {{"code", int{error.code}}, {"message", error.message}}}});
  }
  void answer(const Json& id, const Json& result) { writer_.send({{"jsonrpc", "2.0"}, {"id", id}, {"result", result}}); }

  void take(const std::string& line);
  void take_notification(const std::string& method, const Json& params);
  void take_request(const Json& id, const std::string& method, const Json& params);
  [[nodiscard]] Json initialize(const Json& params);
  void call_tool(const Json& id, const Json& params);
  void work(ToolCall& call);
  [[nodiscard]] Json result_of(ToolCall& call);
  [[nodiscard]] ToolResult run_tool(const ToolCall& call, const ToolWatch& watch);
  [[nodiscard]] bool annotated() const { return version_ == kVersions.front(); }

  fs::path folder_;
  ToolBackend& backend_;
  Interrupt& interrupt_;
  MessageWriter writer_{STDOUT_FILENO};
  std::string version_;  // of the protocol; empty before initialize. Written before the first call of a tool is taken
  std::atomic<bool> leaving_{false};
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<ToolCall>> calls_;  // that wait or run, by the text of their ids
  ToolThreads makers_, reporters_;                          // the last members: their threads use the others
};

void McpServer::take(const std::string& line) {
  if (line.find_first_not_of(" \t") == std::string::npos) return;
  constexpr JsonLimits kLimits{.bytes = kMostLine, .values = 10'000, .string = kMostLine, .depth = 32};
  std::string problem;
  const Json message = read_json<Json>(line, kLimits, problem);
  if (!problem.empty()) return refuse(nullptr, {parse_error, "the message " + problem});
  if (!message.is_object()) return refuse(nullptr, {invalid_request, "a message is one JSON object; batches are not taken"});
  const bool has_id = message.contains("id");
  const Json id = has_id && is_id(message["id"]) ? message["id"] : Json(nullptr);
  if (has_id && id.is_null()) return refuse(nullptr, {invalid_request, "id is neither a short text nor a whole number"});
  if (!message.contains("jsonrpc") || message["jsonrpc"] != "2.0")
    return refuse(id, {invalid_request, "jsonrpc is not \"2.0\""});
  if (!message.contains("method")) {
    if (message.contains("result") || message.contains("error")) return;  // an answer, though nothing was asked
    return refuse(id, {invalid_request, "the message has no method"});
  }
  if (!message["method"].is_string()) return refuse(id, {invalid_request, "method is not a text"});
  const Json params = message.contains("params") ? message["params"] : Json::object();
  const auto& method = message["method"].get_ref<const std::string&>();
  if (!params.is_object()) {
    if (has_id) refuse(id, {invalid_params, "params is not an object"});
    return;
  }
  if (!has_id) return take_notification(method, params);
  try {
    take_request(id, method, params);
  } catch (const RpcError& error) {
    refuse(id, error);
  }
}

void McpServer::take_notification(const std::string& method, const Json& params) {
  if (method != "notifications/cancelled" || !params.contains("requestId")) return;
  const std::scoped_lock lock(mutex_);
  const auto found = calls_.find(params["requestId"].dump(-1, ' ', false, Json::error_handler_t::replace));
  if (found != calls_.end()) found->second->cancelled = true;
}

void McpServer::take_request(const Json& id, const std::string& method, const Json& params) {
  if (method == "ping") return answer(id, Json::object());
  if (method == "initialize") return answer(id, initialize(params));
  if (version_.empty()) throw RpcError{invalid_request, "the first request has to be initialize"};
  if (method == "tools/list") {
    if (params.contains("cursor") && !params["cursor"].is_null())
      throw RpcError{invalid_params, "the cursor is unknown: the list has one page"};
    return answer(id, {{"tools", tool_list(annotated())}});
  }
  if (method == "tools/call") return call_tool(id, params);
  throw RpcError{method_not_found, "there is no method " + shortened(method)};
}

Json McpServer::initialize(const Json& params) {
  if (!version_.empty()) throw RpcError{invalid_request, "initialize was called already"};
  const auto asked = params.find("protocolVersion");
  if (asked == params.end() || !asked->is_string()) throw RpcError{invalid_params, "protocolVersion is missing"};
  const auto known = std::find(kVersions.begin(), kVersions.end(), asked->get_ref<const std::string&>());
  version_ = known == kVersions.end() ? kVersions.front() : *known;
  return {{"protocolVersion", version_},
          {"capabilities", {{"tools", {{"listChanged", false}}}}},
          {"serverInfo", {{"name", "espalier"}, {"title", "Espalier"}, {"version", version()}}},
          {"instructions",
           "Makes 3D assets from images or prompts and writes them into files below " + folder_.string() +
               ". Call status for the models that are there, generate to make an asset, export for other formats of it."}};
}

void McpServer::call_tool(const Json& id, const Json& params) {
  const auto call = std::make_shared<ToolCall>();
  call->id = id;
  const auto name = params.find("name");
  if (name == params.end() || !name->is_string()) throw RpcError{invalid_params, "name is missing"};
  call->tool = name->get<std::string>();
  if (!is_tool(call->tool)) throw RpcError{invalid_params, "there is no tool " + shortened(call->tool)};
  call->arguments = params.contains("arguments") && !params["arguments"].is_null() ? params["arguments"] : Json::object();
  if (!call->arguments.is_object()) throw RpcError{invalid_params, "arguments is not an object"};
  if (params.contains("_meta") && params["_meta"].is_object() && params["_meta"].contains("progressToken")) {
    call->token = params["_meta"]["progressToken"];
    if (!is_id(call->token)) throw RpcError{invalid_params, "progressToken is neither a short text nor a whole number"};
  }
  {
    const std::scoped_lock lock(mutex_);
    const std::string key = id.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (calls_.contains(key)) throw RpcError{invalid_request, "a call with this id runs"};
    if (calls_.size() >= kMostCalls)
      throw RpcError{too_busy, std::to_string(kMostCalls) + " calls wait or run, which is the most"};
    calls_[key] = call;
  }
  (call->tool == "status" ? reporters_ : makers_).add(call);
}

ToolResult McpServer::run_tool(const ToolCall& call, const ToolWatch& watch) {
  if (call.tool == "generate") return backend_.generate(generate_call(call.arguments, folder_), watch);
  if (call.tool == "export") return backend_.export_asset(export_call(call.arguments, folder_), watch);
  Json report = backend_.status(status_call(call.arguments), watch);
  report["folder"] = folder_.string();
  return {report, {}};
}

// What a tool says of its failure is for the model that called it, so it is a result.
Json McpServer::result_of(ToolCall& call) {
  constexpr auto kPause = std::chrono::milliseconds(250);
  const ToolWatch watch{[&] { return call.cancelled || leaving_ || interrupt_.requested() || writer_.broken(); },
                        [&, last = Clock::time_point(), shown = -1.0](double fraction, const std::string& message) mutable {
                          if (call.token.is_null() || fraction <= shown || Clock::now() - last < kPause) return;
                          shown = fraction;
                          last = Clock::now();
                          Json params{{"progressToken", call.token}, {"progress", fraction}, {"total", 1.0}};
                          if (annotated()) params["message"] = message;
                          writer_.send({{"jsonrpc", "2.0"}, {"method", "notifications/progress"}, {"params", params}});
                        }};
  ToolResult result;
  bool failed = true;
  try {
    result = run_tool(call, watch);
    failed = false;
  } catch (const Error& error) {
    result.report =
        failure_json(std::string(server::word_of(error.code())), std::string(error.message()), std::string(error.hint()));
  } catch (const ServerFailure& error) {
    result.report = failure_json(error.code(), error.what(), error.hint());
  } catch (const UsageError& error) {
    result.report = failure_json("invalid_argument", error.what(), "");
  } catch (const std::bad_alloc&) {
    result.report = failure_json("out_of_memory", "the host's memory is not enough", "close other programs, or ask for less");
  } catch (const std::exception& error) {
    result.report = failure_json("internal", error.what(), "please report it");
  }
  const std::string text = result.report.dump(-1, ' ', false, Json::error_handler_t::replace);
  Json content = Json::array({{{"type", "text"}, {"text", text}}});
  if (!result.png.empty()) content.push_back({{"type", "image"}, {"data", base64(result.png)}, {"mimeType", "image/png"}});
  Json answer{{"content", content}, {"isError", failed}};
  if (annotated()) answer["structuredContent"] = result.report;
  return answer;
}

void McpServer::work(ToolCall& call) {
  const Json result = call.cancelled ? Json() : result_of(call);
  {
    const std::scoped_lock lock(mutex_);
    calls_.erase(call.id.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  if (!call.cancelled && !leaving_) answer(call.id, result);  // what was cancelled is not answered
}

// The folder of the tools as it is named in the end, without links.
fs::path folder_of(const Settings& settings) {
  std::error_code error;
  const fs::path folder = fs::canonical(settings.folder.empty() ? fs::path(".") : settings.folder, error);
  if (error || !fs::is_directory(folder, error))
    throw Error(ErrorCode::not_found, "--folder " + settings.folder.string() + " is not a folder", "name one that is there");
  if (settings.folder.empty() && folder == folder.root_path()) {
    throw UsageError("the current folder is " + folder.string() +
                     ", and the tools would read and write everywhere; name their folder with --folder");
  }
  return folder;
}

}  // namespace

int mcp(const Settings& settings) {
  const fs::path folder = folder_of(settings);
  Interrupt interrupt;
  const auto backend =
      settings.batch.server.empty() ? backend_here(settings, interrupt) : backend_on_server(settings, interrupt);
  McpServer(folder, *backend, interrupt).run();
  return 0;
}

}  // namespace espalier::cli
