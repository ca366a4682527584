#include <cstdio>

#include "commands.h"
#include "interrupt.h"
#include "outputs.h"
#include "places.h"
#include "progress.h"
#include "prompts.h"
#include "text.h"

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

bool has_prompt(const Settings& s) { return !s.prompt.empty() || !s.prompts.empty(); }

// What an asset is made of: images or a prompt.
void check_condition(const Settings& s) {
  if (!s.images.empty() && has_prompt(s))
    throw UsageError("an image and a prompt are given; a checkpoint takes one of them, so leave the other out");
  if (!s.prompt.empty() && !s.prompts.empty()) throw UsageError("--prompt and --prompts are given; leave one of them out");
  if (!s.negative_prompt.empty() && !has_prompt(s)) throw UsageError("--negative-prompt is given without --prompt");
  if (!s.prompt.empty()) Pipeline::check_prompt(s.prompt);
}

void check_usage(const Settings& s) {
  check_condition(s);
  if (s.from_latent.empty() && s.images.empty() && !has_prompt(s))
    throw UsageError("no picture is given; name one, or a latent with --from-latent, or a --prompt for a text model");
  if (!s.from_latent.empty() && !s.images.empty()) throw UsageError("--from-latent takes no pictures; leave one of them out");
  if (!s.from_latent.empty() && has_prompt(s)) throw UsageError("--from-latent takes no prompt; leave one of them out");
  if (!s.from_latent.empty() && !s.save_latent.empty()) {
    throw UsageError("--save-latent would only copy what --from-latent reads; leave one of them out");
  }
  if (s.background.size() > 1 && s.background.size() != s.images.size()) {
    throw UsageError("--background names " + std::to_string(s.background.size()) + " for " + std::to_string(s.images.size()) +
                     " images; give one for all, or one for each");
  }
  std::vector<fs::path> inputs = s.images;
  if (!s.from_latent.empty()) inputs.push_back(s.from_latent);
  check_outputs(s, inputs);
}

std::vector<Background> background_of(const Settings& s) {
  return s.no_preprocess ? std::vector{Background::none} : s.background;
}

SamplerRequest with_preset(const SamplerRequest& asked, SamplerPreset preset, const SamplerRequest& app) {
  SamplerRequest request = asked;
  if (preset == SamplerPreset::checkpoint) return request;
  if (!request.steps) request.steps = app.steps;
  if (!request.guidance) request.guidance = app.guidance;
  if (!request.rescale_t) request.rescale_t = app.rescale_t;
  if (!request.interval) request.interval = app.interval;
  return request;
}

Request request_of(const Settings& s) {
  const Decoded decoded = decoded_of(s);
  Request request;
  request.images.assign(s.images.begin(), s.images.end());
  request.prompt = s.prompt;
  request.negative_prompt = s.negative_prompt;
  request.keep_mesh = s.keep_mesh;
  request.keep_uvs = s.keep_uvs;
  request.seed = s.seed;
  request.structure = with_preset(s.structure, s.preset, app_structure_settings());
  request.latent = with_preset(s.latent, s.preset, app_latent_settings());
  request.multi_image = s.multi_image;
  request.background = background_of(s);
  request.background_network = background_network_of(s);
  request.mesh = decoded.mesh;
  request.gaussians = decoded.gaussians;
  request.radiance_field = decoded.radiance_field;
  request.surface = surface_of(s);
  request.finish = finish_of(s);
  return request;
}

Workplace workplace_of(const Pipeline& pipeline, const fs::path& checkpoint) {
  return {pipeline.device(), pipeline.precision(), pipeline.tier(), checkpoint.string(), pipeline.untrained()};
}

