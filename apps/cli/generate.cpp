#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "interrupt.h"
#include "places.h"
#include "progress.h"
#include "text.h"

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

struct WrittenFile {
  fs::path path;
  std::string content;
};

// What a file of this name holds.
enum class Content { mesh, gaussians, unknown };

Content content_of(const fs::path& path) {
  const std::string ending = extension(path);
  if (ending == ".glb" || ending == ".obj" || ending == ".stl") return Content::mesh;
  if (ending != ".ply") return Content::unknown;
  return extension(path.stem()) == ".mesh" ? Content::mesh : Content::gaussians;
}

// ---- Before the work

void check_extension(const char* option, const fs::path& path, const char* wanted) {
  if (!path.empty() && extension(path) != wanted) {
    throw UsageError(std::string(option) + ": " + path.string() + " does not end in " + wanted);
  }
}

// True also for files that do not exist yet, when folder and name are the same.
bool same_place(const fs::path& a, const fs::path& b) {
  std::error_code ignored;
  return fs::weakly_canonical(fs::absolute(a, ignored), ignored) == fs::weakly_canonical(fs::absolute(b, ignored), ignored);
}

std::vector<fs::path> all_outputs(const Settings& s) {
  std::vector<fs::path> all = s.outputs;
  for (const fs::path& path : {s.preview, s.save_latent}) {
    if (!path.empty()) all.push_back(path);
  }
  return all;
}

void check_usage(const Settings& s) {
  if (s.from_latent.empty() && s.images.empty())
    throw UsageError("no picture is given; name one, or a latent with --from-latent");
  if (!s.from_latent.empty() && !s.images.empty()) throw UsageError("--from-latent takes no pictures; leave one of them out");
  if (!s.from_latent.empty() && !s.save_latent.empty()) {
    throw UsageError("--save-latent would only copy what --from-latent reads; leave one of them out");
  }
  const std::vector<fs::path> outputs = all_outputs(s);
  if (outputs.empty()) throw UsageError("no output is given; name a file with -o, such as -o out.glb");
  for (const fs::path& path : s.outputs) {
    if (content_of(path) == Content::unknown) {
      throw UsageError("--output: " + path.string() + " ends in none of .glb, .obj, .stl, .ply");
    }
  }
  check_extension("--preview", s.preview, ".png");
  check_extension("--save-latent", s.save_latent, ".safetensors");
  std::vector<fs::path> inputs = s.images;
  if (!s.from_latent.empty()) inputs.push_back(s.from_latent);
  std::error_code ignored;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (same_place(outputs[i], outputs[j])) {
        throw UsageError(outputs[i].string() + " is named twice as an output");
      }
    }
    for (const fs::path& input : inputs) {
      if (fs::equivalent(outputs[i], input, ignored)) throw UsageError(input.string() + " is both input and output");
    }
  }
}

// --formats, or what the outputs hold.
Formats formats_of(const Settings& s) {
  Formats needed;
  for (const fs::path& path : s.outputs) {
    (content_of(path) == Content::mesh ? needed.mesh : needed.gaussians) = true;
  }
  if (!s.formats.any()) {
    if (!s.preview.empty() && !needed.any()) needed.mesh = true;
    return needed;
  }
  if (needed.mesh && !s.formats.mesh) throw UsageError("--formats leaves out the mesh, which an output file needs");
  if (needed.gaussians && !s.formats.gaussians) {
    throw UsageError("--formats leaves out the Gaussians (gaussian), which an output file needs");
  }
  return s.formats;
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
  const Formats formats = formats_of(s);
  Request request;
  request.images = s.images;
  request.seed = s.seed;
  request.structure = with_preset(s.structure, s.preset, app_structure_settings());
  request.latent = with_preset(s.latent, s.preset, app_latent_settings());
  request.multi_image = s.multi_image;
  request.background = s.no_preprocess ? Background::none : Background::automatic;
  request.mesh = formats.mesh;
  request.gaussians = formats.gaussians;
  request.radiance_field = formats.radiance_field;
  return request;
}

// ---- After the work

std::string describe_mesh(const Asset& asset) {
  return "mesh: " + thousands(static_cast<std::int64_t>(asset.vertices().size() / 3)) + " vertices, " +
         thousands(static_cast<std::int64_t>(asset.faces().size() / 3)) + " faces";
}

// Writes everything that was asked for; stops between files when `interrupt` says so.
std::vector<WrittenFile> save_all(const Asset& asset, const Settings& s, Interrupt& interrupt) {
  std::vector<WrittenFile> files;
  const auto save = [&](const fs::path& path, const std::string& content, const auto& write) {
    if (path.empty()) return;
    const Interrupt::Critical critical(interrupt);
    if (interrupt.requested()) throw Error(ErrorCode::cancelled, "stopped on request before " + path.string() + " was written");
    write(path);
    files.push_back({path, content});
  };
  // First what cost most to make.
  save(s.save_latent, thousands(static_cast<std::int64_t>(asset.voxels().size() / 3)) + " voxels and their latent",
       [&](const fs::path& path) { asset.save_latent(path); });
  for (const fs::path& output : s.outputs) {
    const std::string content =
        content_of(output) == Content::mesh ? describe_mesh(asset) : thousands(asset.gaussian_count()) + " Gaussians";
    save(output, content, [&](const fs::path& path) { asset.save(path, {.size_mm = s.size_mm}); });
  }
  save(s.preview, "preview", [&](const fs::path& path) { asset.save_preview(path); });
  return files;
}

