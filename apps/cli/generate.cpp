#include "generate.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands.h"
#include "espalier/pictures.h"
#include "interrupt.h"
#include "one_each.h"
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

// `s`: of one asset; `all`: as the command line has it.
void check_usage(const Settings& s, const Settings& all) {
  if (s.from_latent.empty() && s.images.empty() && !has_prompt(s))
    throw UsageError("no image is given; name one, or a latent with --from-latent, or a --prompt for a text model");
  if (!s.from_latent.empty() && !s.images.empty()) throw UsageError("--from-latent takes no images; leave one of them out");
  if (!s.from_latent.empty() && has_prompt(s)) throw UsageError("--from-latent takes no prompt; leave one of them out");
  if (!s.from_latent.empty() && !s.save_latent.empty()) {
    throw UsageError("--save-latent would only copy what --from-latent reads; leave one of them out");
  }
  if (all.background.size() > 1 && all.background.size() != all.images.size()) {
    throw UsageError("--background names " + std::to_string(all.background.size()) + " for " +
                     std::to_string(all.images.size()) + " images; give one for all, or one for each");
  }
  if (!s.from_latent.empty() && (!s.keep_structure.empty() || !s.seeds.empty())) {
    throw UsageError("--from-latent samples nothing, so it takes neither --seeds nor --keep-structure; leave them out");
  }
  std::vector<fs::path> inputs = s.images;
  for (const fs::path& input : {s.from_latent, s.keep_structure}) {
    if (!input.empty()) inputs.push_back(input);
  }
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
                     " images; give one --mask for each");
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

struct Produced {
  Workplace workplace;
  Asset asset;
  StageReport writing;
  std::vector<WrittenFile> files;
};

// Progress and interruption of a command that makes assets.
class Work {
 public:
  explicit Work(const Settings& settings) : printer_(settings.quiet, settings.progress) {}
  [[nodiscard]] ProgressPrinter& printer() { return printer_; }
  [[nodiscard]] const Observer& observer() const { return observer_; }

  // Runs `make_asset`, then writes what `settings` ask for, with the notices of both.
  template <class MakeAsset>
  Produced produce(const Settings& settings, MakeAsset make_asset) {
    Produced made;
    made.asset = make_asset(observer_, made.workplace);
    made.writing = measured(Stage::write_files, [&] { made.files = save_all(made.asset, settings, interrupt_, observer_); });
    printer_.clear();
    for (const std::string& notice : made.asset.notices()) printer_.message(notice);
    for (const fs::path& path : settings.outputs) {
      for (const std::string& lost : made.asset.left_out_of(format_name(path)))
        printer_.message(path.filename().string() + ": " + lost);
    }
    return made;
  }

 private:
  Interrupt interrupt_;
  ProgressPrinter printer_;
  const Observer observer_{.progress = [this](const Progress& progress) { printer_.show(progress); },
                           .cancelled = [this] { return interrupt_.requested(); },
                           .message = [this](const std::string& text) { printer_.message(text); },
                           .measure_memory = true};
};

// One asset, and its report.
template <class MakeAsset>
int produce(const Settings& settings, MakeAsset make_asset) {
  Work work(settings);
  const Produced made = work.produce(settings, make_asset);
  print_result(made.workplace, made.asset, made.writing, made.files, settings);
  return 0;
}

// The asset whose voxels are kept; nothing where none is named.
std::optional<Asset> kept_structure(const Settings& settings) {
  if (settings.keep_structure.empty()) return std::nullopt;
  if (content_of(settings.keep_structure) != FileContent::asset) {
    throw Error(ErrorCode::unsupported, settings.keep_structure.string() + ": --keep-structure takes what --save-asset wrote",
                "a mesh gets another look with espalier vary");
  }
  return load_asset(settings.keep_structure);
}

Asset asset_of(Pipeline& pipeline, const Settings& settings, const Observer& observer) {
  Request request = request_of(settings);
  if (!settings.masks.empty()) request.images = masked_images(settings);
  if (const std::optional<Asset> structure = kept_structure(settings)) {
    Asset made;
    const auto take = [&](std::uint32_t, const Asset& asset) { made = asset; };
    pipeline.generate_each(request, std::array{settings.seed}, take, observer, &*structure);
    return made;
  }
  return settings.from_latent.empty() ? pipeline.generate(request, observer)
                                      : pipeline.decode(settings.from_latent, request, observer);
}

