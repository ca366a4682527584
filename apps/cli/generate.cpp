#include "generate.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "interrupt.h"
#include "one_each.h"
#include "outputs.h"
#include "places.h"
#include "progress.h"

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

// `s`: of one asset; `all`: as the command line has it.
void check_usage(const Settings& s, const Settings& all) {
  if (s.from_latent.empty() && s.images.empty())
    throw UsageError("no picture is given; name one, or a latent with --from-latent");
  if (!s.from_latent.empty() && !s.images.empty()) throw UsageError("--from-latent takes no pictures; leave one of them out");
  if (!s.from_latent.empty() && !s.save_latent.empty()) {
    throw UsageError("--save-latent would only copy what --from-latent reads; leave one of them out");
  }
  if (all.background.size() > 1 && all.background.size() != all.images.size()) {
    throw UsageError("--background names " + std::to_string(all.background.size()) + " for " +
                     std::to_string(all.images.size()) + " images; give one for all, or one for each");
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

Workplace workplace_of(const Pipeline& pipeline, const fs::path& checkpoint) {
  return {pipeline.device(), pipeline.precision(), pipeline.tier(), checkpoint.string(), pipeline.untrained()};
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

struct Produced {
  Workplace workplace;
  Asset asset;
  StageReport writing;
  std::vector<WrittenFile> files;
};

// Runs `make_asset` with progress and interruption, then writes.
template <class MakeAsset>
Produced produced(const Settings& settings, Interrupt& interrupt, ProgressPrinter& printer, MakeAsset make_asset) {
  const Observer observer{.progress = [&](const Progress& progress) { printer.show(progress); },
                          .cancelled = [&] { return interrupt.requested(); },
                          .message = [&](const std::string& text) { printer.message(text); },
                          .measure_memory = true};
  Produced made;
  made.asset = make_asset(observer, made.workplace);
  made.writing = measured(Stage::write_files, [&] { made.files = save_all(made.asset, settings, interrupt, observer); });
  printer.clear();
  for (const std::string& notice : made.asset.notices()) printer.message(notice);
  for (const fs::path& path : settings.outputs) {
    for (const std::string& lost : made.asset.left_out_of(format_name(path)))
      printer.message(path.filename().string() + ": " + lost);
  }
  return made;
}

// The same for one asset, and reports.
template <class MakeAsset>
int produce(const Settings& settings, MakeAsset make_asset) {
  Interrupt interrupt;
  ProgressPrinter printer(settings.quiet, settings.progress);
  const Produced made = produced(settings, interrupt, printer, make_asset);
  print_result(made.workplace, made.asset, made.writing, made.files, settings);
  return 0;
}

Pipeline open_pipeline(const Settings& settings, const ModelLocation& found) {
  return Pipeline(pipeline_options(settings, found));
}

Asset asset_of(Pipeline& pipeline, const Settings& settings, const Observer& observer) {
  const Request request = request_of(settings);
  return settings.from_latent.empty() ? pipeline.generate(request, observer)
                                      : pipeline.decode(settings.from_latent, request, observer);
}

void check_files(const Settings& settings) {
  for (const fs::path& image : settings.images) check_readable(image, "picture");
  if (!settings.from_latent.empty()) check_readable(settings.from_latent, "latent");
  for (const fs::path& path : all_outputs(settings)) check_writable(path);
  for (const fs::path& image : settings.images) Pipeline::check_picture(image);  // before gigabytes of weights are read
}

// One after another with one pipeline. What fails is reported, and the others are made all the same.
int generate_each(const std::vector<Settings>& assets) {
  Interrupt interrupt;
  const Settings& any = assets.front();
  ProgressPrinter printer(any.quiet, any.progress);
  const ModelLocation found = find_checkpoint(any);
  Pipeline pipeline = open_pipeline(any, found);
  const Workplace workplace = workplace_of(pipeline, found.checkpoint);
  nlohmann::ordered_json reports = nlohmann::ordered_json::array();
  std::size_t failed = 0;
  for (std::size_t i = 0; i < assets.size(); ++i) {
    const Settings& one = assets[i];
    const std::string image = one.images.front().string();
    printer.begin(std::to_string(i + 1) + " of " + std::to_string(assets.size()) + ", " + image);
    try {
      const Produced made = produced(one, interrupt, printer, [&](const Observer& observer, Workplace& at) {
        at = workplace;
        return asset_of(pipeline, one, observer);
      });
      if (any.json) {
        reports.push_back(json_of_result(made.workplace, made.asset, made.writing, made.files));
        reports.back()["image"] = image;
      } else {
        if (!any.quiet) std::printf("%s%s\n", i == 0 ? "" : "\n", image.c_str());
        print_result(made.workplace, made.asset, made.writing, made.files, one);
      }
    } catch (const Error& error) {
      if (error.code() == ErrorCode::cancelled) throw;
      printer.clear();
      printer.message(image + ": " + error.what());
      ++failed;
      if (any.json) reports.push_back({{"image", image}, {"error", error.what()}});
    }
  }
  if (any.json) print_json(reports);
  if (failed == 0) return 0;
  printer.message(std::to_string(failed) + " of " + std::to_string(assets.size()) + " images became no asset");
  return 1;
}

}  // namespace

int generate(const Settings& settings) {
  const std::vector<Settings> assets = assets_of(settings);
  for (const Settings& one : assets) {
    check_usage(one, settings);
    (void)request_of(one);  // what it refuses is wrong usage, too
  }
  if (!settings.out_dir.empty()) make_folder(settings.out_dir);
  for (const Settings& one : assets) check_files(one);
  if (assets.size() > 1) return generate_each(assets);
  const Settings& one = assets.front();
  return produce(one, [&](const Observer& observer, Workplace& workplace) {
    const ModelLocation found = find_checkpoint(one);
    Pipeline pipeline = open_pipeline(one, found);
    workplace = workplace_of(pipeline, found.checkpoint);
    return asset_of(pipeline, one, observer);
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
