#include "worker_channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/json.h"
#include "job_options.h"
#include "job_record.h"

namespace espalier::server {

namespace {

constexpr std::size_t kMostLine = std::size_t{8} << 20U;

// Those of espalier serve that a pipeline is opened with.
const std::vector<std::string>& pipeline_rows() {
  static const std::vector<std::string> names{"model",      "device",        "precision",   "vram_tier",
                                              "vram_limit", "image_encoder", "text_encoder"};
  return names;
}

[[noreturn]] void broken(const std::string& what) {
  throw Error(ErrorCode::format, "a message between server and worker cannot be read: " + what, "please report it");
}

// Reads a value; whatever is missing or of another type is one failure.
template <class Read>
auto read_message(const char* what, Read read) {
  try {
    return read();
  } catch (const Json::exception& error) {
    broken(std::string(what) + ": " + error.what());
  } catch (const HttpError& error) {
    broken(std::string(what) + ": " + error.what());
  }
}

Json to_json(const PipelineOptions& pipeline) {
  Options options;
  options.model = pipeline.checkpoint;
  options.device = pipeline.device;
  options.precision = pipeline.precision;
  options.tier = pipeline.tier;
  options.vram_limit = pipeline.memory_limit;
  options.image_encoder = pipeline.image_encoder;
  options.text_encoder = pipeline.text_encoder;
  Json json = server::to_json(options, use_serve, pipeline_rows());
  // What is not set is no value that one could ask for.
  if (pipeline.memory_limit == 0) json.erase("vram_limit");
  for (const char* file : {"image_encoder", "text_encoder"}) {
    if (json[file] == "") json.erase(file);
  }
  json["repositories"] = Json::object();
  for (const auto& [name, folder] : pipeline.repositories) json["repositories"][name] = folder.string();
  return json;
}

PipelineOptions pipeline_of(Json json) {
  PipelineOptions pipeline;
  for (const auto& [name, folder] : json.at("repositories").items()) pipeline.repositories[name] = folder.get<std::string>();
  json.erase("repositories");
  Options options;
  read_options(json, use_serve, options);
  pipeline.checkpoint = options.model;
  pipeline.device = options.device;
  pipeline.precision = options.precision;
  pipeline.tier = options.tier;
  pipeline.memory_limit = options.vram_limit;
  pipeline.image_encoder = options.image_encoder;
  pipeline.text_encoder = options.text_encoder;
  return pipeline;
}

Job job_of(const Json& json) {
  auto record = record_of(json);
  if (!record) broken("a job");
  return std::move(record->job);
}

}  // namespace

WorkerChannel::~WorkerChannel() { ::close(socket_); }

bool WorkerChannel::send(const Json& message) {
  const std::string line = text_of(message) + '\n';
  for (std::size_t sent = 0; sent < line.size();) {
    const ssize_t n = ::send(socket_, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EINTR) return false;
    if (n > 0) sent += static_cast<std::size_t>(n);
  }
  return true;
}

std::optional<Json> WorkerChannel::taken(std::size_t bytes) {
  constexpr JsonLimits kLimits{.bytes = kMostLine, .values = 50'000, .string = kMostLine, .depth = 32};
  std::string problem;
  auto message = read_json<Json>(std::string_view(buffer_).substr(0, bytes), kLimits, problem);
  buffer_.erase(0, bytes + 1);
  searched_ = 0;
  if (problem.empty() && message.is_object()) return message;
  ended_ = true;
  return std::nullopt;
}

std::optional<Json> WorkerChannel::receive(std::chrono::milliseconds time) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + time;
  while (!ended_) {
    if (const auto end = buffer_.find('\n', searched_); end != std::string::npos) return taken(end);
    searched_ = buffer_.size();
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd source{socket_, POLLIN, 0};
    const int ready = ::poll(&source, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return std::nullopt;
    std::array<char, 65536> block{};
    const ssize_t n = ::recv(socket_, block.data(), block.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 || buffer_.size() + static_cast<std::size_t>(n) > kMostLine) {
      ended_ = true;
    } else {
      buffer_.append(block.data(), static_cast<std::size_t>(n));
    }
  }
  return std::nullopt;
}

std::string type_of(const Json& message) {
  const auto type = message.find("type");
  return type != message.end() && type->is_string() ? type->get<std::string>() : std::string();
}

Json to_json(const WorkerOptions& options) {
  Json models = Json::array();
  for (const ServedModel& model : options.models)
    models.push_back({{"name", model.name}, {"pipeline", to_json(model.pipeline)}});
  return {{"lane", options.lane == LaneKind::networks ? "networks" : "exports"},
          {"models", models},
          {"background_network", options.background_network.string()},
          {"threads", options.threads}};
}

WorkerOptions worker_options_of(const Json& json) {
  return read_message("options", [&] {
    WorkerOptions options;
    options.lane = json.at("lane") == "networks" ? LaneKind::networks : LaneKind::exports;
    for (const Json& model : json.at("models"))
      options.models.push_back({model.at("name").get<std::string>(), pipeline_of(model.at("pipeline"))});
    options.background_network = json.at("background_network").get<std::string>();
    json.at("threads").get_to(options.threads);
    if (options.models.empty()) broken("there are no models");
    return options;
  });
}

Json to_json(const Assignment& assignment) {
  Json pace = Json::object();
  for (const auto& [stage, factor] : assignment.pace) pace[std::string(stage_id(stage))] = factor;
  return {{"job", to_json(JobRecord{assignment.job})},
          {"folder", assignment.folder.string()},
          {"parent", assignment.parent ? to_json(JobRecord{*assignment.parent}) : Json(nullptr)},
          {"parent_folder", assignment.parent_folder.string()},
          {"pace", pace}};
}

Assignment assignment_of(const Json& json) {
  return read_message("a job", [&] {
    Assignment assignment{
        job_of(json.at("job")), json.at("folder").get<std::string>(), {}, json.at("parent_folder").get<std::string>(), {}};
    if (!json.at("parent").is_null()) assignment.parent = job_of(json.at("parent"));
    for (const auto& [id, factor] : json.at("pace").items()) {
      if (const auto stage = stage_from_id(id)) assignment.pace[*stage] = factor.get<double>();
    }
    return assignment;
  });
}

Json to_json(const ModelFacts& facts) {
  return {{"name", facts.name},
          {"pipeline", facts.pipeline},
          {"description", facts.description},
          {"full_model", facts.full_model},
          {"device", facts.device},
          {"precision", facts.precision},
          {"tier", facts.tier},
          {"weight_bytes", facts.weight_bytes},
          {"memory_bytes", facts.memory_bytes},
          {"untrained", facts.untrained},
          {"takes_text", facts.takes_text},
          {"structure_defaults", facts.structure_defaults},
          {"latent_defaults", facts.latent_defaults}};
}

ModelFacts facts_of(const Json& json) {
  return read_message("a model", [&] {
    ModelFacts facts;
    json.at("name").get_to(facts.name);
    json.at("pipeline").get_to(facts.pipeline);
    json.at("description").get_to(facts.description);
    json.at("full_model").get_to(facts.full_model);
    json.at("device").get_to(facts.device);
    json.at("precision").get_to(facts.precision);
    json.at("tier").get_to(facts.tier);
    json.at("weight_bytes").get_to(facts.weight_bytes);
    json.at("memory_bytes").get_to(facts.memory_bytes);
    json.at("untrained").get_to(facts.untrained);
    json.at("takes_text").get_to(facts.takes_text);
    facts.structure_defaults = json.at("structure_defaults").get<std::pair<int, double>>();
    facts.latent_defaults = json.at("latent_defaults").get<std::pair<int, double>>();
    return facts;
  });
}

Json to_json(const JobEnd& end) {
  return {{"state", name_of(end.state)}, {"error", end.error}, {"report", end.report}, {"notices", end.notices}};
}

JobEnd end_of(const Json& json) {
  return read_message("the end of a job", [&] {
    const auto state = state_named(json.at("state").get<std::string>());
    if (!state || !has_ended(*state)) broken("the end of a job");
    return JobEnd{*state, json.at("error"), json.at("report"), json.at("notices")};
  });
}

Json to_json(const std::vector<StageReport>& stages) {
  Json list = Json::array();
  for (const StageReport& stage : stages)
    list.push_back({{"stage", stage_id(stage.stage)},
                    {"seconds", stage.seconds},
                    {"planned_seconds", stage.planned_seconds},
                    {"assets", stage.assets}});
  return list;
}

std::vector<StageReport> stages_of(const Json& json) {
  return read_message("stages", [&] {
    std::vector<StageReport> stages;
    for (const Json& one : json) {
      const auto stage = stage_from_id(one.at("stage").get<std::string>());
      if (!stage) broken("a stage");
      StageReport report;
      report.stage = *stage;
      one.at("seconds").get_to(report.seconds);
      one.at("planned_seconds").get_to(report.planned_seconds);
      one.at("assets").get_to(report.assets);
      stages.push_back(report);
    }
    return stages;
  });
}

Json to_json(const Error& error) {
  return {
      {"code", static_cast<int>(error.code())}, {"message", std::string(error.message())}, {"hint", std::string(error.hint())}};
}

Error error_of(const Json& json) {
  return read_message("an error", [&] {
    const int code = json.at("code").get<int>();
    if (code < 0 || code > static_cast<int>(ErrorCode::internal)) broken("an error");
    return Error(static_cast<ErrorCode>(code), json.at("message").get<std::string>(), json.at("hint").get<std::string>());
  });
}

}  // namespace espalier::server