// Refuses what no file of this content can become.
void check_export(const Settings& s, FileContent content) {
  const std::string name = s.inputs.front().string();
  if (content == FileContent::mesh) {
    throw Error(ErrorCode::unsupported, name + ": export takes an asset (.safetensors) or Gaussians (.ply, .spz, .splat)",
                "a mesh "
                "can be shown (espalier render) and checked (espalier check)");
  }
  if (content != FileContent::gaussians) return;
  if (const std::vector<fs::path> meshes = mesh_outputs(s); !meshes.empty()) {
    throw Error(ErrorCode::unsupported, name + " holds Gaussians, of which no mesh can be made for " + meshes.front().string(),
                ".ply, .spz and .splat can be written");
  }
}

// Progress and interruption of a command that makes assets.
class Job {
 public:
  explicit Job(const Settings& settings) : printer_(settings.quiet) {}
  [[nodiscard]] const Observer& observer() const { return observer_; }
  void say(const std::string& line) { printer_.message(line); }

  // Writes what `settings` ask for, and reports.
  void finish(const Asset& asset, const Workplace& workplace, const Settings& settings) {
    std::vector<WrittenFile> files;
    const StageReport writing = measured(Stage::write_files, [&] { files = save_all(asset, settings, interrupt_, observer_); });
    printer_.clear();
    for (const std::string& notice : asset.notices()) printer_.message(notice);
    print_result(workplace, asset, writing, files, settings);
  }

 private:
  Interrupt interrupt_;
  ProgressPrinter printer_;
  const Observer observer_{.progress = [this](const Progress& progress) { printer_.show(progress); },
                           .cancelled = [this] { return interrupt_.requested(); },
                           .message = [this](const std::string& text) { printer_.message(text); },
                           .measure_memory = true};
};

// Runs `make_asset` with progress and interruption, then writes and reports.
template <class MakeAsset>
int produce(const Settings& settings, MakeAsset make_asset) {
  Job job(settings);
  Workplace workplace;
  const Asset asset = make_asset(job.observer(), workplace);
  job.finish(asset, workplace, settings);
  return 0;
}

Pipeline open_pipeline(const Settings& settings, const ModelLocation& found) {
  return Pipeline({.checkpoint = found.checkpoint,
                   .device = settings.device,
                   .precision = settings.precision,
                   .tier = settings.tier,
                   .memory_limit = settings.vram_limit,
                   .image_encoder = settings.image_encoder.empty() ? found.image_encoder : settings.image_encoder,
                   .repositories = found.repositories,
                   .text_encoder = settings.text_encoder});
}

