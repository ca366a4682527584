// espalier-quality: generates from images or captions of held-out objects and scores the results against the objects.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "edits.h"
#include "evaluation.h"

namespace espalier::quality {
namespace {

struct Options {
  std::string set = "tools/quality/held_out.safetensors.gz", checkpoint = "models/sprout", device = "auto", precision = "auto";
  std::string json, folder = "out/quality";
  std::vector<std::string> require, sampling;
  std::vector<double> delight;
  std::size_t first = 0, objects = 64;
  std::uint32_t seed = 42;
  bool captions = false;
  std::size_t edits = 0;
  std::vector<int> resample{EditRequest{}.resample}, rim{EditRequest{}.rim};
};

constexpr const char *kTextCheckpoint = "models/sprout-text", *kCaptions = "tools/quality/held_out_text.safetensors.gz";
constexpr const char* kFronts = "tools/quality/held_out_fronts.safetensors.gz";  // objects that are no piles of parts

Precision precision_of(const std::string& name) {
  if (name == "full") return Precision::full;
  if (name == "half") return Precision::half;
  if (name == "int8") return Precision::int8;
  return name == "fp8" ? Precision::fp8 : Precision::automatic;
}

// Of images: how close the Gaussians come; of captions: how many of the named colours are met.
void print_heads(bool captions) {
  std::printf("%-10s %6s  %7s %9s  %6s %9s %6s  %8s  %6s %5s  %7s\n", "object", "voxels", "voxel F", "mismatch", "mesh F",
              "precision", "recall", captions ? "words" : "PSNR", "colour", "seen", "time");
  std::fflush(stdout);
}

void print_row(const Row& r, bool captions) {
  const std::string appearance = captions ? std::to_string(r.named_met()) + " of " + std::to_string(r.named_errors.size())
                                          : str(std::round(10 * r.psnr) / 10, " dB");
  std::printf("%-10s %6lld  %7.3f %9.3f  %6.3f %9.3f %6.3f  %8s  %6.1f %5.1f  %5.1f s\n", r.family.c_str(),
              static_cast<long long>(r.voxels), r.voxel_f, r.mismatch_f, r.mesh_f, r.mesh_precision, r.mesh_recall,
              appearance.c_str(), r.colour_error, r.seen_error, r.seconds);
  std::fflush(stdout);
}

// "key=value": other bars than the project's own.
void set_bars(std::vector<Measure>& measures, const std::vector<std::string>& bars) {
  for (const std::string& text : bars) {
    const auto equals = text.find('=');
    const auto m =
        std::find_if(measures.begin(), measures.end(), [&](const Measure& x) { return x.key == text.substr(0, equals); });
    if (equals == std::string::npos || m == measures.end()) {
      fail(ErrorCode::invalid_argument,
           "--require " + text + ": give KEY=BAR with a key of the JSON report, such as mesh_f=0.7");
    }
    try {
      m->bar = std::stod(text.substr(equals + 1));
    } catch (const std::exception&) {
      fail(ErrorCode::invalid_argument, "--require " + text + ": the bar is not a number");
    }
  }
}

// 0 if all bars are met. With --require only the bars given there count.
int print_table(const std::vector<Measure>& measures, const std::vector<std::string>& required) {
  int missed = 0;
  std::printf("\n%-40s %12s  %s\n", "measure", "value", "bar");
  for (const Measure& m : measures) {
    const bool counts = required.empty() || std::any_of(required.begin(), required.end(),
                                                        [&](const std::string& r) { return r.rfind(m.key + "=", 0) == 0; });
    const char* verdict = !counts ? "" : m.met() ? "met" : "MISSED";
    std::printf("%-40s %8.3f %-5s %s %-6.2f  %s\n", m.title.c_str(), m.value, m.unit.c_str(), m.at_least ? ">=" : "<=", m.bar,
                verdict);
    missed += counts && !m.met() ? 1 : 0;
  }
  return missed == 0 ? 0 : 1;
}

// Of finished assets, means over the objects.
void print_finished(const std::vector<Row>& rows, const std::vector<double>& strengths) {
  if (strengths.empty()) return;
  double squares = 0;
  for (const Row& row : rows) squares += row.finished.surface * row.finished.surface / static_cast<double>(rows.size());
  std::printf("finished surface: %.2f thousandths of the diagonal from the decoded one (RMS)\n", 1e3 * std::sqrt(squares));
  for (std::size_t i = 0; i < strengths.size(); ++i) {
    double plain = 0, scaled = 0, off = 0;
    std::size_t better = 0;
    for (const Row& row : rows) {
      const TextureError &error = row.finished.textures[i], &first = row.finished.textures[0];
      plain += error.plain / static_cast<double>(rows.size());
      scaled += error.scaled / static_cast<double>(rows.size());
      off += 100 * error.off / static_cast<double>(rows.size());
      better += error.scaled < first.scaled ? 1 : 0;
    }
    std::printf(
        "texture, delight %4.2f: colour error %6.2f; at the best brightness %6.2f, %5.2f %% of the texels off by more "
        "than 24; closer than the first for %zu of %zu\n",
        strengths[i], plain, scaled, off, better, rows.size());
  }
}

// "NAME=VALUE": options of espalier generate about sampling, such as preset=fast.
void set_sampling(Settings& settings, const std::vector<std::string>& texts) {
  espalier::Options options;
  std::vector<std::string> notices;
  for (const std::string& text : texts) {
    const auto equals = text.find('=');
    const auto& table = option_table();
    const auto row = std::find_if(table.begin(), table.end(), [&](const Option& option) {
      return option.group == OptionGroup::sampling && option.is_for(use_plan) && option.name == text.substr(0, equals);
    });
    if (equals == std::string::npos || row == table.end()) {
      fail(ErrorCode::invalid_argument, "--sampling " + text + ": give NAME=VALUE of an option of espalier plan about sampling",
           hint("such as preset=fast or latent-steps=6"));
    }
    row->set_text(options, text.substr(equals + 1), notices);
  }
  settings.preset = options.preset;
  settings.structure = options.structure;
  settings.latent = options.latent;
}

Settings settings_of(const Options& options) {
  Settings settings;
  set_sampling(settings, options.sampling);
  settings.pipeline.checkpoint = options.checkpoint;
  settings.pipeline.device = options.device;
  settings.pipeline.precision = precision_of(options.precision);
  settings.seed = options.seed;
  settings.folder = options.folder;
  settings.delight = options.delight;
  return settings;
}

void write_json(const std::string& path, const nlohmann::ordered_json& json) {
  if (path.empty()) return;
  const std::string text = json.dump(1) + "\n";
  write_file(path, std::as_bytes(std::span(text)));
}

void print_edit(const EditRow& r) {
  std::printf("%-10s %8d %4d  %-7s %6lld  %6.2f %6.2f  %6.3f %6.3f  %6.1f %6.1f  %5.1f s\n", r.family.c_str(), r.resample,
              r.rim, r.outside_same ? "same" : "OTHERS", static_cast<long long>(r.open_edges), r.step, r.step_unedited,
              r.f_before, r.f_after, r.colour_before, r.colour_after, r.seconds);
  std::fflush(stdout);
}

// 0 if every pair of settings meets everything.
int print_edits(const std::vector<EditSummary>& summaries) {
  bool met = true;
  std::printf("\n%8s %4s  %7s %6s %6s %6s  %7s  %7s %6s  %7s %6s  %7s\n", "resample", "rim", "outside", "closed", "smooth",
              "better", "step", "F", "after", "colour", "after", "time");
  for (const EditSummary& s : summaries) {
    const auto share = [&](std::size_t n) { return std::to_string(n) + "/" + std::to_string(s.edits); };
    std::printf("%8d %4d  %7s %6s %6s %6s  %7.2f  %7.3f %6.3f  %7.1f %6.1f  %5.1f s  %s\n", s.resample, s.rim,
                share(s.same).c_str(), share(s.closed).c_str(), share(s.smooth).c_str(), share(s.better).c_str(),
                s.largest_step, s.f_before, s.f_after, s.colour_before, s.colour_after, s.seconds, s.met() ? "met" : "MISSED");
    met = met && s.met();
  }
  return met ? 0 : 1;
}

int run_edits(const Options& options) {
  const auto set = load_held_out(options.set);
  std::printf("%-10s %8s %4s  %-7s %6s  %6s %6s  %6s %6s  %6s %6s  %7s\n", "object", "resample", "rim", "outside", "open",
              "step", "whole", "F", "after", "colour", "after", "time");
  const auto rows = evaluate_edits(set, settings_of(options), {options.edits, options.resample, options.rim}, print_edit);
  write_json(options.json, json_of(rows));
  return print_edits(summaries_of(rows));
}

int run(const Options& options) {
  const auto set = load_held_out(options.set);
  if (options.objects == 0 || options.first >= set.size() || options.objects > set.size() - options.first) {
    fail(ErrorCode::invalid_argument, "the set has " + std::to_string(set.size()) + " objects",
         hint("choose --first and --objects within it"));
  }
  std::vector<Measure> known = {{"mesh_f", "", ""},       {"mesh_f_p10", "", ""},   {"voxel_f", "", ""},
                                {"mismatch_gap", "", ""}, {"mesh_gap", "", ""},     {"missing_skin", "", ""},
                                {"psnr", "", ""},         {"colour_error", "", ""}, {"seen_error", "", ""},
                                {"size", "", ""},         {"seconds", "", ""},      {"repeatable", "", ""},
                                {"main_colour", "", ""},  {"named_colours", "", ""}};
  set_bars(known, options.require);  // refuses wrong ones before the long part
  const bool captions = !set.front().caption().text.empty();
  print_heads(captions);
  const Settings settings = settings_of(options);
  Report report = evaluate(std::span(set).subspan(options.first, options.objects), settings,
                           [&](const Row& row) { print_row(row, captions); });
  set_bars(report.measures, options.require);
  std::printf("\n%zu objects on %s, %s, seed %u; %d + %d evaluations of the flows\n", report.rows.size(), report.device.c_str(),
              report.precision.c_str(), options.seed, report.structure_evaluations, report.latent_evaluations);
  print_finished(report.rows, options.delight);
  write_json(options.json, json_of(report));
  return print_table(report.measures, options.require);
}

}  // namespace
}  // namespace espalier::quality

