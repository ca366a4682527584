// The tools of espalier mcp in this process.
#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>

#include "espalier/checkpoint.h"
#include "espalier/diagnostics.h"
#include "generate.h"
#include "mcp_tools.h"
#include "outputs.h"
#include "paths.h"
#include "server/serve.h"

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

// What the process was started with, and what a call asks for.
Settings with_options(const Settings& settings, const Options& asked, OptionUse use) {
  Settings all = settings;
  for (const Option& row : option_table()) {
    if (row.is_for(use) && row.name != "model") (void)row.field.set(all, row.field.get(asked));
  }
  all.asked = asked.asked;
  all.save.title = asked.name;
  return all;
}

std::string step_in_words(const Progress& p) {
  std::string text(stage_title(p.stage));
  if (p.steps > 0) text += " (" + std::to_string(p.step) + "/" + std::to_string(p.steps) + ")";
  return text;
}

// Notices come in this order, each once.
void add_notice(Json& notices, const std::string& text) {
  if (std::find(notices.begin(), notices.end(), text) == notices.end()) notices.push_back(text);
}

Observer observer_of(const ToolWatch& watch, Json& notices) {
  Observer observer;
  observer.cancelled = watch.cancelled;
  observer.progress = [&watch](const Progress& p) { watch.progress(p.fraction, step_in_words(p)); };
  observer.message = [&notices](const std::string& text) { add_notice(notices, text); };
  return observer;
}

// Writes the files, and reports on them and on the asset.
Json written(const Asset& asset, const Settings& settings, const ToolOutputs& outputs, Interrupt& interrupt,
             const Observer& observer, Json& notices) {
  (void)save_all(asset, settings, interrupt, observer);
  for (const std::string& text : asset.notices()) add_notice(notices, text);
  for (std::size_t i = 0; i < outputs.paths.size(); ++i) {
    for (const std::string& lost : asset.left_out_of(outputs.formats[i]))
      add_notice(notices, outputs.paths[i].filename().string() + ": " + lost);
  }
  const MeshSummary mesh = asset.mesh_summary();
  return {{"files", json_of(outputs)},
          {"report",
           {{"faces", mesh.faces},
            {"vertices", mesh.vertices},
            {"components", mesh.components},
            {"watertight", mesh.watertight},
            {"gaussians", asset.gaussian_count()}}},
          {"notices", notices}};
}

class BackendHere : public ToolBackend {
 public:
  BackendHere(const Settings& settings, Interrupt& interrupt) : settings_(settings), interrupt_(interrupt) {}

  ToolResult generate(const GenerateCall& call, const ToolWatch& watch) override;
  ToolResult export_asset(const ExportCall& call, const ToolWatch& watch) override {
    if (!call.job.empty())
      throw Error(ErrorCode::invalid_argument, "job: there is no server",
                  "name an asset's file, or start espalier mcp with --server");
    const std::scoped_lock lock(work_);
    return export_file(settings_, call, interrupt_, watch);
  }
  Json status(const std::string& job, const ToolWatch& watch) override;
  [[nodiscard]] int parallel() const override { return 1; }
  void idle() override {
    const std::scoped_lock lock(work_);
    if (pipeline_ && Clock::now() - last_ >= std::chrono::duration<double, std::ratio<60>>(settings_.serve.keep_alive_minutes))
      unload();
  }

 private:
  [[nodiscard]] ModelLocation location_of(const Settings& asked, const std::string& model) const;
  Pipeline& load(const ModelLocation& found);
  void unload();

  const Settings& settings_;
  Interrupt& interrupt_;
  std::mutex work_;  // of what follows, and one piece of work at a time
  std::optional<Pipeline> pipeline_;
  fs::path checkpoint_;
  Clock::time_point last_{};

  std::mutex state_;  // of what follows
  std::string loaded_, device_;
  Json running_;  // null, or the progress of what runs
};

ModelLocation BackendHere::location_of(const Settings& asked, const std::string& model) const {
  if (model.empty()) return find_checkpoint(asked);
  std::string names;
  for (const ModelHere& here : models_here(settings_)) {
    if (here.name == model) return here.location;
    names += (names.empty() ? "" : ", ") + here.name;
  }
  throw Error(ErrorCode::not_found, "options: model: there is no model \"" + model + "\" here", "there are " + names);
}

void BackendHere::unload() {
  pipeline_.reset();
  const std::scoped_lock lock(state_);
  loaded_.clear();
}

