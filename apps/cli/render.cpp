// render: images of an asset, a mesh or Gaussians.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "espalier/diagnostics.h"
#include "interrupt.h"
#include "outputs.h"
#include "paths.h"
#include "progress.h"
#include "text.h"

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

std::vector<fs::path> images_of(const Settings& s) {
  std::vector<fs::path> all = s.outputs;
  for (const fs::path& path : {s.sheet, s.turntable}) {
    if (!path.empty()) all.push_back(path);
  }
  return all;
}

void check_usage(const Settings& s) {
  if (s.inputs.size() != 1)
    throw UsageError("render takes one asset, mesh or file of Gaussians: espalier render FILE -o OUT.png");
  const std::vector<fs::path> all = images_of(s);
  if (all.empty()) throw UsageError("no output is given; name a file with -o, such as -o view.png");
  for (const fs::path& path : s.outputs) {
    const std::string ending = extension(path);
    if (ending != ".png" && ending != ".mp4" && ending != ".webp")
      throw UsageError("--output: " + path.string() + " ends in none of .png, .mp4, .webp");
  }
  check_extension("--sheet", s.sheet, ".png");
  check_distinct(all, s.inputs);
  for (const fs::path& path : s.outputs) {
    if (extension(path) != ".png") check_turntable("--output", path);
  }
  check_turntable("--turntable", s.turntable);
}

class Renderer {
 public:
  Renderer(const Settings& settings, const Asset& asset, const Observer& observer)
      : s_(settings), asset_(asset), observer_(observer), views_(settings.views) {
    if (views_.empty()) views_.push_back(Viewpoint{});
  }

  WrittenFile views(const fs::path& path) const {
    render_views(asset_, path, views_, look(ViewRequest{}), s_.device, observer_);
    return {path, views_.size() == 1 ? "view" : std::to_string(views_.size()) + " views"};
  }
  WrittenFile turntable(const fs::path& path) const {
    TurntableRequest request;
    request.look = look(request.look);
    request.seconds = s_.seconds;
    request.frames_per_second = s_.frames_per_second;
    render_turntable(asset_, path, request, s_.device, observer_);
    return {path, "turntable"};
  }
  WrittenFile sheet(const fs::path& path) const {
    SheetRequest request;
    request.look = look(request.look);
    request.views = s_.sheet_views;
    render_contact_sheet(asset_, path, request, s_.device, observer_);
    return {path, "contact sheet"};
  }

 private:
  // What the user asked for, the rest as in `usual`.
  [[nodiscard]] ViewRequest look(const ViewRequest& usual) const {
    ViewRequest look = s_.look;
    look.from = views_.front();
    look.size = s_.render_size.value_or(usual.size);
    if (!look.background) look.background = usual.background;
    return look;
  }

  const Settings& s_;
  const Asset& asset_;
  const Observer& observer_;
  std::vector<Viewpoint> views_;
};

void print_report(const Settings& s, const std::vector<WrittenFile>& files) {
  if (s.json) {
    nlohmann::ordered_json report{
        {"version", version()}, {"device", device_in_words(s.device)}, {"files", nlohmann::ordered_json::array()}};
    for (const WrittenFile& file : files) {
      report["files"].push_back({{"path", file.path.string()}, {"bytes", size_of(file.path)}, {"content", file.content}});
    }
    std::printf("%s\n", report.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  } else if (!s.quiet) {
    Table table({"file", "size", "content"}, {2});
    for (const WrittenFile& file : files) table.add({file.path.string(), byte_count(size_of(file.path)), file.content});
    std::printf("%s", table.text().c_str());
  }
}

}  // namespace

int render(const Settings& settings) {
  check_usage(settings);
  const fs::path& input = settings.inputs.front();
  check_readable(input, "file");
  for (const fs::path& path : images_of(settings)) check_writable(path);
  Interrupt interrupt;
  ProgressPrinter printer(settings.quiet, settings.progress);
  const Observer observer{.progress = [&](const Progress& progress) { printer.show(progress); },
                          .cancelled = [&] { return interrupt.requested(); },
                          .message = [&](const std::string& text) { printer.message(text); }};
  const Asset asset = load_any(input, {.strict = settings.strict});
  const Renderer renderer(settings, asset, observer);
  std::vector<WrittenFile> files;
  for (const fs::path& path : settings.outputs) {
    files.push_back(extension(path) == ".png" ? renderer.views(path) : renderer.turntable(path));
  }
  if (!settings.sheet.empty()) files.push_back(renderer.sheet(settings.sheet));
  if (!settings.turntable.empty()) files.push_back(renderer.turntable(settings.turntable));
  printer.clear();
  for (const std::string& notice : asset.notices()) printer.message(notice);
  print_report(settings, files);
  return 0;
}

}  // namespace espalier::cli