int main(int argc, char** argv) {
  CLI::App app("Generates from images or captions of held-out objects and scores the results against the objects.",
               "espalier-quality");
  espalier::quality::Options options;
  app.add_option("--checkpoint", options.checkpoint, "folder of the checkpoint")->capture_default_str();
  auto* const set =
      app.add_option("--set", options.set, "the objects, as training/held_out.py writes them")->capture_default_str();
  app.add_option("--objects", options.objects, "how many of them")->capture_default_str();
  app.add_option("--first", options.first, "the first one")->capture_default_str();
  app.add_option("--seed", options.seed, "seed of the noise")->capture_default_str();
  app.add_option("--device", options.device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--precision", options.precision, "auto, full, half, int8 or fp8")
      ->check(CLI::IsMember({"auto", "full", "half", "int8", "fp8"}))
      ->capture_default_str();
  app.add_option("--sampling", options.sampling, "NAME=VALUE of an option about sampling, such as preset=fast; repeatable")
      ->allow_extra_args(false);
  app.add_option("--folder", options.folder, "where the images go")->capture_default_str();
  app.add_option("--json", options.json, "also write all figures to this file");
  app.add_option("--require", options.require, "KEY=BAR: exit with 1 if these bars are missed, instead of the project's own");
  app.add_option("--delight", options.delight, "also finish the assets, and compare textures with this much light taken out")
      ->delimiter(',')
      ->check(CLI::Range(0.0, 1.0));
  app.add_flag("--captions", options.captions, "the held-out captions, with the checkpoint for text")
      ->excludes("--checkpoint")
      ->excludes("--set");
  app.add_option("--edits", options.edits,
                 "instead replace a part of so many objects, and compare what --resample and --rim do")
      ->check(CLI::Range(1, 64))
      ->excludes("--captions")
      ->excludes("--delight")
      ->excludes("--require");
  app.add_option("--resample", options.resample, "of edits: how often every step is sampled; several are compared")
      ->delimiter(',')
      ->check(CLI::Range(1, 100))
      ->needs("--edits");
  app.add_option("--rim", options.rim, "of edits: voxels around the region that may change; several are compared")
      ->delimiter(',')
      ->check(CLI::Range(0, 16))
      ->needs("--edits");
  CLI11_PARSE(app, argc, argv);
  if (options.captions) {
    options.checkpoint = espalier::quality::kTextCheckpoint;
    options.set = espalier::quality::kCaptions;
  }
  if (options.edits > 0 && set->count() == 0) options.set = espalier::quality::kFronts;
  try {
    return options.edits > 0 ? espalier::quality::run_edits(options) : espalier::quality::run(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "espalier-quality: %s\n", e.what());
    return 2;
  }
}
