#include "outputs.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "paths.h"
#include "summary.h"
#include "text.h"

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

// What a file of this name holds.
enum class Content { mesh, gaussians, unknown };

const ResultFormat* format_of(const fs::path& path) {
  std::string name = path.filename().string();
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto formats = result_formats();
  const auto found = std::find_if(formats.begin(), formats.end(),
                                  [&](const ResultFormat& f) { return name.ends_with(std::string(".") + f.name); });
  return found == formats.end() ? nullptr : &*found;
}
Content content_of(const fs::path& path) {
  const ResultFormat* format = format_of(path);
  return format == nullptr ? Content::unknown : format->mesh ? Content::mesh : Content::gaussians;
}
// Of a format that has no choice.
UpAxis own_up(const ResultFormat& format) { return std::string_view(format.name) == "3mf" ? UpAxis::z : UpAxis::y; }
std::string endings_in_words() {
  std::string text;
  for (const ResultFormat& format : result_formats()) text += (text.empty() ? "." : ", .") + std::string(format.name);
  return text;
}

// True also for files that do not exist yet, when folder and name are the same.
bool same_place(const fs::path& a, const fs::path& b) {
  std::error_code ignored;
  return fs::weakly_canonical(fs::absolute(a, ignored), ignored) == fs::weakly_canonical(fs::absolute(b, ignored), ignored);
}

std::string describe_mesh(const Asset& asset) {
  const MeshSummary mesh = asset.mesh_summary();
  return "mesh: " + thousands(mesh.positions) + " vertices, " + thousands(mesh.faces) + " faces";
}

struct Totals {
  double seconds = 0.0;
  std::uint64_t planned = 0, peak = 0;  // weights included
  std::uint64_t process = 0;
};

Totals totals_of(const std::vector<StageReport>& stages) {
  Totals totals;
  for (const StageReport& stage : stages) {
    totals.seconds += stage.seconds;
    totals.planned = std::max(totals.planned, stage.weight_bytes + stage.planned_bytes);
    totals.peak = std::max(totals.peak, stage.weight_bytes + stage.peak_bytes);
    totals.process = std::max(totals.process, stage.process_bytes);
  }
  return totals;
}

std::vector<StageReport> all_stages(const Asset& asset, const StageReport& writing) {
  std::vector<StageReport> stages = asset.stages();
  stages.push_back(writing);
  return stages;
}

// Nothing where there is no such memory, rather than an amount.
std::string bytes_or(std::uint64_t bytes, const char* nothing) { return bytes > 0 ? byte_count(bytes) : nothing; }

void print_finish(const FinishReport& r) {
  std::printf("decoded:  %s\nfinished: %s\n", in_words(r.before).c_str(), in_words(r.after).c_str());
  std::printf("          %s hidden faces, %s of enclosed and %s of small pieces removed, %s holes filled\n",
              thousands(r.hidden_faces).c_str(), thousands(r.enclosed_faces).c_str(), thousands(r.small_faces).c_str(),
              thousands(r.filled_holes).c_str());
  if (const std::string searched = searched_in_words(r.after); !searched.empty())
    std::printf("          %s\n", searched.c_str());
  if (r.charts > 0) {
    std::printf("texture:  %s charts, %s %% used, stretch %s, %s %% of it seen\n", thousands(r.charts).c_str(),
                fixed(100 * r.texture_use, 0).c_str(), fixed(r.mean_stretch, 2).c_str(), fixed(100 * r.texels_seen, 1).c_str());
  }
  for (const ImageMatch& p : r.images) {
    std::printf("image:    overlap %s, colour error %s, yaw %s, pitch %s, distance %s; %s\n", fixed(p.overlap, 2).c_str(),
                fixed(p.colour_error, 2).c_str(), fixed(p.yaw, 0).c_str(), fixed(p.pitch, 0).c_str(),
                fixed(p.distance, 1).c_str(),
                p.used ? (fixed(100 * p.texels, 0) + " % of the texture took from it").c_str() : "not used");
  }
  std::printf("\n");
}