void check_files(const Settings& settings) {
  for (const fs::path& image : settings.images) check_readable(image, "image");
  if (!settings.from_latent.empty()) check_readable(settings.from_latent, "latent");
  if (!settings.keep_structure.empty()) check_readable(settings.keep_structure, "asset");
  for (const fs::path& path : all_outputs(settings)) check_writable(path);
  // Before gigabytes of weights are read.
  if (!settings.masks.empty()) return (void)masked_images(settings);
  for (const fs::path& image : settings.images) Pipeline::check_picture(image);
}

// Whether the error is of one asset alone, so that the others can be made.
bool spares_others(const Error& error, const Pipeline& pipeline, const Settings& one) {
  const bool of_input = error.code() == ErrorCode::invalid_argument || error.code() == ErrorCode::format ||
                        error.code() == ErrorCode::unsupported || error.code() == ErrorCode::not_found;
  return of_input && pipeline.takes_text() == one.images.empty();
}

// One after another with one pipeline. What fails is reported, and the others are made all the same.
int generate_each(const std::vector<Settings>& assets) {
  const Settings& any = assets.front();
  Work work(any);
  const PipelineOptions options = pipeline_options(any, find_checkpoint(any));
  Pipeline pipeline(options);
  const Workplace workplace = workplace_of(pipeline, options);
  nlohmann::ordered_json reports = nlohmann::ordered_json::array();
  std::size_t failed = 0;
  for (std::size_t i = 0; i < assets.size(); ++i) {
    const Settings& one = assets[i];
    const char* const kind = one.images.empty() ? "prompt" : "image";
    const std::string what = one.images.empty() ? one.prompt : one.images.front().string();
    const std::string title = std::to_string(i + 1) + " of " + std::to_string(assets.size()) + ": " + one_line(what);
    work.printer().begin(title);
    try {
      const Produced made = work.produce(one, [&](const Observer& observer, Workplace& at) {
        at = workplace;
        return asset_of(pipeline, one, observer);
      });
      if (any.json) {
        reports.push_back(json_of_result(made.workplace, made.asset, made.writing, made.files));
        reports.back()[kind] = what;
      } else {
        if (!any.quiet) std::printf("%s%s\n", i == 0 ? "" : "\n", title.c_str());
        print_result(made.workplace, made.asset, made.writing, made.files, one);
      }
    } catch (const Error& error) {
      if (!spares_others(error, pipeline, one)) throw;
      work.printer().clear();
      work.printer().message(title + ": " + error.what());
      ++failed;
      if (any.json) reports.push_back({{kind, what}, {"error", error.what()}});
    }
  }
  if (any.json) print_json(reports);
  if (failed == 0) return 0;
  work.printer().message(std::to_string(failed) + " of " + std::to_string(assets.size()) +
                         (any.images.empty() ? " prompts" : " images") + " became no asset");
  return 1;
}

// An asset for each seed, all of one encoded condition.
int generate_seeds(const Settings& settings) {
  if (settings.json) throw UsageError("--json reports on one asset; leave it out with --seeds");
  const std::vector<Settings> each = assets_of_seeds(settings);
  for (const Settings& one : each) check_files(one);
  if (!settings.sheet.empty()) check_writable(settings.sheet);
  const std::optional<Asset> structure = kept_structure(settings);
  Work work(settings);
  const PipelineOptions options = pipeline_options(settings, find_checkpoint(settings));
  Pipeline pipeline(options);
  const Workplace workplace = workplace_of(pipeline, options);
  Request request = request_of(settings);
  if (!settings.masks.empty()) request.images = masked_images(settings);
  std::vector<NamedAsset> made;
  const auto take = [&](std::uint32_t seed, const Asset& asset) {
    const Settings& one = each[made.size()];
    const Produced produced = work.produce(one, [&](const Observer&, Workplace& at) {
      at = workplace;
      return asset;
    });
    const std::string title = std::string("seed ").append(std::to_string(seed));
    if (!settings.quiet) std::printf("%s%s\n", made.empty() ? "" : "\n", title.c_str());
    print_result(produced.workplace, produced.asset, produced.writing, produced.files, one);
    made.push_back({title, settings.sheet.empty() ? Asset() : asset});
  };
  pipeline.generate_each(request, settings.seeds, take, work.observer(), structure ? &*structure : nullptr);
  if (!settings.sheet.empty()) render_comparison(made, settings.sheet, {}, settings.device, work.observer());
  return 0;
}

}  // namespace