// One asset after the other with one pipeline. A prompt that leads to nothing is reported, and the others are made.
int generate_listed(const Settings& settings) {
  if (settings.json) throw UsageError("--json reports on one asset; leave it out with --prompts");
  check_condition(settings);
  std::vector<Settings> each;
  for (const ListedPrompt& prompt : read_prompts(settings.prompts)) each.push_back(settings_for(settings, prompt));
  for (const Settings& one : each) check_usage(one);
  for (const fs::path& path : all_outputs(each.front())) check_writable(path);
  Job job(settings);
  const ModelLocation found = find_checkpoint(settings);
  Pipeline pipeline = open_pipeline(settings, found);
  const Workplace workplace = workplace_of(pipeline, found.checkpoint);
  int failed = 0;
  for (std::size_t i = 0; i < each.size(); ++i) {
    const std::string number = std::to_string(i + 1) + " of " + std::to_string(each.size());
    try {
      const Asset asset = pipeline.generate(request_of(each[i]), job.observer());
      if (!settings.quiet) std::printf("%s: %s\n", number.c_str(), one_line(each[i].prompt).c_str());
      job.finish(asset, workplace, each[i]);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::invalid_argument || !pipeline.takes_text()) throw;
      job.say("prompt " + number + ": " + error.what());
      ++failed;
    }
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace

int generate(const Settings& settings) {
  if (!settings.prompts.empty()) return generate_listed(settings);
  check_usage(settings);
  const Request request = request_of(settings);
  for (const fs::path& image : settings.images) check_readable(image, "picture");
  if (!settings.from_latent.empty()) check_readable(settings.from_latent, "latent");
  for (const fs::path& path : all_outputs(settings)) check_writable(path);
  for (const fs::path& image : settings.images) Pipeline::check_picture(image);  // before gigabytes of weights are read
  return produce(settings, [&](const Observer& observer, Workplace& workplace) {
    const ModelLocation found = find_checkpoint(settings);
    Pipeline pipeline = open_pipeline(settings, found);
    workplace = workplace_of(pipeline, found.checkpoint);
    return settings.from_latent.empty() ? pipeline.generate(request, observer)
                                        : pipeline.decode(settings.from_latent, request, observer);
  });
}

int vary(const Settings& settings) {
  if (settings.inputs.size() != 1) throw UsageError("vary takes one mesh: espalier vary MESH --prompt TEXT -o OUT.glb");
  const fs::path& input = settings.inputs.front();
  check_condition(settings);
  if (settings.images.empty() && !has_prompt(settings))
    throw UsageError("neither --prompt nor --image says what the shape should look like");
  std::vector<fs::path> inputs = settings.images;
  inputs.push_back(input);
  check_outputs(settings, inputs);
  const Request request = request_of(settings);
  check_readable(input, "mesh");
  if (content_of(input) != FileContent::mesh) {
    throw Error(ErrorCode::unsupported, input.string() + ": vary takes a mesh (.glb, .gltf, .obj, .stl, .ply)",
                "espalier export writes the mesh of a saved asset");
  }
  for (const fs::path& image : settings.images) check_readable(image, "picture");
  for (const fs::path& path : all_outputs(settings)) check_writable(path);
  for (const fs::path& image : settings.images) Pipeline::check_picture(image);
  const Asset shape = load_mesh(input);  // before gigabytes of weights are read
  return produce(settings, [&](const Observer& observer, Workplace& workplace) {
    const ModelLocation found = find_checkpoint(settings);
    Pipeline pipeline = open_pipeline(settings, found);
    workplace = workplace_of(pipeline, found.checkpoint);
    return pipeline.vary(shape, request, observer);
  });
}

int export_asset(const Settings& settings) {
  if (settings.inputs.size() != 1) {
    throw UsageError("export takes one asset, latent or file of Gaussians: espalier export FILE -o OUT.glb");
  }
  const fs::path& input = settings.inputs.front();
  check_outputs(settings, {input});
  const Request request = request_of(settings);
  check_readable(input, "asset or latent");
  const FileContent content = content_of(input);
  check_export(settings, content);
  for (const fs::path& path : all_outputs(settings)) check_writable(path);
  return produce(settings, [&](const Observer& observer, Workplace& workplace) {
    if (content == FileContent::gaussians) return load_gaussians(input);
    if (content == FileContent::latent) {
      const ModelLocation found = find_checkpoint(settings);
      Pipeline pipeline = open_pipeline(settings, found);
      workplace = workplace_of(pipeline, found.checkpoint);
      return pipeline.decode(input, request, observer);
    }
    workplace.device = settings.device;
    const Asset asset = load_asset(input);
    return request.finish ? finish(asset, *request.finish, settings.device, observer) : asset.as_decoded();
  });
}

int preprocess(const Settings& settings) {
  if (settings.images.size() != 1 || settings.outputs.size() != 1) {
    throw UsageError("preprocess takes one picture and one output: espalier preprocess IMAGE -o OUT.png");
  }
  const fs::path& output = settings.outputs.front();
  check_extension("--output", output, ".png");
  check_readable(settings.images.front(), "picture");
  check_writable(output);
  std::error_code ignored;
  if (fs::equivalent(output, settings.images.front(), ignored)) throw UsageError(output.string() + " is both input and output");
  ProgressPrinter printer(false);
  const Pipeline::ForegroundRequest request{background_of(settings).front(), background_network_of(settings), settings.device};
  for (const std::string& notice : Pipeline::preprocess(settings.images.front(), request, output)) printer.message(notice);
  return 0;
}

}  // namespace espalier::cli