void print_report(const Workplace& w, const Asset& asset, const std::vector<StageReport>& all,
                  const std::vector<WrittenFile>& files) {
  std::string place = w.device;
  if (!w.precision.empty()) place += ", " + w.precision;
  if (!w.tier.empty()) place += ", memory tier " + w.tier;
  if (!w.checkpoint.empty()) place += ", checkpoint " + w.checkpoint;
  if (!place.empty()) std::printf("%s\n", place.c_str());
  if (!w.model.text.empty()) std::printf("the model is %s\n", w.model.text.c_str());
  if (!w.model.full_model.empty()) std::printf("the real one: espalier pull %s\n", w.model.full_model.c_str());
  if (!place.empty()) std::printf("\n");
  Table stages({"stage", "time", "weights", "planned", "peak", "process"});
  for (const StageReport& stage : all) {
    stages.add({std::string(stage_title(stage.stage)), duration(stage.seconds), bytes_or(stage.weight_bytes, "-"),
                bytes_or(stage.planned_bytes, "-"), bytes_or(stage.peak_bytes, "-"), bytes_or(stage.process_bytes, "unknown")});
  }
  const Totals totals = totals_of(all);
  stages.add({"all; memory with weights", duration(totals.seconds), "", bytes_or(totals.planned, "-"),
              bytes_or(totals.peak, "-"), bytes_or(totals.process, "unknown")});
  Table written({"file", "size", "content"}, {2});
  for (const WrittenFile& file : files) written.add({file.path.string(), byte_count(size_of(file.path)), file.content});
  std::printf("%s\n", stages.text().c_str());
  if (const auto finished = asset.finish_report()) print_finish(*finished);
  std::printf("%s", written.text().c_str());
}

nlohmann::ordered_json finish_json(const FinishReport& r) {
  nlohmann::ordered_json report{{"before", json_of(r.before)},
                                {"after", json_of(r.after)},
                                {"hidden_faces", r.hidden_faces},
                                {"enclosed_faces", r.enclosed_faces},
                                {"small_faces", r.small_faces},
                                {"filled_holes", r.filled_holes},
                                {"charts", r.charts},
                                {"mean_stretch", r.mean_stretch},
                                {"texture_use", r.texture_use},
                                {"texels_seen", r.texels_seen},
                                {"images", nlohmann::ordered_json::array()}};
  for (const ImageMatch& p : r.images) {
    report["images"].push_back({{"overlap", p.overlap},
                                {"colour_error", p.colour_error},
                                {"yaw", p.yaw},
                                {"pitch", p.pitch},
                                {"distance", p.distance},
                                {"texels", p.texels},
                                {"used", p.used}});
  }
  return report;
}

nlohmann::ordered_json report_json(const Workplace& w, const Asset& asset, const std::vector<StageReport>& all,
                                   const std::vector<WrittenFile>& files) {
  nlohmann::ordered_json report;
  report["version"] = version();
  report["device"] = w.device;
  report["precision"] = w.precision;
  report["memory_tier"] = w.tier;
  report["checkpoint"] = w.checkpoint;
  report["untrained"] = w.untrained;
  report["description"] = w.model.text;
  report["full_model"] = w.model.full_model;
  report["voxels"] = asset.voxels().size() / 3;
  const MeshSummary mesh = asset.mesh_summary();
  report["vertices"] = mesh.vertices;
  report["positions"] = mesh.positions;
  report["faces"] = mesh.faces;
  report["gaussians"] = asset.gaussian_count();
  if (const auto finished = asset.finish_report()) report["finish"] = finish_json(*finished);
  const Totals totals = totals_of(all);
  report["seconds"] = totals.seconds;
  report["planned_bytes"] = totals.planned;
  report["peak_bytes"] = totals.peak;
  report["process_bytes"] = totals.process;
  for (const StageReport& stage : all) {
    report["stages"].push_back({{"stage", stage_id(stage.stage)},
                                {"seconds", stage.seconds},
                                {"weight_bytes", stage.weight_bytes},
                                {"planned_bytes", stage.planned_bytes},
                                {"peak_bytes", stage.peak_bytes},
                                {"process_bytes", stage.process_bytes},
                                {"assets", stage.assets}});
  }
  for (const WrittenFile& file : files) {
    report["files"].push_back({{"path", file.path.string()}, {"bytes", size_of(file.path)}, {"content", file.content}});
  }
  report["notices"] = asset.notices();
  report["record"] = asset.record();
  return report;
}

}  // namespace

void check_extension(const char* option, const fs::path& path, const char* wanted) {
  if (!path.empty() && extension(path) != wanted) {
    throw UsageError(std::string(option) + ": " + path.string() + " does not end in " + wanted);
  }
}

std::string format_name(const fs::path& path) {
  const ResultFormat* format = format_of(path);
  return format == nullptr ? std::string() : format->name;
}

std::optional<std::vector<std::string>> formats_written(const Settings& s, OptionUse use) {
  if (use == use_batch) return s.formats;
  std::vector<std::string> formats;
  for (const fs::path& path : s.outputs) {
    std::error_code ignored;
    // A folder is where --prompts writes a .glb each, and - is a .glb.
    const bool glb = path == "-" || (!s.prompts.empty() && fs::is_directory(path, ignored));
    formats.push_back(use == use_render ? (path == "-" ? "png" : extension(path).substr(0, 5))
                      : glb             ? "glb"
                                        : format_name(path));
    if (use == use_render && formats.back().starts_with('.')) formats.back().erase(0, 1);
    if (formats.back().empty()) return std::nullopt;
  }
  if (s.outputs.empty() && all_outputs(s).empty()) {
    if (s.out_dir.empty()) return std::nullopt;
    formats.emplace_back("glb");
  }
  return formats;
}