Pipeline& BackendHere::load(const ModelLocation& found) {
  if (pipeline_ && checkpoint_ == found.checkpoint) return *pipeline_;
  unload();
  pipeline_.emplace(pipeline_options(settings_, found));
  checkpoint_ = found.checkpoint;
  const std::scoped_lock lock(state_);
  loaded_ = model_title(checkpoint_);
  device_ = pipeline_->device();
  return *pipeline_;
}

ToolResult BackendHere::generate(const GenerateCall& call, const ToolWatch& watch) {
  const Options asked = server::options_of_job(call.options);
  Settings settings = with_options(settings_, asked, use_jobs);
  settings.images = call.images;
  settings.outputs = call.outputs.paths;
  settings.save_asset = call.save_asset;
  check_outputs(settings, settings.images);
  const Request request = request_of(settings);
  if (!call.prompt.empty()) Pipeline::check_prompt(call.prompt);
  for (const fs::path& image : settings.images) {
    check_readable(image, "image");
    Pipeline::check_image(image);
  }
  for (const fs::path& path : all_outputs(settings)) check_writable(path);
  const ModelLocation found = location_of(settings, asked.model.string());

  const std::scoped_lock lock(work_);
  const ToolWatch shown{watch.cancelled, [&](double fraction, const std::string& message) {
                          {
                            const std::scoped_lock state(state_);
                            running_ = {{"fraction", fraction}, {"doing", message}};
                          }
                          watch.progress(fraction, message);
                        }};
  struct Rest {  // nothing runs any more, however it ended
    BackendHere& backend;
    ~Rest() {
      const std::scoped_lock state(backend.state_);
      backend.running_ = nullptr;
      backend.last_ = Clock::now();
    }
  } const rest{*this};
  if (watch.cancelled()) throw Error(ErrorCode::cancelled, "stopped on request");
  Json notices = Json::array();
  const Observer observer = observer_of(shown, notices);
  const Asset asset = load(found).generate(request, observer);
  ToolResult result{written(asset, settings, call.outputs, interrupt_, observer, notices), {}};
  result.report["seed"] = settings.seed;
  result.report["model"] = model_title(found.checkpoint);
  if (!call.save_asset.empty()) result.report["asset"] = call.save_asset.string();
  if (call.preview) {
    for (const NamedBytes& file : asset.encode("preview"))
      result.png.assign(reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size());
  }
  return result;
}

Json BackendHere::status(const std::string& job, const ToolWatch& /*watch*/) {
  if (!job.empty())
    throw Error(ErrorCode::invalid_argument, "job: there is no server", "leave it out, or start espalier mcp with --server");
  Json models = Json::array();
  for (const ModelHere& model : models_here(settings_)) {
    try {
      const CheckpointDescription description = describe_checkpoint(pipeline_options(settings_, model.location));
      models.push_back(
          {{"name", model.name}, {"takes", description.takes_text ? "text" : "image"}, {"description", description.text}});
    } catch (const Error&) {
      continue;  // espalier info says what is wrong with it
    }
  }
  const std::scoped_lock lock(state_);
  return {{"place", "this process"},
          {"version", version()},
          {"device", device_.empty() ? settings_.device : device_},
          {"models", models},
          {"loaded", loaded_.empty() ? Json(nullptr) : Json(loaded_)},
          {"running", running_}};
}

}  // namespace

ToolResult export_file(const Settings& base, const ExportCall& call, Interrupt& interrupt, const ToolWatch& watch) {
  Settings settings = with_options(base, server::options_of_export(call.options), use_exports);
  settings.inputs = {call.asset};
  settings.outputs = call.outputs.paths;
  const FileContent content = checked_export(settings);
  if (content == FileContent::latent) {
    throw Error(ErrorCode::unsupported, "asset: " + call.asset.string() + " is a latent, which has to be decoded first",
                "name what save_asset wrote, or use espalier export on the command line");
  }
  Json notices = Json::array();
  const Observer observer = observer_of(watch, notices);
  Workplace workplace;
  const Asset asset = exported(settings, content, observer, workplace);
  return {written(asset, settings, call.outputs, interrupt, observer, notices), {}};
}

std::unique_ptr<ToolBackend> backend_here(const Settings& settings, Interrupt& interrupt) {
  return std::make_unique<BackendHere>(settings, interrupt);
}

}  // namespace espalier::cli