std::uint64_t size_of(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? 0 : size;
}

struct Totals {
  double seconds = 0.0;
  std::uint64_t planned = 0, peak = 0;  // weights included
};

Totals totals_of(const Asset& asset) {
  Totals totals;
  for (const StageReport& stage : asset.stages()) {
    totals.seconds += stage.seconds;
    totals.planned = std::max(totals.planned, stage.weight_bytes + stage.planned_bytes);
    totals.peak = std::max(totals.peak, stage.weight_bytes + stage.peak_bytes);
  }
  return totals;
}

void print_report(const Pipeline& pipeline, const fs::path& checkpoint, const Asset& asset,
                  const std::vector<WrittenFile>& files) {
  std::printf("%s, %s, memory tier %s, checkpoint %s\n\n", pipeline.device().c_str(), pipeline.precision().c_str(),
              pipeline.tier().c_str(), checkpoint.c_str());
  Table stages({"stage", "time", "weights", "planned", "peak"});
  for (const StageReport& stage : asset.stages()) {
    stages.add({stage.name, duration(stage.seconds), byte_count(stage.weight_bytes), byte_count(stage.planned_bytes),
                byte_count(stage.peak_bytes)});
  }
  const Totals totals = totals_of(asset);
  stages.add({"all; memory with weights", duration(totals.seconds), "", byte_count(totals.planned), byte_count(totals.peak)});
  Table written({"file", "size", "content"}, {2});
  for (const WrittenFile& file : files) written.add({file.path.string(), byte_count(size_of(file.path)), file.content});
  std::printf("%s\n%s", stages.text().c_str(), written.text().c_str());
}

void print_json(const Pipeline& pipeline, const fs::path& checkpoint, const Asset& asset,
                const std::vector<WrittenFile>& files) {
  nlohmann::ordered_json report;
  report["version"] = version();
  report["device"] = pipeline.device();
  report["precision"] = pipeline.precision();
  report["memory_tier"] = pipeline.tier();
  report["checkpoint"] = checkpoint.string();
  report["untrained"] = pipeline.untrained();
  report["voxels"] = asset.voxels().size() / 3;
  report["vertices"] = asset.vertices().size() / 3;
  report["faces"] = asset.faces().size() / 3;
  report["gaussians"] = asset.gaussian_count();
  const Totals totals = totals_of(asset);
  report["seconds"] = totals.seconds;
  report["planned_bytes"] = totals.planned;
  report["peak_bytes"] = totals.peak;
  for (const StageReport& stage : asset.stages()) {
    report["stages"].push_back({{"name", stage.name},
                                {"seconds", stage.seconds},
                                {"weight_bytes", stage.weight_bytes},
                                {"planned_bytes", stage.planned_bytes},
                                {"peak_bytes", stage.peak_bytes}});
  }
  for (const WrittenFile& file : files) {
    report["files"].push_back({{"path", file.path.string()}, {"bytes", size_of(file.path)}, {"content", file.content}});
  }
  report["notices"] = asset.notices();
  report["record"] = asset.record();
  std::printf("%s\n", report.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

}  // namespace

int generate(const Settings& settings) {
  check_usage(settings);
  const Request request = request_of(settings);
  for (const fs::path& image : settings.images) check_readable(image, "picture");
  if (!settings.from_latent.empty()) check_readable(settings.from_latent, "latent");
  for (const fs::path& path : all_outputs(settings)) check_writable(path);
  for (const fs::path& image : settings.images) Pipeline::check_picture(image);  // before gigabytes of weights are read

  Interrupt interrupt;
  ProgressPrinter printer(settings.quiet);
  const Observer observer{.progress = [&](const Progress& progress) { printer.show(progress); },
                          .cancelled = [&] { return interrupt.requested(); },
                          .message = [&](const std::string& text) { printer.message(text); }};
  const fs::path checkpoint = find_checkpoint(settings.model);
  Pipeline pipeline({.checkpoint = checkpoint,
                     .device = settings.device,
                     .precision = settings.precision,
                     .tier = settings.tier,
                     .image_encoder = settings.image_encoder});
  const Asset asset = settings.from_latent.empty() ? pipeline.generate(request, observer)
                                                   : pipeline.decode(settings.from_latent, request, observer);
  const std::vector<WrittenFile> files = save_all(asset, settings, interrupt);
  printer.clear();
  for (const std::string& notice : asset.notices()) printer.message(notice);
  if (settings.json) {
    print_json(pipeline, checkpoint, asset, files);
  } else if (!settings.quiet) {
    print_report(pipeline, checkpoint, asset, files);
  }
  return 0;
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
  const Background background = settings.no_preprocess ? Background::none : Background::automatic;
  for (const std::string& notice : Pipeline::preprocess(settings.images.front(), background, output)) printer.message(notice);
  return 0;
}

}  // namespace espalier::cli
