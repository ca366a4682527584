// espalier-quality: generates from the images of held-out objects and scores the results against the objects.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "evaluation.h"

namespace espalier::quality {
namespace {

struct Options {
  std::string set = "tools/quality/held_out.safetensors", checkpoint = "models/sprout", device = "auto", precision = "auto";
  std::string json, folder = "out/quality";
  std::vector<std::string> require;
  std::size_t first = 0, objects = 64;
  std::uint32_t seed = 42;
};

Precision precision_of(const std::string& name) {
  return name == "full" ? Precision::full : name == "half" ? Precision::half : Precision::automatic;
}

void print_row(const Row& r) {
  std::printf("%-10s %6lld  %7.3f %9.3f  %6.3f %9.3f %6.3f  %5.1f dB  %6.1f %5.1f  %5.1f s\n", r.family.c_str(),
              static_cast<long long>(r.voxels), r.voxel_f, r.mismatch_f, r.mesh_f, r.mesh_precision, r.mesh_recall, r.psnr,
              r.colour_error, r.seen_error, r.seconds);
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
      fail(ErrorCode::invalid_argument, "--require " + text + ": the bar is no number");
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

int run(const Options& options) {
  const auto set = load_held_out(options.set);
  if (options.objects == 0 || options.first >= set.size() || options.objects > set.size() - options.first) {
    fail(ErrorCode::invalid_argument, "the set has " + std::to_string(set.size()) + " objects",
         hint("choose --first and --objects within it"));
  }
  std::vector<Measure> known = {{"mesh_f", "", ""},       {"mesh_f_p10", "", ""},   {"voxel_f", "", ""},
                                {"mismatch_gap", "", ""}, {"missing_skin", "", ""}, {"psnr", "", ""},
                                {"colour_error", "", ""}, {"seen_error", "", ""},   {"size", "", ""},
                                {"seconds", "", ""},      {"repeatable", "", ""}};
  set_bars(known, options.require);  // refuses wrong ones before the long part
  Settings settings;
  settings.pipeline.checkpoint = options.checkpoint;
  settings.pipeline.device = options.device;
  settings.pipeline.precision = precision_of(options.precision);
  settings.seed = options.seed;
  settings.folder = options.folder;
  std::printf("%-10s %6s  %7s %9s  %6s %9s %6s  %8s  %6s %5s  %7s\n", "object", "voxels", "voxel F", "mismatch", "mesh F",
              "precision", "recall", "PSNR", "colour", "seen", "time");
  Report report = evaluate(std::span(set).subspan(options.first, options.objects), settings, print_row);
  set_bars(report.measures, options.require);
  std::printf("\n%zu objects on %s, %s, seed %u\n", report.rows.size(), report.device.c_str(), report.precision.c_str(),
              options.seed);
  if (!options.json.empty()) {
    const std::string text = json_of(report).dump(1) + "\n";
    write_file(options.json, std::as_bytes(std::span(text)));
  }
  return print_table(report.measures, options.require);
}

}  // namespace
}  // namespace espalier::quality

int main(int argc, char** argv) {
  CLI::App app("Generates from the images of held-out objects and scores the results against the objects.", "espalier-quality");
  espalier::quality::Options options;
  app.add_option("--checkpoint", options.checkpoint, "folder of the checkpoint")->capture_default_str();
  app.add_option("--set", options.set, "the objects, as training/held_out.py writes them")->capture_default_str();
  app.add_option("--objects", options.objects, "how many of them")->capture_default_str();
  app.add_option("--first", options.first, "the first one")->capture_default_str();
  app.add_option("--seed", options.seed, "seed of the noise")->capture_default_str();
  app.add_option("--device", options.device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--precision", options.precision, "auto, full or half")
      ->check(CLI::IsMember({"auto", "full", "half"}))
      ->capture_default_str();
  app.add_option("--folder", options.folder, "where the images go")->capture_default_str();
  app.add_option("--json", options.json, "also write all figures to this file");
  app.add_option("--require", options.require, "KEY=BAR: exit with 1 if these bars are missed, instead of the project's own");
  CLI11_PARSE(app, argc, argv);
  try {
    return espalier::quality::run(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "espalier-quality: %s\n", e.what());
    return 2;
  }
}
