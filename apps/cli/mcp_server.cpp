// The tools of espalier mcp on a server.
#include <algorithm>
#include <chrono>
#include <iomanip>
#include <random>
#include <sstream>
#include <thread>

#include "mcp_tools.h"
#include "server_client.h"

namespace espalier::cli {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Kind = ServerFailure::Kind;

constexpr auto kPoll = 250ms;
constexpr auto kPatience = 60s;  // with a server that does not answer while it has a job of ours

[[noreturn]] void not_understood(const std::string& what) {
  throw ServerFailure(Kind::refused, 0, "protocol", "the server's answer is not understood: " + what,
                      "check that both programs have the same version");
}

// A name for a request, so that one that is sent again makes no second job.
std::string random_name() {
  std::random_device source;
  std::ostringstream name;
  for (int i = 0; i < 4; ++i) name << std::hex << std::setw(8) << std::setfill('0') << source();
  return name.str();
}

const Json& member(const Json& object, const char* key) {
  const auto at = object.find(key);
  if (at == object.end()) not_understood(std::string(key) + " is missing");
  return *at;
}

std::string text_at(const Json& object, const char* key) {
  const Json& value = member(object, key);
  if (!value.is_string()) not_understood(std::string(key) + " is not a text");
  return value.get<std::string>();
}

// The file of a job with this role and, unless it is empty, this format; null without one.
const Json* file_of(const Json& job, const std::string& role, const std::string& format) {
  for (const Json& file : member(job, "files")) {
    if (text_at(file, "role") == role && (format.empty() || text_at(file, "format") == format)) return &file;
  }
  return nullptr;
}

class BackendOnServer : public ToolBackend {
 public:
  BackendOnServer(const Settings& settings, Interrupt& interrupt) : settings_(settings), interrupt_(interrupt) {
    (void)client([] { return false; });  // refuses what is no address
  }

  ToolResult generate(const GenerateCall& call, const ToolWatch& watch) override {
    const std::string name = random_name();
    const Json job = done(watch, [&](ServerClient& server) { return server.submit(call.images, call.options, name); });
    ToolResult result = fetched(job, call.outputs, watch);
    result.report["seed"] = member(member(job, "options"), "seed");
    result.report["model"] = member(member(job, "options"), "model");
    ServerClient server = client(watch.cancelled);
    if (!call.save_asset.empty()) {
      download(server, job, "asset", {}, call.save_asset);
      result.report["asset"] = call.save_asset.string();
    }
    const Json* const thumbnail = call.preview ? file_of(job, "thumbnail", {}) : nullptr;
    if (thumbnail != nullptr) result.png = server.bytes(text_at(job, "id"), text_at(*thumbnail, "name"));
    return result;
  }

  ToolResult export_asset(const ExportCall& call, const ToolWatch& watch) override {
    if (call.job.empty()) return export_file(settings_, call, interrupt_, watch);
    const std::string name = random_name();
    const Json job = done(watch, [&](ServerClient& server) { return server.submit_export(call.job, call.options, name); });
    return fetched(job, call.outputs, watch);
  }

  Json status(const std::string& job, const ToolWatch& watch) override {
    ServerClient server = client(watch.cancelled);
    if (!job.empty()) {
      Json known = server.job(job);
      for (const char* key : {"options", "parent", "pinned", "asset"}) known.erase(key);
      return {{"place", settings_.batch.server}, {"job", known}};
    }
    const Json health = server.get("/health");
    Json models = Json::array();
    for (const Json& model : member(server.get("/v1/models"), "models")) {
      models.push_back({{"name", member(model, "name")},
                        {"takes", member(model, "takes")},
                        {"description", member(model, "description")},
                        {"loaded", member(model, "loaded")},
                        {"device", member(model, "device")}});
    }
    const auto count = [&](const char* state) {
      return member(server.get(std::string("/v1/jobs?limit=200&state=") + state), "jobs").size();
    };
    const std::size_t running = count("running"), queued = count("queued");
    return {{"place", settings_.batch.server},
            {"version", member(health, "version")},
            {"models", models},
            {"running", running},
            {"queued", queued}};
  }

  [[nodiscard]] int parallel() const override { return 4; }
  void idle() override {}