std::uint64_t size_of(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? 0 : size;
}

void check_turntable(const char* option, const fs::path& path) {
  if (path.empty()) return;
  const std::string ending = extension(path);
  if (ending != ".mp4" && ending != ".webp")
    throw UsageError(std::string(option) + ": " + path.string() + " ends in neither .mp4 nor .webp");
  if (ending == ".mp4" && !can_write_mp4()) {
    throw Error(ErrorCode::unsupported, path.string() + ": the program ffmpeg, which makes an MP4, is not there",
                "install it, or "
                "name the file .webp for an animation that needs no other program");
  }
}

std::vector<fs::path> all_outputs(const Settings& s) {
  std::vector<fs::path> all = s.outputs;
  for (const fs::path& path : {s.preview, s.turntable, s.sheet, s.save_latent, s.save_asset}) {
    if (!path.empty()) all.push_back(path);
  }
  return all;
}

namespace {

// Files that an output brings along under its own name. Which format a texture gets is not known here where a limit of bytes
// chooses it, or where it came with a file of another program.
std::vector<fs::path> companions_of(const fs::path& output, const Settings& s) {
  const ResultFormat* const format = format_of(output);
  if (format == nullptr || format->single_file) return {};
  const bool obj = format->name == std::string_view("obj");
  const bool foreign = !s.inputs.empty() && s.inputs.front().extension() != ".safetensors";
  std::vector<const char*> endings{obj ? ".mtl" : ".bin"};
  if (foreign || (!s.raw_mesh && s.finish.texture)) {
    const TextureFormat usual = obj                                        ? TextureFormat::png
                                : s.save.compress == MeshCompression::none ? TextureFormat::jpeg
                                                                           : TextureFormat::webp;
    const TextureFormat texture = s.save.texture == TextureFormat::automatic ? usual : s.save.texture;
    const bool any = foreign || s.save.max_bytes > 0;
    if (any || texture == TextureFormat::png || (obj && texture == TextureFormat::webp)) endings.push_back(".png");
    if (any || texture == TextureFormat::jpeg) endings.push_back(".jpg");
    if (!obj && (any || texture == TextureFormat::webp)) endings.push_back(".webp");
  }
  std::vector<fs::path> paths;
  for (const char* const one : endings) paths.push_back(fs::path(output).replace_extension(one));
  for (const char* const map : {"-normal", "-occlusion"}) {
    const bool written = map == std::string_view("-normal") ? s.finish.maps.normal : s.finish.maps.occlusion && !obj;
    for (const char* const ending : {".png", ".jpg"}) {
      if (written) paths.push_back(output.parent_path() / (output.stem().string() + map + ending));
    }
  }
  return paths;
}

// What comes along with an output must not replace what was named: an image of that name, or another output.
void check_companions(const Settings& s, const std::vector<fs::path>& outputs, std::vector<fs::path> named) {
  named.insert(named.end(), s.masks.begin(), s.masks.end());
  named.insert(named.end(), outputs.begin(), outputs.end());
  for (const fs::path& output : s.outputs) {
    for (const fs::path& companion : companions_of(output, s)) {
      for (const fs::path& other : named) {
        if (!same_place(companion, other)) continue;
        throw UsageError(output.string() + " comes with a file " + companion.filename().string() + ", which would replace " +
                         other.string() + "; choose another name, or a format that is one file");
      }
    }
  }
}

}  // namespace

void check_outputs(const Settings& s, const std::vector<fs::path>& inputs) {
  const std::vector<fs::path> outputs = all_outputs(s);
  if (outputs.empty()) throw UsageError("no output is given; name a file with -o, such as -o out.glb");
  for (const fs::path& path : s.outputs) {
    if (content_of(path) == Content::unknown) {
      throw UsageError("--output: " + path.string() + " ends in none of " + endings_in_words());
    }
    if (const std::string ending = std::string(".").append(format_name(path));
        path.filename().string().size() == ending.size()) {
      throw UsageError("--output: " + path.string() + " is an ending without a name; name the file, such as " +
                       (path.parent_path() / "asset").string() + ending);
    }
  }
  for (const fs::path& path : s.outputs) {
    const ResultFormat* const format = format_of(path);
    if (s.save.up == UpAxis::automatic || format->free_up || s.save.up == own_up(*format)) continue;
    throw UsageError("--up " + std::string(name_of(s.save.up)) + ": " + path.string() +
                     " is of a format that says itself which axis is up; leave the option out, programs turn it to their own");
  }
  check_extension("--preview", s.preview, ".png");
  check_extension("--save-latent", s.save_latent, ".safetensors");
  check_extension("--save-asset", s.save_asset, ".safetensors");
  check_extension("--sheet", s.sheet, ".png");
  check_distinct(outputs, inputs);
  check_companions(s, outputs, inputs);
  check_turntable("--turntable", s.turntable);
}

