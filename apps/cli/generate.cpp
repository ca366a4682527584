#include "generate.h"

#include <algorithm>
#include <cstdio>

#include "commands.h"
#include "espalier/pictures.h"
#include "interrupt.h"
#include "outputs.h"
#include "places.h"
#include "progress.h"

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

void check_usage(const Settings& s) {
  if (s.from_latent.empty() && s.images.empty())
    throw UsageError("no picture is given; name one, or a latent with --from-latent");
  if (!s.from_latent.empty() && !s.images.empty()) throw UsageError("--from-latent takes no pictures; leave one of them out");
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

// The images, each with its mask if there are masks. Reads the files where there are.
std::vector<InputImage> masked_images(const Settings& s) {
  std::vector<InputImage> images(s.images.begin(), s.images.end());
  for (std::size_t i = 0; i < s.masks.size(); ++i) images[i] = with_mask(images[i], s.masks[i]);
  return images;
}

// Throws UsageError for masks that say nothing.
void check_masks(const Settings& s) {
  if (s.masks.empty()) return;
  if (s.masks.size() != s.images.size()) {
    throw UsageError(std::to_string(s.masks.size()) + " masks were given for " + std::to_string(s.images.size()) +
                     " pictures; give one --mask for each");
  }
  const bool other = std::any_of(s.background.begin(), s.background.end(),
                                 [](Background b) { return b != Background::automatic && b != Background::alpha; });
  if (other || s.no_preprocess) throw UsageError("--mask says what the object is; leave --background and --no-preprocess out");
  for (const fs::path& mask : s.masks) check_readable(mask, "mask");
}

}  // namespace

Request request_of(const Settings& s) {
  const Decoded decoded = decoded_of(s);
  Request request;
  request.images.assign(s.images.begin(), s.images.end());
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

namespace {

Workplace workplace_of(const Pipeline& pipeline, const PipelineOptions& options) {
  return {pipeline.device(),           pipeline.precision(), pipeline.tier(),
          options.checkpoint.string(), pipeline.untrained(), describe_checkpoint(options)};
}

// Whether something was asked of finishing.
bool finishes(const FinishRequest& asked) {
  const FinishRequest usual;
  return asked.clean != usual.clean || asked.fill_holes != usual.fill_holes || asked.simplify != usual.simplify ||
         asked.faces || asked.texture != usual.texture || asked.texture_size != usual.texture_size ||
         asked.bake != usual.bake || asked.bake_radiance_field != usual.bake_radiance_field ||
         asked.project_image != usual.project_image;
}

// Refuses what no file of this content can become.
void check_export(const Settings& s, FileContent content) {
  const std::string name = s.inputs.front().string();
  const std::vector<fs::path> meshes = mesh_outputs(s);
  if (content == FileContent::mesh) {
    if (meshes.size() != s.outputs.size())
      throw Error(ErrorCode::unsupported, name + " holds a mesh, of which no Gaussians can be made",
                  "name files of meshes, such as .glb");
    if (!s.save_asset.empty() || !s.save_latent.empty())
      throw Error(ErrorCode::unsupported, name + " holds a mesh, which --save-asset and --save-latent do not take",
                  "name a mesh file with -o");
    if (finishes(s.finish)) {
      throw Error(ErrorCode::unsupported, name + ": a mesh of another program is written as it is, and not finished",
                  "leave out the options of mesh and texture");
    }
  }
  if (content != FileContent::gaussians) return;
  for (const fs::path& path : meshes) {
    if (extension(path) == ".glb" || path.filename().string().ends_with(".ply")) continue;
    throw Error(ErrorCode::unsupported, name + " holds Gaussians, of which no mesh can be made for " + path.string(),
                ".ply, .spz, .splat and .glb can be written");
  }
  for (const fs::path& path : meshes) {
    if (path.filename().string().ends_with(".mesh.ply"))
      throw Error(ErrorCode::unsupported, name + " holds Gaussians, of which no mesh can be made for " + path.string(),
                  ".ply, .spz, .splat and .glb can be written");
  }
}

// Runs `make_asset` with progress and interruption, then writes and reports.
template <class MakeAsset>
int produce(const Settings& settings, MakeAsset make_asset) {
  Interrupt interrupt;
  ProgressPrinter printer(settings.quiet);
  const Observer observer{.progress = [&](const Progress& progress) { printer.show(progress); },
                          .cancelled = [&] { return interrupt.requested(); },
                          .message = [&](const std::string& text) { printer.message(text); },
                          .measure_memory = true};
  Workplace workplace;
  const Asset asset = make_asset(observer, workplace);
  std::vector<WrittenFile> files;
  const StageReport writing = measured(Stage::write_files, [&] { files = save_all(asset, settings, interrupt, observer); });
  printer.clear();
  for (const std::string& notice : asset.notices()) printer.message(notice);
  for (const fs::path& path : settings.outputs) {
    for (const std::string& lost : asset.left_out_of(format_name(path)))
      printer.message(path.filename().string() + ": " + lost);
  }
  print_result(workplace, asset, writing, files, settings);
  return 0;
}

}  // namespace

int generate(const Settings& settings) {
  check_usage(settings);
  check_masks(settings);
  Request request = request_of(settings);
  for (const fs::path& image : settings.images) check_readable(image, "picture");
  if (!settings.from_latent.empty()) check_readable(settings.from_latent, "latent");
  for (const fs::path& path : all_outputs(settings)) check_writable(path);
  // Before gigabytes of weights are read.
  if (settings.masks.empty()) {
    for (const fs::path& image : settings.images) Pipeline::check_picture(image);
  } else {
    request.images = masked_images(settings);
  }
  return produce(settings, [&](const Observer& observer, Workplace& workplace) {
    const PipelineOptions options = pipeline_options(settings, find_checkpoint(settings));
    Pipeline pipeline(options);
    workplace = workplace_of(pipeline, options);
    return settings.from_latent.empty() ? pipeline.generate(request, observer)
                                        : pipeline.decode(settings.from_latent, request, observer);
  });
}

int export_asset(const Settings& settings) {
  if (settings.inputs.size() != 1) {
    throw UsageError("export takes one asset, latent, mesh or file of Gaussians: espalier export FILE -o OUT.glb");
  }
  const fs::path& input = settings.inputs.front();
  check_outputs(settings, {input});
  const Request request = request_of(settings);
  check_readable(input, "asset or latent");
  const FileContent content = content_of(input);
  check_export(settings, content);
  for (const fs::path& path : all_outputs(settings)) check_writable(path);
  return produce(settings, [&](const Observer& observer, Workplace& workplace) {
    const LoadOptions load{.strict = settings.strict};
    if (content == FileContent::gaussians) return load_gaussians(input, load);
    if (content == FileContent::mesh) return load_mesh(input, load);
    if (content == FileContent::latent) {
      const PipelineOptions options = pipeline_options(settings, find_checkpoint(settings));
      Pipeline pipeline(options);
      workplace = workplace_of(pipeline, options);
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
  check_masks(settings);
  check_writable(output);
  std::error_code ignored;
  if (fs::equivalent(output, settings.images.front(), ignored)) throw UsageError(output.string() + " is both input and output");
  ProgressPrinter printer(false);
  const Pipeline::ForegroundRequest request{background_of(settings).front(), background_network_of(settings), settings.device};
  const InputImage image = masked_images(settings).front();
  for (const std::string& notice : Pipeline::preprocess(image, request, output)) printer.message(notice);
  return 0;
}

}  // namespace espalier::cli