int generate(const Settings& settings) {
  check_condition(settings);
  check_masks(settings);
  const std::vector<Settings> assets = assets_of(settings);
  if (!settings.seeds.empty() && (assets.size() > 1 || !settings.prompts.empty()))
    throw UsageError("--seeds makes several assets of one image or prompt; give one, or --views for views of one object");
  for (const Settings& one : assets) {
    check_usage(one, settings);
    (void)request_of(one);  // what it refuses is wrong usage, too
  }
  if (!settings.out_dir.empty()) make_folder(settings.out_dir);
  for (const Settings& one : assets) check_files(one);
  if (assets.size() > 1 || !settings.prompts.empty()) return generate_each(assets);
  if (!settings.seeds.empty()) return generate_seeds(assets.front());
  const Settings& one = assets.front();
  return produce(one, [&](const Observer& observer, Workplace& workplace) {
    const PipelineOptions options = pipeline_options(one, find_checkpoint(one));
    Pipeline pipeline(options);
    workplace = workplace_of(pipeline, options);
    return asset_of(pipeline, one, observer);
  });
}

namespace {

// What vary and edit, which take one `what` and a condition, check of the command line. Returns the input.
const fs::path& checked_input(const Settings& settings, const char* what, const char* missing) {
  const fs::path& input = settings.inputs.front();
  check_condition(settings);
  if (settings.images.empty() && !has_prompt(settings)) throw UsageError(missing);
  std::vector<fs::path> inputs = settings.images;
  inputs.push_back(input);
  check_outputs(settings, inputs);
  (void)request_of(settings);  // what it refuses is wrong usage, too
  check_readable(input, what);
  return input;
}

// Runs `make(pipeline, observer)` on the checkpoint that the settings name.
template <class Make>
int produce_with_pipeline(const Settings& settings, Make make) {
  return produce(settings, [&](const Observer& observer, Workplace& workplace) {
    const PipelineOptions options = pipeline_options(settings, find_checkpoint(settings));
    Pipeline pipeline(options);
    workplace = workplace_of(pipeline, options);
    return make(pipeline, observer);
  });
}

}  // namespace

int vary(const Settings& settings) {
  if (settings.inputs.size() != 1) throw UsageError("vary takes one mesh: espalier vary MESH --prompt TEXT -o OUT.glb");
  const fs::path& input = checked_input(settings, "mesh", "neither --prompt nor --image says what the shape should look like");
  if (content_of(input) != FileContent::mesh) {
    throw Error(ErrorCode::unsupported, input.string() + ": vary takes a mesh (.glb, .gltf, .obj, .stl, .ply)",
                "espalier export writes the mesh of a saved asset");
  }
  check_files(settings);
  const Asset shape = load_mesh(input);  // before gigabytes of weights are read
  return produce_with_pipeline(settings, [&](Pipeline& pipeline, const Observer& observer) {
    return pipeline.vary(shape, request_of(settings), observer);
  });
}

int edit(const Settings& settings) {
  if (settings.inputs.size() != 1 || settings.edit.region.empty()) {
    throw UsageError(std::string(settings.inputs.size() != 1 ? "edit takes one saved asset" : "no --region is given") +
                     ": espalier edit ASSET --region sphere:0,0,0.3,0.2 --image FILE -o OUT.glb");
  }
  const fs::path& input = checked_input(settings, "asset", "neither --image nor --prompt says what the part should look like");
  Pipeline::check_region(settings.edit.region);
  if (content_of(input) != FileContent::asset) {
    throw Error(ErrorCode::unsupported, input.string() + ": edit takes an asset that --save-asset wrote",
                "a mesh gets another look with espalier vary");
  }
  check_files(settings);
  const Asset asset = load_asset(input);  // before gigabytes of weights are read
  return produce_with_pipeline(settings, [&](Pipeline& pipeline, const Observer& observer) {
    return pipeline.edit(asset, settings.edit, request_of(settings), observer);
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
    throw UsageError("preprocess takes one image and one output: espalier preprocess IMAGE -o OUT.png");
  }
  const fs::path& output = settings.outputs.front();
  check_extension("--output", output, ".png");
  check_readable(settings.images.front(), "image");
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