 private:
  [[nodiscard]] ServerClient client(std::function<bool()> stopped) const {
    return {settings_.batch.server, settings_.batch.api_key, std::move(stopped)};
  }
  template <class Submit>
  [[nodiscard]] Json done(const ToolWatch& watch, Submit submit);
  template <class Submit>
  [[nodiscard]] static std::string sent(ServerClient& server, Submit submit);
  [[nodiscard]] static Json ended(ServerClient& server, const std::string& id, const ToolWatch& watch);
  [[nodiscard]] ToolResult fetched(const Json& job, const ToolOutputs& outputs, const ToolWatch& watch) const;
  static void download(ServerClient& server, const Json& job, const std::string& role, const std::string& format,
                       const std::filesystem::path& path);

  const Settings& settings_;
  Interrupt& interrupt_;
};

// A request whose answer was lost is sent once more under its name.
template <class Submit>
std::string BackendOnServer::sent(ServerClient& server, Submit submit) {
  try {
    return text_at(submit(server), "id");
  } catch (const ServerFailure& failure) {
    if (failure.kind() != Kind::broken) throw;
  }
  return text_at(submit(server), "id");
}

// Until the job has ended. A server that is started anew meanwhile goes on with it.
Json BackendOnServer::ended(ServerClient& server, const std::string& id, const ToolWatch& watch) {
  auto answered = Clock::now();
  while (true) {
    try {
      Json job = server.job(id);
      answered = Clock::now();
      const std::string state = text_at(job, "state");
      if (state != "queued" && state != "running") return job;
      const Json& progress = member(job, "progress");
      if (progress.is_object() && member(progress, "fraction").is_number()) {
        watch.progress(progress["fraction"].get<double>(), text_at(progress, "title"));
      } else if (const Json& position = member(job, "position"); position.is_number()) {
        watch.progress(0.0, "waiting; jobs ahead: " + std::to_string(position.get<std::int64_t>()));
      }
    } catch (const ServerFailure& failure) {
      if (failure.kind() == Kind::refused || Clock::now() - answered > kPatience) throw;
    }
    for (const auto end = Clock::now() + kPoll; Clock::now() < end; std::this_thread::sleep_for(25ms)) {
      if (watch.cancelled()) throw Error(ErrorCode::cancelled, "stopped on request");
    }
  }
}

template <class Submit>
Json BackendOnServer::done(const ToolWatch& watch, Submit submit) {
  ServerClient server = client(watch.cancelled);
  const std::string id = sent(server, submit);
  try {
    Json job = ended(server, id, watch);
    if (text_at(job, "state") == "done") return job;
    const Json& error = member(job, "error");
    if (error.is_object())
      throw ServerFailure(Kind::refused, 0, text_at(error, "code"), "job " + id + ": " + text_at(error, "message"),
                          text_at(error, "hint"));
    throw ServerFailure(Kind::refused, 0, "cancelled", "job " + id + " was cancelled on the server", "call the tool again");
  } catch (const Error& error) {
    if (error.code() == ErrorCode::cancelled) {
      try {
        client([] { return false; }).cancel(id);
      } catch (const std::exception&) {
        // Whoever cancels hears nothing of it, and the job ends by itself.
      }
    }
    throw;
  }
}

void BackendOnServer::download(ServerClient& server, const Json& job, const std::string& role, const std::string& format,
                               const std::filesystem::path& path) {
  const Json* const file = file_of(job, role, format);
  const std::string id = text_at(job, "id");
  if (file == nullptr || !member(*file, "bytes").is_number_unsigned())
    not_understood("job " + id + " has no " + role + (format.empty() ? "" : " of the format " + format));
  server.download(id, text_at(*file, "name"), path, (*file)["bytes"].get<std::uint64_t>());
}

ToolResult BackendOnServer::fetched(const Json& job, const ToolOutputs& outputs, const ToolWatch& watch) const {
  ServerClient server = client(watch.cancelled);
  for (std::size_t i = 0; i < outputs.paths.size(); ++i) download(server, job, "result", outputs.formats[i], outputs.paths[i]);
  return {{{"job", member(job, "id")},
           {"files", json_of(outputs)},
           {"report", member(job, "report")},
           {"notices", member(job, "notices")}},
          {}};
}

}  // namespace

std::unique_ptr<ToolBackend> backend_on_server(const Settings& settings, Interrupt& interrupt) {
  return std::make_unique<BackendOnServer>(settings, interrupt);
}

}  // namespace espalier::cli