void check_distinct(const std::vector<fs::path>& outputs, const std::vector<fs::path>& inputs) {
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

Decoded decoded_of(const Settings& s) {
  Decoded needed;
  for (const fs::path& path : s.outputs) {
    (content_of(path) == Content::mesh ? needed.mesh : needed.gaussians) = true;
  }
  if (!s.decode.any()) {
    const bool drawn = !s.preview.empty() || !s.turntable.empty() || !s.sheet.empty();
    if (drawn && !needed.any()) needed.mesh = true;
    if (!s.sheet.empty()) needed.mesh = needed.gaussians = true;
    if (!s.save_asset.empty()) needed.mesh = needed.gaussians = true;
    return needed;
  }
  if (needed.mesh && !s.decode.mesh) throw UsageError("--decode leaves out the mesh, which an output file needs");
  if (needed.gaussians && !s.decode.gaussians) {
    throw UsageError("--decode leaves out the Gaussians (gaussians), which an output file needs");
  }
  return s.decode;
}

std::vector<fs::path> mesh_outputs(const Settings& s) {
  std::vector<fs::path> paths;
  std::copy_if(s.outputs.begin(), s.outputs.end(), std::back_inserter(paths),
               [](const fs::path& path) { return content_of(path) == Content::mesh; });
  return paths;
}

std::optional<FinishRequest> finish_of(const Settings& s) {
  const std::vector<fs::path> meshes = mesh_outputs(s);
  const bool shown = !s.turntable.empty() || !s.sheet.empty();
  if (s.raw_mesh || (meshes.empty() && s.preview.empty() && !shown) || !decoded_of(s).mesh) return std::nullopt;
  FinishRequest request = s.finish;
  request.size_mm = s.save.size_mm;
  request.height_mm = 1000.0 * s.save.height.value_or(0.0);
  // Nobody waits for a texture that no file can hold or show.
  request.texture = request.texture && (shown || std::any_of(meshes.begin(), meshes.end(), [](const fs::path& path) {
                                          const ResultFormat* format = format_of(path);
                                          return format != nullptr && format->textured;
                                        }));
  return request;
}

std::vector<WrittenFile> save_all(const Asset& asset, const Settings& s, Interrupt& interrupt, const Observer& observer) {
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
  save(s.save_asset, "asset as decoded", [&](const fs::path& path) { asset.save_asset(path); });
  SaveOptions options = s.save;
  options.message = observer.message;
  for (const fs::path& output : s.outputs) {
    // A .glb of an asset that is nothing but Gaussians holds those.
    const bool mesh = content_of(output) == Content::mesh && (!asset.faces().empty() || asset.gaussian_count() == 0);
    const std::string content = mesh ? describe_mesh(asset) : thousands(asset.gaussian_count()) + " Gaussians";
    save(output, content, [&](const fs::path& path) { asset.save(path, options); });
  }
  save(s.preview, "preview", [&](const fs::path& path) { asset.save_preview(path); });
  // These take longer, and stop by themselves.
  const auto draw = [&](const fs::path& path, const char* content, const auto& write) {
    if (path.empty()) return;
    write(path);
    files.push_back({path, content});
  };
  draw(s.sheet, "contact sheet", [&](const fs::path& path) { render_contact_sheet(asset, path, {}, s.device, observer); });
  draw(s.turntable, "turntable", [&](const fs::path& path) { render_turntable(asset, path, {}, s.device, observer); });
  return files;
}

nlohmann::ordered_json json_of_result(const Workplace& workplace, const Asset& asset, const StageReport& writing,
                                      const std::vector<WrittenFile>& files) {
  return report_json(workplace, asset, all_stages(asset, writing), files);
}

void print_json(const nlohmann::ordered_json& report) {
  std::printf("%s\n", report.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

void print_result(const Workplace& workplace, const Asset& asset, const StageReport& writing,
                  const std::vector<WrittenFile>& files, const Settings& settings) {
  if (settings.json) {
    print_json(json_of_result(workplace, asset, writing, files));
  } else if (!settings.quiet) {
    print_report(workplace, asset, all_stages(asset, writing), files);
  }
}

}  // namespace espalier::cli
