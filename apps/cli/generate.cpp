#include "generate.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "commands.h"
#include "espalier/diagnostics.h"
#include "espalier/images.h"
#include "interrupt.h"
#include "one_each.h"
#include "outputs.h"
#include "paths.h"
#include "progress.h"
#include "prompts.h"
#include "text.h"

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

// What an asset is made of: images or a prompt.
void check_condition(const Settings& s) {
  if (!s.images.empty() && has_prompt(s))
    throw UsageError("an image and a prompt are given; a checkpoint takes one of them, so leave the other out");
  if (!s.prompt.empty() && !s.prompts.empty()) throw UsageError("--prompt and --prompts are given; leave one of them out");
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
  request.structure = s.structure;
  request.latent = s.latent;
  request.preset = s.preset;
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

// Whether a mesh of another program is finished: where one of the options that say what becomes of it is given.
bool finishes_mesh(const Settings& s) {
  constexpr std::array kMaking{"simplify", "faces", "watertight", "texture-size", "maps", "delight"};
  return std::any_of(kMaking.begin(), kMaking.end(), [&](const char* name) { return s.asked.contains(name); });
}

// The first option that is asked for although nothing of this content is decoded or finished; empty for none.
std::string idle_option(const Settings& s, FileContent content) {
  if (content == FileContent::latent) return {};
  constexpr std::array kDecoding{"model", "image-encoder", "text-encoder", "precision", "vram-tier", "vram-limit", "surface"};
  constexpr std::array kWriting{"raw-mesh", "texture-format", "spz-version", "quantise",
                                "compress", "lods",           "max-bytes",   "unlit"};
  constexpr std::array kBaking{"bake", "bake-from", "bake-views", "bake-view-size", "project-image"};  // of what was decoded
  const auto among = [](const auto& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  const bool finished = content == FileContent::asset || (content == FileContent::mesh && finishes_mesh(s));
  for (const Option& row : option_table()) {
    if (!row.is_for(use_export) || !s.asked.contains(row.name)) continue;
    const bool finishing = row.group == OptionGroup::finishing && !among(kWriting, row.name);
    const bool idle = finishing && (!finished || (content == FileContent::mesh && among(kBaking, row.name)));
    if (among(kDecoding, row.name) || idle) return row.flags();
  }
  return {};
}

// How a mesh of another program is finished: with all its faces, unless fewer are asked for. Nothing where it is only
// converted.
std::optional<FinishRequest> finish_of_mesh(const Settings& s) {
  if (!finishes_mesh(s)) return std::nullopt;
  std::optional<FinishRequest> request = finish_of(s);
  if (request && !s.asked.contains("simplify")) request->simplify = 0.0;
  return request;
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
  }
  if (const std::string idle = idle_option(s, content); !idle.empty()) {
    const bool mesh = content == FileContent::mesh;
    const char* const what = content == FileContent::asset ? ", which is decoded already"
                             : !mesh                       ? ", which holds Gaussians and no mesh to finish"
                             : finishes_mesh(s) ? ": the texture of a mesh of another program is baked from its own look"
                                                : ": a mesh of another program is written as it is";
    throw Error(
        ErrorCode::unsupported, idle + " has no effect on " + name + what,
        mesh && !finishes_mesh(s) ? "leave it out, or have the mesh finished with --faces or --simplify" : "leave it out");
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

// With the masks of its images.
Request full_request_of(const Settings& settings) {
  Request request = request_of(settings);
  if (!settings.masks.empty()) request.images = masked_images(settings);
  return request;
}

Asset asset_of(Pipeline& pipeline, const Settings& settings, const Observer& observer) {
  const Request request = full_request_of(settings);
  if (const std::optional<Asset> structure = kept_structure(settings)) {
    Asset made;
    const auto take = [&](std::uint32_t, const Asset& asset) { made = asset; };
    pipeline.generate_each(request, std::array{settings.seed}, take, observer, &*structure);
    return made;
  }
  return settings.from_latent.empty() ? pipeline.generate(request, observer)
                                      : pipeline.decode(settings.from_latent, request, observer);
}

// Before gigabytes of weights are read.
void check_inputs(const Settings& settings) {
  for (const fs::path& image : settings.images) check_readable(image, "image");
  for (const fs::path& mask : settings.masks) check_readable(mask, "mask");
  if (!settings.from_latent.empty()) check_readable(settings.from_latent, "latent");
  if (!settings.keep_structure.empty()) check_readable(settings.keep_structure, "asset");
  if (!settings.masks.empty()) return (void)masked_images(settings);
  for (const fs::path& image : settings.images) Pipeline::check_image(image);
}

// Inputs and the places of all files to write.
void check_files(const Settings& settings) {
  check_inputs(settings);
  for (const fs::path& path : all_outputs(settings)) check_writable(path);
}

// Whether the error is of one asset alone, so that the others can be made.
bool spares_others(const Error& error) {
  return error.code() == ErrorCode::invalid_argument || error.code() == ErrorCode::format ||
         error.code() == ErrorCode::unsupported || error.code() == ErrorCode::not_found;
}

// The assets of a command that could not be made, each with the reason.
class Failures {
 public:
  void add(std::size_t index, std::string reason) { reasons_[index] = std::move(reason); }
  [[nodiscard]] const std::string* reason(std::size_t index) const {
    const auto found = reasons_.find(index);
    return found == reasons_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] std::size_t count() const { return reasons_.size(); }
  // How many failed of `all`, and every reason once more, because the reports of the others stand between them.
  void list(ProgressPrinter& printer, std::size_t all, const std::string& what) const {
    printer.message(std::to_string(count()) + " of " + std::to_string(all) + " " + what + " became no asset:");
    for (const auto& [index, reason] : reasons_) printer.message("failed: " + reason);
  }

 private:
  std::map<std::size_t, std::string> reasons_;
};

// One after another with one pipeline, or several together. What fails is reported, and the others are made all the same.
class EachAsset {
 public:
  explicit EachAsset(const std::vector<Settings>& assets) : assets_(assets), any_(assets.front()), work_(any_) {}

  int run() {
    for (std::size_t i = 0; i < assets_.size(); ++i) (void)attempt(i, [&] { check_inputs(assets_[i]); });
    if (failures_.count() < assets_.size()) {
      make();
    } else {
      for (std::size_t i = 0; i < assets_.size(); ++i) note(i);
    }
    if (any_.json) print_json(nlohmann::ordered_json(reports_));
    if (failures_.count() == 0) return 0;
    failures_.list(work_.printer(), assets_.size(), any_.images.empty() ? "prompts" : "images");
    return 1;
  }

 private:
  static std::string subject_of(const Settings& one) { return one.images.empty() ? one.prompt : one.images.front().string(); }
  [[nodiscard]] std::string title_of(std::size_t i) const {
    return std::to_string(i + 1) + " of " + std::to_string(assets_.size()) + ": " + one_line(subject_of(assets_[i]));
  }

  template <class Do>
  bool attempt(std::size_t i, Do work) {
    try {
      work();
      return true;
    } catch (const Error& error) {
      if (!spares_others(error)) throw;
      failures_.add(i, title_of(i) + ": " + error.what());
      work_.printer().clear();
      work_.printer().message(*failures_.reason(i));
      return false;
    }
  }

  void make() {
    const PipelineOptions options = pipeline_options(any_, find_checkpoint(any_));
    Pipeline pipeline(options);
    if (pipeline.takes_text() == any_.images.empty()) {
      const Workplace workplace = workplace_of(pipeline, options);
      const auto most = any_.keep_structure.empty() ? static_cast<std::size_t>(any_.max_batch) : std::size_t{1};
      if (most == 1 && any_.max_batch > 1)
        work_.printer().message("--max-batch is left aside: with --keep-structure, images are sampled one by one");
      for (std::size_t i = 0; i < assets_.size(); i += most) {
        const std::size_t count = std::min(most, assets_.size() - i);
        count == 1 ? make_one(i, pipeline, workplace) : make_together(i, count, pipeline, workplace);
      }
      return;
    }
    (void)asset_of(pipeline, any_, {});  // throws: the model takes no such input, whichever it is
  }

  void make_one(std::size_t i, Pipeline& pipeline, const Workplace& workplace) {
    if (failures_.reason(i) == nullptr) {
      work_.printer().begin(title_of(i));
      (void)attempt(
          i, [&] { report(i, workplace, [&](const Observer& observer) { return asset_of(pipeline, assets_[i], observer); }); });
    }
    note(i);
  }

  // `count` assets from `first` on.
  void make_together(std::size_t first, std::size_t count, Pipeline& pipeline, const Workplace& workplace) {
    std::vector<Pipeline::BatchItem> items;
    std::vector<std::size_t> place;
    std::size_t shown = 0;  // whose progress is shown
    for (std::size_t i = first; i < first + count; ++i) {
      if (failures_.reason(i) != nullptr) {
        note(i);
        continue;
      }
      const auto is_shown = [&shown, item = items.size()] { return item == shown; };
      (void)attempt(i, [&] {
        items.push_back({full_request_of(assets_[i]), shown_while(work_.observer(), is_shown)});
        place.push_back(i);
      });
      if (failures_.reason(i) != nullptr) note(i);
    }
    if (items.empty()) return;
    work_.printer().begin(title_of(first) + " and " + std::to_string(count - 1) + " more");
    std::vector<bool> over(items.size());
    pipeline.generate_batch(items, static_cast<int>(count), [&](std::size_t item, const Pipeline::BatchResult& result) {
      const std::size_t i = place[item];
      over[item] = true;
      while (shown < over.size() && over[shown]) ++shown;
      work_.printer().begin(title_of(i));
      (void)attempt(i, [&] {
        if (result.failure) std::rethrow_exception(result.failure);
        report(i, workplace, [&](const Observer&) { return *result.asset; });
      });
      note(i);
    });
  }

  // What became of an asset, for --json.
  void note(std::size_t i) {
    if (!any_.json) return;
    if (const std::string* const reason = failures_.reason(i); reason != nullptr) reports_[i] = {{"error", *reason}};
    reports_[i][assets_[i].images.empty() ? "prompt" : "image"] = subject_of(assets_[i]);
  }

  // `make(observer)` gives the asset.
  template <class Make>
  void report(std::size_t i, const Workplace& workplace, Make make) {
    const Settings& one = assets_[i];
    const Produced made = work_.produce(one, [&](const Observer& observer, Workplace& at) {
      at = workplace;
      return make(observer);
    });
    if (any_.json) {
      reports_[i] = json_of_result(made.workplace, made.asset, made.writing, made.files);
      return;
    }
    if (!any_.quiet) std::printf("%s%s\n", std::exchange(printed_, true) ? "\n" : "", title_of(i).c_str());
    print_result(made.workplace, made.asset, made.writing, made.files, one);
  }

  const std::vector<Settings>& assets_;
  const Settings& any_;
  Work work_;
  Failures failures_;
  std::vector<nlohmann::ordered_json> reports_ = std::vector<nlohmann::ordered_json>(assets_.size());
  bool printed_ = false;
};

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
  const Request request = full_request_of(settings);
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
  pipeline.generate_each(request, settings.seeds, take, work.observer(), structure ? &*structure : nullptr, settings.max_batch);
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
  for (const Settings& one : assets) {
    for (const fs::path& path : all_outputs(one)) check_writable(path);
  }
  if (assets.size() > 1 || !settings.prompts.empty()) return EachAsset(assets).run();
  if (!settings.seeds.empty()) return generate_seeds(assets.front());
  const Settings& one = assets.front();
  check_inputs(one);
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

FileContent checked_export(const Settings& settings) {
  const fs::path& input = settings.inputs.front();
  check_outputs(settings, {input});
  (void)request_of(settings);  // what it refuses is wrong usage, too
  check_readable(input, "asset or latent");
  const FileContent content = content_of(input);
  check_export(settings, content);
  for (const fs::path& path : all_outputs(settings)) check_writable(path);
  return content;
}

Asset exported(const Settings& settings, FileContent content, const Observer& observer, Workplace& workplace) {
  const fs::path& input = settings.inputs.front();
  const Request request = request_of(settings);
  const LoadOptions load{.strict = settings.strict};
  if (content == FileContent::gaussians) return load_gaussians(input, load);
  if (content == FileContent::mesh) {
    const Asset mesh = load_mesh(input, load);
    const std::optional<FinishRequest> finishing = finish_of_mesh(settings);
    if (!finishing) return mesh;
    workplace.device = device_in_words(settings.device);
    return finish(mesh, *finishing, settings.device, observer);
  }
  if (content == FileContent::latent) {
    const PipelineOptions options = pipeline_options(settings, find_checkpoint(settings));
    Pipeline pipeline(options);
    workplace = workplace_of(pipeline, options);
    return pipeline.decode(input, request, observer);
  }
  const Asset asset = load_asset(input);
  if (request.finish) workplace.device = device_in_words(settings.device);
  return request.finish ? finish(asset, *request.finish, settings.device, observer) : asset.as_decoded();
}

int export_asset(const Settings& settings) {
  if (settings.inputs.size() != 1) {
    throw UsageError("export takes one asset, latent, mesh or file of Gaussians: espalier export FILE -o OUT.glb");
  }
  const FileContent content = checked_export(settings);
  return produce(settings, [&](const Observer& observer, Workplace& workplace) {
    return exported(settings, content, observer, workplace);
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
  for (const fs::path& mask : settings.masks) check_readable(mask, "mask");
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
